"""Whether editing widens a gap: estimand, floor, ratio and verdict against theory, and by simulation."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.paired_means import image_mean
from p2phd_eval.stats.verdicts.scope import Scope
from p2phd_eval.stats.verdicts.widening import (
    EditTables,
    MarginBase,
    ShareMargin,
    Widening,
    judge_together,
    pair_values,
    parse_share,
    widening,
)

Values = npt.NDArray[np.float64]
IMAGES = [k // 3 for k in range(60)]


def gaps(rng: np.random.Generator, change: float, pairs: int = 4) -> tuple[Values, Values]:
    """Distances on maps as they were, about 1, and on edited ones."""
    image = np.exp(0.3 * rng.normal(size=20))[IMAGES]
    run = np.exp(0.05 * rng.normal(size=(pairs, 1)))
    original = run * image * np.exp(0.1 * rng.normal(size=(pairs, 60)))
    edited = run * image * (1 + change) * np.exp(0.1 * rng.normal(size=(pairs, 60)))
    return original, edited


def judge(change: float, margin: float | None = 0.2, seed: int = 0, pairs: int = 4) -> Widening:
    original, edited = gaps(np.random.default_rng(seed), change, pairs)
    return widening(original, edited, IMAGES, margin=None if margin is None else ShareMargin(share=margin))


# --- The estimate


def test_the_estimate_is_the_mean_over_edits_and_pairs() -> None:
    original, edited = gaps(np.random.default_rng(0), 0.1)
    found = widening(original, edited, IMAGES)
    assert found.estimate.value == pytest.approx((edited - original).mean())
    assert (found.original, found.edited) == (pytest.approx(original.mean()), pytest.approx(edited.mean()))
    assert (found.edits, found.images, found.pairs) == (60, 20, 4)


def test_one_pair_is_the_paired_mean_of_clustered_images() -> None:
    original, edited = gaps(np.random.default_rng(0), 0.1, pairs=1)
    found = widening(original, edited, IMAGES)
    expected = image_mean(edited - original, clusters=IMAGES)
    assert found.scope is Scope.CHECKPOINTS
    assert found.estimate.interval == pytest.approx(expected.interval)
    assert found.seeds_original is None


def test_neither_order_nor_names_of_edits_and_pairs_matter() -> None:
    original, edited = gaps(np.random.default_rng(0), 0.1)
    found = widening(original, edited, IMAGES, margin=ShareMargin(share=0.1))
    order = np.random.default_rng(1).permutation(60)
    names = [f"image {IMAGES[k]}" for k in order]
    other = widening(original[::-1, order], edited[::-1, order], names, margin=ShareMargin(share=0.1))
    assert other.estimate.interval == pytest.approx(found.estimate.interval)
    assert other.p_within == pytest.approx(found.p_within)


def test_the_unit_does_not_matter() -> None:
    original, edited = gaps(np.random.default_rng(0), 0.1)
    margin = ShareMargin(share=0.1)
    found, scaled = (widening(k * original, k * edited, IMAGES, margin=margin) for k in (1.0, 1e4))
    assert scaled.estimate.value == pytest.approx(1e4 * found.estimate.value)
    assert scaled.of_original is not None
    assert found.of_original is not None
    assert scaled.of_original.interval == pytest.approx(found.of_original.interval, rel=1e-4)
    assert (scaled.verdict, scaled.p_within) == (found.verdict, pytest.approx(found.p_within))


# --- The floor


def test_pseudo_values_have_the_mean_of_all_pairs_and_the_jackknifes_variance() -> None:
    rng = np.random.default_rng(0)
    runs, edits = 5, 7
    pairs = list(itertools.combinations(range(runs), 2))
    table = rng.exponential(size=(len(pairs), edits))
    rows = pair_values(table, runs)
    assert rows.mean(axis=0) == pytest.approx(table.mean(axis=0))
    left_out = np.stack([table[[run not in pair for pair in pairs]].mean(axis=0) for run in range(runs)])
    jackknife = (runs - 1) / runs * np.square(left_out - left_out.mean(axis=0)).sum(axis=0)
    assert rows.var(axis=0, ddof=1) / runs == pytest.approx(jackknife)


def test_where_a_distance_is_a_sum_of_runs_the_pseudo_values_are_the_runs() -> None:
    own = np.random.default_rng(0).normal(size=(4, 3))
    table = np.stack([own[first] + own[second] for first, second in itertools.combinations(range(4), 2)])
    assert pair_values(table, 4) == pytest.approx(2 * own)


def test_the_floor_stands_beside_the_estimate() -> None:
    rng = np.random.default_rng(0)
    original, edited = gaps(rng, 0.1, pairs=3)
    floor, floor_edited = gaps(rng, 0.0, pairs=3)
    found = widening(original, edited, IMAGES, seeds_original=2 * floor, seeds_edited=2 * floor_edited)
    assert found.seeds_original == pytest.approx(2 * floor.mean())
    assert found.of_seeds is not None
    assert found.of_seeds.value == pytest.approx(found.estimate.value / found.seeds_original)
    assert found.seeds_estimate is not None
    assert found.seeds_estimate.interval[0] < 0 < found.seeds_estimate.interval[1]


# --- The ratio


def test_the_ratio_of_normal_values_is_fiellers_closed_form() -> None:
    """Independent images of one pair; their skewness is taken out by mirroring them."""
    rng = np.random.default_rng(0)
    half = rng.normal(size=(2, 15))
    above, below = np.concatenate([half, -half], axis=1) + np.array([[0.5], [3.0]])
    found = EditTables(list(range(30)), 1).ratio(above[None], below[None], 0.95)
    assert found is not None
    covariance = np.cov(above, below) / 30
    t = stats.t.ppf(0.975, 29)
    # The interval's ends are the roots of (a - r b)^2 = t^2 (s_aa - 2 r s_ab + r^2 s_bb).
    a, b = above.mean(), below.mean()
    roots = np.roots(
        [b**2 - t**2 * covariance[1, 1], -2 * (a * b - t**2 * covariance[0, 1]), a**2 - t**2 * covariance[0, 0]]
    )
    # The error's degrees of freedom fall with heavy tails, of which normal values have a little.
    assert found.interval == pytest.approx(sorted(roots), rel=0.05)


def test_a_ratio_to_a_distance_that_may_be_0_is_unbounded() -> None:
    rng = np.random.default_rng(0)
    below = rng.normal(0.1, 1.0, size=(1, 10))
    found = EditTables(list(range(10)), 1).ratio(rng.normal(1, 0.1, size=(1, 10)), np.abs(below.mean()) + below, 0.95)
    assert found is None or math.isinf(found.interval[1])
    assert EditTables(list(range(10)), 1).ratio(below, np.zeros((1, 10)), 0.95) is None


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2, 0.4])
def test_the_margin_is_kept_exactly_where_the_ratios_interval_lies_inside(share: float) -> None:
    original, edited = gaps(np.random.default_rng(5), 0.03)
    tables = EditTables(IMAGES, 4)
    ratio = tables.ratio(edited - original, original, 0.9)
    assert ratio is not None
    inside = -share < ratio.interval[0] and ratio.interval[1] < share
    assert (tables.p_beyond(edited - original, original, share) < 0.05) == inside


# --- The verdict


def test_verdicts_follow_from_both_tests() -> None:
    assert judge(0.5).verdict is Verdict.WORSE
    assert judge(-0.4).verdict is Verdict.BETTER
    assert judge(0.0).verdict is Verdict.WITHIN
    assert judge(0.1).verdict is Verdict.NEGLIGIBLE
    assert judge(0.0, margin=0.001).verdict is Verdict.INCONCLUSIVE
    assert judge(0.0, margin=None).verdict is Verdict.INCONCLUSIVE


def test_the_margin_is_a_share_of_what_it_says() -> None:
    rng = np.random.default_rng(0)
    original, edited = gaps(rng, 0.1, pairs=3)
    floor, floor_edited = gaps(rng, 0.0, pairs=3)
    seeds = {"seeds_original": 10 * floor, "seeds_edited": 10 * floor_edited}
    gap = widening(original, edited, IMAGES, margin=ShareMargin(share=0.1), **seeds)
    assert gap.margin == pytest.approx(0.1 * original.mean())
    of_seeds = ShareMargin(share=0.1, base=MarginBase.SEEDS)
    assert widening(original, edited, IMAGES, margin=of_seeds, **seeds).margin == pytest.approx(floor.mean())
    # Of one pair there are no two seeds.
    alone = widening(original[:1], edited[:1], IMAGES, margin=of_seeds)
    assert (alone.margin, alone.p_within) == (None, None)


def test_identical_arms_have_no_gap_that_could_widen() -> None:
    found = widening(np.zeros((3, 60)), np.zeros((3, 60)), IMAGES, margin=ShareMargin(share=0.1))
    assert (found.of_original, found.margin, found.estimate.interval) == (None, None, (0.0, 0.0))
    assert found.verdict is Verdict.INCONCLUSIVE


def test_several_candidates_are_judged_together() -> None:
    seed = next(k for k in range(100) if 0.02 < judge(0.05, seed=k, margin=None).estimate.p_value < 0.05)
    alone = judge(0.05, seed=seed, margin=None)
    assert alone.verdict is Verdict.WORSE
    assert [each.verdict for each in judge_together([alone])] == [Verdict.WORSE]
    both = judge_together([alone, dataclasses.replace(alone)])
    assert {each.verdict for each in both} == {Verdict.INCONCLUSIVE}


def test_intervals_cover_and_margins_are_kept() -> None:
    """A hundred and fifty studies; `benchmarks/coverage_edits.py` has thousands."""
    missed = within = 0
    for seed in range(150):
        found = judge(0.2, margin=0.2, seed=1000 + seed, pairs=3)
        assert found.of_original is not None
        low, high = found.of_original.interval
        missed += not low <= 0.2 <= high
        within += found.verdict in (Verdict.WITHIN, Verdict.NEGLIGIBLE)
    # One-sided 99.9 % limits of 5 %.
    assert missed <= stats.binom.ppf(0.999, 150, 0.05)
    assert within <= stats.binom.ppf(0.999, 150, 0.05)


# --- Input


def test_margins_are_read() -> None:
    assert parse_share("10%") == ShareMargin(share=0.1)
    assert parse_share(" 5% of seeds") == ShareMargin(share=0.05, base=MarginBase.SEEDS)
    for text in ("10", "x%", "10% of photos", "0%", "-5%", "nan%", "1e9%", ""):
        with pytest.raises(InputError, match="--margin"):
            parse_share(text)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"images": [0] * 60}, "two images or more"),
        ({"edited": np.ones((3, 60))}, "edited"),
        ({"edited": np.full((4, 60), np.nan)}, "NaN"),
        ({"original": np.ones((4, 59))}, "original"),
        ({"seeds_original": np.ones((5, 60)), "seeds_edited": np.ones((6, 60))}, "6 pairs of 4 runs"),
        ({"confidence": 0.5}, "--confidence"),
        ({"margin": ShareMargin(share=0.0)}, "--margin"),
    ],
)
def test_bad_input_is_named(change: dict[str, object], where: str) -> None:
    original, edited = gaps(np.random.default_rng(0), 0.1)
    arguments: dict[str, object] = {"original": original, "edited": edited, "images": IMAGES, **change}
    with pytest.raises(InputError, match=where):
        widening(**arguments)  # type: ignore[arg-type]


def test_two_pairs_say_nothing_of_recipes() -> None:
    with pytest.raises(InputError, match="3 or more for scope B"):
        EditTables(IMAGES, 2, Scope.RECIPES)
