"""What `p2phd-eval train` does, called from Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import p2phd_eval
from p2phd_eval.errors import InputError
from p2phd_eval.presets import PRESETS
from p2phd_eval.runs.training_run import dry_run
from p2phd_eval.scenes.data_set import write_dataset
from tests.commands.command_line import TRAIN_OPTIONS, invoke

TINY: dict[str, Any] = {
    **{"load_size": 64, "ngf": 4, "n_downsample": 2, "n_blocks": 1, "ndf": 4},
    **{"batch_size": 2, "epochs": 1, "epochs_decay": 1, "vgg": "none"},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("training_run") / "scenes"
    write_dataset(root, n_train=4, n_test=2, width=64, height=32)
    return root


def test_a_call_and_the_command_make_the_same_run(data: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    result = p2phd_eval.train(str(data), tmp_path / "python", amp=True, device="cpu", note=notes.append, **TINY)
    assert (result.step, result.total_steps, result.stopped_by, result.device) == (4, 4, None, "cpu")
    assert notes[0] == f"device: cpu, precision: amp-bf16, run folder: {tmp_path / 'python'}"
    command = ("train", data, "--out", tmp_path / "command", "--amp", "--device", "cpu", *TRAIN_OPTIONS)
    assert invoke(*command).exit_code == 0
    stored = (tmp_path / "python/config.json").read_bytes()
    assert stored == (tmp_path / "command/config.json").read_bytes()
    assert json.loads(stored) == result.config.to_dict()
    latest = "checkpoints/latest.pt"
    assert (tmp_path / "python" / latest).read_bytes() == (tmp_path / "command" / latest).read_bytes()
    samples = p2phd_eval.generate(tmp_path / "python", str(data), tmp_path / "samples", device="cpu")
    assert (samples.written, samples.manifest.sampling_precision) == (2, "fp32")
    # Shown in a few lines, although configuration and manifest are in them.
    assert repr(result).startswith("TrainResult: amp-bf16 on cpu\nDone: 4 steps, checkpoint ")
    assert repr(samples) == f"SampleResult: 2 images of 64 x 32 written to {tmp_path / 'samples'}, 0 kept from before."


def test_a_configuration_of_ones_own_stays_as_it_is(data: Path, tmp_path: Path) -> None:
    planned = dry_run(data, tmp_path, preset=PRESETS["demo"], device="cpu", label_nc=20)
    assert planned.config.data.label_nc == 20  # whatever classes.json says
    assert planned.config.lr == PRESETS["demo"].lr
    assert planned.n_samples == 4
    assert list(tmp_path.iterdir()) == []


def test_settings_that_no_training_has(data: Path, tmp_path: Path) -> None:
    for given, message in (
        ({"amp": True, "precision": "fp32"}, "--amp: expected --amp or --precision, found both"),
        ({"vgg": "untrained"}, "found weights for timing alone"),
        ({"epoch": 3}, "found 'epoch'"),
        ({**TINY, "validate_every": 1, "validation_phase": "train", "feature_weights": "none.pth"}, "none.pth"),
    ):
        with pytest.raises(InputError, match=message):
            p2phd_eval.train(data, tmp_path / "run", device="cpu", **given)  # type: ignore[arg-type]
