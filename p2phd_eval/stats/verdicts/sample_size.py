"""How many images and training seeds decide a comparison: beforehand, or after one that was inconclusive."""

import dataclasses
import math
from collections.abc import Callable, Sequence

from scipy import stats

from p2phd_eval.stats.design import combine_variances
from p2phd_eval.stats.verdicts.margins import require_margin
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
_MOST_IMAGES = 10**9  # what needs more is called out of reach
_MOST_RUNS = 10**4


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanRow:
    """What a number of runs an arm asks for, and what it gives."""

    runs: int | None  # runs (training seeds) an arm; None: these checkpoints (scope A)
    images_within: int | None  # that show equivalence where there is no difference; None where no number does
    images_detect: int | None  # that find a difference as large as the margin
    more_images_hurt: bool  # with many more images than these, the power falls below the wished one again
    smallest_margin: float | None  # that can be shown with the images at hand; None where their number is not given
    smallest_difference: float | None  # that is found with the images at hand

    @property
    def scope(self) -> Scope:
        """Whether it is about these checkpoints or about the recipes."""
        return Scope.CHECKPOINTS if self.runs is None else Scope.RECIPES


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Numbers of images and runs for a margin and a power."""

    margin: float  # FID units
    power: float
    confidence: float
    n: int | None  # images at hand
    rows: tuple[PlanRow, ...]  # scope A first, then, with a seed standard deviation, each number of runs an arm
    runs_within: int | None  # runs an arm needed with n images; None where no number is enough, or nothing to ask
    runs_detect: int | None

    def __repr__(self) -> str:
        numbers = (self.rows[0].images_within, self.rows[0].images_detect, self.runs_within, self.runs_detect)
        within, detect, *runs = ("no number of" if number is None else f"{number:,}" for number in numbers)
        text = f"Plan: {within} images show checkpoints within {self.margin:g}, {detect} images find such a difference"
        if self.n is not None and len(self.rows) > 1:
            an_arm = " and ".join(f"{each} runs an arm" for each in dict.fromkeys(runs))
            text += f"; with {self.n:,} images, {an_arm} do so for the recipes"
        return f"{text}, at power {self.power:g}."


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeedSdRange:
    """Standard deviation of FID over training seeds, and how well it is known."""

    value: float  # root mean square over the arms, FID units
    low: float  # lower end of its 95 % range
    high: float
    runs: tuple[int, ...]  # how many runs each arm has that has several


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlannedArm:
    """A candidate's plan, and the same should training seeds move the FID more than the pilot shows."""

    name: str | None  # the candidate's name in the pilot; None without a pilot
    metric: str  # "FID", or "KID" where the pilot could not judge by FID; unit of margin and differences
    components: VarianceComponents
    plan: Plan
    seed_sd: SeedSdRange | None  # None where it does not rest on a pilot's runs
    upper: Plan | None  # at the upper end of that range

    def __repr__(self) -> str:
        return f"PlannedArm: {self.name or 'assumed'}, by {self.metric}\n{self.plan}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class UndecidedNeeds:
    """What would decide an inconclusive result if estimate and variance components stayed as they are."""

    images: int | None  # with the present runs; None where no number is enough
    runs: int | None  # an arm, with the present images; None where no number is enough, and in scope A


def plan_sizes(
    components: VarianceComponents,
    margin: float,
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
    margin : float
        FID difference that still counts as none, > 0.
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
    require_margin(margin)
    require_power(power)
    scopes: list[int | None] = [None, *(runs if components.seed_sds else ())]

    def within(images: int, seeds: int | None) -> bool:
        return equivalence_power(components, margin, n=images, runs=seeds, confidence=confidence) >= power

    def detects(images: int, seeds: int | None) -> bool:
        return detection_power(components, margin, n=images, runs=seeds, confidence=confidence) >= power

    def row(seeds: int | None) -> PlanRow:
        images_within = _first(lambda images: within(images, seeds), 2, _MOST_IMAGES)
        images_detect = _first(lambda images: detects(images, seeds), 2, _MOST_IMAGES)
        fades = images_within is not None and not within(_MOST_IMAGES, seeds)
        fades |= images_detect is not None and not detects(_MOST_IMAGES, seeds)
        margin_shown = difference_found = None
        if n is not None:
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
        margin=margin,
        power=power,
        confidence=confidence,
        n=n,
        rows=tuple(row(seeds) for seeds in scopes),
        runs_within=runs_within,
        runs_detect=runs_detect,
    )


def seed_sd_range(components: VarianceComponents) -> SeedSdRange | None:
    """The pilot's seed standard deviation with its 95 % chi-square range; None where it does not rest on runs.

    The arms' variances are averaged; the degrees of freedom of the average are Satterthwaite's.
    """
    arms = (
        (components.seed_sd_baseline, components.runs_baseline),
        (components.seed_sd_candidate, components.runs_candidate),
    )
    known = [(sd, runs) for sd, runs in arms if sd is not None and runs > 1]
    if not known:
        return None
    mean = combine_variances([(sd**2 / len(known), runs - 1) for sd, runs in known])
    low, high = (math.sqrt(mean.df / float(stats.chi2.ppf(p, mean.df))) for p in (0.975, 0.025))
    return SeedSdRange(
        value=mean.value, low=mean.value * low, high=mean.value * high, runs=tuple(runs for _, runs in known)
    )


def at_upper_seed_sd(components: VarianceComponents) -> VarianceComponents | None:
    """The components with both arms' seed standard deviations raised in the ratio of the upper end of their range.

    None where the range is not known.
    """
    range_ = seed_sd_range(components)
    if range_ is None or range_.value == 0:
        return None
    factor = range_.high / range_.value
    baseline, candidate = components.seed_sd_baseline, components.seed_sd_candidate
    return dataclasses.replace(
        components,
        seed_sd_baseline=None if baseline is None else baseline * factor,
        seed_sd_candidate=None if candidate is None else candidate * factor,
    )


def undecided_needs(
    components: VarianceComponents, estimate: float, margin: float | None, *, scope: Scope, confidence: float = 0.95
) -> UndecidedNeeds:
    """Numbers of images, or of runs an arm, that would decide an inconclusive result.

    Decided is what `equivalence_test` would call so at the estimate as it is: the two-sided interval at `confidence`
    excludes 0, or the interval of the two one-sided tests lies inside the margin. No power comes into it: the
    estimate is taken for what the larger study would find. Holm's adjustment for several candidates is left out.

    Raises `InputError` if the margin is not above 0, or for recipes an arm has fewer than two runs.

    Parameters
    ----------
    components : VarianceComponents
        What the inconclusive comparison found.
    estimate : float
        Its dFID.
    margin : float or None
        FID difference that still counts as none; None where nobody set one.
    scope : Scope
        For recipes training seeds are random too, and either images or runs may be added.
    confidence : float
        As in `plan_sizes`.
    """
    require_margin(margin)
    present = (components.runs_baseline, components.runs_candidate)

    def decided(images: int, seeds: tuple[int, int] | None) -> bool:
        error = combine_variances(components.variances(images, seeds))
        one_sided, two_sided = (float(q) for q in stats.t.ppf((confidence, (1 + confidence) / 2), error.df))
        found = two_sided * error.value < abs(estimate)
        return found or (margin is not None and one_sided * error.value < margin - abs(estimate))

    def decided_by_runs(runs: int) -> bool:
        return decided(components.n_images, (max(runs, present[0]), max(runs, present[1])))

    return UndecidedNeeds(
        images=_first(
            lambda images: decided(images, present if scope == Scope.RECIPES else None),
            components.n_images + 1,
            _MOST_IMAGES,
        ),
        runs=_first(decided_by_runs, min(present) + 1, _MOST_RUNS) if scope == Scope.RECIPES else None,
    )


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
