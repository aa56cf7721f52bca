"""`train` as a user types it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from p2phd_eval.images.png import write_png
from tests.commands.command_line import TRAIN_OPTIONS, error_of, invoke


def test_training_says_device_and_precision_and_writes_its_result(scenes: Path, tmp_path: Path) -> None:
    target = tmp_path / "train.json"
    result = invoke(
        "train", scenes, "--out", tmp_path / "run", "--amp", "--device", "cpu", "--json", target, *TRAIN_OPTIONS
    )
    assert result.exit_code == 0, result.output
    assert "device: cpu, precision: amp-bf16" in result.stderr
    assert "A CPU shows the quality of reduced precision" in result.stderr
    document = json.loads(target.read_text())
    assert (document["schema"], document["schema_version"]) == ("p2phd-eval/train", 3)
    assert document["step"] == document["total_steps"] == 4
    assert document["config"]["data"]["label_nc"] == 12  # of classes.json
    assert document["config"]["data"]["instances"] is True


def test_label_40_with_35_classes(scenes: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(scenes, tmp_path / "data"))
    for path in (data / "train_label").iterdir():
        write_png(path, np.full((32, 64), 40, dtype=np.uint8))
    arguments = ("train", data, "--label-nc", 35, "--out", tmp_path / "run", "--device", "cpu", *TRAIN_OPTIONS)
    message = error_of(invoke(*arguments))
    assert "expected labels 0 to 34 (35 classes), found label 40" in message
    result = invoke("data", "validate", data, "--label-nc", 35)
    assert result.exit_code == 2
    assert result.stderr.count("found label 40") == 4


def test_unknown_device_and_precision(scenes: Path, tmp_path: Path) -> None:
    message = error_of(invoke("train", scenes, "--out", tmp_path / "run", "--device", "gpu0"))
    assert "--device gpu0: expected a torch device of this machine" in message
    message = error_of(invoke("train", scenes, "--out", tmp_path / "run", "--precision", "fp8", *TRAIN_OPTIONS))
    assert "expected fp64 | fp32 | tf32 | amp-fp16" in message
    assert "found 'fp8'" in message
    message = error_of(invoke("train", scenes, "--out", tmp_path / "run", "--precision", "fp32", "--amp"))
    assert "--amp: expected --amp or --precision, found both" in message


def test_resuming_another_configuration(scenes: Path, runs: Path) -> None:
    arguments = ("train", scenes, "--out", runs / "fp32", "--resume", "--device", "cpu", *TRAIN_OPTIONS)
    assert "config key 'lr': expected 0.0002 as the run began, found 0.1" in error_of(invoke(*arguments, "--lr", 0.1))
