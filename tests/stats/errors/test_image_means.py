"""Means over images and runs: against the analysis of variance, the paired t test, and by simulation."""

import numpy as np
import pytest
from scipy import stats

from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.errors.image_means import fixed_runs_mean, random_runs_mean, run_noise


def test_fixed_runs_are_the_t_test_of_the_images_means() -> None:
    table = np.random.default_rng(0).normal(size=(3, 20))
    found = fixed_runs_mean(table, SamplingDesign.paired(20, 1))
    assert found.value == pytest.approx(table.mean())
    assert found.error.value == pytest.approx(stats.sem(table.mean(axis=0)))


def test_random_runs_are_the_two_way_analysis_of_variance() -> None:
    """Of images that are not clustered the variance is (MS_rows + MS_columns - MS_residual) / (S n)."""
    rng = np.random.default_rng(1)
    runs, images = 4, 30
    table = rng.normal(size=(runs, images)) + rng.normal(size=(runs, 1)) + 2 * rng.normal(size=images)
    found = random_runs_mean(table, SamplingDesign.paired(images, 1))
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    residual = table - rows[:, None] - columns + table.mean()
    squares = (
        images * rows.var(ddof=1),
        runs * columns.var(ddof=1),
        np.square(residual).sum() / ((runs - 1) * (images - 1)),
    )
    expected = (squares[0] + squares[1] - squares[2]) / table.size
    assert found.error.value**2 == pytest.approx(expected)


def test_noise_of_runs_is_what_images_alone_make_their_means_differ_by() -> None:
    rng = np.random.default_rng(2)
    noise = [run_noise(rng.normal(size=(3, 50)), SamplingDesign.paired(50, 1)) for _ in range(400)]
    assert np.mean(np.array(noise, dtype=float)) == pytest.approx(1 / 50, rel=0.05)
    assert run_noise(np.ones((1, 5)), SamplingDesign.paired(5, 1)) is None


def test_the_error_is_the_spread_of_the_estimate_where_both_factors_are_random() -> None:
    rng = np.random.default_rng(3)
    image = np.repeat(np.arange(15), 3)
    design = SamplingDesign.paired(45, 1, image)
    found = []
    for _ in range(600):
        table = 0.5 * rng.normal(size=(4, 1)) + rng.normal(size=15)[image] + rng.normal(size=(4, 15))[:, image]
        table += rng.normal(size=(4, 45))
        each = random_runs_mean(table, design)
        found.append((each.value, each.error.value**2))
    values, variances = np.array(found).T
    # Where less than nothing is left of the images it counts as nothing, which is on the safe side.
    assert 0.9 < variances.mean() / values.var() < 1.25


def test_equal_values_have_no_error() -> None:
    found = random_runs_mean(np.full((3, 6), 0.1), SamplingDesign.paired(6, 1))
    assert (found.value, found.error.value) == (pytest.approx(0.1), 0.0)
