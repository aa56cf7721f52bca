import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.equivalence import Verdict, equivalence_test

Z90, Z95 = stats.norm.ppf([0.95, 0.975])  # 1.645 and 1.960

estimates = st.just(0.0) | st.floats(-100, -1e-6) | st.floats(1e-6, 100)
errors = st.floats(1e-3, 100)
margins = st.none() | st.floats(1e-3, 100)


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
        (3.0, 0.0, 2, Verdict.WORSE, True),
        (0.0, 0.0, None, Verdict.INCONCLUSIVE, False),
    ],
)
def test_verdicts_derived_by_hand(estimate, error, margin, verdict, material):
    result = equivalence_test(estimate, error, margin=margin, n=500)
    assert result.verdict is verdict
    assert result.material is material


def test_intervals_p_value_and_reason():
    result = equivalence_test(0.1, 0.5, margin=2, n=500)
    assert result.ci90 == pytest.approx((0.1 - Z90 * 0.5, 0.1 + Z90 * 0.5))
    assert result.ci95 == pytest.approx((0.1 - Z95 * 0.5, 0.1 + Z95 * 0.5))
    # The one-sided test at the nearer margin decides: (2 - 0.1) / 0.5 standard errors away.
    assert result.p_equivalence == pytest.approx(stats.norm.sf(3.8))
    assert result.reason == (
        "the 90 % interval (-0.7224, 0.9224) lies inside ±2 and the 95 % interval (-0.88, 1.08) contains 0"
    )


def test_few_degrees_of_freedom_widen_the_intervals():
    result = equivalence_test(1.0, 0.5, margin=3, n=10, df=4)
    assert result.ci95[1] == pytest.approx(1 + stats.t.ppf(0.975, 4) * 0.5)
    assert result.p_equivalence == pytest.approx(stats.t.sf(4, 4))
    assert result.verdict is Verdict.WITHIN  # the normal 95 % interval would exclude 0


def test_without_a_margin_equivalence_is_not_available_and_the_reason_says_so():
    result = equivalence_test(0.0, 1e-6, margin=None, n=500)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert (result.non_inferior, result.p_equivalence) == (None, None)
    assert "without a margin" in result.reason


@given(estimate=estimates, error=errors, margin=margins)
def test_a_sign_flip_swaps_worse_and_better(estimate, error, margin):
    result, flipped = (equivalence_test(e, error, margin=margin, n=100) for e in (estimate, -estimate))
    swapped = {Verdict.WORSE: Verdict.BETTER, Verdict.BETTER: Verdict.WORSE}
    assert flipped.verdict is swapped.get(result.verdict, result.verdict)
    assert flipped.material == result.material
    assert flipped.n_needed == result.n_needed
    assert flipped.p_equivalence == result.p_equivalence


@given(estimate=estimates, error=errors, margin=margins, factor=st.floats(1, 10))
def test_less_precision_never_decides(estimate, error, margin, factor):
    before, after = (equivalence_test(estimate, e, margin=margin, n=100) for e in (error, error * factor))
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


@given(estimate=estimates, error=errors, margin=st.floats(1e-3, 100), factor=st.floats(1, 10))
def test_a_wider_margin_never_takes_equivalence_back(estimate, error, margin, factor):
    narrow, wide = (equivalence_test(estimate, error, margin=m, n=100) for m in (margin, margin * factor))
    equivalent = {Verdict.WITHIN, Verdict.NEGLIGIBLE}
    assert narrow.verdict not in equivalent or wide.verdict in equivalent
    assert wide.p_equivalence <= narrow.p_equivalence
    assert narrow.non_inferior <= wide.non_inferior


@given(estimate=estimates, error=errors, margin=st.floats(1e-3, 100), unit=st.sampled_from([0.25, 8, 1024]))
def test_the_unit_of_the_features_does_not_matter(estimate, error, margin, unit):
    # Powers of two scale without rounding.
    result = equivalence_test(estimate, error, margin=margin, n=100)
    scaled = equivalence_test(estimate * unit, error * unit, margin=margin * unit, n=100)
    assert (scaled.verdict, scaled.material, scaled.n_needed) == (
        result.verdict,
        result.material,
        result.n_needed,
    )


@given(estimate=estimates, error=errors, margin=st.floats(1e-3, 100))
def test_verdict_p_value_and_non_inferiority_agree(estimate, error, margin):
    result = equivalence_test(estimate, error, margin=margin, n=100)
    assume(abs(result.p_equivalence - 0.05) > 1e-9)
    assert (result.p_equivalence < 0.05) == (result.verdict in {Verdict.WITHIN, Verdict.NEGLIGIBLE})
    if result.verdict in {Verdict.WITHIN, Verdict.NEGLIGIBLE}:
        assert result.non_inferior


@given(estimate=estimates, error=errors, margin=margins, n=st.integers(2, 5000))
def test_the_number_of_images_needed_decides_and_one_fewer_does_not(estimate, error, margin, n):
    result = equivalence_test(estimate, error, margin=margin, n=n)
    if result.verdict is not Verdict.INCONCLUSIVE:
        assert result.n_needed is None
        return
    if result.n_needed is None:
        assert estimate == 0
        assert margin is None
        return
    assert result.n_needed > n
    # Leave the edge itself to rounding: 1 in 10^9 images to either side.
    slack = 1 + result.n_needed // 10**9
    at = {
        images: equivalence_test(estimate, error * math.sqrt(n / images), margin=margin, n=images).verdict
        for images in (result.n_needed + slack, result.n_needed - 1 - slack)
        if images >= n
    }
    assert at[result.n_needed + slack] is not Verdict.INCONCLUSIVE
    assert at.get(result.n_needed - 1 - slack, Verdict.INCONCLUSIVE) is Verdict.INCONCLUSIVE


def test_images_needed_by_hand():
    # Excluding 0: 100 (1.96 / 1)^2 = 384.1; inside the margin: 100 (1.645 / (1.5 - 1))^2 = 1082.2
    assert equivalence_test(1.0, 1.0, margin=1.5, n=100).n_needed == 385
    # No difference at all: only the margin decides, 100 (1.645 / 0.5)^2 = 1082.2
    assert equivalence_test(0.0, 1.0, margin=0.5, n=100).n_needed == 1083
    # As the limits grow beyond numbers, no n is enough.
    assert equivalence_test(1e-200, 1.0, margin=None, n=100).n_needed is None


@pytest.mark.parametrize("margin", [0, -1, math.nan, math.inf])
def test_margins_that_are_none_are_refused(margin):
    with pytest.raises(InputError, match="--margin: expected a number above 0"):
        equivalence_test(0.0, 1.0, margin=margin, n=10)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"estimate": math.nan}, "estimate"),
        ({"standard_error": -1.0}, "standard error"),
        ({"standard_error": math.inf}, "standard error"),
        ({"n": 1}, "n"),
        ({"df": 0}, "df"),
    ],
)
def test_unusable_numbers_are_refused(change, where):
    with pytest.raises(InputError) as caught:
        equivalence_test(**{"estimate": 0.0, "standard_error": 1.0, "margin": 1.0, "n": 10, **change})
    assert caught.value.where == where
