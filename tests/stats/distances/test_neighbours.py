import re

import numpy as np
import pytest
import torch

from p2phd_eval.errors import InputError
from p2phd_eval.stats.distances.neighbours import NeighbourMetrics, neighbour_metrics
from p2phd_eval.torchvision_ops import declare_missing_operators


def two_sets(n_real=60, n_fake=45, d=6, seed=0, shift=0.7):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_real, d)), shift + 0.8 * rng.normal(size=(n_fake, d))


def squared(x, y):
    return np.square(x - y).sum()


def by_loops(real, fake, precision_k=3, density_k=5):
    """The definitions with closed balls, by direct differences, exact for integers."""

    def radius(values, i, k):
        return sorted(squared(values[i], other) for j, other in enumerate(values) if j != i)[k - 1]

    real_radii = [radius(real, i, precision_k) for i in range(len(real))]
    fake_radii = [radius(fake, j, precision_k) for j in range(len(fake))]
    wide_radii = [radius(real, i, density_k) for i in range(len(real))]
    inside = [[squared(x, y) <= wide_radii[i] for y in fake] for i, x in enumerate(real)]
    return NeighbourMetrics(
        precision=np.mean([any(squared(x, y) <= r for x, r in zip(real, real_radii, strict=True)) for y in fake]),
        recall=np.mean([any(squared(x, y) <= r for y, r in zip(fake, fake_radii, strict=True)) for x in real]),
        density=np.sum(inside) / (density_k * len(fake)),
        coverage=np.mean([any(row) for row in inside]),
        precision_k=precision_k,
        density_k=density_k,
    )


@pytest.mark.parametrize("k", [(3, 5), (1, 1), (7, 2)])
@pytest.mark.parametrize("far", [0, 1e4])
def test_equals_the_definitions(k, far):
    real, fake = two_sets()
    expected = by_loops(real, fake, *k)
    # A shift of everything changes no distance, but takes the digits of a squared one.
    assert neighbour_metrics(real + far, fake + far, precision_k=k[0], density_k=k[1]) == expected
    assert 0.1 < expected.precision < 1 or k[0] == 1


def test_equals_torch_fidelity():
    declare_missing_operators()
    from torch_fidelity.metric_prc import calculate_precision_recall_full

    real, fake = two_sets(90, 110, d=12)
    theirs = calculate_precision_recall_full(torch.from_numpy(fake), torch.from_numpy(real), neighborhood=3)
    ours = neighbour_metrics(real, fake)
    # They average in float32.
    assert (ours.precision, ours.recall) == pytest.approx(theirs, rel=1e-6)
    assert ours.precision != ours.recall


@pytest.mark.parametrize("seed", range(6))
def test_exact_ties_and_duplicates_count_as_inside(seed):
    """A grid of few integers is full of ties and copies; the loops compute its distances exactly."""
    rng = np.random.default_rng(seed)
    real, fake = (rng.integers(0, 3, size=(n, 3)).astype(float) for n in (40, 30))
    expected = by_loops(real, fake)
    assert neighbour_metrics(real, fake) == expected
    # The mean is a far one, and thirds are rounded in binary: squared distances are rounded, ties are still ties.
    assert neighbour_metrics(real + 1000, fake + 1000) == expected
    assert neighbour_metrics(real / 3, fake / 3) == expected


def test_copies_that_shrink_a_neighbourhood_to_a_point_are_in_it():
    rng = np.random.default_rng(4)
    images = rng.normal(size=(5, 300)) + 7
    result = neighbour_metrics(np.repeat(images, 8, axis=0), np.tile(images, (10, 1)))
    assert (result.precision, result.recall, result.coverage) == (1, 1, 1)


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1, 1e11])
def test_float32_decides_nothing_that_float64_would_decide_otherwise(scale):
    """Rows so near to each other that the error of float32 exceeds all their differences, and others that are not."""
    rng = np.random.default_rng(8)
    scene = np.concatenate((rng.normal(size=(40, 30)), np.repeat(rng.normal(size=(4, 30)), 10, axis=0)))
    noise = np.repeat([1e-9, 1e-6, 1e-3, 1], 20)[:, None]
    real, fake = (scale * (scene + noise * rng.normal(size=scene.shape)) for _ in range(2))
    expected = by_loops(real, fake)
    assert neighbour_metrics(real, fake) == expected
    # Most of it is decided in float64 alone, where float32 products are worth nothing at all within their bound.
    assert 0 < expected.precision < 1


def test_more_copies_than_are_kept_as_candidates():
    rng = np.random.default_rng(9)
    real, fake = np.repeat(rng.normal(size=(3, 7)), 30, axis=0), np.repeat(rng.normal(size=(2, 7)), 40, axis=0)
    real, fake = np.concatenate((real, fake[:30])), np.concatenate((fake, rng.normal(size=(20, 7))))
    assert neighbour_metrics(real, fake) == by_loops(real, fake)


def test_any_error_within_the_bound_leaves_the_counts_as_they_are():
    """The worst products that a device may give: each off by all that sums in float32 may be off."""
    real, fake = two_sets(200, 150, d=400)
    signs = np.random.default_rng(10)

    def worst(left, right):
        bound = 400 * 2.0**-24 * np.outer(*(np.linalg.norm(each, axis=1) for each in (left, right)))
        exact = left.astype(np.float64) @ right.T.astype(np.float64)
        return (exact + signs.choice([-0.99, 0.99], size=exact.shape) * bound).astype(np.float32)

    assert neighbour_metrics(real, fake, multiply=worst) == neighbour_metrics(real, fake) == by_loops(real, fake)


def test_identical_sets():
    """Each ball holds its own centre and its k nearest: k + 1 images."""
    real, _ = two_sets()
    result = neighbour_metrics(real, real)
    assert (result.precision, result.recall, result.coverage) == (1, 1, 1)
    assert result.density == pytest.approx((5 + 1) / 5)


def test_sets_far_apart_share_nothing():
    real, fake = two_sets(shift=1e3)
    result = neighbour_metrics(real, fake)
    assert (result.precision, result.recall, result.density, result.coverage) == (0, 0, 0, 0)


def test_a_collapsed_generator_is_precise_without_recall():
    real, _ = two_sets(200, 60, d=2)
    fake = 0.01 * np.random.default_rng(5).normal(size=(60, 2))
    result = neighbour_metrics(real, fake)
    assert result.precision == 1
    assert max(result.recall, result.coverage) < 0.2


def test_expected_density_and_coverage_of_equal_distributions():
    """Naeem et al. (2020), section 3: density has mean 1, coverage 1 - (n - 1)...(n - k)/((2n - 1)...(2n - k))."""
    rng = np.random.default_rng(6)
    n, k, repeats = 50, 5, 60
    results = [neighbour_metrics(rng.normal(size=(n, 3)), rng.normal(size=(n, 3))) for _ in range(repeats)]
    steps = np.arange(1, k + 1)
    coverage = 1 - np.prod((n - steps) / (2 * n - steps))
    for values, truth in (
        ([result.density for result in results], 1),
        ([result.coverage for result in results], coverage),
    ):
        assert abs(np.mean(values) - truth) < 3 * np.std(values, ddof=1) / np.sqrt(repeats)


def test_order_blocks_and_dtype_do_not_matter(monkeypatch):
    real, fake = (values.astype(np.float32) for values in two_sets(3000, 2000, d=3))
    rng = np.random.default_rng(7)
    result = neighbour_metrics(real, fake)
    assert neighbour_metrics(rng.permutation(real), rng.permutation(fake)) == result
    assert neighbour_metrics(real.astype(np.float64), fake.astype(np.float64)) == result
    monkeypatch.setattr("p2phd_eval.stats.distances.products.TILE_ROWS", 300)
    seen = []
    assert neighbour_metrics(real, fake, on_progress=lambda *step: seen.append(step)) == result
    # Ten blocks of real images, seven of generated ones: half of the tiles within a set, and all across.
    assert seen == [(k, 153) for k in range(1, 154)]


def test_swapping_the_sets_swaps_precision_and_recall():
    real, fake = two_sets()
    there, back = neighbour_metrics(real, fake), neighbour_metrics(fake, real)
    assert (there.precision, there.recall) == (back.recall, back.precision)


@pytest.mark.parametrize(
    ("sizes", "options", "message"),
    [
        ((5, 9), {}, "real features: expected more than k = 5 images, so that each has k neighbours, found 5"),
        ((9, 5), {}, "generated features: expected more than k = 5 images"),
        ((9, 9), {"precision_k": 9}, "more than k = 9 images"),
        ((9, 9), {"density_k": 0}, "neighbours: expected k of at least 1, found 0"),
    ],
)
def test_k_must_fit_the_sets(sizes, options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        neighbour_metrics(*two_sets(*sizes), **options)


def test_six_images_are_enough():
    assert neighbour_metrics(*two_sets(6, 6)) == by_loops(*two_sets(6, 6))
