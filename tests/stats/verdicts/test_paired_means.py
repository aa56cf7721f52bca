"""Means over images and paired differences: t tests, textbook cluster errors, coverage, and invariances.

That their intervals hold for skewed values is tested where they are made, in `tests/stats/errors/test_skewness.py`.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.verdicts.paired_means import image_mean, mean_difference
from p2phd_eval.stats.verdicts.scope import Scope


def test_one_run_an_arm_is_a_paired_t_test():
    # Uniform differences: their tails are light, so the degrees of freedom are the n - 1 of the textbook. They are
    # symmetric, so there is no skewness to widen the interval for.
    rng = np.random.default_rng(0)
    baseline = rng.uniform(size=30)
    steps = rng.uniform(-0.1, 0.1, size=15)
    candidate = baseline + 0.02 + np.concatenate([steps, -steps])
    found = mean_difference([baseline], [candidate], scope=Scope.CHECKPOINTS, confidence=0.9)
    peer = stats.ttest_rel(candidate, baseline)
    assert found.estimate / found.error.value == pytest.approx(peer.statistic)
    assert (found.error.df, found.p_value) == pytest.approx((peer.df, peer.pvalue))
    assert found.interval == pytest.approx(tuple(peer.confidence_interval(0.9)))


def test_a_mean_is_a_one_sample_t_test_of_the_means_over_runs():
    half = np.random.default_rng(1).uniform(size=(3, 12))
    values = np.concatenate([half, 2 - half], axis=1)
    found = image_mean(values)
    peer = stats.ttest_1samp(values.mean(axis=0), 0)
    assert found.value == pytest.approx(values.mean())
    assert found.error.value == pytest.approx(found.value / peer.statistic)
    assert found.interval == pytest.approx(tuple(peer.confidence_interval(0.95)))


def test_scope_b_with_images_that_agree_is_welchs_test():
    # Every image of a run has the run's value: images add no error, and seeds alone are random.
    runs = [0.30, 0.33, 0.29], [0.35, 0.41, 0.36]
    baseline, candidate = (np.repeat(np.array(arm)[:, np.newaxis], 20, axis=1) for arm in runs)
    found = mean_difference(baseline, candidate, scope=Scope.RECIPES)
    peer = stats.ttest_ind(runs[1], runs[0], equal_var=False)
    assert (found.p_value, found.error.df) == pytest.approx((peer.pvalue, peer.df))
    assert found.interval == pytest.approx(tuple(peer.confidence_interval(0.95)))


@pytest.mark.parametrize(("seed_sd", "runs"), [(0.0, 3), (0.5, 3), (2.0, 3), (2.0, 2)])
def test_intervals_of_scope_b_cover_the_recipes_difference(seed_sd, runs):
    """Images, seeds and what a seed does to an image are random; the interval covers 95 % of the time or a bit more.

    The spread of the seeds holds the noise of single images too, so it covers more where seeds differ little.
    """
    repeats, n, truth = 1500, 40, 0.3
    rng = np.random.default_rng(int(10 * seed_sd) + runs)
    covered = []
    for _ in range(repeats):
        images = 3 * rng.normal(size=n)  # common to both arms, so it cancels
        sides = [images + seed_sd * rng.normal(size=(runs, 1)) + rng.normal(size=(runs, n)) for _ in range(2)]
        low, high = mean_difference(sides[0], sides[1] + truth, scope=Scope.RECIPES).interval
        covered.append(low <= truth <= high)
    slack = 4 * math.sqrt(0.95 * 0.05 / repeats) + 0.01  # beside the binomial error, Welch's approximation
    assert np.mean(covered) >= 0.95 - slack
    if seed_sd == 2.0:
        assert np.mean(covered) == pytest.approx(0.95, abs=slack)


def test_skewed_differences_widen_the_interval_on_their_long_side():
    rng = np.random.default_rng(8)
    step = rng.lognormal(size=20)
    found = mean_difference(np.zeros((1, 20)), [step], scope=Scope.CHECKPOINTS)
    low, high = (edge - found.estimate for edge in found.interval)
    assert found.skewness == pytest.approx(stats.skew(step) * (20 / 18) ** 2 / math.sqrt(20))
    assert high > -1.2 * low
    assert found.interval == image_mean([step]).interval


def test_runs_that_differ_make_the_difference_less_skewed():
    """The third cumulant is that of the images alone; the variance is that of images and runs."""
    step = np.random.default_rng(9).lognormal(size=20)
    one = mean_difference(np.zeros((1, 20)), [step], scope=Scope.CHECKPOINTS)
    runs = np.array([[-0.5], [0.5]])
    both = mean_difference(runs + np.zeros(20), runs + step, scope=Scope.RECIPES)
    assert both.skewness * both.error.value**3 == pytest.approx(one.skewness * one.error.value**3)
    assert 0 < both.skewness < one.skewness


def test_p_and_interval_of_a_difference_agree():
    rng = np.random.default_rng(10)
    for shift in np.linspace(-2.5, 0, 26):
        found = mean_difference(np.zeros((1, 15)), [rng.lognormal(size=15) + shift], scope=Scope.CHECKPOINTS)
        assert (found.p_value < 0.05) == (not found.interval[0] <= 0 <= found.interval[1])


@pytest.mark.parametrize("scope", Scope)
def test_swapping_the_arms_negates(scope):
    baseline, candidate = np.random.default_rng(2).normal(size=(2, 3, 20))
    there = mean_difference(baseline, candidate, scope=scope)
    back = mean_difference(candidate, baseline, scope=scope)
    assert there.estimate == pytest.approx(-back.estimate)
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]))
    assert (there.error.value, there.p_value) == pytest.approx((back.error.value, back.p_value))


@pytest.mark.parametrize("scope", Scope)
def test_neither_order_nor_what_arms_share_matters(scope):
    rng = np.random.default_rng(3)
    arms = rng.normal(size=(2, 3, 20))
    clusters = rng.integers(5, size=20)
    order = rng.permutation(20)
    plain = mean_difference(*arms, scope=scope, clusters=clusters)
    moved = arms[:, ::-1, order] + 10 * rng.normal(size=20)
    other = mean_difference(*moved, scope=scope, clusters=clusters[order])
    assert (other.estimate, other.error.value) == pytest.approx((plain.estimate, plain.error.value))


def test_clusters_of_one_image_change_nothing():
    values = np.random.default_rng(4).normal(size=(2, 15))
    assert image_mean(values, clusters=[f"city {i:02d}" for i in range(15)]) == image_mean(values)


def test_clusters_give_the_textbooks_error():
    """Cluster-robust variance of a regression on a constant, CR2 (Cameron and Miller 2015, eq. 11 and section VI.B)."""
    rng = np.random.default_rng(5)
    clusters = np.repeat(["a", "b", "c", "d", "e"], [3, 1, 6, 4, 2])
    baseline, candidate = rng.normal(size=(2, 1, 16))
    residuals = candidate[0] - baseline[0]
    ones = np.ones((16, 1))
    residuals = residuals - ones @ np.linalg.lstsq(ones, residuals, rcond=None)[0]
    bread = np.linalg.inv(ones.T @ ones)
    meat = sum(
        np.outer(score, score)
        for name in "abcde"
        # (I - H_gg)^(-1/2) of a constant: the hat matrix of a cluster has its share of the images as eigenvalue.
        if (score := ones[clusters == name].T @ residuals[clusters == name] / math.sqrt(1 - np.mean(clusters == name)))
        is not None
    )
    textbook = math.sqrt((bread @ meat @ bread).item())
    found = mean_difference(baseline, candidate, scope=Scope.CHECKPOINTS, clusters=clusters)
    assert found.error.value == pytest.approx(textbook)
    assert found.error.df <= 4


def test_images_that_were_copied_are_no_new_images():
    values = np.random.default_rng(6).normal(size=(2, 12))
    copied = image_mean(np.repeat(values, 3, axis=1), clusters=np.repeat(np.arange(12), 3))
    once = image_mean(values)
    assert copied.value == pytest.approx(once.value)
    assert copied.interval == pytest.approx(once.interval)


def test_equal_values_have_no_error():
    found = image_mean(np.full((1, 7), 58.92))
    assert (found.error.value, found.interval) == (0.0, (found.value, found.value))
    same = np.random.default_rng(7).normal(size=(1, 9))
    difference = mean_difference(same, same, scope=Scope.CHECKPOINTS)
    assert (difference.estimate, difference.p_value, difference.interval) == (0.0, 1.0, (0.0, 0.0))


@pytest.mark.parametrize(
    ("baseline", "candidate", "options", "message"),
    [
        (np.zeros((1, 3)), np.zeros((1, 4)), {"scope": Scope.CHECKPOINTS}, "values of the 3 images of the baseline"),
        (np.zeros(3), np.zeros((1, 3)), {"scope": Scope.CHECKPOINTS}, "baseline: expected shape"),
        (np.zeros((1, 1)), np.zeros((1, 1)), {"scope": Scope.CHECKPOINTS}, "two images or more"),
        (
            np.zeros((1, 3)),
            np.array([[0, np.inf, 1]]),
            {"scope": Scope.CHECKPOINTS},
            "candidate: expected finite numbers",
        ),
        (np.zeros((1, 3)), np.zeros((2, 3)), {"scope": Scope.RECIPES}, "two or more training seeds"),
        (np.zeros((1, 3)), np.ones((1, 3)), {"scope": Scope.CHECKPOINTS, "clusters": ["x"] * 3}, "at least 2 clusters"),
        (np.zeros((1, 3)), np.ones((1, 3)), {"scope": Scope.CHECKPOINTS, "confidence": 95}, "--confidence"),
    ],
)
def test_bad_values_are_refused(baseline, candidate, options, message):
    with pytest.raises(InputError, match=message):
        mean_difference(baseline, candidate, **options)
