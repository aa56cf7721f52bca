"""Fieller's interval of a ratio of means: against its quadratic, and where nothing varies."""

import math

import numpy as np
import pytest
from scipy import stats

from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.errors.image_means import EstimatedMean, fixed_runs_mean
from p2phd_eval.stats.errors.ratios import MeanOf, Values, ratio_of_means


def without_skewness(n: int) -> MeanOf:
    def mean_of(table: Values) -> EstimatedMean:
        found = fixed_runs_mean(table, SamplingDesign.independent([n]))
        return EstimatedMean(value=found.value, error=found.error, skewness=0.0)

    return mean_of


def test_it_is_fiellers() -> None:
    """Of normal means: the roots r of (a - r b)^2 = t^2 (v_aa - 2 r v_ab + r^2 v_bb)."""
    rng = np.random.default_rng(0)
    above, below = rng.normal(2, 1, (1, 400)), rng.normal(3, 1, (1, 400))
    found = ratio_of_means(above, below, without_skewness(400), 0.95)
    a, b = above.mean(), below.mean()
    error = fixed_runs_mean(above - a / b * below, SamplingDesign.independent([400])).error
    covariance = np.cov(above[0], below[0]) / 400
    t = stats.t.ppf(0.975, error.df)
    roots = np.roots(
        [b**2 - t**2 * covariance[1, 1], -2 * (a * b - t**2 * covariance[0, 1]), a**2 - t**2 * covariance[0, 0]]
    )
    assert found is not None
    assert found.value == pytest.approx(a / b)
    # Its degrees of freedom are those of each contrast's own tails.
    assert found.interval == pytest.approx(sorted(roots), rel=2e-3)


def test_one_ratio_in_every_image_is_known_exactly() -> None:
    """The contrast is 0 but for rounding, which once had no sign for the search of the ends to begin with."""
    rng = np.random.default_rng(0)
    for n in (2, 3, 10):
        for below in (rng.random((50, 1, n)), rng.random((50, 1, 1)) * np.ones((1, n))):
            for each, ratio in zip(below, rng.random(50), strict=True):
                found = ratio_of_means(ratio * each, each, without_skewness(n), 0.95)
                assert found is not None
                assert (found.value, *found.interval) == pytest.approx((ratio,) * 3)


def test_what_the_data_do_not_bound() -> None:
    below = np.array([[-1.0, 1.5, 0.2, -0.4]])
    found = ratio_of_means(np.array([[1.0, -1.0, 2.0, 3.0]]), below, without_skewness(4), 0.95)
    assert found is not None
    assert found.interval == (-math.inf, math.inf)
    assert ratio_of_means(below, -below, without_skewness(4), 0.95) is None
