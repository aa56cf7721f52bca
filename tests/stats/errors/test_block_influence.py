"""Influences on the block FID against derivatives, the FID's own, and the spread over fresh images."""

import numpy as np
import pytest

from p2phd_eval.stats.distances.block_frechet import block_frechet_distance, reference_axes
from p2phd_eval.stats.errors.block_influence import block_fid_influence
from p2phd_eval.stats.errors.influence import fid_influence
from tests.stats.block_sets import CASES, features, sets_of
from tests.stats.plain_errors import independent_standard_error
from tests.stats.weighted_fid import moved, weighted_fid


def weighted_block_fid(real, fake, axes, real_weights, fake_weights):
    """Block FID of weighted images, from the FID of each block; equal weights give the one with ddof = 1."""
    x, y = real @ axes.axes, fake @ axes.axes
    total = 0.0
    for start in range(0, axes.spanned, axes.block):
        columns = slice(start, min(start + axes.block, axes.spanned))
        total += weighted_fid(x[:, columns], y[:, columns], real_weights, fake_weights)
    means, deviations = [], []
    for values, weights in ((x[:, axes.spanned :], real_weights), (y[:, axes.spanned :], fake_weights)):
        n = len(values)
        means.append(weights @ values)
        deviations.append(np.sqrt(weights @ np.square(values - means[-1]).sum(axis=1) * n / (n - 1)))
    return total + np.square(means[0] - means[1]).sum() + (deviations[0] - deviations[1]) ** 2


def check_derivatives(real, fake, axes):
    influence = block_fid_influence(real, fake, axes)
    equal = [moved(len(values), 0, 0) for values in (real, fake)]
    step = 1e-5  # error of the central difference: about step^2, and 1e-14 / step from rounding
    for image in range(0, len(real), 5):
        up, down = (weighted_block_fid(real, fake, axes, moved(len(real), image, s), equal[1]) for s in (step, -step))
        assert influence.real[image] == pytest.approx((up - down) / (2 * step), rel=1e-7, abs=2e-8)
    for image in range(0, len(fake), 5):
        up, down = (weighted_block_fid(real, fake, axes, equal[0], moved(len(fake), image, s)) for s in (step, -step))
        assert influence.fake[image] == pytest.approx((up - down) / (2 * step), rel=1e-7, abs=2e-8)


@pytest.mark.parametrize("case", CASES)
def test_influence_is_the_derivative_of_the_weighted_block_fid(case):
    check_derivatives(*sets_of(case))


@pytest.mark.parametrize("constant", [("real",), ("fake",), ("real", "fake")])
def test_influence_is_the_derivative_where_blocks_are_singular(constant):
    """Whole axes along which a set does not vary, in blocks and in the rest."""
    real, fake, axes = sets_of((14, 90, 70, 24, 8))
    flat = np.ones(24)
    flat[[0, 9, 10, 20, 21, 22, 23]] = 0
    if "real" in constant:
        real = real @ axes.axes * flat @ axes.axes.T
    if "fake" in constant:
        fake = fake @ axes.axes * flat @ axes.axes.T
    check_derivatives(real, fake, axes)


@pytest.mark.parametrize("case", CASES)
def test_means_are_zero_and_terms_add_up(case):
    real, fake, axes = sets_of(case)
    influence, expected = block_fid_influence(real, fake, axes), block_frechet_distance(real, fake, axes)
    assert influence.distance.value == pytest.approx(expected.value, rel=1e-10)
    assert influence.distance.method == "blocks"
    assert abs(influence.real.mean()) < 1e-12 * len(real)
    assert abs(influence.fake.mean()) < 1e-12 * len(fake)
    mean_part, covariance_part = influence.real_terms.mean(axis=0) + influence.fake_terms.mean(axis=0)
    assert mean_part == pytest.approx(expected.mean_term, rel=1e-10)
    assert mean_part + covariance_part == pytest.approx(expected.value, rel=1e-10)


@pytest.mark.parametrize("n", [7, 90])
def test_with_one_block_of_all_axes_it_is_that_of_the_fid(n):
    real, fake = features(n, 12, 1), features(n, 12, 2, 0.2, 1.3)
    blocks, whole = block_fid_influence(real, fake, reference_axes(features(50, 12, 0))), fid_influence(real, fake)
    np.testing.assert_allclose(blocks.real, whole.real, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(blocks.fake, whole.fake, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(blocks.fake_terms, whole.fake_terms, rtol=1e-8, atol=1e-9)


def test_standard_error_is_the_spread_over_fresh_images():
    """300 repeats know a standard deviation to 4 %: four of those, and 10 % for terms of order 1/n."""
    repeats, d = 300, 24
    axes = reference_axes(features(14, d, 0), block=8)
    results = [
        block_fid_influence(features(150, d, 10 + k), features(90, d, 1000 + k, 0.1, 1.4), axes) for k in range(repeats)
    ]
    spread = np.std([result.distance.value for result in results], ddof=1)
    error = np.mean([independent_standard_error(result) for result in results])
    assert error == pytest.approx(spread, rel=4 / np.sqrt(2 * (repeats - 1)) + 0.1)
