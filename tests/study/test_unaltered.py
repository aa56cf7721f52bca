"""A report is made of what the study recorded; what was changed since is named."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.study.write_report import write_report


def test_a_changed_artefact_is_named_and_nothing_is_reported(finished_study: Path, tmp_path: Path) -> None:
    study = Path(shutil.copytree(finished_study, tmp_path / "study"))
    report = (study / "report.json").read_bytes()
    sample = min((study / "runs/fp32-s0/samples/fp32").glob("*.png"))
    altered = {
        study / "analysis/comparisons.json": "Restore it, or make it again: p2phd-eval study --out",
        study / "features/fp32-s0@fp32.npz": "make it again",
        sample: "make it again",
        study / "runs/fp32-s0/checkpoints/latest.pt": f"delete {study / 'runs/fp32-s0'}, and the run is made again",
    }
    for path, fix in altered.items():
        before = path.read_bytes()
        path.write_bytes(before + b" ")
        named = sample.parent if path == sample else path
        with pytest.raises(InputError, match=rf"^{re.escape(str(named))}: .* found another content\.\n.*{fix}"):
            write_report(study)
        path.write_bytes(before)
    assert (study / "report.json").read_bytes() == report
    write_report(study)


def test_comparisons_of_earlier_features_are_not_reported(finished_study: Path, tmp_path: Path) -> None:
    study = Path(shutil.copytree(finished_study, tmp_path / "study"))
    path = study / "records/comparisons.json"
    record = json.loads(path.read_text())
    record["inputs"]["fp32-s0@fp32"] = "0" * 64
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"comparisons\.json: .*fp32-s0/features-fp32 was made again since"):
        write_report(study)
