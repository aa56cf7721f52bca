"""What a study takes, at a pace of round numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2phd_eval.report.documents.bench_documents import BenchDocument
from p2phd_eval.report.documents.document import read_document
from p2phd_eval.report.documents.study_documents import PaceDocument
from p2phd_eval.study.effort import Effort, effort, step_seconds
from p2phd_eval.study.study_plan import PlannedRun, load_plan

PACE = PaceDocument(start=100.0, generate={"fp32": 1.0, "amp-bf16": 2.0}, features=10.0, comparison=5.0, quality=0.5)


@pytest.fixture
def measured(finished_study: Path) -> BenchDocument:
    return read_document(finished_study / "analysis" / "bench.json", BenchDocument)


def of(study: Path, plan_of: Path, measured: BenchDocument, left: list[PlannedRun], at_once: int = 1) -> Effort:
    return effort(study, load_plan(plan_of), measured, PACE, left=left, at_once=at_once)


def test_every_stage_counts(finished_study: Path, tmp_path: Path, measured: BenchDocument) -> None:
    """Two arms, two seeds and the repeat, which generates in fp32 alone; 8 test images."""
    runs = list(load_plan(finished_study).runs)
    found = of(tmp_path, finished_study, measured, runs)
    steps = step_seconds(load_plan(finished_study), measured)
    assert found.train == {arm: 12 * seconds for arm, seconds in steps.items() if seconds is not None}
    assert found.seconds == {
        "training": pytest.approx(sum(found.train[run.arm] or 0 for run in runs)),
        "FID over epochs": 0,
        "generation": 8 * (4 * 3 + 1),
        "features": 8 * 9 * 10,
        "starting": 5 * 100,
        # The photos' features; 4 sets by training, 8 by generation, 2 of the repeat; 12 pairs image by image: 5 with
        # the photos, 1 of the baseline's seeds, 2 of one seed in both arms, 1 of the repeat.
        "comparison and report": 100 + 8 * 10 + (4 + 8 + 2) * 5 + 8 * 9 * 0.5,
    }


def test_what_is_done_does_not_count(finished_study: Path, tmp_path: Path, measured: BenchDocument) -> None:
    """A run that is trained, but has no images; photos whose features are there; and nothing at all."""
    (run, *_) = load_plan(finished_study).runs
    one = of(tmp_path, finished_study, measured, [run]).seconds
    trained = of(finished_study, finished_study, measured, [run]).seconds
    assert one is not None and trained is not None
    assert trained == {**one, "training": 0, "comparison and report": one["comparison and report"] - 8 * 10}
    assert effort(tmp_path, load_plan(finished_study), measured, None, left=[], at_once=1).seconds == {}


def test_runs_side_by_side_take_as_long_as_the_longest(
    finished_study: Path, tmp_path: Path, measured: BenchDocument
) -> None:
    runs = list(load_plan(finished_study).runs)
    whole, half, each = (
        sum(seconds for stage, seconds in found.items() if stage != "comparison and report")
        for at_once in (1, 2, 9)
        if (found := of(tmp_path, finished_study, measured, runs, at_once).seconds) is not None
    )
    longest = of(tmp_path, finished_study, measured, [runs[1]]).seconds
    assert half == pytest.approx(whole / 2)
    assert longest is not None
    assert each >= sum(longest.values()) - longest["comparison and report"] > whole / 9


def test_an_arm_that_does_not_fit_makes_the_time_unknown(
    finished_study: Path, tmp_path: Path, measured: BenchDocument
) -> None:
    plan = load_plan(finished_study)
    assert effort(tmp_path, plan, measured, None, left=plan.runs, at_once=1).seconds is None
