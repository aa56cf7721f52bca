"""Verdicts against hand calculation, Holm's method against closed testing, and the invariances of both."""

import dataclasses
import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.confidence import t_interval
from p2phd_eval.stats.design import StandardError
from p2phd_eval.stats.errors.seeds import recipe_error
from p2phd_eval.stats.verdicts.equivalence import Difference, Verdict, equivalence_test, holm, judge_differences
from p2phd_eval.stats.verdicts.margins import REPEATABILITY, Margin, SeedSpread, given_margin, seed_margin

Z90, Z95 = stats.norm.ppf([0.95, 0.975])  # 1.645 and 1.960
EQUIVALENT = {Verdict.WITHIN, Verdict.NEGLIGIBLE}

estimates = st.just(0.0) | st.floats(-100, -1e-6) | st.floats(1e-6, 100)
errors = st.floats(1e-3, 100)
margins = st.none() | st.floats(1e-3, 100)
freedoms = st.just(math.inf) | st.floats(1, 50)
p_values = st.lists(st.floats(0, 1), min_size=1, max_size=5)
examples = settings(max_examples=60, deadline=None)


def difference(estimate, error, margin, df=math.inf):
    return Difference(estimate=estimate, error=StandardError(value=error, df=df), margin=margin)


def judge(estimate, error, margin, df=math.inf, confidence=0.95):
    return equivalence_test(difference(estimate, error, margin, df), confidence=confidence)


@pytest.mark.parametrize(
    ("estimate", "error", "margin", "verdict", "material"),
    [
        # 90 %: (-0.72, 0.92), 95 %: (-0.88, 1.08)
        (0.1, 0.5, 2, Verdict.WITHIN, False),
        # 90 %: (0.34, 1.66), 95 %: (0.22, 1.78)
        (1.0, 0.4, 2, Verdict.NEGLIGIBLE, False),
        (-1.0, 0.4, 2, Verdict.NEGLIGIBLE, False),
        # 90 %: (1.18, 2.82), not inside; 95 %: (1.02, 2.98)
        (2.0, 0.5, 2, Verdict.WORSE, False),
        # 95 %: (3.02, 4.98), wholly beyond 2
        (4.0, 0.5, 2, Verdict.WORSE, True),
        (-4.0, 0.5, 2, Verdict.BETTER, True),
        (-2.0, 0.5, 2, Verdict.BETTER, False),
        # 90 %: (-0.64, 2.64), 95 %: (-0.96, 2.96)
        (1.0, 1.0, 2, Verdict.INCONCLUSIVE, False),
        # Centred at 0, and still too wide: not finding a difference is not equivalence.
        (0.0, 5.0, 2, Verdict.INCONCLUSIVE, False),
        # Without a margin only the 95 % interval counts: (0.02, 1.98) and (-0.96, 2.96)
        (1.0, 0.5, None, Verdict.WORSE, False),
        (-1.0, 0.5, None, Verdict.BETTER, False),
        (1.0, 1.0, None, Verdict.INCONCLUSIVE, False),
        # No spread at all: the interval is the estimate.
        (0.0, 0.0, 2, Verdict.WITHIN, False),
        (1.0, 0.0, 2, Verdict.NEGLIGIBLE, False),
        (2.0, 0.0, 2, Verdict.WORSE, False),
        (3.0, 0.0, 2, Verdict.WORSE, True),
        (0.0, 0.0, None, Verdict.INCONCLUSIVE, False),
    ],
)
def test_verdicts_derived_by_hand(estimate, error, margin, verdict, material):
    result = judge(estimate, error, margin)
    assert result.verdict is verdict
    assert result.material is material


def test_intervals_p_values_and_reason():
    result = judge(0.1, 0.5, 2)
    assert result.tost_interval == pytest.approx((0.1 - Z90 * 0.5, 0.1 + Z90 * 0.5))
    assert result.interval == pytest.approx((0.1 - Z95 * 0.5, 0.1 + Z95 * 0.5))
    # (2 - 0.1) / 0.5 and (2 + 0.1) / 0.5 standard errors from the margins, 0.2 from no difference.
    assert (result.p_upper, result.p_lower) == pytest.approx((stats.norm.sf(3.8), stats.norm.sf(4.2)))
    assert result.p_difference == pytest.approx(2 * stats.norm.sf(0.2))
    assert (result.p_equivalence_holm, result.p_difference_holm) == (result.p_upper, result.p_difference)
    assert result.non_inferior
    assert result.reason == (
        "the 90 % interval (-0.72, +0.92) lies inside ±2 and the 95 % interval (-0.88, +1.08) contains 0"
    )


@pytest.mark.parametrize(
    ("estimate", "error", "reason"),
    [
        (1.0, 0.4, "(+0.34, +1.66) lies inside ±2 but the 95 % interval (+0.22, +1.78) excludes 0"),
        (4.0, 0.5, "(+3.18, +4.82) does not lie inside ±2 and the 95 % interval (+3.02, +4.98) excludes 0"),
        (1.0, 1.0, "(-0.64, +2.64) does not lie inside ±2 but the 95 % interval (-0.96, +2.96) contains 0"),
    ],
)
def test_reasons(estimate, error, reason):
    assert judge(estimate, error, 2).reason == f"the 90 % interval {reason}"


def test_p_values_are_those_of_a_t_test_on_the_images():
    """Deltas of 12 images: their mean, its standard error and 11 degrees of freedom, against scipy.stats."""
    deltas = np.random.default_rng(0).normal(0.3, 1, size=12)
    result = judge(deltas.mean(), stats.sem(deltas), 1.5, df=11)
    assert result.p_difference == pytest.approx(stats.ttest_1samp(deltas, 0).pvalue)
    assert result.p_upper == pytest.approx(stats.ttest_1samp(deltas, 1.5, alternative="less").pvalue)
    assert result.p_lower == pytest.approx(stats.ttest_1samp(deltas, -1.5, alternative="greater").pvalue)
    for interval, confidence in ((result.interval, 0.95), (result.tost_interval, 0.90)):
        assert interval == pytest.approx(tuple(stats.ttest_1samp(deltas, 0).confidence_interval(confidence)))


def test_few_degrees_of_freedom_widen_the_intervals():
    result = judge(1.0, 0.5, 3, df=4)
    assert result.interval[1] == pytest.approx(1 + stats.t.ppf(0.975, 4) * 0.5)
    assert result.p_upper == pytest.approx(stats.t.sf(4, 4))
    assert result.verdict is Verdict.WITHIN  # the normal 95 % interval would exclude 0


def test_without_a_margin_equivalence_is_not_available_and_the_reason_says_so():
    result = judge(0.0, 1e-6, None)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert (result.non_inferior, result.p_lower, result.p_upper, result.p_equivalence_holm) == (None,) * 4
    assert "without a margin no result can be called within the error range" in result.reason


def test_not_worse_but_perhaps_better_is_non_inferior_only():
    result = judge(-1.5, 0.9, 2)
    assert (result.verdict, result.non_inferior) == (Verdict.INCONCLUSIVE, True)
    assert result.p_lower > 0.05


@pytest.mark.parametrize("confidence", [0.8, 0.9, 0.99])
def test_the_confidence_is_that_of_interval_and_tests(confidence):
    result = judge(0.7, 0.5, 2, df=9, confidence=confidence)
    assert result.interval == t_interval(0.7, StandardError(value=0.5, df=9), confidence)
    assert result.tost_interval == t_interval(0.7, StandardError(value=0.5, df=9), 2 * confidence - 1)
    detected, equivalent = result.p_difference < 1 - confidence, result.p_upper < 1 - confidence
    assert (result.verdict in EQUIVALENT, result.verdict is Verdict.NEGLIGIBLE) == (equivalent, detected and equivalent)


@examples
@given(estimate=estimates, error=errors, margin=margins, df=freedoms)
def test_where_more_is_better_the_same_is_said_of_the_other_sign(estimate, error, margin, df):
    plain = judge(estimate, error, margin, df)
    turned = dataclasses.replace(difference(-estimate, error, margin, df), more_is_better=True)
    found = equivalence_test(turned)
    assert (found.verdict, found.material, found.non_inferior) == (plain.verdict, plain.material, plain.non_inferior)
    assert (found.p_difference, found.p_upper_holm) == (plain.p_difference, plain.p_upper_holm)
    assert (found.p_lower, found.p_upper) == (plain.p_upper, plain.p_lower)
    assert found.interval == (-plain.interval[1], -plain.interval[0])


@examples
@given(estimate=estimates, error=errors, margin=margins, df=freedoms)
def test_a_sign_flip_swaps_worse_and_better(estimate, error, margin, df):
    result, flipped = (judge(e, error, margin, df) for e in (estimate, -estimate))
    swapped = {Verdict.WORSE: Verdict.BETTER, Verdict.BETTER: Verdict.WORSE}
    assert flipped.verdict is swapped.get(result.verdict, result.verdict)
    assert flipped.material == result.material
    assert (flipped.p_lower, flipped.p_upper) == (result.p_upper, result.p_lower)
    assert flipped.interval == (-result.interval[1], -result.interval[0])


@examples
@given(estimate=estimates, error=errors, margin=margins, df=freedoms, factor=st.floats(1, 10))
def test_less_precision_never_decides(estimate, error, margin, df, factor):
    before, after = (judge(estimate, e, margin, df) for e in (error, error * factor))
    # From each verdict, those that a wider interval around the same estimate can bring.
    reachable = {
        Verdict.INCONCLUSIVE: {Verdict.INCONCLUSIVE},
        Verdict.WITHIN: {Verdict.WITHIN, Verdict.INCONCLUSIVE},
        Verdict.WORSE: {Verdict.WORSE, Verdict.INCONCLUSIVE},
        Verdict.BETTER: {Verdict.BETTER, Verdict.INCONCLUSIVE},
        Verdict.NEGLIGIBLE: set(Verdict),
    }
    assert after.verdict in reachable[before.verdict]
    assert before.material or not after.material


@examples
@given(estimate=estimates, error=errors, margin=st.floats(1e-3, 100), factor=st.floats(1, 10))
def test_a_wider_margin_never_takes_equivalence_back(estimate, error, margin, factor):
    narrow, wide = (judge(estimate, error, m) for m in (margin, margin * factor))
    assert narrow.verdict not in EQUIVALENT or wide.verdict in EQUIVALENT
    assert wide.p_equivalence_holm <= narrow.p_equivalence_holm
    assert narrow.non_inferior <= wide.non_inferior


@examples
@given(estimate=estimates, error=errors, margin=st.floats(1e-3, 100), unit=st.sampled_from([0.25, 8, 1024]))
def test_the_unit_of_the_features_does_not_matter(estimate, error, margin, unit):
    # Powers of two scale without rounding.
    result, scaled = judge(estimate, error, margin), judge(estimate * unit, error * unit, margin * unit)
    for field in ("verdict", "material", "p_difference", "p_lower", "p_upper"):
        assert getattr(scaled, field) == getattr(result, field)


@examples
@given(estimate=estimates, error=errors, margin=st.floats(1e-3, 100), df=freedoms)
def test_intervals_tests_and_verdict_agree(estimate, error, margin, df):
    result = judge(estimate, error, margin, df)
    for p in (result.p_equivalence_holm, result.p_difference):
        assume(abs(p - 0.05) > 1e-9)
    inside = -margin < result.tost_interval[0] and result.tost_interval[1] < margin
    assert (result.verdict in EQUIVALENT) == inside == (max(result.p_lower, result.p_upper) < 0.05)
    excludes = result.interval[0] > 0 or result.interval[1] < 0
    assert (result.verdict in {Verdict.NEGLIGIBLE, Verdict.WORSE, Verdict.BETTER}) == excludes
    assert result.non_inferior >= inside


def test_holm_on_a_published_example():
    """p = .01, .04, .03, .005: at .05 the first and the last are rejected; R's p.adjust gives these values."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@examples
@given(p=p_values)
def test_holm_is_the_closed_test_of_bonferroni_tests(p):
    """Marcus, Peritz and Gabriel (1976): a hypothesis is rejected where each set that holds it is."""
    sets = [s for size in range(1, len(p) + 1) for s in itertools.combinations(range(len(p)), size)]
    closed = [max(min(1.0, len(s) * min(p[j] for j in s)) for s in sets if k in s) for k in range(len(p))]
    assert holm(p) == pytest.approx(closed)


@examples
@given(p=p_values, order=st.randoms(use_true_random=False))
def test_holm_follows_the_order_of_its_input(p, order):
    places = list(range(len(p)))
    order.shuffle(places)
    assert holm([p[k] for k in places]) == [holm(p)[k] for k in places]


def test_holm_of_nothing():
    assert holm([]) == []


FAMILY = [difference(0.1, 0.5, 2), difference(1.0, 0.42, None), difference(3.0, 0.9, 2, df=6), difference(0.4, 0.85, 2)]


def test_a_family_is_judged_by_adjusted_p_values_and_shows_plain_intervals():
    alone = [equivalence_test(each) for each in FAMILY]
    together = judge_differences(FAMILY)
    assert [each.p_difference_holm for each in together] == pytest.approx(holm([each.p_difference for each in alone]))
    adjusted = holm([max(each.p_lower, each.p_upper) for each in alone if each.margin])
    assert [each.p_equivalence_holm for each in together if each.margin] == pytest.approx(adjusted)
    assert [each.p_upper_holm for each in together if each.margin] == pytest.approx(
        holm([each.p_upper for each in alone if each.margin])
    )
    assert (together[1].p_equivalence_holm, together[1].p_upper_holm) == (None, None)
    for one, of_family in zip(alone, together, strict=True):
        for field in ("interval", "tost_interval", "p_difference", "p_lower", "p_upper"):
            assert getattr(one, field) == getattr(of_family, field)
    # p = .017 and .016 alone are below .05, but not three or four times that; .02 is of the margin.
    assert [each.verdict for each in alone] == [Verdict.WITHIN, Verdict.WORSE, Verdict.WORSE, Verdict.WITHIN]
    assert [each.verdict for each in together] == [
        Verdict.WITHIN,
        Verdict.INCONCLUSIVE,
        Verdict.INCONCLUSIVE,
        Verdict.INCONCLUSIVE,
    ]
    # The smallest p-value is held to .05 / 4 and fails: so is every other.
    assert "98.75 % interval (-0.14, +6.14) contains 0" not in together[2].reason
    assert "the 98.75 % interval (-0.17, +6.17) contains 0 (of 4 judged together, by Holm's method)" in (
        together[2].reason
    )
    assert "Holm" not in alone[2].reason


def test_non_inferiority_is_adjusted_for_the_family():
    """Each alone is shown to be worse by less than 2 at 5 %, none of three at 5/3 %."""
    family = [difference(0.0, 1.1, 2), difference(0.05, 1.1, 2), difference(-0.05, 1.1, 2)]
    assert all(equivalence_test(each).non_inferior for each in family)
    assert not any(each.non_inferior for each in judge_differences(family))


def test_the_order_of_a_family_does_not_matter():
    assert judge_differences(FAMILY[::-1]) == judge_differences(FAMILY)[::-1]
    assert judge_differences([]) == ()


def test_a_family_calls_any_candidate_at_the_margin_non_inferior_in_5_percent_at_most():
    rng = np.random.default_rng(2)
    repeats, shared = 1000, rng.normal(0, 0.3, size=1000)  # the baseline's share of the error
    found = plain = 0
    for k in range(repeats):
        family = [difference(rng.normal(2.0 + shared[k], 0.5), math.hypot(0.3, 0.5), 2.0) for _ in range(3)]
        results = judge_differences(family)
        found += any(each.non_inferior for each in results)
        plain += any(each.p_upper < 0.05 for each in results)
    limit = stats.binom.ppf(0.9999, repeats, 0.05)
    assert found <= limit < plain


def test_a_family_calls_any_difference_at_the_margin_within_in_5_percent_at_most():
    """Three candidates whose true differences equal the margin, so that each "within" is false."""
    rng = np.random.default_rng(1)
    repeats, df = 500, 20
    any_false, any_plain = 0, 0
    for _ in range(repeats):
        family = []
        for true in (2.0, -2.0, 2.0):
            error = 0.4 * math.sqrt(rng.chisquare(df) / df)
            family.append(difference(rng.normal(true, 0.4), error, 2.0, df))
        results = judge_differences(family)
        any_false += any(each.verdict in EQUIVALENT for each in results)
        any_plain += any(max(each.p_lower, each.p_upper) < 0.05 for each in results)
    limit = stats.binom.ppf(0.9999, repeats, 0.05)
    assert any_false <= limit < any_plain


@pytest.mark.parametrize("margin", [0, -1, math.nan, math.inf])
def test_margins_that_are_none_are_refused(margin):
    with pytest.raises(InputError, match="--margin: expected a number above 0"):
        judge(0.0, 1.0, margin)


@pytest.mark.parametrize("confidence", [-0.1, 0, 0.5, 1, 1.5, 95, math.nan])
def test_confidences_that_are_none_are_refused(confidence):
    with pytest.raises(InputError, match="--confidence: expected a number above"):
        judge(0.0, 1.0, 1.0, confidence=confidence)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"estimate": math.nan}, "estimate"),
        ({"estimate": -math.inf}, "estimate"),
        ({"error": -1.0}, "standard error"),
        ({"error": math.inf}, "standard error"),
        ({"error": math.nan}, "standard error"),
        ({"df": 0}, "df"),
        ({"df": math.nan}, "df"),
    ],
)
def test_unusable_numbers_are_refused(change, where):
    with pytest.raises(InputError) as caught:
        judge(**{"estimate": 0.0, "error": 1.0, "margin": 1.0, "df": 10, **change})
    assert caught.value.where == where


def guess(runs=5, variance=1.0, noise=0.1):
    """A margin from so many runs."""
    spread = SeedSpread(runs=runs, variance=variance, noise=noise)
    return Margin(value=REPEATABILITY * spread.sd, text="guessed", seeds=spread)


shares = st.builds(Margin, value=st.floats(1e-3, 100), text=st.just("a share"), share_error=st.floats(0, 5))
spreads = st.builds(guess, runs=st.integers(2, 12), variance=st.floats(0.5, 20), noise=st.floats(0, 0.4))


@examples
@given(estimate=estimates, error=errors, margin=st.floats(1e-3, 100), df=freedoms)
def test_a_margin_that_is_known_is_tested_by_t(estimate, error, margin, df):
    """MOVER reduces to the two one-sided t tests, whether the margin comes as a number or as an object."""
    as_object = equivalence_test(difference(estimate, error, given_margin(margin), df))
    assert as_object == judge(estimate, error, margin, df)
    t = stats.norm if math.isinf(df) else stats.t(df)
    assert as_object.p_upper == pytest.approx(t.sf((margin - estimate) / error))
    # A guess without any uncertainty left goes the other way, by root finding, to the same place.
    certain = Margin(value=margin, text="", share_error=1e-12 * error)
    assert equivalence_test(difference(estimate, error, certain, df)).p_upper == pytest.approx(
        as_object.p_upper, rel=1e-5, abs=1e-80
    )


@examples
@given(estimate=estimates, error=errors, margin=spreads, df=freedoms, level=st.sampled_from([0.001, 0.02, 0.05, 0.2]))
def test_the_p_value_of_a_guessed_margin_is_the_level_at_which_mover_holds(estimate, error, margin, df, level):
    result = equivalence_test(difference(estimate, error, margin, df))
    t = float(stats.norm.isf(level) if math.isinf(df) else stats.t.isf(level, df))
    for p, towards in ((result.p_upper, estimate), (result.p_lower, -estimate)):
        value = towards - margin.value + math.hypot(t * error, margin.value - margin.lower(level))
        assume(abs(value) > 1e-7)
        assert (p < level) == (value < 0)


@examples
@given(estimate=estimates, error=errors, margin=spreads, unit=st.sampled_from([0.25, 8, 1024]))
def test_the_unit_does_not_matter_for_a_guess(estimate, error, margin, unit):
    spread = margin.seeds
    scaled = guess(spread.runs, spread.variance * unit**2, spread.noise * unit**2)
    result = equivalence_test(difference(estimate, error, margin, 5))
    other = equivalence_test(difference(estimate * unit, error * unit, scaled, 5))
    assert other.verdict is result.verdict
    assert other.p_upper == pytest.approx(result.p_upper, rel=1e-6)
    flipped = equivalence_test(difference(-estimate, error, margin, 5))
    assert (flipped.p_lower, flipped.p_upper) == (result.p_upper, result.p_lower)


@examples
@given(estimate=estimates, error=errors, margin=spreads, df=freedoms)
def test_a_guess_is_never_easier_to_meet_than_the_same_number(estimate, error, margin, df):
    guessed = equivalence_test(difference(estimate, error, margin, df))
    given = judge(estimate, error, margin.value, df)
    assert guessed.p_equivalence_holm >= given.p_equivalence_holm * (1 - 1e-6)
    assert given.material or not guessed.material
    assert guessed.tost_interval[0] <= given.tost_interval[0] < given.tost_interval[1] <= guessed.tost_interval[1]


@pytest.mark.parametrize("runs", [3, 5, 12])
@pytest.mark.parametrize("noise", [0.1, 1.0])
def test_a_true_difference_of_the_guessed_margin_is_called_within_in_5_percent_at_most(runs, noise):
    """Normal seeds of sd 1, image noise beside them, and a true difference of 2.77."""
    rng = np.random.default_rng(runs)
    repeats = 1500
    before, after = rng.normal(0, math.hypot(1, noise), size=(2, repeats, runs))
    images = StandardError(value=math.hypot(0.1, noise * math.sqrt(2 / runs)), df=200)
    false, easier = 0, False
    for b, c in zip(before, after + REPEATABILITY + rng.normal(0, 0.1, size=(repeats, 1)), strict=True):
        error = recipe_error(b, c, images, noise=(noise**2, noise**2))
        margin = seed_margin(b, noise**2)
        each = Difference(estimate=c.mean() - b.mean(), error=error, margin=margin)
        if equivalence_test(each).verdict in EQUIVALENT:
            false += 1
        elif not easier:  # the same number as if it were known would show it
            as_known = REPEATABILITY * float(np.std(b, ddof=1))
            easier = equivalence_test(dataclasses.replace(each, margin=as_known)).verdict in EQUIVALENT
    assert false <= stats.binom.ppf(0.999, repeats, 0.05)
    assert easier


def test_two_runs_never_show_equivalence_with_a_margin_from_their_own_spread():
    rng = np.random.default_rng(0)
    for b, c in rng.normal(size=(400, 2, 2)) * [[[1], [0.5]]]:
        c -= c.mean() - b.mean()  # no difference at all
        error = recipe_error(b, c, StandardError(value=0.0, df=500), noise=(0.0, 0.0))
        each = Difference(estimate=0.0, error=error, margin=seed_margin(b, 0.0))
        assert equivalence_test(each).verdict not in EQUIVALENT


SENTENCE = re.compile(r"([\d.]+) % interval \(([^,]+), ([^)]+)\)(?:, widened[^,]*,)? (contains|excludes) 0")
PLACE = re.compile(
    r"([\d.]+) % interval \(([^,]+), ([^)]+)\)(, widened as the margin is [^,]*,)? "
    r"(lies|does not lie) inside ±([^ ,]+)(?:, but that margin is guessed from \d+ runs and with its lower end, "
    r"±([^ ]+), it does not,)?"
)


@settings(max_examples=200, deadline=None)
@given(
    family=st.lists(
        st.builds(difference, estimates, errors, margins | spreads | shares, freedoms), min_size=1, max_size=4
    )
)
def test_what_a_sentence_says_of_its_numbers_is_so(family):
    for result in judge_differences(family):
        assume(all(p is None or abs(p - 0.05) > 1e-9 for p in (result.p_difference_holm, result.p_equivalence_holm)))
        (told,) = SENTENCE.finditer(result.reason)
        low, high = float(told[2]), float(told[3])
        assert (low > 0 or high < 0) == (told[4] == "excludes")
        detected = result.verdict in {Verdict.WORSE, Verdict.BETTER, Verdict.NEGLIGIBLE}
        assert detected == (told[4] == "excludes")
        place = PLACE.search(result.reason)
        assert (place is None) == (result.margin is None)
        if place is None:
            continue
        low, high, margin = float(place[2]), float(place[3]), float(place[6])
        assert (-margin < low and high < margin) == (place[5] == "lies")
        shown = place[5] == "lies" and place[7] is None
        assert shown == (result.verdict in EQUIVALENT)
        if place[7] is not None:
            assert not (-float(place[7]) < low and high < float(place[7]))
            assert result.verdict not in EQUIVALENT


def test_the_reason_says_in_words_that_the_margin_is_a_guess():
    seeds = seed_margin([1.0, 2.0, 3.5], 0.1)
    assert equivalence_test(difference(0.1, 0.5, seeds, 5)).reason == (
        "the 90 % interval (-1.76, +1.96), widened as the margin is guessed from 3 runs, lies inside ±3.38 "
        "and the 95 % interval (-1.19, +1.39) contains 0"
    )
    assert equivalence_test(difference(1.5, 0.9, seeds, 9)).reason == (
        "the 90 % interval (-0.15, +3.15) lies inside ±3.38, but that margin is guessed from 3 runs and with its "
        "lower end, ±1.81, it does not, and the 95 % interval (-0.54, +3.54) contains 0"
    )


def test_the_reason_says_that_a_large_share_is_of_an_estimate():
    share = Margin(value=2.0, text="a share", share_error=0.3)
    assert equivalence_test(difference(0.1, 0.5, share)).reason.startswith(
        "the 90 % interval (-0.86, +1.06), widened as the margin is a share of an estimate, lies inside ±2 and"
    )
    assert "widened" not in equivalence_test(difference(0.1, 0.5, dataclasses.replace(share, share_error=0.02))).reason


def test_a_margin_that_is_none_is_judged_as_none():
    result = equivalence_test(difference(0.0, 1.0, Margin(value=None, text="no spread"), 5))
    assert result.margin is None
    assert "without a margin" in result.reason
