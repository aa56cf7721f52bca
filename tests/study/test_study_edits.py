"""Edits as a part of a study: which runs are compared, and what is refused before anything is trained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from msgspec import UNSET, structs

from p2phd_eval.config import FeatureConfig
from p2phd_eval.editing.random_edits import random_edits
from p2phd_eval.errors import InputError
from p2phd_eval.files import json_text
from p2phd_eval.progress import silent
from p2phd_eval.report.documents.document import read_document
from p2phd_eval.report.documents.edit_documents import EditCompareDocument
from p2phd_eval.report.documents.study_documents import ReportDocument
from p2phd_eval.report.page.markdown import render_markdown
from p2phd_eval.report.page.report_page import render_page
from p2phd_eval.report.tables.study_tables import study_table
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.run_job import run_folder
from p2phd_eval.study.study_edits import arms_of_edits, edits_of_study, require_script
from p2phd_eval.study.study_plan import StudyPlan, load_plan, save_plan
from tests.documentation import DOCS, checked
from tests.editing.trained_arms import TINY, train_run

KINDS = ("label", "object", "stroke", "remove", "move")  # without styles, since the runs have no encoder


@pytest.fixture(scope="module")
def plan(edited_scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> StudyPlan:
    script = tmp_path_factory.mktemp("script") / "edits.json"
    random_edits(edited_scenes / "data", script, per_image=2, seed=1, kinds=KINDS)
    return StudyPlan(
        data=str(edited_scenes / "data"),
        data_sha256="0" * 64,
        base=replace(TINY, features=FeatureConfig()),
        arms=("fp32", "amp-bf16", "bf16"),
        seeds=(0, 1),
        edits=str(script),
    )


def outcomes(plan: StudyPlan, *failed: str) -> dict[str, Outcome]:
    return {run.name: Outcome(status="diverged" if run.name in failed else "finished") for run in plan.runs}


def test_runs_of_common_seeds_are_compared(plan: StudyPlan, tmp_path: Path) -> None:
    def found(*failed: str) -> dict[str, list[str]]:
        arms = arms_of_edits(tmp_path, plan, outcomes(plan, *failed))
        return {arm.name: [folder.name for folder in arm.folders] for arm in arms}

    assert found() == {arm: [f"{arm}-s0", f"{arm}-s1"] for arm in plan.arms}
    assert found("bf16-s0") == {arm: [f"{arm}-s1"] for arm in plan.arms}
    assert found("bf16-s0", "bf16-s1") == {arm: [f"{arm}-s0", f"{arm}-s1"] for arm in plan.arms[:2]}
    assert found("fp32-s0", "fp32-s1") == {}
    assert found("fp32-s0", "amp-bf16-s1", "bf16-s1") == {}


def test_the_plan_remembers_the_script(plan: StudyPlan, tmp_path: Path) -> None:
    save_plan(tmp_path, plan)
    assert load_plan(tmp_path) == plan


def test_scripts_that_the_runs_cannot_do_are_refused(plan: StudyPlan, edited_scenes: Path, tmp_path: Path) -> None:
    require_script(plan, silent)
    styled = replace(plan, edits=str(edited_scenes / "edits.json"))
    with pytest.raises(InputError, match="--edits: expected a run with a feature encoder"):
        require_script(styled, silent)
    document = json.loads(Path(plan.edits or "").read_text())
    for change, message in (
        ({"phase": "train"}, "whose maps a study compares"),
        ({"data_sha256": "0" * 64}, "a script of"),
    ):
        (tmp_path / "edits.json").write_text(json.dumps(document | change))
        with pytest.raises(InputError, match=message):
            require_script(replace(plan, edits=str(tmp_path / "edits.json")), silent)


def test_edits_become_a_part_of_the_report(plan: StudyPlan, tmp_path: Path) -> None:
    two = replace(plan, arms=("fp32", "amp-bf16"), repeat=False)
    for run in two.runs:
        train_run(two.config(run), Path(two.data), run_folder(tmp_path, run))
    arms = arms_of_edits(tmp_path, two, outcomes(two))
    document = edits_of_study(tmp_path, two, arms, None, torch.device("cpu"), progress=silent)
    checked(json.loads(json_text(document.to_builtins())))
    assert [run.folder for run in document.arms[0].runs] == ["runs/fp32-s0", "runs/fp32-s1"]
    assert read_document(tmp_path / "edits" / "comparison.json", EditCompareDocument) == document

    # A report of another study, whose images are elsewhere: what it says of edits is what counts here.
    report = structs.replace(
        read_document(DOCS / "studies" / "camvid" / "report.json", ReportDocument), edits=document, runs=()
    )
    page, text = render_page(report, tmp_path), render_markdown(report)
    assert any(note.startswith("Edited maps: amp-bf16: ") for note in study_table(report).notes)
    assert '<section id="edits">' in page
    assert "data:image/" in page
    for sentence in (page, text):
        assert "editing" in sentence
    assert '<section id="edits">' not in render_page(structs.replace(report, edits=UNSET), tmp_path)
