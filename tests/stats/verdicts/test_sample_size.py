"""Numbers of images and runs against published tables and against the verdicts they are meant to reach."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.errors.seeds import combine_few
from p2phd_eval.stats.verdicts.equivalence import Difference, Verdict, equivalence_test
from p2phd_eval.stats.verdicts.margins import REPEATABILITY, Margin
from p2phd_eval.stats.verdicts.power import VarianceComponents, detection_power, equivalence_power
from p2phd_eval.stats.verdicts.sample_size import (
    UndecidedNeeds,
    at_upper_seed_sd,
    plan_sizes,
    seed_sd_range,
    undecided_needs,
)
from p2phd_eval.stats.verdicts.scope import Scope


def components(
    image_sd: float,
    baseline: float | None = None,
    candidate: float | None = None,
    *,
    n: int = 500,
    runs: tuple[int, int] = (3, 3),
) -> VarianceComponents:
    return VarianceComponents(
        image_sd=image_sd,
        n_images=n,
        seed_sd_baseline=baseline,
        seed_sd_candidate=candidate,
        runs_baseline=runs[0],
        runs_candidate=runs[1],
    )


@pytest.mark.parametrize(("effect", "published"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_images_to_find_a_difference_are_those_of_the_one_sample_t_test(effect: float, published: int) -> None:
    """Cohen's small, medium and large effect at power 0.8, as R's pwr.t.test(type = "one.sample") gives them."""
    (row,) = plan_sizes(components(1.0), effect).rows
    assert row.images_detect == published


@pytest.mark.parametrize(("effect", "published"), [(0.5, 64), (0.8, 26)])
def test_runs_to_find_a_difference_are_those_of_the_two_sample_t_test(effect: float, published: int) -> None:
    """Cohen (1988), table 2.4.1: the numbers for each of two groups at power 0.8. Images without noise."""
    assert plan_sizes(components(0.0, 1.0, 1.0), effect, n=10, runs=()).runs_detect == published


@pytest.mark.parametrize("scope", [0, 1, 2])
def test_one_image_less_would_not_do(scope: int) -> None:
    pilot = components(40.0, 0.8, 1.0)
    row = plan_sizes(pilot, 5, power=0.9, runs=(3, 10)).rows[scope]
    assert row.runs == (None, 3, 10)[scope]
    assert row.images_within is not None
    assert row.images_detect is not None
    for n, enough in ((row.images_within, True), (row.images_within - 1, False)):
        assert (equivalence_power(pilot, 5, n=n, runs=row.runs) >= 0.9) is enough
    for n, enough in ((row.images_detect, True), (row.images_detect - 1, False)):
        assert (detection_power(pilot, 5, n=n, runs=row.runs) >= 0.9) is enough


def test_more_runs_need_fewer_images_and_show_smaller_margins() -> None:
    result = plan_sizes(components(40.0, 0.8, 1.0), 5, n=700)
    checkpoints, *recipes = result.rows
    assert recipes[0].images_within is None  # two runs: none is enough
    for few, many in zip(recipes[1:], [*recipes[2:], checkpoints], strict=True):
        assert few.images_within > many.images_within  # type: ignore[operator]
        assert few.images_detect > many.images_detect  # type: ignore[operator]
        assert few.smallest_margin > many.smallest_margin  # type: ignore[operator]
        assert few.smallest_difference > many.smallest_difference  # type: ignore[operator]
    within = next(row.runs for row in recipes if row.smallest_margin <= 5)  # type: ignore[operator]
    assert result.runs_within == within


def test_no_number_of_images_makes_up_for_seeds_that_differ_much() -> None:
    result = plan_sizes(components(40.0, 3.0, 3.0), 2, n=500)
    checkpoints, *recipes = result.rows
    assert checkpoints.images_within is not None
    assert all((row.images_within, row.images_detect) == (None, None) for row in recipes)
    assert (result.runs_within, result.runs_detect) == (None, None)  # 500 images leave ±2 open by themselves
    assert plan_sizes(components(40.0, 3.0, 3.0), 2, n=5000).runs_within is not None


def test_images_that_drown_the_degrees_of_freedom_of_two_runs() -> None:
    """Beside noisy images two runs do; with endless images, and one arm that hardly spreads, their one does not."""
    pilot = components(60.0, 1.5, 0.075)
    two, three = plan_sizes(pilot, 10, power=0.7, runs=(2, 3)).rows[1:]
    assert two.images_detect is not None
    assert detection_power(pilot, 10, n=10_000 * two.images_detect, runs=2) < 0.7
    assert two.more_images_hurt
    assert not three.more_images_hurt


def test_a_margin_from_seeds_is_planned_for_recipes_alone() -> None:
    pilot = components(20.0, 1.0, 1.0)
    plan = plan_sizes(pilot, "seeds", n=5000)
    assert [row.runs for row in plan.rows] == [2, 3, 4, 5, 8, 10]
    assert plan.from_seeds
    assert plan.margin == pytest.approx(REPEATABILITY)
    # Two runs never, and of images no number helps; what can be found depends on no margin.
    assert plan.rows[0].images_within is None
    assert all(row.smallest_margin is None and row.smallest_difference is not None for row in plan.rows)
    assert plan.runs_within is not None
    for runs, enough in ((plan.runs_within, True), (plan.runs_within - 1, False)):
        assert (equivalence_power(pilot, "seeds", n=5000, runs=runs) >= 0.8) is enough
    with pytest.raises(InputError, match="--margin seeds: expected a pilot with two or more runs an arm"):
        plan_sizes(components(20.0), "seeds")


def test_without_seeds_only_checkpoints_are_planned() -> None:
    result = plan_sizes(components(40.0), 2, n=500)
    assert [row.runs for row in result.rows] == [None]
    assert (result.runs_within, result.runs_detect) == (None, None)


def test_the_range_of_the_seed_sd_is_chi_square() -> None:
    # One arm: the textbook interval of a standard deviation.
    one = seed_sd_range(components(1, 2.0, None, runs=(5, 1)))
    assert one is not None
    assert (one.value, one.runs) == (2.0, (5,))
    assert one.low == pytest.approx(2 * math.sqrt(4 / stats.chi2.isf(0.025, 4)))
    assert one.high == pytest.approx(2 * math.sqrt(4 / stats.chi2.ppf(0.025, 4)))
    # Two arms that agree: their degrees of freedom add up.
    both = seed_sd_range(components(1, 2.0, 2.0, runs=(5, 5)))
    assert both is not None
    assert both.value == pytest.approx(2.0)
    assert both.high == pytest.approx(2 * math.sqrt(8 / stats.chi2.ppf(0.025, 8)))


def test_the_range_of_the_seed_sd_leaves_the_noise_of_the_images_out() -> None:
    pilot = dataclasses.replace(components(1, 2.0, 2.0, runs=(5, 5)), noise_sd_baseline=20.0, noise_sd_candidate=20.0)
    noise = 20.0**2 / 500
    range_ = seed_sd_range(pilot)
    assert range_ is not None
    assert range_.value == pytest.approx(2.0)
    assert range_.high == pytest.approx(math.sqrt((4 + noise) * 8 / stats.chi2.ppf(0.025, 8) - noise))
    # Runs that differ by their noise alone: the seeds' spread may still be as large as this.
    none = seed_sd_range(dataclasses.replace(pilot, seed_sd_baseline=0.0, seed_sd_candidate=0.0))
    assert none is not None
    assert (none.value, none.low) == (0, 0)
    upper = at_upper_seed_sd(dataclasses.replace(pilot, seed_sd_baseline=0.0, seed_sd_candidate=0.0))
    assert upper is not None
    assert upper.seed_sds == (none.high, none.high)


def test_the_upper_end_raises_both_arms_alike() -> None:
    pilot = components(1, 1.0, 3.0)
    upper, range_ = at_upper_seed_sd(pilot), seed_sd_range(pilot)
    assert upper is not None
    assert upper.seed_sds is not None
    assert range_ is not None
    assert upper.seed_sds[1] == pytest.approx(3 * upper.seed_sds[0])
    assert math.hypot(*upper.seed_sds) == pytest.approx(math.sqrt(2) * range_.high)


def test_a_seed_sd_without_runs_has_no_range() -> None:
    pilot = components(1, 1.0, 1.0, runs=(1, 1))
    assert seed_sd_range(pilot) is None
    assert at_upper_seed_sd(pilot) is None


def verdict(
    pilot: VarianceComponents, estimate: float, margin: Margin | float | None, n: int, runs: tuple[int, int] | None
) -> Verdict:
    error = combine_few(pilot.variances(n, runs))
    return equivalence_test(Difference(estimate=estimate, error=error, margin=margin)).verdict


@settings(max_examples=60, deadline=None)
@given(
    image_sd=st.floats(1, 100),
    seed_sds=st.tuples(st.floats(0.1, 3), st.floats(0.1, 3)),
    runs=st.tuples(st.integers(2, 5), st.integers(2, 5)),
    estimate=st.floats(-5, 5),
    margin=st.none() | st.floats(0.1, 10),
    scope=st.sampled_from(Scope),
)
def test_what_is_needed_after_an_inconclusive_result_decides_it_and_one_less_does_not(
    image_sd: float,
    seed_sds: tuple[float, float],
    runs: tuple[int, int],
    estimate: float,
    margin: float | None,
    scope: Scope,
) -> None:
    pilot = components(image_sd, *seed_sds, n=200, runs=runs)
    present = runs if scope is Scope.RECIPES else None
    assume(verdict(pilot, estimate, margin, 200, present) is Verdict.INCONCLUSIVE)
    needs = undecided_needs(pilot, estimate, margin, scope=scope)
    if needs.images is not None:
        assert verdict(pilot, estimate, margin, needs.images, present) is not Verdict.INCONCLUSIVE
        assert verdict(pilot, estimate, margin, needs.images - 1, present) is Verdict.INCONCLUSIVE
    if needs.runs is not None:
        assert scope is Scope.RECIPES
        more, less = ((max(s, runs[0]), max(s, runs[1])) for s in (needs.runs, needs.runs - 1))
        assert verdict(pilot, estimate, margin, 200, more) is not Verdict.INCONCLUSIVE
        assert verdict(pilot, estimate, margin, 200, less) is Verdict.INCONCLUSIVE
    if needs.both is not None:
        assert (needs.images, needs.runs) == (None, None)
        images, count = needs.both
        assert images == math.ceil(200 * count / min(runs))
        more = (max(count, runs[0]), max(count, runs[1]))
        assert verdict(pilot, estimate, margin, images, more) is not Verdict.INCONCLUSIVE


def test_more_of_both_decides_what_more_of_either_does_not() -> None:
    """Endless images leave the seeds' spread, and endless runs the images' noise; here each alone is too much."""
    pilot = components(60.0, 3.0, 3.0)
    needs = undecided_needs(pilot, 0.5, 4.0, scope=Scope.RECIPES)
    assert (needs.images, needs.runs) == (None, None)
    assert needs.both is not None
    images, runs = needs.both
    assert verdict(pilot, 0.5, 4.0, images, (runs, runs)) is Verdict.WITHIN
    assert verdict(pilot, 0.5, 4.0, 10**9, (3, 3)) is verdict(pilot, 0.5, 4.0, 500, (999, 999)) is Verdict.INCONCLUSIVE


def test_a_margin_from_seeds_is_better_known_with_more_runs_and_not_with_images() -> None:
    pilot = components(5.0, 1.0, 0.5)
    spread = pilot.spread_of_baseline(500, 3)
    margin = Margin(value=REPEATABILITY * spread.sd, text="guessed", seeds=spread)
    assert verdict(pilot, 0.9, margin.value, 500, (3, 3)) is Verdict.WITHIN
    assert verdict(pilot, 0.9, margin, 500, (3, 3)) is Verdict.INCONCLUSIVE
    needs = undecided_needs(pilot, 0.9, margin, scope=Scope.RECIPES)
    assert needs.images is None
    assert needs.runs is not None


def test_some_inconclusive_results_nothing_decides() -> None:
    pilot = components(40.0, 3.0, 3.0)
    assert undecided_needs(pilot, 0.0, None, scope=Scope.RECIPES) == UndecidedNeeds(images=None, runs=None)
    # The seeds alone leave it open; or the images do.
    assert undecided_needs(pilot, 2.0, None, scope=Scope.RECIPES).images is None
    assert undecided_needs(pilot, 1.0, None, scope=Scope.RECIPES).runs is None
    assert undecided_needs(pilot, 1.0, None, scope=Scope.CHECKPOINTS).images is not None


def test_the_needs_of_recipes_take_two_runs_an_arm() -> None:
    with pytest.raises(InputError, match="at least 2 an arm"):
        undecided_needs(components(40.0, 1.0, None, runs=(3, 1)), 1.0, 2.0, scope=Scope.RECIPES)
