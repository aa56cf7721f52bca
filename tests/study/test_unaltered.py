"""A report is made of what the study recorded; what was changed since is named."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.study.study_plan import load_plan
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


def test_data_that_changed_are_named_before_what_could_be_made_again(finished_study: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(load_plan(finished_study).data, tmp_path / "data"))
    study = Path(shutil.copytree(finished_study, tmp_path / "study"))
    plan = json.loads((study / "study.json").read_text())
    (study / "study.json").write_text(json.dumps(plan | {"data": str(data)}))
    photo = min((data / "test_img").iterdir())
    photo.write_bytes(photo.read_bytes() + b" ")
    sample = min((study / "runs/fp32-s0/samples/fp32").glob("*.png"))
    sample.write_bytes(b"")
    with pytest.raises(InputError, match=rf"found 1 changed \(test_img/{photo.name}\)\.\nRestore them, and go on"):
        write_report(study)
    data.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=rf"no such folder\.\nPut it back; .*: p2phd-eval study DATA --out {study}"):
        write_report(study)
