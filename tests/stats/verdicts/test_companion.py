"""The companion can take a claim back, and nothing else."""

import dataclasses
import functools
import itertools

import numpy as np
import pytest

from p2phd_eval.stats.design import StandardError
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.companion import companion_of
from p2phd_eval.stats.verdicts.compared_arms import compare_fid
from p2phd_eval.stats.verdicts.equivalence import FAVOURABLE, Verdict
from tests.stats.verdicts.measured import measured as measured_with

CERTAIN = StandardError(value=0.01, df=50.0)
measured = functools.partial(measured_with, error=CERTAIN)


def after(verdict, beside, *, margin=1.0, baseline=10.0, confidence=0.95):
    judged = measured(Estimand.FID_AT_N, 0.0)
    other = measured(Estimand.BLOCK_FID, beside, baseline=baseline)
    return companion_of(verdict, judged, margin, [judged, other], confidence=confidence)


@pytest.mark.parametrize("claim", [Verdict.WITHIN, Verdict.NEGLIGIBLE])
def test_equivalence_falls_where_the_companion_finds_more_than_its_share(claim):
    # The margin is a tenth of the judged baseline, so 0.2 of a companion whose baseline is 2.
    assert after(claim, 0.1, baseline=2).after is claim
    for sign in (1, -1):
        assert after(claim, sign * 0.3, baseline=2).after is Verdict.INCONCLUSIVE
    assert after(claim, 0.0).after is claim
    assert after(claim, 0.3, baseline=2).test.margin == pytest.approx(0.2)


def test_a_companion_without_a_share_vetoes_whatever_it_finds():
    assert after(Verdict.WITHIN, 0.3, baseline=-1).after is Verdict.INCONCLUSIVE
    assert after(Verdict.WITHIN, 0.001, baseline=-1).after is Verdict.WITHIN


def test_better_needs_a_companion_that_is_better_too():
    assert after(Verdict.BETTER, -2.0).after is Verdict.BETTER
    for estimate in (0.0, 2.0):
        assert after(Verdict.BETTER, estimate).after is Verdict.INCONCLUSIVE
    assert after(Verdict.BETTER, -2.0, margin=None).after is Verdict.BETTER
    # What is shown to be less than its share of the margin is not better.
    assert after(Verdict.BETTER, -0.1).after is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("confidence", [0.6, 0.9, 0.95, 0.999, 0.999999])
def test_more_confidence_does_not_silence_a_doubt(confidence):
    beside = 3 * CERTAIN.value  # p = 0.004; its share of the margin is next to nothing
    assert after(Verdict.WITHIN, beside, baseline=1e-6, confidence=confidence).after is Verdict.INCONCLUSIVE
    # Found at each confidence, and shown to lie inside its share at 95 % alone.
    wide = after(Verdict.WITHIN, 8 * CERTAIN.value, margin=10 * CERTAIN.value, confidence=confidence)
    assert wide.after is (Verdict.WITHIN if confidence < 0.99 else Verdict.INCONCLUSIVE)
    # "better" is a claim, and the companion's part of it is held to what is asked.
    expected = Verdict.BETTER if confidence < 0.99 else Verdict.INCONCLUSIVE
    assert after(Verdict.BETTER, -beside, baseline=1e-6, confidence=confidence).after is expected
    found = after(Verdict.WITHIN, beside, confidence=confidence)
    low, high = found.interval(confidence)
    assert (low + high) / 2 == pytest.approx(found.difference.estimate)
    assert (low < 0 < high) == (confidence > 0.996)


def test_the_verdict_never_becomes_more_favourable():
    estimates = np.linspace(-3, 3, 13)
    for verdict, estimate, margin in itertools.product(Verdict, estimates, (None, 1.0)):
        changed = after(verdict, estimate, margin=margin).after
        assert changed in (verdict, Verdict.INCONCLUSIVE)
        if verdict not in FAVOURABLE:
            assert changed is verdict


def test_the_first_that_is_not_refused_stands_beside():
    judged = measured(Estimand.FID_AT_N, 0.0)
    kernel, block = measured(Estimand.KID_RQ, 0.0), measured(Estimand.BLOCK_FID, 0.0)

    def beside(*others, of=judged):
        found = companion_of(Verdict.WITHIN, of, 1.0, [of, *others], confidence=0.95)
        return None if found is None else found.estimand

    assert beside(kernel, block) is Estimand.BLOCK_FID
    assert beside(kernel) is Estimand.KID_RQ
    alike = measured(Estimand.FID, 0.0, baseline_refusal="too few images")
    assert beside(alike, kernel, block) is Estimand.BLOCK_FID
    assert beside() is None
    assert beside(kernel, block, of=dataclasses.replace(judged, estimand=Estimand.FID)) is None
    assert beside(block, kernel, of=dataclasses.replace(judged, estimand=Estimand.KID)) is Estimand.KID_RQ


def test_less_diverse_images_are_not_called_better():
    rng = np.random.default_rng(0)
    n, d = 250, 128
    scene = rng.normal(size=(n, d))
    real = scene + rng.normal(size=(n, d))
    wide, narrow = (
        scale * (scene + rng.normal(size=(n, d))) for scale in (1.1, 0.9)
    )  # as far from the real ones in spread, to either side
    result = compare_fid(real, wide, narrow, margin="2%")
    assert result.test.verdict is Verdict.BETTER
    assert result.at_n.estimate < -5 * result.at_n.error.value
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.companion.objects
