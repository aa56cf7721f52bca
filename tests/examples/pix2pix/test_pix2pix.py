"""pix2pix in a hundred lines: a study of it from its arms file, and what its images depend on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.examples.written import copy_example
from tests.finished_study import run_study


@pytest.mark.usefixtures("inception_weights")
def test_a_study_trains_it_in_both_precisions(study_data: Path, tmp_path: Path) -> None:
    arms = copy_example("pix2pix", tmp_path / "code", arms=("fp32", "bf16"))
    arms.write_text(arms.read_text().replace('"500", "--width", "16"', '"2", "--width", "4"'))
    study = tmp_path / "study"
    options = ("--seeds", "1", "--out", study, "--no-repeat", "--margin", "10%")
    run_study(study_data, "--arms", arms, *options, folder=tmp_path)
    report = json.loads((study / "report.json").read_text())
    assert {run["name"]: run["status"] for run in report["runs"]} == {"fp32-s0": "finished", "bf16-s0": "finished"}
    (verdict,) = report["verdicts"]
    assert verdict["arm"] == "bf16"
    states = []
    for name in ("fp32-s0", "bf16-s0"):
        assert len(list((study / "runs" / name / "samples" / "own").glob("*.png"))) == 8
        saved = torch.load(study / "runs" / name / "trained" / "generator.pt", weights_only=True)
        assert saved["shape"] == {"classes": 12, "width": 4, "depth": 5}
        states.append(torch.cat([weights.double().flatten() for weights in saved["weights"].values()]))
    # Both began at the same weights, of which the steps in bfloat16 led elsewhere, and not far.
    apart = (states[0] - states[1]).abs()
    assert 0 < apart.mean() < 0.01
