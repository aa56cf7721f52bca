import re

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.gaussian_process.kernels import RationalQuadratic

from p2phd_eval.errors import InputError
from p2phd_eval.stats.distances.kernel import (
    KernelPairs,
    RationalQuadraticKernel,
    kernel_distance,
    kernel_scale,
    kernel_sums,
)
from p2phd_eval.stats.distances.products import WideRows
from p2phd_eval.torchvision_ops import declare_missing_operators

D = 5


def two_sets(n_real=9, n_fake=7, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_real, D)), 0.4 + 1.2 * rng.normal(size=(n_fake, D))


def pairs(n, seed=0):
    """Real and generated rows that share a scene, as images of one label map do."""
    rng = np.random.default_rng(seed)
    scene = rng.normal(size=(n, D))
    return scene + 0.3 * rng.normal(size=(n, D)), 0.5 + scene + 0.3 * rng.normal(size=(n, D))


def kernel(x, y):
    return (x @ y / len(x) + 1) ** 3


def by_loops(real, fake, *, paired):
    """The definitions, one term at a time."""

    def mean(a, b, skip):
        terms = [kernel(x, y) for i, x in enumerate(a) for j, y in enumerate(b) if not (skip and i == j)]
        return sum(terms) / len(terms)

    return mean(real, real, True) + mean(fake, fake, True) - 2 * mean(real, fake, paired)


def delete_one_variance(values):
    values = np.array(values)
    return (len(values) - 1) / len(values) * np.square(values - values.mean()).sum()


def without(values, i):
    return np.delete(values, i, axis=0)


def tiny_tiles(monkeypatch):
    # The sets here would fit one tile; several, of unequal sizes, are what large sets are made of.
    monkeypatch.setattr("p2phd_eval.stats.distances.products.TILE_ROWS", 4)


@pytest.mark.parametrize("tiles", ["one", "many"])
def test_independent_sets_against_loops_with_each_image_left_out(tiles, monkeypatch):
    if tiles == "many":
        tiny_tiles(monkeypatch)
    real, fake = two_sets()
    result = kernel_distance(real, fake, paired=False)
    assert result.value == pytest.approx(by_loops(real, fake, paired=False), rel=1e-12)
    variance = delete_one_variance([by_loops(without(real, i), fake, paired=False) for i in range(len(real))])
    variance += delete_one_variance([by_loops(real, without(fake, i), paired=False) for i in range(len(fake))])
    assert result.se == pytest.approx(np.sqrt(variance), rel=1e-10)
    assert (result.n_real, result.n_fake, result.pairing) == (9, 7, "independent")


@pytest.mark.parametrize("tiles", ["one", "many"])
def test_pairs_against_loops_with_each_pair_left_out(tiles, monkeypatch):
    if tiles == "many":
        tiny_tiles(monkeypatch)
    real, fake = pairs(10)
    result = kernel_distance(real, fake, paired=True)
    assert result.value == pytest.approx(by_loops(real, fake, paired=True), rel=1e-12)
    variance = delete_one_variance([by_loops(without(real, i), without(fake, i), paired=True) for i in range(10)])
    assert result.se == pytest.approx(np.sqrt(variance), rel=1e-10)
    assert (result.n_real, result.n_fake, result.pairing) == (10, 10, "paired")


@pytest.mark.parametrize(("paired", "estimate"), [(False, "unbiased"), (True, "u-statistic")])
def test_equals_torch_fidelity_over_all_images(paired, estimate):
    declare_missing_operators()
    from torch_fidelity.metric_kid import kernel_poly, mmd2

    real, fake = pairs(60)
    theirs = mmd2(
        kernel_poly(real, real, kid_kernel_poly_degree=3, kid_kernel_poly_coef0=1),
        kernel_poly(real, fake, kid_kernel_poly_degree=3, kid_kernel_poly_coef0=1),
        kernel_poly(fake, fake, kid_kernel_poly_degree=3, kid_kernel_poly_coef0=1),
        mmd_est=estimate,
    )
    assert kernel_distance(real, fake, paired=paired).value == pytest.approx(theirs, rel=1e-10)


def test_the_rational_quadratic_kernel_is_a_sum_of_scikit_learns():
    real, fake = pairs(7)
    # (1 + |x - y|^2 / (2 alpha length^2))^-alpha
    theirs = sum(RationalQuadratic(alpha=alpha, length_scale=1.5)(real, fake) for alpha in (0.2, 0.5, 1, 2, 5))
    sums = kernel_sums(
        [KernelPairs(left=WideRows(real), right=WideRows(fake), units=None)], [RationalQuadraticKernel(2 * 1.5**2)]
    )
    assert sums[0][0][0] == pytest.approx(theirs.sum(axis=1), rel=1e-12)
    assert sums[0][1][0] == pytest.approx(theirs.sum(axis=0), rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_the_scale_is_the_mean_squared_distance_of_two_real_images(dtype, monkeypatch):
    tiny_tiles(monkeypatch)
    real = (10 * two_sets()[0]).astype(dtype)
    distances = pdist(real.astype(np.float64), "sqeuclidean")
    assert kernel_scale(real) == pytest.approx(distances.mean(), rel=1e-12)
    # Of images that are all alike rounding must not make a scale.
    assert kernel_scale(np.full((7, 3), 0.1)) == kernel_scale(real[[0, 0, 0]]) == 1


def population_kid(shift):
    """KID of N(0, I) and N((shift, ...), I) in D dimensions.

    With s = x'y/D the kernel is 1 + 3 s + 3 s^2 + s^3. For y ~ N(b, I) and given x, x'y is normal with mean x'b and
    variance |x|^2: E (x'y)^2 = E (x'b)^2 + E |x|^2, E (x'y)^3 = E (x'b)^3 + 3 E x'b |x|^2. For x ~ N(a, I) these are
    moments of the normal law again.
    """

    def expected(a, b):
        product, squares = D * a * b, (D * a * a, D * b * b)
        second = product**2 + squares[0] + squares[1] + D
        # With x = a + z: x'b = a'b + z'b and |x|^2 = |a|^2 + 2 a'z + |z|^2.
        third = product**3 + 3 * product * squares[1] + 3 * (product * (squares[0] + D) + 2 * product)
        return 1 + 3 * product / D + 3 * second / D**2 + third / D**3

    return expected(0, 0) + expected(shift, shift) - 2 * expected(0, shift)


def paired_and_naive(repeats, n, rng):
    """KID of pairs in the right and in the wrong way, for N(0, I) against N(0.5, I) with a shared scene."""
    right, wrong, errors = [], [], []
    for _ in range(repeats):
        scene = rng.normal(size=(n, D))
        real, fake = ((0.8 * scene + 0.6 * rng.normal(size=(n, D))) + shift for shift in (0, 0.5))
        result = kernel_distance(real, fake, paired=True)
        right.append(result.value)
        errors.append(result.se)
        wrong.append(kernel_distance(real, fake, paired=False).value)
    return np.array(right), np.array(wrong), np.array(errors)


def test_pairs_are_unbiased_and_the_paired_trap_is_not():
    truth = population_kid(0.5)
    right, wrong, errors = paired_and_naive(400, 40, np.random.default_rng(1))
    noise = right.std(ddof=1) / np.sqrt(len(right))
    assert abs(right.mean() - truth) < 3 * noise
    # What the diagonal of k(x, y) adds is a fortieth of E k(x_i, y_i), taken off twice.
    assert wrong.mean() < truth - 10 * noise
    # The standard error is the spread over repetitions: to 3 of its own standard errors, and the jackknife's O(1/n).
    assert np.sqrt(np.square(errors).mean()) == pytest.approx(right.std(ddof=1), rel=0.15)


def test_independent_sets_are_unbiased():
    rng = np.random.default_rng(2)
    results = [
        kernel_distance(rng.normal(size=(40, D)), 0.5 + rng.normal(size=(30, D)), paired=False) for _ in range(400)
    ]
    values = np.array([result.value for result in results])
    spread = values.std(ddof=1)
    assert abs(values.mean() - population_kid(0.5)) < 3 * spread / np.sqrt(len(values))
    assert np.sqrt(np.mean([result.se**2 for result in results])) == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize("paired", [False, True])
def test_order_and_dtype_do_not_matter(paired):
    real, fake = (values.astype(np.float32) for values in pairs(30))
    order = np.random.default_rng(3).permutation(30)
    result = kernel_distance(real, fake, paired=paired)
    moved = kernel_distance(real[order], fake[order], paired=paired)
    wide = kernel_distance(real.astype(np.float64), fake.astype(np.float64), paired=paired)
    wide_moved = kernel_distance(real[order].astype(np.float64), fake[order].astype(np.float64), paired=paired)
    assert (wide_moved.value, wide_moved.se) == pytest.approx((wide.value, wide.se), rel=1e-10)
    # float32 is multiplied in float32.
    for each in (moved, wide):
        assert (each.value, each.se) == pytest.approx((result.value, result.se), abs=1e-5 * result.se)


@pytest.mark.parametrize("paired", [False, True])
def test_swapping_the_sets_changes_nothing(paired):
    real, fake = pairs(30)
    there, back = kernel_distance(real, fake, paired=paired), kernel_distance(fake, real, paired=paired)
    assert (there.value, there.se) == pytest.approx((back.value, back.se), rel=1e-10)


def test_identical_pairs_have_no_distance():
    real, _ = pairs(30)
    result = kernel_distance(real, real, paired=True)
    assert (result.value, result.se) == pytest.approx((0, 0), abs=1e-14)


def test_progress_counts_the_tiles(monkeypatch):
    tiny_tiles(monkeypatch)
    seen = []
    kernel_distance(*two_sets(9, 7), paired=False, on_progress=lambda *step: seen.append(step))
    # 3 blocks against 2: 6 of 9 tiles within the real images, 3 of 4 within the others, 6 between them.
    assert seen == [(k, 15) for k in range(1, 16)]


@pytest.mark.parametrize(
    ("n_real", "n_fake", "paired", "message"),
    [
        (2, 9, False, "real features: expected at least 3 images, found 2"),
        (9, 2, False, "generated features: expected at least 3 images, found 2"),
        (9, 7, True, "the same number of images, row i of each from one label map, found 9 and 7"),
    ],
)
def test_too_few_or_unequal_images_are_refused(n_real, n_fake, paired, message):
    with pytest.raises(InputError, match=re.escape(message)):
        kernel_distance(*two_sets(n_real, n_fake), paired=paired)


def test_sets_that_cannot_be_used_are_refused():
    real, fake = two_sets()
    with pytest.raises(InputError, match="same number of features"):
        kernel_distance(real, fake[:, 1:], paired=False)
    fake[3, 1] = np.nan
    with pytest.raises(InputError, match="NaN or infinity in row 3"):
        kernel_distance(real, fake, paired=False)
