"""Intervals of means of skewed values: theory, Student's and SciPy's beside them, p-values, invariances."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from p2phd_eval.stats.confidence import t_interval
from p2phd_eval.stats.design import StandardError
from p2phd_eval.stats.errors.skewness import skewed_interval, skewed_p, skewness_of_mean

ERROR = StandardError(value=0.3, df=12.0)


def interval_of(values: npt.NDArray[np.float64], confidence: float = 0.95) -> tuple[float, float]:
    error = StandardError(value=float(stats.sem(values)), df=len(values) - 1.0)
    return skewed_interval(float(values.mean()), error, skewness_of_mean(values - values.mean()), confidence)


def test_without_skewness_it_is_students() -> None:
    assert skewed_interval(1.2, ERROR, 0.0, 0.95) == t_interval(1.2, ERROR, 0.95)
    assert skewed_p(1.2, ERROR, 0.0) == pytest.approx(2 * stats.t.sf(4, 12))
    symmetric = np.array([-3.0, -1, 0, 1, 3])
    assert skewness_of_mean(symmetric) == 0


def test_the_skewness_of_a_mean_is_that_of_the_draws_over_the_root_of_their_number() -> None:
    values = np.random.default_rng(0).exponential(size=200_000)
    assert skewness_of_mean(values - values.mean()) * math.sqrt(200_000) == pytest.approx(2, rel=0.05)
    assert skewness_of_mean(values - values.mean()) == pytest.approx(stats.skew(values) / math.sqrt(200_000), rel=1e-4)


def test_the_long_side_reaches_farther_and_the_short_one_as_far_as_students() -> None:
    student = t_interval(1.2, ERROR, 0.95)
    low, high = skewed_interval(1.2, ERROR, 0.4, 0.95)
    assert (low, high > student[1] + 0.1) == (pytest.approx(student[0]), True)
    assert skewed_interval(-1.2, ERROR, -0.4, 0.95) == pytest.approx((-high, -low))


@pytest.mark.parametrize("skewness", [-3.6, -0.7, -0.1, 0.0, 0.2, 1.0, 3.6])
@pytest.mark.parametrize("confidence", [0.6, 0.95, 0.999])
def test_the_interval_excludes_zero_where_p_is_small(skewness: float, confidence: float) -> None:
    low, high = skewed_interval(0.0, ERROR, skewness, confidence)
    for edge in (low, high):
        assert skewed_p(-edge * 1.0001, ERROR, skewness) < 1 - confidence < skewed_p(-edge * 0.9999, ERROR, skewness)


def test_an_estimate_without_error_is_certain() -> None:
    exact = StandardError(value=0.0, df=3.0)
    assert skewed_interval(2.0, exact, 0.0, 0.95) == (2.0, 2.0)
    assert (skewed_p(2.0, exact, 0.0), skewed_p(0.0, exact, 0.0)) == (0.0, 1.0)
    assert skewness_of_mean(np.zeros(4)) == 0
    assert skewness_of_mean(np.array([-1.0, 1.0])) == 0


def test_units_order_and_sign_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    values = rng.lognormal(size=15)
    low, high = interval_of(values)
    assert interval_of(1e-9 * values[::-1]) == pytest.approx((1e-9 * low, 1e-9 * high))
    assert interval_of(values + 7) == pytest.approx((low + 7, high + 7))
    assert interval_of(-values) == pytest.approx((-high, -low))


def test_it_covers_where_students_and_scipys_bca_do_not() -> None:
    """Ten lognormal values: Student's interval covers 84 %, the bias-corrected accelerated bootstrap no more."""
    rng = np.random.default_rng(2)
    truth, repeats = math.exp(0.5), 800
    samples = rng.lognormal(size=(repeats, 10))
    ours = np.array([interval_of(sample) for sample in samples])
    bca = stats.bootstrap((samples[:200],), np.mean, axis=-1, n_resamples=999, rng=rng).confidence_interval
    student = stats.ttest_1samp(samples, 0, axis=-1).confidence_interval()
    covered = [np.mean((low <= truth) & (truth <= high)) for low, high in (ours.T, bca, student)]
    assert covered[0] > 0.93 - 3 * math.sqrt(0.93 * 0.07 / repeats)
    assert covered[0] > covered[1] + 0.04
    assert covered[0] > covered[2] + 0.06


def test_it_costs_little_where_values_are_normal() -> None:
    rng = np.random.default_rng(3)
    samples = rng.normal(size=(500, 20))
    widths = [np.subtract(*interval_of(sample)[::-1]) for sample in samples]
    student = 2 * stats.t.ppf(0.975, 19) * stats.sem(samples, axis=1)
    assert 1 <= np.mean(widths) / np.mean(student) < 1.08
