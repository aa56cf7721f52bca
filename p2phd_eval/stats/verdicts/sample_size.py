"""How many images and training seeds decide a comparison: beforehand, or after one that was inconclusive."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Literal

from scipy import special

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import StandardError, combine_variances
from p2phd_eval.stats.errors.seeds import combine_few
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.equivalence import Difference, Verdict, equivalence_test
from p2phd_eval.stats.verdicts.margins import REPEATABILITY, Margin, require_margin
from p2phd_eval.stats.verdicts.power import (
    VarianceComponents,
    detection_power,
    equivalence_power,
    require_power,
    smallest_difference,
    smallest_margin,
)
from p2phd_eval.stats.verdicts.scope import Scope

RUNS = (2, 3, 4, 5, 8, 10)  # an arm, what a plan looks at
#: What needs more images is called out of reach.
MOST_IMAGES = 10**9
_MOST_RUNS = 10**4


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanRow:
    """What a number of runs an arm asks for, and what it gives."""

    runs: int | None  # runs (training seeds) an arm; None: these checkpoints (scope A)
    images_within: int | None  # that show equivalence where there is no difference; None where no number does
    images_detect: int | None  # that find a difference as large as the margin
    more_images_hurt: bool  # with many more images than these, the power falls below the wished one again
    smallest_margin: float | None  # that can be shown with the images at hand; None without a number, or from seeds
    smallest_difference: float | None  # that is found with the images at hand

    @property
    def scope(self) -> Scope:
        """Whether it is about these checkpoints or about the recipes."""
        return Scope.CHECKPOINTS if self.runs is None else Scope.RECIPES


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Numbers of images and runs for a margin and a power."""

    margin: float  # in units of what is judged; from seeds: what it is on average
    from_seeds: bool  # whether it is to be guessed from the runs of the planned study
    power: float
    confidence: float
    n: int | None  # images at hand
    rows: tuple[
        PlanRow, ...
    ]  # scope A first, but for a margin from seeds; then, where seeds are known, each number of runs
    runs_within: int | None  # runs an arm needed with n images; None where no number is enough, or nothing to ask
    runs_detect: int | None

    def __repr__(self) -> str:
        if self.from_seeds:
            runs_within = "no number of" if self.runs_within is None else str(self.runs_within)
            at_hand = (
                "" if self.n is None else f"; with {self.n:,} images, {runs_within} runs an arm show recipes within it"
            )
            return f"Plan: a margin from seeds, about {self.margin:g}{at_hand}, at power {self.power:g}."
        numbers = (self.rows[0].images_within, self.rows[0].images_detect, self.runs_within, self.runs_detect)
        within, detect, *runs = ("no number of" if number is None else f"{number:,}" for number in numbers)
        text = f"Plan: {within} images show checkpoints within {self.margin:g}, {detect} images find such a difference"
        if self.n is not None and len(self.rows) > 1:
            an_arm = " and ".join(f"{each} runs an arm" for each in dict.fromkeys(runs))
            text += f"; with {self.n:,} images, {an_arm} do so for the recipes"
        return f"{text}, at power {self.power:g}."


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeedSdRange:
    """Standard deviation of what is judged over training seeds, image noise taken out, and how well it is known."""

    value: float  # root mean square over the arms
    low: float  # lower end of its 95 % range
    high: float
    runs: tuple[int, ...]  # how many runs each arm has that has several


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlannedArm:
    """A candidate's plan, and the same should training seeds move the FID more than the pilot shows."""

    name: str | None  # the candidate's name in the pilot; None without a pilot
    judged: Estimand  # what the pilot judged; margin and differences are in its unit
    margin_text: str  # where the margin comes from
    components: VarianceComponents
    plan: Plan
    seed_sd: SeedSdRange | None  # None where it does not rest on a pilot's runs
    upper: Plan | None  # at the upper end of that range

    def __repr__(self) -> str:
        return f"PlannedArm: {self.name or 'assumed'}, by {self.judged.value}\n{self.plan}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class UndecidedNeeds:
    """What would decide an inconclusive result if estimate and variance components stayed as they are."""

    images: int | None  # with the present runs; None where no number is enough
    runs: int | None  # an arm, with the present images; None where no number is enough, and in scope A
    both: tuple[int, int] | None = None  # images and runs an arm together, where neither alone is enough


def plan_sizes(
    components: VarianceComponents,
    margin: float | Literal["seeds"],
    *,
    power: float = 0.8,
    n: int | None = None,
    runs: Sequence[int] = RUNS,
    confidence: float = 0.95,
) -> Plan:
    """How many images, or runs an arm, show equivalence or find a difference as large as the margin?

    Numbers of images are the smallest with the wished power. In scope B the power may fall again above: where the
    images' variance vanishes beside the seeds', few degrees of freedom are left (`more_images_hurt`).

    Parameters
    ----------
    components : VarianceComponents
        From a pilot, or assumed; taken as the true ones.
    margin : float or "seeds"
        Difference that still counts as none, > 0; or 2.77 standard deviations over the planned runs of the baseline,
        for the recipes alone.
    power : float
        Wished probability, 0.5 to 0.999.
    n : int, optional
        Images at hand, for the runs needed and for what can be shown and found with them.
    runs : sequence of int
        Numbers of runs an arm to look at, each >= 2; left out where no seed standard deviation is known.
    confidence : float
        Confidence of the two-sided interval that is to exclude 0; equivalence is tested at level 1 - confidence.

    Raises
    ------
    InputError
        If a number is out of its range.
    """
    require_power(power)
    from_seeds = margin == "seeds"
    scopes: list[int | None] = [None, *(runs if components.seed_sds else ())]
    if margin == "seeds":
        if not components.seed_sds:
            raise InputError(
                "--margin seeds",
                expected="a pilot with two or more runs an arm, or --seed-sd",
                found="nothing about training seeds",
                fix="Give a number, or a share such as 2%.",
            )
        scopes = scopes[1:]
        size = REPEATABILITY * components.seed_sds[0]
    else:
        require_margin(margin)
        size = margin

    def within(images: int, seeds: int | None) -> bool:
        return equivalence_power(components, margin, n=images, runs=seeds, confidence=confidence) >= power

    def detects(images: int, seeds: int | None) -> bool:
        return detection_power(components, size, n=images, runs=seeds, confidence=confidence) >= power

    def row(seeds: int | None) -> PlanRow:
        images_within = _first(lambda images: within(images, seeds), 2, MOST_IMAGES)
        images_detect = _first(lambda images: detects(images, seeds), 2, MOST_IMAGES)
        fades = images_within is not None and not within(MOST_IMAGES, seeds)
        fades |= images_detect is not None and not detects(MOST_IMAGES, seeds)
        margin_shown = difference_found = None
        if n is not None:
            if not from_seeds:
                margin_shown = smallest_margin(components, n=n, runs=seeds, power=power, confidence=confidence)
            difference_found = smallest_difference(components, n=n, runs=seeds, power=power, confidence=confidence)
        return PlanRow(
            runs=seeds,
            images_within=images_within,
            images_detect=images_detect,
            more_images_hurt=fades,
            smallest_margin=margin_shown,
            smallest_difference=difference_found,
        )

    runs_within = runs_detect = None
    if n is not None and components.seed_sds:
        at_hand = n
        runs_within = _first(lambda seeds: within(at_hand, seeds), 2, _MOST_RUNS)
        runs_detect = _first(lambda seeds: detects(at_hand, seeds), 2, _MOST_RUNS)
    return Plan(
        margin=size,
        from_seeds=from_seeds,
        power=power,
        confidence=confidence,
        n=n,
        rows=tuple(row(seeds) for seeds in scopes),
        runs_within=runs_within,
        runs_detect=runs_detect,
    )


def seed_sd_range(components: VarianceComponents) -> SeedSdRange | None:
    """The pilot's seed standard deviation with its 95 % chi-square range; None where it does not rest on runs.

    The variances of the arms' runs are averaged, the degrees of freedom of the average are Satterthwaite's, and the
    images' noise is taken out of both ends.
    """
    arms = (
        (components.seed_sd_baseline, components.runs_baseline, components.noise_sds[0]),
        (components.seed_sd_candidate, components.runs_candidate, components.noise_sds[1]),
    )
    known = [(sd**2, runs, noise**2 / components.n_images) for sd, runs, noise in arms if sd is not None and runs > 1]
    if not known:
        return None
    mean = combine_variances([((seeds + noise) / len(known), runs - 1) for seeds, runs, noise in known])
    noise = sum(each for _, _, each in known) / len(known)
    low, high = (
        math.sqrt(max(0.0, mean.value**2 * mean.df / float(2 * special.gammaincinv(mean.df / 2, p)) - noise))
        for p in (0.975, 0.025)
    )
    value = math.sqrt(sum(seeds for seeds, _, _ in known) / len(known))
    return SeedSdRange(value=value, low=low, high=high, runs=tuple(runs for _, runs, _ in known))


def at_upper_seed_sd(components: VarianceComponents) -> VarianceComponents | None:
    """The components with both arms' seed standard deviations raised in the ratio of the upper end of their range.

    None where the range is not known.
    """
    range_ = seed_sd_range(components)
    if range_ is None or range_.high == 0:
        return None
    found = (components.seed_sd_baseline, components.seed_sd_candidate)
    # Where the runs differ by no more than their images' noise there is no ratio: each arm has the upper end.
    raised = [None if sd is None else sd * range_.high / range_.value if range_.value else range_.high for sd in found]
    return dataclasses.replace(components, seed_sd_baseline=raised[0], seed_sd_candidate=raised[1])


def undecided_needs(
    components: VarianceComponents,
    estimate: float,
    margin: Margin | float | None,
    *,
    scope: Scope,
    confidence: float = 0.95,
) -> UndecidedNeeds:
    """Numbers of images, or of runs an arm, or of both, that would decide an inconclusive result.

    Decided is what `equivalence_test` would call so at the estimate as it is. No power comes into it: the estimate is
    taken for what the larger study would find, and so are the spreads; a margin from seeds stays what it is and is
    better known with more runs.

    Raises `InputError` if the margin is not above 0, or for recipes an arm has fewer than two runs.

    Parameters
    ----------
    components : VarianceComponents
        What the inconclusive comparison found.
    estimate : float
        The difference that was judged.
    margin : Margin, float or None
        Difference that still counts as none; None where nobody set one.
    scope : Scope
        For recipes training seeds are random too, and either images or runs may be added.
    confidence : float
        As in `plan_sizes`; for one of m candidates that are judged together, 1 - (1 - confidence) / m is enough.
    """
    present = (components.runs_baseline, components.runs_candidate)
    recipes = scope == Scope.RECIPES
    found = _error(components, components.n_images, present if recipes else None)

    def decided(images: int, seeds: tuple[int, int] | None) -> bool:
        error = _error(components, images, seeds)
        better_known = margin
        if isinstance(margin, Margin) and margin.seeds is not None and seeds is not None:
            better_known = dataclasses.replace(margin, seeds=components.spread_of_baseline(images, seeds[0]))
        elif isinstance(margin, Margin) and found.value > 0:
            better_known = dataclasses.replace(margin, share_error=margin.share_error * error.value / found.value)
        difference = Difference(estimate=estimate, error=error, margin=better_known)
        return equivalence_test(difference, confidence=confidence).verdict is not Verdict.INCONCLUSIVE

    def with_runs(images: int, runs: int) -> bool:
        return decided(images, (max(runs, present[0]), max(runs, present[1])))

    def images_beside(runs: int) -> int:
        """As many times the images as there are runs."""
        return -(-components.n_images * runs // min(present))

    images = _first(lambda n: decided(n, present if recipes else None), components.n_images + 1, MOST_IMAGES)
    if not recipes:
        return UndecidedNeeds(images=images, runs=None)
    runs = _first(lambda count: with_runs(components.n_images, count), min(present) + 1, _MOST_RUNS)
    together = None
    if images is None and runs is None:
        together = _first(lambda count: with_runs(images_beside(count), count), min(present) + 1, _MOST_RUNS)
    return UndecidedNeeds(
        images=images, runs=runs, both=None if together is None else (images_beside(together), together)
    )


def enough_images(
    components: VarianceComponents, runs: tuple[int, int] | None, is_enough: Callable[[StandardError], bool]
) -> int | None:
    """The smallest number of images with which the difference's error is small enough; None where no number does.

    `runs`: of the baseline and of the candidate; None for these checkpoints. `is_enough`: whether an error is; it holds
    for every error that is smaller, or better known, than one for which it holds.
    """
    return _first(lambda images: is_enough(_error(components, images, runs)), 2, MOST_IMAGES)


def _error(components: VarianceComponents, images: int, runs: tuple[int, int] | None) -> StandardError:
    return combine_few(components.variances(images, runs))


def _first(reached: Callable[[int], bool], start: int, most: int) -> int | None:
    """The smallest number from `start` to `most` at which `reached` holds, looking half as far again each time."""
    below, number = start - 1, start
    while not reached(number):
        if number >= most:
            return None
        below, number = number, min(most, max(number + 1, number * 3 // 2))
    while number - below > 1:
        middle = (below + number) // 2
        if reached(middle):
            number = middle
        else:
            below = middle
    return number
