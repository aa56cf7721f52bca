"""The diffusers pipeline: trained, then a study of it from its arms file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.images.decoding import read_rgb
from tests.examples.written import copy_example
from tests.finished_study import run_study


@pytest.mark.usefixtures("inception_weights")
def test_a_study_of_a_trained_pipeline(study_data: Path, tmp_path: Path) -> None:
    arms = copy_example("diffusers", tmp_path / "code", arms=("fp32", "int8"))
    arms.write_text(arms.read_text().replace('"{device}"', '"{device}", "--steps", "2"'))
    size = ("--steps", "2", "--batch-size", "2", "--channels", "8", "16")
    train = [sys.executable, "train.py", "--data", study_data, "--out", "model", *size]
    subprocess.run(train, cwd=arms.parent, check=True, capture_output=True)
    study = tmp_path / "study"
    options = ("--seeds", "1", "--out", study, "--no-repeat", "--margin", "10%")
    run_study(study_data, "--arms", arms, *options, folder=tmp_path)
    report = json.loads((study / "report.json").read_text())
    assert {run["status"] for run in report["runs"]} == {"finished"}
    (verdict,) = report["verdicts"]
    assert (verdict["arm"], verdict["scope"]) == ("int8", "A")
    images = {arm: pixels(study / "runs" / f"{arm}-s0" / "samples" / "own") for arm in ("fp32", "int8")}
    assert images["fp32"].shape == (8, 32, 64, 3)
    int8 = np.abs(images["fp32"] - images["int8"])
    others = np.abs(images["fp32"] - np.roll(images["fp32"], 1, axis=0))
    assert 0 < int8.mean() < others.mean() / 4


def pixels(folder: Path) -> np.ndarray:
    return np.stack([read_rgb(path).astype(int) for path in sorted(folder.glob("*.png"))])
