"""The whole chain in one call: train two arms, generate, compare, and go on after an interruption."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from p2phd_eval.config import DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig
from p2phd_eval.decoding import open_image
from p2phd_eval.generators.scenes import CLASSES, write_dataset
from p2phd_eval.stats.feature_set import FeatureSet
from p2phd_eval.stats.margins import absolute_margin
from p2phd_eval.study import Arm, StudyResult, run_study

BASE = TrainConfig(
    data=DataConfig(label_nc=len(CLASSES), load_size=64),
    generator=GeneratorConfig(ngf=4, n_downsample=2, n_blocks=1),
    discriminator=DiscriminatorConfig(ndf=4, n_layers=2),
    epochs=1,
    epochs_decay=1,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("study") / "data"
    write_dataset(root, n_train=3, n_test=4, width=64, height=32, seed=0)
    return root


@pytest.mark.usefixtures("inception_weights")
def test_arms_to_a_verdict_and_again_without_work(data: Path, tmp_path: Path) -> None:
    done: list[str] = []

    @contextmanager
    def progress(description: str, unit: str) -> Iterator[Callable[[int, int], None]]:
        yield lambda _done, _total: done.append(description)

    arms = (
        Arm(name="fp32", precision="fp32", seed=0),
        Arm(name="amp", precision="amp-bf16", seed=0),
        Arm(name="again", precision="fp32", seed=0),
    )

    def run() -> StudyResult:
        device = torch.device("cpu")
        return run_study(
            data,
            tmp_path / "out",
            BASE,
            arms,
            device=device,
            margin=absolute_margin(1000),
            weights=None,
            progress=progress,
        )

    first = run()
    assert [arm.training.step for arm in first.arms] == [6, 6, 6]
    assert [arm.samples.written for arm in first.arms] == [4, 4, 4]
    candidate, again = first.comparison.candidates
    # The same seed on a CPU: the same bits.
    assert (again.estimate, again.test.standard_error, again.decision.dfid) == (0.0, 0.0, 0.0)
    assert (candidate.name, first.comparison.n, first.comparison.pairing) == ("amp", 4, "triplets")
    # Four images cannot be quartered: KID is judged, and a margin of FID says nothing about it.
    assert (candidate.decision.statistic, candidate.decision.margin.value) == ("KID", None)
    # label, photo, two arms and their difference, 64 pixels wide each with 4 between
    assert open_image(first.picture).width == 5 * 68 + 4
    assert "train fp32" in done
    saved = [FeatureSet.load(tmp_path / "out/features" / f"{name}.npz") for name in ("real", "fp32", "amp")]
    assert [len(features) for features in saved] == [4, 4, 4]

    done.clear()
    second = run()
    assert [arm.samples.kept for arm in second.arms] == [4, 4, 4]
    assert not any(description.startswith(("train", "generate")) for description in done)
    assert second.comparison.candidates[0].decision.dfid == pytest.approx(candidate.decision.dfid, rel=1e-9)


@pytest.mark.usefixtures("inception_weights")
def test_the_demo_stops_on_sigterm_and_goes_on(tmp_path: Path) -> None:
    """A real process: it trains until the log appears, is told to stop, saves, and says how to go on."""
    command = [sys.executable, "-m", "p2phd_eval", "demo", "--out", str(tmp_path / "demo"), "--device", "cpu"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    log = tmp_path / "demo" / "fp32" / "log.jsonl"
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and not (log.exists() and log.stat().st_size):
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=100)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Go on with the same command" in stderr
    assert "A CPU emulates reduced precision" in stderr
    assert (tmp_path / "demo/fp32/checkpoints/latest.pt").exists()
