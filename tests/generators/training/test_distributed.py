"""Real processes, as torchrun starts them, over gloo on the CPU."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from p2phd_eval.config import ExecutionConfig, FeatureConfig, GeneratorConfig, TrainConfig
from p2phd_eval.distributed import Ranks, local_device, ranks_from_environment
from p2phd_eval.errors import InputError
from p2phd_eval.generators.checkpoint import load_checkpoint
from p2phd_eval.generators.training.loop import _places, train_networks

CPU = torch.device("cpu")

# `train_networks` of the library under torchrun, one training after the other: configuration, data, run folder and
# whether to resume.
_TRAIN = """
import json, sys
from pathlib import Path
import torch
from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.distributed import ranks_from_environment
from p2phd_eval.generators.training.loop import train_networks

torch.set_num_threads(1)
device = torch.device("cpu")
try:
    with ranks_from_environment(device) as ranks:
        for config, data, out, resume in json.loads(sys.argv[1]):
            config = TrainConfig.from_dict(config)
            train_networks(config, Path(data), Path(out), device=device, ranks=ranks, resume=resume)
except InputError as error:
    print(f"rank error: {error}", file=sys.stderr, flush=True)
    sys.exit(2)
"""


def torchrun(n: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, check=False, env=environment, timeout=120
    )


@pytest.fixture(scope="module")
def config(tiny: TrainConfig) -> TrainConfig:
    """Ten steps in float64 on all parts at once: local enhancer, fixed at first, encoder, batches of 2."""
    return replace(
        tiny,
        generator=GeneratorConfig(kind="local", ngf=2, n_downsample=1, n_blocks=1, n_blocks_local=1),
        features=FeatureConfig(kind="instance", nef=2, n_downsample=2),
        precision="fp64",
        epochs=3,
        epochs_fix_global=2,
    )


def training(config: TrainConfig, data: Path, out: Path, *, resume: bool = False) -> tuple[object, ...]:
    """What the script takes."""
    return config.to_dict(), str(data), str(out), resume


@pytest.fixture(scope="module")
def ended(
    scenes: Path, config: TrainConfig, in_8_bits: TrainConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Runs of two ranks, one after the other under one torchrun, and how it ended.

    Whole, of an epoch, gone on from one rank, 8 bits; and at last of a photo that cannot be read.
    """
    folder = tmp_path_factory.mktemp("runs")
    shorter = replace(config, epochs=1)
    train_networks(shorter, scenes, folder / "more", device=CPU)
    data = Path(shutil.copytree(scenes, folder / "data"))
    # One photo is cut short: whichever rank draws it dies, in the middle of the run.
    broken = sorted((data / "train_img").iterdir())[2]
    broken.write_bytes(broken.read_bytes()[:100])
    trainings = (
        training(config, scenes, folder / "two"),
        training(shorter, scenes, folder / "fewer"),
        training(config, scenes, folder / "more", resume=True),
        training(in_8_bits, scenes, folder / "two in 8 bits"),
        training(config, data, folder / "broken"),
    )
    script = folder / "run.py"
    script.write_text(_TRAIN)
    return torchrun(2, script, json.dumps(trainings)), folder


@pytest.fixture(scope="module")
def runs(ended: tuple[subprocess.CompletedProcess[str], Path]) -> Path:
    """Those that came to their end."""
    process, folder = ended
    assert (folder / "broken").is_dir(), process.stderr  # the last one began
    return folder


@pytest.fixture(scope="module")
def in_8_bits(tiny: TrainConfig) -> TrainConfig:
    return replace(tiny, precision="amp-fp8", epochs=1, epochs_decay=0)


@pytest.fixture(scope="module")
def one(scenes: Path, config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one rank."""
    run = tmp_path_factory.mktemp("one") / "run"
    train_networks(config, scenes, run, device=CPU)
    return run


def largest_difference(a: Path, b: Path) -> float:
    networks = [load_checkpoint(run / "checkpoints/latest.pt").networks for run in (a, b)]
    assert {key: set(state) for key, state in networks[0].items()} == {
        key: set(state) for key, state in networks[1].items()
    }
    return max(
        (networks[0][name][key] - networks[1][name][key]).abs().max().item()
        for name in networks[0]
        for key in networks[0][name]
    )


def losses_of(run: Path) -> list[dict[str, float]]:
    return [json.loads(line)["losses"] for line in (run / "log.jsonl").read_text().splitlines()]


def test_two_ranks_give_the_parameters_of_one(one: Path, runs: Path) -> None:
    two = runs / "two"
    assert load_checkpoint(two / "checkpoints/latest.pt").step == 12
    assert largest_difference(one, two) < 1e-8
    assert len(losses_of(one)) == len(losses_of(two))  # the first rank alone writes
    for a, b in zip(losses_of(one), losses_of(two), strict=True):
        assert a == pytest.approx(b, rel=1e-9)


def test_accumulated_parts_give_the_parameters_of_whole_batches(
    scenes: Path, config: TrainConfig, one: Path, tmp_path: Path
) -> None:
    parts = replace(config, execution=ExecutionConfig(grad_accum=2))
    train_networks(parts, scenes, tmp_path / "parts", device=CPU)
    assert largest_difference(one, tmp_path / "parts") < 1e-8


def test_a_run_of_two_ranks_goes_on_with_one_and_the_other_way_round(
    scenes: Path, config: TrainConfig, runs: Path, tmp_path: Path
) -> None:
    fewer = Path(shutil.copytree(runs / "fewer", tmp_path / "fewer"))
    train_networks(config, scenes, fewer, device=CPU, resume=True)
    # Both changed the length of the schedule; the rate decays in the last epoch alone, which both have in common.
    assert largest_difference(fewer, runs / "more") < 1e-8


def test_ranks_share_the_scales_of_8_bits(scenes: Path, in_8_bits: TrainConfig, runs: Path, tmp_path: Path) -> None:
    """They follow from the largest magnitude on any rank, as if one had seen the whole batch."""
    train_networks(in_8_bits, scenes, tmp_path / "one", device=CPU)
    found = [
        load_checkpoint(run / "checkpoints/latest.pt").amax_history
        for run in (tmp_path / "one", runs / "two in 8 bits")
    ]
    assert found[0] is not None
    assert found[1] is not None
    first, first_step = "G.model.1.weight", 2  # steps ago; then all weights were still the same
    assert torch.equal(found[0][first][:2, first_step], found[1][first][:2, first_step])
    for name, history in found[0].items():
        torch.testing.assert_close(history[:2, first_step], found[1][name][:2, first_step], rtol=0.1, atol=0)


def test_each_sample_is_seen_once_an_epoch(tiny: TrainConfig) -> None:
    config = replace(tiny, batch_size=4)
    shares = [list(_places(12, config, 0, Ranks(rank=rank, size=2))) for rank in (0, 1)]
    for epoch in (1, 2, 3):
        seen = Counter(index for share in shares for batch in share for e, index in batch if e == epoch)
        assert seen == Counter(range(12))
    one = list(_places(12, config, 0, Ranks()))
    assert [a + b for a, b in zip(*shares, strict=True)] == one
    assert list(_places(12, config, 4, Ranks())) == one[4:]  # resumed in the middle of an epoch


def test_a_rank_that_dies_ends_the_others_with_its_error(ended: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    process, folder = ended
    broken = sorted((folder / "data/train_img").iterdir())[2]
    assert process.returncode != 0
    assert f"{broken}: expected a readable image" in process.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 3}, "--batch-size: expected a multiple of 2 ranks x 1 parts (--grad-accum), found 3"),
        ({"batch_size": 8}, "expected at least one batch of 8 samples for 2 ranks, found 6 samples"),
    ],
)
@pytest.mark.parametrize("rank", [0, 1])
def test_batches_that_the_ranks_cannot_share(
    scenes: Path, config: TrainConfig, tmp_path: Path, change: dict[str, int], message: str, rank: int
) -> None:
    """Each rank finds it by itself, before it waits for another."""
    unshared = replace(config, **change)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=re.escape(message)):
        train_networks(unshared, scenes, tmp_path / "run", device=CPU, ranks=Ranks(rank=rank, size=2))
    assert not (tmp_path / "run").exists()


def test_more_ranks_than_images(scenes: Path, tiny: TrainConfig, tmp_path: Path) -> None:
    config = replace(tiny, batch_size=8)
    with pytest.raises(InputError, match="at least one batch of 8 samples for 8 ranks, found 6 samples"):
        train_networks(config, scenes, tmp_path / "run", device=CPU, ranks=Ranks(rank=0, size=8))


def test_the_command_under_torchrun_prints_once_and_stops_on_a_signal(scenes: Path, tmp_path: Path) -> None:
    command = (
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "p2phd_eval", "train", str(scenes), "--out", str(tmp_path / "run"), "--device", "cpu"),
        *("--load-size", "64", "--ngf", "4", "--n-downsample", "2", "--n-blocks", "1", "--ndf", "4", "--vgg", "none"),
        *("--batch-size", "2", "--epochs", "100000", "--log-every", "1"),
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        log = tmp_path / "run/log.jsonl"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (log.exists() and log.read_text().count("\n") >= 5):
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert errors.count("device: cpu, 2 ranks, precision: fp32") == 1
    assert errors.count("Go on with the same command and --resume.") == 1
    step = load_checkpoint(tmp_path / "run/checkpoints/latest.pt").step
    assert step == json.loads(log.read_text().splitlines()[-1])["step"]


def test_variables_of_torchrun_that_are_there_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="environment variable RANK"), ranks_from_environment(CPU):
        pass


def test_alone_without_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with ranks_from_environment(CPU) as ranks:
        assert (ranks.rank, ranks.size, ranks.is_first, ranks.any(True), ranks.any(False)) == (0, 1, True, True, False)
        assert ranks.mean({"G": 2.0}) == {"G": 2.0}
    assert local_device(CPU) == CPU
