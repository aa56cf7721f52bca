"""Recipes against each other: Welch and Satterthwaite, coverage in a toy model, and the permutation of runs."""

import itertools
import math
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import StandardError
from p2phd_eval.stats.errors.seeds import combine_few, few_df, recipe_error, require_runs, seed_permutation_p

NO_IMAGE_ERROR = StandardError(value=0.0, df=math.inf)


def test_without_image_error_it_is_welchs_test():
    baseline, candidate = [50.0, 52.0, 49.5, 50.1], [51.0, 55.0, 58.0, 50.5]
    error = recipe_error(baseline, candidate, NO_IMAGE_ERROR, noise=(None, None))
    welch = stats.ttest_ind(candidate, baseline, equal_var=False)
    assert (np.mean(candidate) - np.mean(baseline)) / error.value == pytest.approx(welch.statistic)
    # Of equally many runs whose spreads do not differ much the degrees of freedom are Welch's, else fewer.
    equal = recipe_error([50.0, 52.0, 49.5], [51.0, 53.0, 50.5], NO_IMAGE_ERROR, noise=(0.0, 0.0))
    assert equal.df == pytest.approx(4)
    assert 3 < error.df < welch.df
    assert error.df == pytest.approx(welch.df, rel=0.15)


def test_image_noise_is_counted_once():
    """What the runs' own images add is in the spread of the runs already: the images keep what they share."""
    baseline, candidate = [50.0, 52.0, 49.5], [51.0, 55.0, 58.0, 50.5]
    images = StandardError(value=1.5, df=30)
    seeds = np.var(baseline, ddof=1) / 3 + np.var(candidate, ddof=1) / 4
    once = recipe_error(baseline, candidate, images, noise=(0.9, 1.2))
    assert once.value == pytest.approx(math.sqrt(seeds + 1.5**2 - 0.9 / 3 - 1.2 / 4))
    unknown = recipe_error(baseline, candidate, images, noise=(None, None))
    assert unknown.value == pytest.approx(math.sqrt(seeds + 1.5**2))
    # More noise than the images have altogether leaves the seeds.
    none_left = recipe_error(baseline, candidate, images, noise=(9.0, 9.0))
    assert none_left.value == pytest.approx(math.sqrt(seeds))


def test_seeds_that_do_not_differ_leave_the_images_error():
    images = StandardError(value=0.7, df=40.0)
    error = recipe_error([50.0, 50.0], [51.0, 51.0, 51.0], images, noise=(None, None))
    assert (error.value, error.df) == pytest.approx((0.7, 40))


def test_the_error_scales_and_knows_no_order_of_the_arms():
    baseline, candidate = [50.0, 52.0, 49.5], [51.0, 55.0, 58.0, 50.5]
    images = StandardError(value=1.5, df=30)
    error = recipe_error(baseline, candidate, images, noise=(0.9, 1.2))
    swapped = recipe_error(candidate, baseline, images, noise=(1.2, 0.9))
    assert (swapped.value, swapped.df) == pytest.approx((error.value, error.df))
    scaled = recipe_error(
        [8 * run for run in baseline],
        [8 * run for run in candidate],
        StandardError(value=12, df=30),
        noise=(64 * 0.9, 64 * 1.2),
    )
    assert (scaled.value, scaled.df) == pytest.approx((8 * error.value, error.df))


def test_nothing_that_spreads_has_no_error():
    assert combine_few([(0.0, 9.0), (0.0, 2.0)]) == StandardError(value=0.0, df=2.0)


@given(
    shares=st.lists(st.floats(1e-6, 1), min_size=1, max_size=4),
    dfs=st.lists(st.floats(1, 1000), min_size=4, max_size=4),
)
def test_degrees_of_freedom_lie_between_those_of_the_parts_and_satterthwaites(shares, dfs):
    shares, dfs = np.array(shares) / sum(shares), np.array(dfs[: len(shares)])
    df = float(few_df(list(shares), list(dfs)))
    satterthwaite = 1 / np.sum(shares**2 / dfs)
    assert df <= satterthwaite * (1 + 1e-9)
    if len(shares) == 1:
        assert df == pytest.approx(dfs[0])


def false_calls(runs, sds, images, level):
    """How often a one-sided test at this level errs, by quadrature over the distributions of both spreads."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    parts = []
    for axis, (count, sd) in enumerate(zip(runs, sds, strict=True)):
        estimate = sd**2 / count * stats.chi2(count - 1).ppf((nodes + 1) / 2) / (count - 1)
        parts.append(np.expand_dims(estimate, 1 - axis))
    total = images**2 + parts[0] + parts[1]
    df = few_df([images**2 / total, *(part / total for part in parts)], [1e6, *(count - 1 for count in runs)])
    true = math.sqrt(images**2 + sum(sd**2 / count for count, sd in zip(runs, sds, strict=True)))
    false = stats.norm.sf(stats.t.isf(level, df) * np.sqrt(total) / true)
    return float(weights @ false @ weights / 4)


@pytest.mark.parametrize(
    ("runs", "most"),
    [((2, 2), 0.08), ((2, 5), 0.08), ((2, 12), 0.08), ((3, 3), 0.06), ((3, 8), 0.06), ((4, 4), 0.06), ((8, 8), 0.06)],
)
def test_equal_recipes_are_called_different_in_6_percent_at_most_and_with_two_runs_in_8(runs, most):
    for sds in ((1, 1), (1, 3), (3, 1), (1, 10), (10, 1)):
        for images in (0, 0.1, 0.2, 0.4, 1):
            assert 2 * false_calls(runs, sds, images * max(sds), 0.025) < most
            assert false_calls(runs, sds, images * max(sds), 0.05) < (0.058 if 2 in runs else 0.053)


@pytest.mark.parametrize(("seed_sd", "seeds", "noise"), [(1.0, 3, 0.0), (3.0, 3, 1.0), (1.0, 5, 2.0), (3.0, 2, 1.0)])
def test_intervals_cover_the_recipes_difference(seed_sd, seeds, noise):
    """All runs see the same images, whose error of the difference is 1 beside what each run's own images add."""
    repeats = 3000
    images = StandardError(value=math.sqrt(1 + 2 * noise**2 / seeds), df=math.inf)
    rng = np.random.default_rng(int(10 * seed_sd) + seeds)
    runs = math.hypot(seed_sd, noise) * rng.normal(size=(repeats, 2, seeds))
    runs[:, 1] += rng.normal(size=(repeats, 1))  # what these images change in the difference
    errors = [recipe_error(*arms, images, noise=(noise**2, noise**2)) for arms in runs]
    off = np.abs(np.diff(runs.mean(axis=2))[:, 0])
    reach = stats.t.ppf(0.975, [each.df for each in errors]) * [each.value for each in errors]
    assert np.mean(off <= reach) > 0.95 - 4 * math.sqrt(0.95 * 0.05 / repeats)
    # The image error alone, which speaks of these checkpoints only, is too small.
    assert np.mean(off <= 1.96 * images.value) < 0.94


def exact_p(baseline, candidate):
    """By recursion over all deals, in exact arithmetic."""
    runs = [Fraction(value) for value in (*baseline, *candidate)]

    def gap(chosen):
        picked = sum((runs[k] for k in chosen), Fraction(0))
        return abs(picked / len(candidate) - (sum(runs) - picked) / len(baseline))

    deals = list(itertools.combinations(range(len(runs)), len(candidate)))
    observed = gap(range(len(baseline), len(runs)))
    return sum(gap(deal) >= observed for deal in deals) / len(deals)


# Integers, so that ties are frequent and exact.
arms = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(baseline=arms, candidate=arms)
def test_the_p_value_is_the_share_of_all_deals(baseline, candidate):
    assert seed_permutation_p(baseline, candidate) == pytest.approx(exact_p(baseline, candidate))


@pytest.mark.parametrize("sizes", [(2, 2), (3, 3), (3, 5), (6, 2)])
def test_the_p_value_is_that_of_scipy(sizes):
    rng = np.random.default_rng(sum(sizes))
    baseline, candidate = rng.normal(50, 1, size=sizes[0]), rng.normal(51, 1, size=sizes[1])
    reference = stats.permutation_test(
        (baseline, candidate),
        lambda a, b, axis: np.abs(np.mean(b, axis=axis) - np.mean(a, axis=axis)),
        permutation_type="independent",
        alternative="greater",
        n_resamples=np.inf,
        vectorized=True,
    )
    assert seed_permutation_p(baseline, candidate) == pytest.approx(reference.pvalue)


@pytest.mark.parametrize("seeds", [2, 3, 4, 5])
def test_the_smallest_p_value_is_that_of_separate_arms(seeds):
    apart = seed_permutation_p(range(seeds), range(100, 100 + seeds))
    assert apart == pytest.approx(2 / math.comb(2 * seeds, seeds))


def test_rounding_tells_no_mirror_images_apart():
    # 0.1 + 0.7 and 0.2 + 0.6 differ in the last bit.
    assert seed_permutation_p([0.1, 0.7], [0.2, 0.6]) == 1
    assert seed_permutation_p([50.1, 50.2, 50.3], [50.7, 50.8, 50.9]) == pytest.approx(0.1)
    # Six deals tie; scipy's permutation_test takes four of them for smaller differences, and says 11 / 35.
    assert seed_permutation_p([50.6, 50.2, 49.9], [50.3, 49.8, 50.1, 49.8]) == pytest.approx(3 / 7)


def test_equal_recipes_are_told_apart_as_often_as_the_p_value_says():
    rng = np.random.default_rng(1)
    repeats = 1000
    found = sum(seed_permutation_p(*rng.normal(size=(2, 4))) <= 2 / 70 for _ in range(repeats))
    assert abs(found - repeats * 2 / 70) < 4 * math.sqrt(repeats * 2 / 70)


def test_too_many_ways_give_none():
    assert math.comb(20, 10) > 100_000 > math.comb(18, 9)
    assert seed_permutation_p(range(10), range(10)) is None
    assert seed_permutation_p(range(9), range(9)) == 1


@pytest.mark.parametrize(("baseline", "candidate", "name"), [([1.0], [1, 2], "baseline"), ([1, 2], [2.0], "candidate")])
def test_one_seed_an_arm_is_refused(baseline, candidate, name):
    with pytest.raises(InputError, match=re.escape(f"scope B, {name}: expected two or more training seeds an arm")):
        recipe_error(baseline, candidate, NO_IMAGE_ERROR, noise=(None, None))


def test_arms_are_named():
    require_runs({"fp32": 2, "amp": 3})
    with pytest.raises(InputError, match="scope B, bf16") as caught:
        require_runs({"fp32": 2, "bf16": 1})
    assert "or ask for scope A" in caught.value.fix
