"""Sentences say no more, and nothing else, than the numbers that they quote."""

import numpy as np
import pytest

from p2phd_eval.report.wording import companion_sentence, verdict_sentence
from p2phd_eval.stats.design import StandardError
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.companion import companion_of
from p2phd_eval.stats.verdicts.compared_arms import compare_fid
from p2phd_eval.stats.verdicts.equivalence import Verdict
from tests.stats.verdicts.measured import measured


def told(verdict: Verdict, beside: float, *, judged: Estimand = Estimand.FID_AT_N, margin: float | None = 1.0) -> str:
    """What is said of a companion that finds this difference, ± 0.02; its share of a margin of 1 is 1."""

    error = StandardError(value=0.01, df=1e6)
    found = [measured(judged, 0.0, error=error), measured(Estimand.KID_RQ, beside, error=error)]
    companion = companion_of(verdict, found[0], margin, found, confidence=0.95)
    assert companion is not None
    return companion_sentence(companion, judged, 50)


@pytest.mark.parametrize(
    ("verdict", "beside", "finding"),
    [
        (Verdict.BETTER, 0.0, "does not show the candidate to be better (95 % interval (-0.0196, +0.0196))"),
        (Verdict.BETTER, 2.0, "finds the candidate worse ("),
        (Verdict.BETTER, -0.1, "finds a difference smaller than its share of the margin, ±1.00 ("),
        (Verdict.WITHIN, 2.0, "finds the candidate worse ("),
        (Verdict.WITHIN, -2.0, "finds the candidate better ("),
        (Verdict.WORSE, 0.0, "finds no difference that is sure ("),
        (Verdict.WORSE, 0.1, "finds a difference smaller than its share of the margin, ±1.00 ("),
        (Verdict.WORSE, -2.0, "finds the opposite ("),
        (Verdict.INCONCLUSIVE, 2.0, "finds the candidate worse ("),
    ],
)
def test_the_companion_finds_what_its_interval_shows(verdict: Verdict, beside: float, finding: str) -> None:
    sentence = told(verdict, beside)
    assert f"KID (rational quadratic), which does not depend on the number of images, {finding}" in sentence
    changed = verdict in (Verdict.BETTER, Verdict.WITHIN)
    assert sentence.startswith("But the verdict is inconclusive: ") == changed


@pytest.mark.parametrize(
    ("verdict", "beside"), [(Verdict.BETTER, -2.0), (Verdict.WORSE, 2.0), (Verdict.WITHIN, 0.1), (Verdict.WITHIN, 0.0)]
)
def test_a_companion_that_agrees_says_nothing(verdict: Verdict, beside: float) -> None:
    assert told(verdict, beside) == ""


@pytest.mark.parametrize("verdict", [Verdict.BETTER, Verdict.WITHIN, Verdict.WORSE])
def test_beside_kid_nothing_is_said_of_the_fid(verdict: Verdict) -> None:
    sentence = told(verdict, -2.0 if verdict is not Verdict.BETTER else 2.0, judged=Estimand.KID)
    assert "KID (rational quadratic), which sees noise and spread, too, finds" in sentence
    assert "FID" not in sentence
    assert ("KID hardly sees noise" in sentence) == (verdict is not Verdict.WORSE)


def test_of_the_same_images_nothing_is_asked_that_would_decide_it() -> None:
    real, baseline = np.random.default_rng(0).normal(size=(2, 30, 4))
    sentence = verdict_sentence(compare_fid(real, baseline, baseline.copy()))
    assert sentence.endswith("Nothing differs at all: both give exactly the same.")
    assert "would decide it" not in sentence
