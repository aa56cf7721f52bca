"""KID between two arms against its formula written out, all swaps of a small set, and what does not change it."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.stats.distances.kernel import kernel_distance
from p2phd_eval.stats.errors.kernel_between import KernelBetween, kernel_between

Values = npt.NDArray[np.float64]


def arms(n: int, shift: float = 0.0, d: int = 6, seed: int = 0) -> tuple[Values, Values]:
    rng = np.random.default_rng(seed)
    scene = rng.normal(size=(n, d))
    return scene + 0.5 * rng.normal(size=(n, d)), scene + 0.5 * rng.normal(size=(n, d)) + shift


def measured(*runs: tuple[Values, Values], clusters: object = None, swaps: int = 999) -> KernelBetween:
    return kernel_between(runs, clusters=clusters, swaps=swaps, rng=np.random.default_rng(1))  # type: ignore[arg-type]


def plain_h(x: Values, y: Values) -> Values:
    def k(a: Values, b: Values) -> Values:
        result: Values = (a @ b.T / a.shape[1] + 1) ** 3
        return result

    h = k(x, x) + k(y, y) - k(x, y) - k(y, x)
    np.fill_diagonal(h, 0)
    return h


def test_value_and_jackknife_error_are_those_of_paired_kid() -> None:
    x, y = arms(40, 0.3)
    found, expected = measured((x, y)), kernel_distance(x, y, paired=True)
    assert (found.value, found.se) == (pytest.approx(expected.value), pytest.approx(expected.se))


def test_all_swaps_of_a_small_set_have_this_spread_and_rank() -> None:
    x, y = arms(8, 0.4)
    h = plain_h(x, y)
    signs = np.array(list(itertools.product((1, -1), repeat=8)))
    every = np.einsum("bi,ij,bj->b", signs, h, signs) / 56
    found = measured((x, y), swaps=20_000)
    assert found.chance == pytest.approx(np.sqrt(np.mean(every**2)))
    assert every.mean() == pytest.approx(0, abs=1e-12)
    assert found.p_value == pytest.approx(np.mean(every >= h.sum() / 56 - 1e-9), abs=0.01)


def test_clusters_are_swapped_as_a_whole() -> None:
    x, y = arms(14, 0.4)
    clusters = np.array([3, 0, 1, 2, 3, 3, 0, 1, 1, 3, 2, 4, 3, 3])  # in no order, and of unequal size
    h = plain_h(x, y) * (clusters[:, None] != clusters)
    signs = np.array(list(itertools.product((1, -1), repeat=5)))[:, clusters]
    pairs = 14**2 - (2**2 + 3**2 + 2**2 + 6**2 + 1)
    every = np.einsum("bi,ij,bj->b", signs, h, signs) / pairs
    found = measured((x, y), clusters=clusters, swaps=20_000)
    assert found.value == pytest.approx(h.sum() / pairs)
    assert found.chance == pytest.approx(np.sqrt(np.mean(every**2)))
    assert found.p_value == pytest.approx(np.mean(every >= h.sum() / pairs - 1e-9), abs=0.01)


def test_images_of_large_sets_are_taken_tile_by_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    from p2phd_eval.stats.distances import products

    runs = (arms(23, 0.2), arms(23, 0.1, seed=1))
    clusters = np.arange(23) // 2
    whole = measured(*runs, clusters=clusters)
    monkeypatch.setattr(products, "TILE_ROWS", 7)
    tiled = measured(*runs, clusters=clusters)
    for name in ("value", "se", "chance", "p_value"):
        assert getattr(tiled, name) == pytest.approx(getattr(whole, name), rel=1e-9)


def test_the_mean_over_runs_and_clusters_that_are_never_compared() -> None:
    runs = (arms(12, 0.2), arms(12, 0.5, seed=1))
    clusters = np.repeat(np.arange(4), 3)
    h = (plain_h(*runs[0]) + plain_h(*runs[1])) / 2 * (clusters[:, None] != clusters)
    found = measured(*runs, clusters=clusters)
    pairs = 12 * 9
    assert found.value == pytest.approx(h.sum() / pairs)
    without = []
    for left_out in range(4):
        kept = clusters != left_out
        without.append(h[np.ix_(kept, kept)].sum() / (9 * 6))
    assert found.se == pytest.approx(np.sqrt(3 / 4 * np.sum((np.array(without) - np.mean(without)) ** 2)))


def test_arms_that_are_exchangeable_are_rarely_called_different_and_shifted_ones_are() -> None:
    p_values = [measured(arms(30, seed=seed)).p_value for seed in range(200)]
    assert np.mean(np.array(p_values) <= 0.1) == pytest.approx(0.1, abs=0.06)
    assert measured(arms(60, 1.0)).p_value == 0.001


def test_equal_images_are_at_no_distance() -> None:
    x, y = arms(20)
    same = measured((x, x))
    assert (same.value, same.se, same.chance, same.p_value) == (0, 0, 0, 1)
    y[1:] = x[1:]
    one = measured((x, y))
    assert (one.value, one.p_value) == (0, 1)  # a single image has no other to be compared with


def test_order_of_images_and_arms_does_not_matter() -> None:
    x, y = arms(30, 0.2)
    order = np.random.default_rng(3).permutation(30)
    found = measured((x, y))
    for other in (measured((y, x)), measured((x[order], y[order]))):
        assert (other.value, other.se, other.chance) == pytest.approx((found.value, found.se, found.chance))


def test_sets_that_do_not_fit() -> None:
    x, y = arms(20)
    with pytest.raises(InputError, match="paired sets"):
        measured((x, y[:-1]))
    with pytest.raises(InputError, match="kernel distance"):
        measured((x, y), clusters=np.arange(20) % 2)
