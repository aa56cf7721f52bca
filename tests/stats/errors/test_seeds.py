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
from p2phd_eval.stats.errors.seeds import recipe_error, require_runs, seed_permutation_p

NO_IMAGE_ERROR = StandardError(value=0.0, df=math.inf)


def test_without_image_error_it_is_welchs_test():
    baseline, candidate = [50.0, 52.0, 49.5], [51.0, 55.0, 58.0, 50.5]
    error = recipe_error(baseline, candidate, NO_IMAGE_ERROR)
    welch = stats.ttest_ind(candidate, baseline, equal_var=False)
    assert error.df == pytest.approx(welch.df)
    assert (np.mean(candidate) - np.mean(baseline)) / error.value == pytest.approx(welch.statistic)


def test_the_images_variance_is_added_with_its_degrees_of_freedom():
    baseline, candidate = [50.0, 52.0, 49.5], [51.0, 55.0, 58.0, 50.5]
    parts = [(np.var(baseline, ddof=1) / 3, 2), (np.var(candidate, ddof=1) / 4, 3), (1.5**2, 30)]
    error = recipe_error(baseline, candidate, StandardError(value=1.5, df=30))
    total = sum(v for v, _ in parts)
    assert error.value == pytest.approx(math.sqrt(total))
    assert error.df == pytest.approx(total**2 / sum(v**2 / df for v, df in parts))


def test_seeds_that_do_not_differ_leave_the_images_error():
    images = StandardError(value=0.7, df=40.0)
    error = recipe_error([50.0, 50.0], [51.0, 51.0, 51.0], images)
    assert (error.value, error.df) == pytest.approx((0.7, 40))


@pytest.mark.parametrize(("seed_sd", "seeds"), [(1.0, 3), (3.0, 3), (3.0, 2)])
def test_intervals_cover_the_recipes_difference(seed_sd, seeds):
    """All runs see the same images, whose error of the difference is 1; that of seeds and images covers 95 %.

    Welch and Satterthwaite's degrees of freedom are an approximation: 1 % beside four binomial standard errors.
    """
    repeats, images = 3000, StandardError(value=1.0, df=math.inf)
    rng = np.random.default_rng(int(10 * seed_sd) + seeds)
    runs = seed_sd * rng.normal(size=(repeats, 2, seeds))
    runs[:, 1] += rng.normal(size=(repeats, 1))  # what these images change in the difference
    errors = [recipe_error(*arms, images) for arms in runs]
    off = np.abs(np.diff(runs.mean(axis=2))[:, 0])
    reach = stats.t.ppf(0.975, [each.df for each in errors]) * [each.value for each in errors]
    slack = 4 * math.sqrt(0.95 * 0.05 / repeats) + 0.01
    assert np.mean(off <= reach) == pytest.approx(0.95, abs=slack)
    # The image error alone, which speaks of these checkpoints only, is far too small.
    assert np.mean(off <= 1.96 * images.value) < 0.95 - 2 * slack


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
        recipe_error(baseline, candidate, NO_IMAGE_ERROR)


def test_arms_are_named():
    require_runs({"fp32": 2, "amp": 3})
    with pytest.raises(InputError, match="scope B, bf16") as caught:
        require_runs({"fp32": 2, "bf16": 1})
    assert "or ask for scope A" in caught.value.fix
