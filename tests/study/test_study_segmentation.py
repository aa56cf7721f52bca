"""The segmentation score as a part of a study: what is asked for, which runs are scored, and what the report says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from msgspec import UNSET, structs

from p2phd_eval.config import DataConfig, TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.files import json_text
from p2phd_eval.progress import silent
from p2phd_eval.report.documents.document import read_document
from p2phd_eval.report.documents.study_documents import ReportDocument
from p2phd_eval.report.page.markdown import render_markdown
from p2phd_eval.report.page.report_page import render_page
from p2phd_eval.report.tables.study_tables import study_table
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.plan_study import plan_study
from p2phd_eval.study.run_files import samples_folder
from p2phd_eval.study.study_plan import StudyPlan, load_plan, save_plan
from p2phd_eval.study.study_request import StudyRequest
from p2phd_eval.study.study_segmentation import (
    PICTURE,
    open_segmenter,
    require_segmenter,
    runs_of_segmentation,
    segmentation_of_study,
    study_segmenter,
)
from tests.documentation import DOCS, checked
from tests.segmentation.colour_scenes import VOID, write_samples, write_scenes

SEGMENTER = "tests.segmentation.colour_scenes:build"
CPU = torch.device("cpu")


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyPlan:
    monkeypatch.setenv("P2PHD_EVAL_CACHE", str(tmp_path / "cache"))
    return StudyPlan(
        data=str(write_scenes(tmp_path / "data")),
        data_sha256="0" * 64,
        base=TrainConfig(data=DataConfig(label_nc=4, instances=False)),
        arms=("fp32", "amp-bf16"),
        seeds=(0, 1, 2),
        margin="10%",
        segmenter=study_segmenter(SEGMENTER, None, None, [VOID]),
    )


def outcomes(plan: StudyPlan, *failed: str) -> dict[str, Outcome]:
    return {run.name: Outcome(status="diverged" if run.name in failed else "finished") for run in plan.runs}


def test_the_plan_keeps_who_segments(plan: StudyPlan, tmp_path: Path) -> None:
    require_segmenter(plan, CPU)
    save_plan(tmp_path, plan)
    assert load_plan(tmp_path) == plan
    (tmp_path / "own.pt").touch()
    asked = study_segmenter(str(tmp_path / "own.pt"), None, "map.toml", [])
    assert asked is not None
    assert asked.class_map == str(Path("map.toml").resolve())
    assert study_segmenter(None, None, None, ()) is None
    with pytest.raises(InputError, match="--ignore: expected --segmenter beside it"):
        study_segmenter(None, None, None, [255])
    with pytest.raises(InputError, match="a data set with label maps"):
        require_segmenter(replace(plan, base=None), CPU)


def test_a_study_of_images_goes_on_without_training_photos(plan: StudyPlan, tmp_path: Path) -> None:
    arms = tmp_path / "arms.toml"
    arms.write_text("".join(f'[[arm]]\nname = "{name}"\nimages = "{name}"\n' for name in ("a", "b")))
    for name in ("a", "b"):
        write_samples(Path(plan.data), tmp_path / name, 60)
    settings = {"label_nc": 4, "instances": False}
    request = StudyRequest(arms=arms, seeds=1, segmenter=SEGMENTER, ignore=[VOID], settings=settings)
    begun = plan_study(plan.data, tmp_path / "study", request, device="cpu")
    save_plan(tmp_path / "study", begun)
    assert plan_study(None, tmp_path / "study", device="cpu") == begun
    assert begun.segmenter == plan.segmenter


def test_runs_that_failed_are_left_out(plan: StudyPlan) -> None:
    found = runs_of_segmentation(plan, outcomes(plan, "amp-bf16-s1"))
    assert {arm: [run.seed for run in runs] for arm, runs in found.items()} == {"fp32": [0, 1, 2], "amp-bf16": [0, 2]}
    assert runs_of_segmentation(plan, outcomes(plan, *(f"fp32-s{seed}" for seed in range(3)))) == {}


def test_the_score_becomes_a_part_of_the_report(plan: StudyPlan, tmp_path: Path) -> None:
    runs = runs_of_segmentation(plan, outcomes(plan))
    for arm, own in runs.items():
        for run in own:
            write_samples(Path(plan.data), samples_folder(tmp_path, run, "fp32"), 60, seed=run.seed + len(arm))
    segmenter, _ = open_segmenter(plan, CPU)
    document = segmentation_of_study(tmp_path, plan, segmenter, runs, device=CPU, progress=silent)
    checked(json.loads(json_text(document.to_builtins())))
    assert (document.scope.value, document.images, len(document.arms[0].runs)) == ("B", 12, 3)
    assert document.arms[1].folders == tuple(f"runs/amp-bf16-s{seed}/samples/fp32" for seed in range(3))
    assert document.real is not None
    assert (tmp_path / "analysis" / PICTURE).is_file()
    # A margin in units of FID says nothing of a mean IoU.
    (judged,) = segmentation_of_study(
        tmp_path, replace(plan, margin="2.0"), segmenter, runs, device=CPU, progress=silent
    ).verdicts
    assert "baseline runs" in judged.margin_text

    # A report of another study, whose images are elsewhere: what it says of this score is what counts here.
    report = structs.replace(
        read_document(DOCS / "studies" / "camvid" / "report.json", ReportDocument), segmentation=document, runs=()
    )
    page, text = render_page(report, tmp_path), render_markdown(report)
    assert any(note.startswith("Segmentation: amp-bf16, the recipe (scope B): ") for note in study_table(report).notes)
    assert '<section id="segmentation">' in page
    assert 'id="segmentation-estimate-3-1"' in page
    for sentence in (page, text):
        assert "mean IoU" in sentence
    assert '<section id="segmentation">' not in render_page(structs.replace(report, segmentation=UNSET), tmp_path)
