"""What chance makes of a point rule: against the distributions' closed forms, and against FIDs that are drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import SamplingDesign, StandardError
from p2phd_eval.stats.errors.influence import fid_influence
from p2phd_eval.stats.errors.intervals import at_n_error
from p2phd_eval.stats.errors.seeds import combine_few
from p2phd_eval.stats.verdicts.point_rule import PointRuleResult, Shown, judge_by_point
from p2phd_eval.stats.verdicts.power import VarianceComponents, found_components

REPEATS = 400


def judged(
    estimate: float,
    se: float,
    width: float = 1.0,
    *,
    df: float = math.inf,
    two_sided: bool = True,
    components: VarianceComponents | None = None,
    runs: tuple[int, int] | None = None,
) -> PointRuleResult:
    error = StandardError(value=se, df=df)
    return judge_by_point(estimate, error, width, two_sided=two_sided, components=components, runs=runs)


@pytest.mark.parametrize("df", [2.3, 40.0, math.inf])
@pytest.mark.parametrize("se", [0.2, 0.5, 1.0, 3.0])
def test_probabilities_are_those_of_the_t_distribution(se: float, df: float) -> None:
    t = stats.norm(scale=se) if math.isinf(df) else stats.t(df, scale=se)
    both, one = (judged(0.0, se, df=df, two_sided=sides) for sides in (True, False))
    for true, found in ((0, 1 - both.fails_if_equal), (1, both.passes_at_edge), (2, both.passes_at_twice)):
        assert found == pytest.approx(t.cdf(1 - true) - t.cdf(-1 - true), abs=1e-12)
    assert (one.fails_if_equal, one.passes_at_edge) == (pytest.approx(t.sf(1)), 0.5)
    # Of so symmetric a rule as many like the baseline fail on one side as pass from as far beyond it.
    assert one.passes_at_twice == pytest.approx(one.fails_if_equal)


def test_mlperfs_band() -> None:
    """Its centre and ends; a standard error of half the width lets a fortieth out on either side."""
    centre, low, high = 23.48046692, 23.01085758, 23.95007626
    width = 0.02 * centre
    assert (centre - width, centre + width) == (pytest.approx(low), pytest.approx(high))
    assert judged(23.957 - centre, 0.1, width).holds is False
    assert judged(23.841 - centre, 0.1, width).holds is True
    # stats.norm.sf(1.96)
    assert judged(0.0, width / 1.959964, width).fails_if_equal == pytest.approx(0.05, abs=1e-6)


def test_the_ends_belong_to_the_band() -> None:
    for two_sided in (True, False):
        assert [judged(d, 1.0, two_sided=two_sided).holds for d in (1.0, math.nextafter(1, 2), -1.0, -1.5)] == (
            [True, False, True, not two_sided]
        )


def test_what_the_interval_says_beside_it() -> None:
    inside, edge, outside = (judged(d, 0.1).shown for d in (0.5, 0.95, 1.5))
    assert (inside, edge, outside) == (Shown.INSIDE, Shown.UNDECIDED, Shown.OUTSIDE)
    # 1.645 standard errors from the edge are enough to be inside, 1.96 to be outside.
    assert [judged(1 - 0.1 * z, 0.1).shown for z in (1.64, 1.65)] == [Shown.UNDECIDED, Shown.INSIDE]
    assert [judged(1 + 0.1 * z, 0.1).shown for z in (1.95, 1.97)] == [Shown.UNDECIDED, Shown.OUTSIDE]
    assert judged(-5.0, 0.1).shown is Shown.OUTSIDE
    assert judged(-5.0, 0.1, two_sided=False).shown is Shown.INSIDE
    assert judged(0.0, 10.0).shown is Shown.UNDECIDED


def test_images_that_are_the_same_leave_nothing_to_chance() -> None:
    result = judged(0.0, 0.0)
    found = (result.holds, result.fails_if_equal, result.passes_at_edge, result.passes_at_twice, result.shown)
    assert found == (True, 0.0, 1.0, 0.0, Shown.INSIDE)


def test_one_image_less_would_not_do() -> None:
    """1.96 SE = width; SE = 30 / sqrt(n): n = (1.96 * 30)^2, and a few more for the t distribution of few."""
    of = VarianceComponents(
        image_sd=30.0, n_images=233, seed_sd_baseline=None, seed_sd_candidate=None, runs_baseline=1, runs_candidate=1
    )
    n = judged(0.0, 2.0, components=of).images
    assert n == pytest.approx((1.959964 * 30) ** 2, abs=4)
    assert n is not None
    for images, rarely in ((n, True), (n - 1, False)):
        assert (2 * stats.t.sf(1.0 / (30 / math.sqrt(images)), images - 1) < 0.05) == rarely
    one_sided = judged(0.0, 2.0, components=of, two_sided=False).images
    assert one_sided == pytest.approx((1.644854 * 30) ** 2, abs=4)


def test_no_number_of_images_makes_seeds_agree() -> None:
    of = VarianceComponents(
        image_sd=3.0, n_images=200, seed_sd_baseline=1.0, seed_sd_candidate=1.0, runs_baseline=3, runs_candidate=3
    )
    assert judged(0.0, 1.0, components=of, runs=(3, 3)).images is None
    n = judged(0.0, 1.0, 3.0, components=of, runs=(3, 3)).images
    assert n is not None
    for images, rarely in ((n, True), (n - 1, False)):
        error = combine_few(of.variances(images, (3, 3)))
        assert (2 * stats.t.sf(3.0 / error.value, error.df) < 0.05) == rarely


def test_an_estimated_error_is_counted_as_one() -> None:
    """The band is made as wide as 5 % of the failures ask, by the error at hand; the next difference fails in 5 %."""
    rng, df = np.random.default_rng(0), 3
    errors = np.sqrt(rng.chisquare(df, 20_000) / df)
    fails = np.abs(rng.normal(size=errors.size)) > stats.t.ppf(0.975, df) * errors
    assert fails.mean() == pytest.approx(0.05, abs=0.005)
    for se in errors[:20]:
        width = float(stats.t.ppf(0.975, df) * se)
        assert judged(0.0, float(se), width, df=df).fails_if_equal == pytest.approx(0.05)


class Generators:
    """Two generators of one distribution on the same label maps, and FIDs of as many images of them as are asked."""

    d = 4

    def __init__(self, *, far: float = 0.0) -> None:
        self.rng = np.random.default_rng(1)
        self.far = far  # how far a candidate's mean lies from its baseline's

    def difference(self, n: int) -> tuple[float, StandardError]:
        scenes = self.rng.normal(size=(n, self.d))
        baseline, candidate = (0.8 * scenes + 0.6 * self.rng.normal(size=(n, self.d)) + 0.5 for _ in range(2))
        candidate[:, 0] += self.far
        influences = [fid_influence(scenes, fake) for fake in (baseline, candidate)]
        error = at_n_error(influences, (-1, 1), SamplingDesign.paired(n, 3))
        return influences[1].distance.value - influences[0].distance.value, error


@pytest.fixture(scope="module")
def alike() -> list[tuple[float, StandardError]]:
    generators = Generators()
    return [generators.difference(80) for _ in range(REPEATS)]


@pytest.mark.parametrize("two_sided", [True, False])
def test_a_candidate_like_the_baseline_fails_as_often_as_was_said(
    alike: list[tuple[float, StandardError]], two_sided: bool
) -> None:
    found = [
        judge_by_point(estimate, error, 0.15, two_sided=two_sided, components=None, runs=None)
        for estimate, error in alike
    ]
    fails = float(np.mean([not each.holds for each in found]))
    said = float(np.mean([each.fails_if_equal for each in found]))
    assert 0.05 < said < 0.5
    assert fails == pytest.approx(said, abs=4 * math.sqrt(said * (1 - said) / REPEATS))


def test_with_as_many_images_as_were_said_it_fails_rarely() -> None:
    generators, width, n = Generators(), 0.15, 80
    estimate, error = generators.difference(n)
    of = found_components((0.0,), (estimate,), error, noise=(None, None), n=n)
    images = judge_by_point(estimate, error, width, two_sided=True, components=of, runs=None).images
    assert images is not None
    assert n < images < 20 * n
    fails = np.mean([abs(generators.difference(images)[0]) > width for _ in range(REPEATS // 2)])
    # It rests on one estimate of the error, at 80 images known to a tenth: at a tenth less error 0.05 would be 0.03.
    assert 0.01 < fails < 0.1


def test_candidates_beyond_the_band_pass_as_often_as_was_said() -> None:
    """At the edge, half of them; at twice the width, as many as the error says. The truth is the mean of many."""
    generators, n = Generators(far=0.3), 80
    drawn = [generators.difference(n) for _ in range(REPEATS)]
    true = float(np.mean([estimate for estimate, _ in drawn]))
    for times, which in ((1, "passes_at_edge"), (2, "passes_at_twice")):
        found = [
            judge_by_point(estimate, error, true / times, two_sided=True, components=None, runs=None)
            for estimate, error in drawn
        ]
        said = float(np.mean([getattr(each, which) for each in found]))
        passes = float(np.mean([each.holds for each in found]))
        assert passes == pytest.approx(said, abs=4 * math.sqrt(said * (1 - said) / REPEATS) + 0.01)


@pytest.mark.parametrize("width", [0.0, -1.0, math.nan])
def test_a_band_needs_a_width(width: float) -> None:
    with pytest.raises(InputError, match="above 0"):
        judged(0.0, 1.0, width)
