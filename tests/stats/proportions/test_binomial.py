"""Exact inference for a proportion: the interval against SciPy's, p-values and coverage by summing over outcomes."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.proportions.binomial import (
    binomial_equivalence_p,
    binomial_p,
    clopper_pearson,
    equivalence_power,
    half_width,
    more_failures_p,
    trials_for_equivalence,
    trials_for_precision,
)

COUNTS = [(0, 1), (1, 1), (0, 12), (3, 12), (6, 12), (12, 12), (41, 100), (530, 1000)]


@pytest.mark.parametrize(("successes", "trials"), COUNTS)
def test_the_interval_is_that_of_scipy(successes: int, trials: int) -> None:
    theirs = stats.binomtest(successes, trials, 0.5)
    for confidence in (0.9, 0.95, 0.99):
        interval = theirs.proportion_ci(confidence, method="exact")
        ours = clopper_pearson(successes, trials, confidence=confidence)
        assert ours == pytest.approx((interval.low, interval.high), abs=1e-10)


@pytest.mark.parametrize(("successes", "trials"), COUNTS)
def test_p_values_are_sums_over_outcomes(successes: int, trials: int) -> None:
    def chance(outcomes: Iterable[int], share: Fraction) -> float:
        return float(sum(comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in outcomes))

    fewer = min(successes, trials - successes)
    assert binomial_p(successes, trials) == pytest.approx(min(1, 2 * chance(range(fewer + 1), Fraction(1, 2))))
    lower = chance(range(successes, trials + 1), Fraction(2, 5))
    upper = chance(range(successes + 1), Fraction(3, 5))
    assert binomial_equivalence_p(successes, trials, 0.1) == pytest.approx((lower, upper), rel=1e-9)


@pytest.mark.parametrize("trials", [2, 7, 20, 60, 150])
def test_the_interval_covers_every_proportion_at_least_as_often_as_it_says(trials: int) -> None:
    successes = np.arange(trials + 1)
    for confidence in (0.9, 0.95):
        low, high = np.transpose([clopper_pearson(k, trials, confidence=confidence) for k in successes.tolist()])
        for proportion in np.linspace(0.01, 0.99, 99):
            covers = (low <= proportion) & (proportion <= high)
            assert stats.binom.pmf(successes[covers], trials, proportion).sum() >= confidence - 1e-12


@pytest.mark.parametrize("trials", [10, 70, 100, 227, 400])
@pytest.mark.parametrize("margin", [0.05, 0.1, 0.2])
def test_equivalence_is_shown_falsely_at_most_at_its_level(trials: int, margin: float) -> None:
    successes = np.arange(trials + 1)
    p = np.array([max(binomial_equivalence_p(k, trials, margin)) for k in successes.tolist()])
    shown = p < 0.05
    for proportion in (0.5 - margin, 0.5 + margin, 0.5 - 1.5 * margin):
        assert stats.binom.pmf(successes[shown], trials, proportion).sum() <= 0.05
    assert stats.binom.pmf(successes[shown], trials, 0.5).sum() == pytest.approx(equivalence_power(trials, margin))
    # The tests and the 90 % interval say the same.
    intervals = [clopper_pearson(k, trials, confidence=0.9) for k in successes.tolist()]
    assert [0.5 - margin < low and high < 0.5 + margin for low, high in intervals] == shown.tolist()


def test_the_p_value_of_one_half_keeps_its_level() -> None:
    for trials in (5, 6, 40, 101):
        successes = np.arange(trials + 1)
        p = np.array([binomial_p(k, trials) for k in successes.tolist()])
        for alpha in (0.01, 0.05, 0.3):
            assert stats.binom.pmf(successes[p <= alpha], trials, 0.5).sum() <= alpha


def test_the_number_of_trials_is_the_smallest_that_reaches_the_precision() -> None:
    for precision in (0.05, 0.1, 0.2, 0.35):
        trials = trials_for_precision(precision)
        assert half_width(trials) <= precision < half_width(trials - 1)
        # Whatever comes out.
        reaches = [np.ptp(clopper_pearson(k, trials)) / 2 for k in range(trials + 1)]
        assert max(reaches) <= precision * (1 + 1e-9)
    assert trials_for_precision(0.1, confidence=0.99) > trials_for_precision(0.1)


def test_more_trials_never_widen_the_widest_interval() -> None:
    """Bisection rests on it."""
    assert np.all(np.diff([half_width(trials) for trials in range(1, 300)]) < 0)


@pytest.mark.parametrize("margin", [0.1, 0.2])
def test_the_number_of_trials_for_equivalence_has_the_power(margin: float) -> None:
    trials = trials_for_equivalence(margin)
    assert equivalence_power(trials, margin) >= 0.8 > equivalence_power(trials - 1, margin)
    # By the normal approximation of both tests: n = (z_0.95 + z_0.9)^2 / (4 margin^2).
    normal = (stats.norm.ppf(0.95) + stats.norm.ppf(0.9)) ** 2 / (4 * margin**2)
    assert trials == pytest.approx(normal, rel=0.2)


def test_numbers_out_of_range_are_named() -> None:
    for call in (
        lambda: clopper_pearson(3, 2),
        lambda: clopper_pearson(0, 0),
        lambda: clopper_pearson(1, 2, confidence=1.0),
        lambda: binomial_p(-1, 4),
        lambda: binomial_equivalence_p(1, 2, 0.5),
        lambda: binomial_equivalence_p(1, 2, 0.0),
        lambda: trials_for_precision(0.0),
        lambda: trials_for_precision(float("nan")),
        lambda: trials_for_equivalence(0.7),
    ):
        with pytest.raises(InputError):
            call()


@pytest.mark.parametrize(("n", "failed"), [(3, 3), (4, 2), (6, 5)])
def test_fishers_p_is_that_of_counting(n: int, failed: int) -> None:
    """All `failed` failures among the candidate's `n`: one such way among those to choose them from 2n runs."""
    p = more_failures_p((0, n), (failed, n))
    assert p == pytest.approx(comb(n, failed) / comb(2 * n, failed))
