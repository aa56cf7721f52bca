"""Block FID against theory, against SciPy's matrix root, and what it may not depend on."""

import re

import numpy as np
import pytest
import scipy.linalg

from p2phd_eval.errors import InputError
from p2phd_eval.stats.distances.block_frechet import block_frechet_distance, reference_axes
from p2phd_eval.stats.distances.frechet import frechet_distance
from tests.stats.block_sets import CASES, features, sets_of


def plain_block_fid(real, fake, axes):
    """Block FID by its definition: covariances and SciPy's matrix root, block after block."""
    x, y = real @ axes.axes, fake @ axes.axes
    total = np.square(x.mean(axis=0) - y.mean(axis=0)).sum()
    for start in range(0, axes.spanned, axes.block):
        columns = slice(start, min(start + axes.block, axes.spanned))
        s_r, s_g = (np.atleast_2d(np.cov(values[:, columns].T)) for values in (x, y))
        total += np.trace(s_r) + np.trace(s_g) - 2 * scipy.linalg.sqrtm(s_r @ s_g).trace().real
    rest = [values[:, axes.spanned :].var(axis=0, ddof=1).sum() for values in (x, y)]
    return total + (np.sqrt(rest[0]) - np.sqrt(rest[1])) ** 2


@pytest.mark.parametrize("case", CASES)
def test_it_is_the_sum_of_the_blocks_distances(case):
    real, fake, axes = sets_of(case)
    # SciPy's root of singular covariances is precise to about the root of rounding.
    precision = 1e-6 if len(real) <= axes.block else 1e-9
    assert block_frechet_distance(real, fake, axes).value == pytest.approx(
        plain_block_fid(real, fake, axes), rel=precision
    )


@pytest.mark.parametrize("case", CASES)
def test_it_is_a_lower_bound_of_the_fid(case):
    real, fake, axes = sets_of(case)
    blocks, whole = block_frechet_distance(real, fake, axes), frechet_distance(real, fake)
    assert blocks.value < whole.value
    assert blocks.mean_term == pytest.approx(whole.mean_term, rel=1e-10)
    assert blocks.trace_real == pytest.approx(whole.trace_real, rel=1e-10)
    assert blocks.trace_fake == pytest.approx(whole.trace_fake, rel=1e-10)
    assert blocks.method == "blocks"


@pytest.mark.parametrize("n", [7, 90])
def test_one_block_of_all_axes_is_the_fid(n):
    real, fake = features(n, 12, 1), features(n, 12, 2, 0.2, 1.3)
    for block in (12, 32):
        axes = reference_axes(features(50, 12, 0), block=block)
        expected = frechet_distance(real, fake).value
        assert block_frechet_distance(real, fake, axes).value == pytest.approx(expected, rel=1e-10)


def test_blocks_of_one_axis_have_a_closed_form():
    """For diagonal Gaussians it is the sum over axes of (m_r - m_g)^2 + (s_r - s_g)^2."""
    scales = 2.0 ** -np.arange(6)
    rng = np.random.default_rng(0)
    axes = reference_axes(rng.normal(size=(100_000, 6)) * scales, block=1)
    whitened = np.linalg.qr(rng.normal(size=(50, 7)) - 1 / 7)[0]
    whitened -= whitened.mean(axis=0)
    unit = np.linalg.qr(whitened)[0][:, :6] * np.sqrt(49)  # mean 0, variance 1 and no correlation, exactly
    real = unit * scales @ axes.axes.T
    fake = (unit * scales * np.arange(1, 7) + 0.3) @ axes.axes.T
    expected = 6 * 0.3**2 + np.square(scales * np.arange(6)).sum()
    assert block_frechet_distance(real, fake, axes).value == pytest.approx(expected, rel=1e-12)
    # Of all covariances with these axes it is the FID itself.
    assert frechet_distance(real, fake).value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("case", CASES)
def test_neither_the_order_of_images_nor_rotations_nor_shifts_of_all_matter(case):
    n, _, _, d, block = case
    real, fake, axes = sets_of(case)
    rng = np.random.default_rng(5)
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
    turned = reference_axes(rng.permutation(features(n, d, 0)) @ rotation - 3, block=block)
    value = block_frechet_distance(rng.permutation(real) @ rotation + 5, fake @ rotation + 5, turned).value
    assert value == pytest.approx(block_frechet_distance(real, fake, axes).value, rel=1e-9)


@pytest.mark.parametrize(("n", "dead"), [(40, 0), (200, 0), (200, 30)])
def test_rounding_and_another_basis_of_the_rest_change_nothing(n, dead):
    """A reference of fewer images than features, of more, and one with features that are constant."""
    d = 96
    reference = features(n, d, 0)
    reference[:, :dead] = 0.4
    real, fake = features(60, d, 1), features(50, d, 2, 0.2, 1.3)
    axes = reference_axes(reference, block=8)
    assert axes.spanned == min(n - 1, d - dead)
    expected = block_frechet_distance(real, fake, axes).value
    rng = np.random.default_rng(1)
    for _ in range(3):
        noise = 1 + 1e-15 * rng.normal(size=reference.shape)
        again = reference_axes(rng.permutation(reference * noise), block=8)
        assert again.spanned == axes.spanned
        assert block_frechet_distance(real, fake, again).value == pytest.approx(expected, rel=1e-10)
    # float32, as features come.
    narrow = reference_axes(reference.astype(np.float32), block=8)
    assert block_frechet_distance(real, fake, narrow).value == pytest.approx(expected, rel=1e-4)


def test_equal_sets_are_no_distance_apart():
    real, _, axes = sets_of(CASES[0])
    assert block_frechet_distance(real, real.copy(), axes).value == pytest.approx(0, abs=1e-12)


def test_axes_are_those_of_the_references_covariance_by_falling_variance():
    reference = features(300, 10, 0)
    axes = reference_axes(reference, block=4)
    np.testing.assert_allclose(axes.axes.T @ axes.axes, np.eye(10), atol=1e-13)
    covariance = np.cov(axes.coordinates(reference).T)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-12)
    assert (np.diff(np.diag(covariance)) < 0).all()
    assert (axes.images, axes.spanned, axes.block) == (300, 10, 4)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (features(32, 40, 0), "at least 33 images, so that they span the 32 axes of a block, found 32"),
        (features(10, 10, 0), "at least 11 images, so that they span the 10 axes of a block, found 10"),
        (np.tile(features(20, 40, 0), (3, 1)), "at least the 32 axes of a block, found 60 images that differ along 19"),
        (np.full((60, 40), 2.0), "found 60 images that differ along 0"),
        (np.zeros((1, 40)), "reference features: expected at least 2 images, found 1"),
    ],
)
def test_references_that_span_too_few_axes_are_refused(reference, message):
    with pytest.raises(InputError, match=re.escape(message)):
        reference_axes(reference)


def test_sets_of_other_features_are_refused():
    real, fake, axes = sets_of(CASES[0])
    with pytest.raises(InputError, match="the same number of features"):
        block_frechet_distance(real[:, :20], fake[:, :20], axes)
    with pytest.raises(InputError, match="block: expected at least 1, found 0"):
        reference_axes(real, block=0)
