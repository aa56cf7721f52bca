"""A candidate against the noise floor: the ratio against theory and another implementation, and what is said of it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.errors.ratios import Ratio
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.floor_ratio import (
    FloorRatio,
    FloorVerdict,
    Position,
    floor_ratios,
    floor_verdict,
    joint_quality,
)
from p2phd_eval.stats.verdicts.scope import Scope
from p2phd_eval.stats.verdicts.widening import EditTables

Values = npt.NDArray[np.float64]


def distances(ratio: float = 1.0, n: int = 200, runs: int = 1, seed: int = 0, noise: float = 0.4) -> Values:
    """Skewed distances about 0.1; images are sensitive alike whatever the seed is."""
    image = np.exp(0.5 * np.random.default_rng(99).normal(size=n))
    return 0.1 * ratio * image * np.exp(noise * np.random.default_rng(seed).normal(size=(runs, n)))


def judged(candidate: Values, *benign: Values, **options: object) -> FloorRatio:
    (found,) = floor_ratios([candidate], benign, **options)  # type: ignore[arg-type]
    return found


def ratio_of(found: FloorRatio) -> Ratio:
    assert found.ratio is not None
    return found.ratio


# --- The ratio


def test_the_interval_is_fiellers_in_closed_form() -> None:
    # Symmetric and light-tailed for any contrast, so that neither skewness nor tails change Student's interval.
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=2)) * 10)
    candidate, floor = 1.3 + 0.4 * signs[:, 0], 1.0 + 0.3 * signs[:, 1]
    found = ratio_of(judged(candidate[None], floor[None]))
    reach = stats.t.ppf(0.975, 39) ** 2 / 40
    variances = candidate.var(ddof=1), floor.var(ddof=1)
    # (c - r f)^2 = t^2 (var c + r^2 var f) / n
    low, high = sorted(np.roots([1.0 - reach * variances[1], -2 * 1.3, 1.3**2 - reach * variances[0]]).real.tolist())
    assert found.value == pytest.approx(1.3)
    assert found.interval == pytest.approx((low, high), rel=1e-4)


def test_the_interval_is_that_of_scipys_bootstrap() -> None:
    candidate, floor = distances(1.2, seed=1)[0], distances(seed=2)[0]
    found = ratio_of(judged(candidate[None], floor[None]))
    other = stats.bootstrap(
        (candidate, floor),
        lambda c, f, axis: c.mean(axis=axis) / f.mean(axis=axis),
        paired=True,
        n_resamples=2000,
        random_state=np.random.default_rng(0),
    ).confidence_interval
    width = other.high - other.low
    assert found.interval == pytest.approx((other.low, other.high), abs=0.2 * width)


def test_seeds_are_random_from_three_runs_on() -> None:
    candidate, floor = distances(1.1, runs=3, seed=1), distances(runs=3, seed=2)
    found = judged(candidate, floor)
    expected = EditTables(range(200), 3).ratio(candidate, floor, 0.95)
    assert expected is not None
    assert found.scope is Scope.RECIPES
    assert ratio_of(found).interval == pytest.approx(expected.interval)
    two = judged(candidate[:2], floor[:2])
    assert two.scope is Scope.CHECKPOINTS
    assert ratio_of(two).interval == pytest.approx(
        ratio_of(judged(candidate[:2].mean(axis=0)[None], floor[:2].mean(axis=0)[None])).interval
    )


def test_pairs_by_image_take_the_images_own_spread_out() -> None:
    candidate, floor = distances(seed=1, noise=0.1), distances(seed=2, noise=0.1)
    paired = ratio_of(judged(candidate, floor)).interval
    shuffled = np.random.default_rng(0).permutation(200)
    apart = ratio_of(judged(candidate, floor[:, shuffled])).interval
    assert paired[1] - paired[0] < 0.3 * (apart[1] - apart[0])


# --- What changes nothing


def test_unit_order_and_which_is_which() -> None:
    candidate, floor = distances(1.3, seed=1), distances(seed=2)
    found = judged(candidate, floor)
    order = np.random.default_rng(0).permutation(200)
    for scale, rows in ((255.0**2, slice(None)), (1.0, order)):
        other = judged(scale * candidate[:, rows], scale * floor[:, rows])
        assert ratio_of(other).interval == pytest.approx(ratio_of(found).interval, rel=1e-4)
        assert other.p_inside == pytest.approx(found.p_inside, rel=1e-6)
    turned = ratio_of(judged(floor, candidate))
    low, high = ratio_of(found).interval
    assert turned.value == pytest.approx(1 / ratio_of(found).value)
    assert turned.interval == pytest.approx((1 / high, 1 / low), rel=1e-4)


def test_clusters_of_one_image_are_none_and_of_alike_images_widen() -> None:
    candidate, floor = distances(1.3, seed=1), distances(seed=2)
    alone = judged(candidate, floor)
    assert ratio_of(judged(candidate, floor, clusters=np.arange(200))).interval == pytest.approx(
        ratio_of(alone).interval
    )
    twice = [np.repeat(each, 2, axis=1) for each in (candidate, floor)]
    again = judged(twice[0], twice[1], clusters=np.arange(400) // 2)
    assert ratio_of(again).interval == pytest.approx(ratio_of(alone).interval, rel=1e-3)


# --- Several variants


def test_the_floor_is_the_farthest_variant_and_one_that_moves_nothing_does_not_count() -> None:
    candidate, near, far = distances(seed=1), distances(0.3, seed=2), distances(seed=3)
    alone = judged(candidate, far)
    found = judged(candidate, near, far)
    assert (found.farthest, found.floor) == (1, pytest.approx(far.mean()))
    assert ratio_of(found).value == pytest.approx(ratio_of(alone).value)
    # What is not known of which is the farthest is paid for at the upper end alone.
    assert ratio_of(found).interval[0] == pytest.approx(ratio_of(alone).interval[0])
    assert ratio_of(found).interval[1] > ratio_of(alone).interval[1]
    nothing = judged(candidate, np.zeros_like(far), far)
    assert ratio_of(nothing).interval == pytest.approx(ratio_of(alone).interval)
    assert nothing.p_inside == pytest.approx(alone.p_inside)


def test_the_interval_of_several_equal_variants_covers() -> None:
    # The farthest of five by chance alone is too far; see benchmarks/coverage_floor.py for many repeats.
    missed = 0
    for seed in range(60):
        own, *variants = (distances(n=40, seed=10 * seed + k) for k in range(6))
        low, high = ratio_of(judged(own, *variants)).interval
        missed += not low <= 1 <= high
    assert missed <= 8


# --- Verdicts


def test_positions() -> None:
    floor = distances(seed=2)
    found = [judged(distances(ratio, seed=1), floor).position for ratio in (1.0, 1.25, 2.0)]
    assert found == [Position.INSIDE, Position.UNDECIDED, Position.ABOVE]
    assert judged(distances(1.25, seed=1), floor, tolerance=2.0).position is Position.INSIDE


def test_the_bound_says_what_the_test_says() -> None:
    for seed, ratio in itertools.product(range(4), (1.0, 1.1, 1.2)):
        found = judged(distances(ratio, seed=seed), distances(seed=10), distances(seed=11))
        assert found.at_most is not None
        assert (found.at_most < found.tolerance) == (found.position is Position.INSIDE)


def test_several_candidates_are_adjusted_by_holm() -> None:
    floor, candidates = distances(seed=2), [distances(1.03, seed=1), distances(1.6, seed=3), distances(1.0, seed=4)]
    together, alone = floor_ratios(candidates, [floor]), [judged(each, floor) for each in candidates]
    assert together[0].p_inside >= alone[0].p_inside
    smallest = min(range(3), key=lambda k: alone[k].p_inside)
    assert together[smallest].p_inside == pytest.approx(3 * alone[smallest].p_inside)
    for each in together:
        assert each.at_most is not None
        assert (each.at_most < each.tolerance) == (each.position is Position.INSIDE)


def test_a_floor_of_nothing() -> None:
    nothing, something = np.zeros((1, 20)), distances(n=20)
    above = judged(something, nothing)
    assert (above.position, above.ratio, above.at_most, above.floor) == (Position.ABOVE, None, None, 0)
    same = judged(nothing, nothing)
    assert (same.position, same.ratio, same.at_most) == (Position.INSIDE, None, 0)


def test_a_candidate_without_any_difference_is_inside() -> None:
    found = judged(np.zeros((1, 5)), distances(n=5))
    assert (found.position, ratio_of(found).value, found.at_most) == (Position.INSIDE, 0, 0)


def test_a_floor_that_is_hardly_known_bounds_nothing() -> None:
    floor = np.zeros((1, 30))
    floor[0, 3] = 0.1  # of one image alone
    found = judged(distances(n=30, seed=1), floor)
    assert ratio_of(found).interval[1] == math.inf
    assert found.at_most == math.inf


def test_what_moved() -> None:
    inside, above, undecided = Position.INSIDE, Position.ABOVE, Position.UNDECIDED
    expected = {
        (inside, None): FloorVerdict.INSIDE,
        (inside, Verdict.INCONCLUSIVE): FloorVerdict.INSIDE,
        (inside, Verdict.WORSE): FloorVerdict.QUALITY_WORSE,
        (above, None): FloorVerdict.QUALITY_UNKNOWN,
        (above, Verdict.NEGLIGIBLE): FloorVerdict.QUALITY_WITHIN,
        (above, Verdict.INCONCLUSIVE): FloorVerdict.UNDECIDED,
        (undecided, None): FloorVerdict.UNDECIDED,
        (undecided, Verdict.BETTER): FloorVerdict.QUALITY_WITHIN,
        (undecided, Verdict.WORSE): FloorVerdict.QUALITY_WORSE,
    }
    assert {each: floor_verdict(*each) for each in expected} == expected


def test_quality_is_lost_by_one_measure_and_kept_by_all() -> None:
    within, worse, better, unknown = Verdict.WITHIN, Verdict.WORSE, Verdict.BETTER, Verdict.INCONCLUSIVE
    assert joint_quality([]) is None
    assert joint_quality([within, worse]) is worse
    assert joint_quality([within, unknown]) is unknown
    assert joint_quality([within, better]) is within
    assert joint_quality([better, better]) is better


def test_bad_tables() -> None:
    good = distances(n=5)
    for bad, message in (
        (-good, "distances, of 0 or more"),
        (good * np.nan, "finite numbers"),
        (good[:, :1], "two images or more"),
        (good[:, :4], "shape"),
    ):
        with pytest.raises(InputError, match=message):
            judged(good, bad)
    with pytest.raises(InputError, match="at least a benign variant"):
        judged(good)
    for tolerance in (0.9, math.nan, 1e9):
        with pytest.raises(InputError, match="--tolerance"):
            judged(good, good, tolerance=tolerance)
