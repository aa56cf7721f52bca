"""What failed runs do to a verdict."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from p2phd_eval.config import TrainConfig
from p2phd_eval.report.documents.comparison_documents import CompareDocument
from p2phd_eval.report.documents.study_documents import ComparisonsDocument
from p2phd_eval.study.outcome import Outcome, killed, load_outcome, save_outcome
from p2phd_eval.study.study_plan import StudyPlan
from p2phd_eval.study.verdicts import arm_verdicts
from tests.report.compared import compared

DONE, FAILED = Outcome(status="finished"), Outcome(status="diverged", why="loss G_GAN at step 7: nan")


def plan(seeds: int) -> StudyPlan:
    return StudyPlan(
        data="d",
        data_sha256="0",
        base=TrainConfig(),
        arms=("fp32", "amp-fp16"),
        seeds=tuple(range(seeds)),
        repeat=False,
    )


def outcomes(study: StudyPlan, failed: dict[str, int]) -> dict[str, Outcome]:
    return {run.name: FAILED if run.seed < failed.get(run.arm, 0) else DONE for run in study.runs}


def training(verdict: str) -> CompareDocument:
    values = compared("amp-fp16", verdict=verdict, sentence=f"amp-fp16, scope B: {verdict}.")
    values["candidates"][0]["test"]["interval"] = [-0.5, 0.7]
    return msgspec.convert(values, CompareDocument)


def of(document: CompareDocument | None) -> ComparisonsDocument:
    return ComparisonsDocument(training=document, sampling=(), repeat=None)


@pytest.mark.parametrize("verdict", ["within", "negligible", "better", "worse", "inconclusive"])
@pytest.mark.parametrize("failed", [{}, {"fp32": 1}, {"fp32": 1, "amp-fp16": 1}])
def test_without_more_failures_than_the_baseline_the_comparison_stands(verdict: str, failed: dict[str, int]) -> None:
    study = plan(3)
    (found,) = arm_verdicts(study, outcomes(study, failed), of(training(verdict)))
    assert (found.verdict, found.why_changed) == (verdict, None)
    assert (found.failed, found.runs) == (failed.get("amp-fp16", 0), 3)
    assert found.interval == (-0.5, 0.7)


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        ("within", "inconclusive"),
        ("negligible", "inconclusive"),
        ("better", "inconclusive"),
        ("worse", "worse"),
        ("inconclusive", "inconclusive"),
    ],
)
def test_more_failures_than_the_baseline_take_a_favourable_verdict_away(verdict: str, expected: str) -> None:
    study = plan(3)
    (found,) = arm_verdicts(study, outcomes(study, {"amp-fp16": 1}), of(training(verdict)))
    assert found.verdict == expected
    if verdict == expected:
        assert found.why_changed is None
    else:
        assert "1 of its 3 runs failed, of fp32 0 of 3" in found.why_changed
    assert "1 of 3 runs failed (diverged)" in found.sentence


def test_failures_that_cannot_be_chance_are_worse() -> None:
    study = plan(6)
    (found,) = arm_verdicts(study, outcomes(study, {"amp-fp16": 5}), of(training("within")))
    assert found.verdict == "worse"


def test_no_run_left_is_worse_and_no_baseline_decides_nothing() -> None:
    study = plan(2)
    (found,) = arm_verdicts(study, outcomes(study, {"amp-fp16": 2}), of(None))
    assert (found.verdict, found.estimate, found.interval) == ("worse", None, None)
    assert "none of its 2 runs finished" in found.sentence
    (found,) = arm_verdicts(study, outcomes(study, {"fp32": 2}), of(None))
    assert found.verdict == "inconclusive"


def test_an_outcome_survives_its_file(tmp_path: Any) -> None:
    assert load_outcome(tmp_path) is None
    outcome = killed(9)
    assert outcome.status == "killed"
    assert "SIGKILL" in str(outcome.why)
    assert outcome.failed
    save_outcome(tmp_path, outcome)
    assert load_outcome(tmp_path) == outcome
