"""A report is made of what the study recorded; what was changed since is named."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.progress import silent
from p2phd_eval.report.documents.arm_documents import CommandArm
from p2phd_eval.study.artefacts import record
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.plan_study import plan_study
from p2phd_eval.study.run_files import trained_path
from p2phd_eval.study.study_plan import StudyPlan, load_plan
from p2phd_eval.study.unaltered import require_unaltered
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


def test_what_came_beside_the_weights_of_a_command_is_no_change(tmp_path: Path) -> None:
    """Some commands that generate note their options beside the weights, which once kept a report from being made."""
    arm = CommandArm(train=("train", "{run}"), generate=("generate", "{run}", "{out}"), folder="/")
    plan = StudyPlan(
        data="", data_sha256="", base=None, arms=("a", "b"), seeds=(0,), made_by={"a": arm, "b": arm}, repeat=False
    )
    outcomes = {run.name: Outcome(status="finished") for run in plan.runs}
    path = trained_path(tmp_path, plan, plan.runs[0])
    assert path is not None
    path.mkdir(parents=True)
    (path / "weights").write_text("trained")
    record(tmp_path, f"{plan.runs[0].name}/train", {}, path, 1.0, files_may_come=True)
    (path / "options.txt").write_text("generated")
    require_unaltered(tmp_path, plan, outcomes, progress=silent)
    (path / "weights").write_text("changed")
    with pytest.raises(InputError, match="found another content"):
        require_unaltered(tmp_path, plan, outcomes, progress=silent)


def test_comparisons_of_earlier_features_are_not_reported(finished_study: Path, tmp_path: Path) -> None:
    study = Path(shutil.copytree(finished_study, tmp_path / "study"))
    path = study / "records/comparisons.json"
    recorded = json.loads(path.read_text())
    recorded["inputs"]["fp32-s0@fp32"] = "0" * 64
    path.write_text(json.dumps(recorded))
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
    with pytest.raises(InputError, match=rf"nothing there\.\nPut it back; .*: p2phd-eval study DATA --out {study}"):
        write_report(study)
    with pytest.raises(InputError, match=rf"study, data: .*nothing there\.\nPut it back; .* DATA --out {study}"):
        plan_study(out=study, device="cpu")
