"""Which difference still counts as none: given in advance, as a share of the baseline, or from the baseline's seeds."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from p2phd_eval.errors import InputError, shown
from p2phd_eval.formatting import number_text
from p2phd_eval.stats.confidence import t_reach
from p2phd_eval.stats.design import SamplingDesign, StandardError
from p2phd_eval.stats.errors.measurement import Measurement
from p2phd_eval.stats.errors.seeds import recipe_error
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.scope import Scope

# The difference of two values of standard deviation s lies within 1.96 sqrt(2) s with probability 95 % (ISO 5725).
REPEATABILITY = 1.959963984540054 * math.sqrt(2)
_LARGEST = 1e100  # whose square fits into float64
_LARGEST_PERCENT = 1e6
_LARGEST_KID = 1.0  # KIDs of images are of the order of 0.01; a margin above is meant for a FID


@dataclasses.dataclass(frozen=True, kw_only=True)
class MarginRule:
    """How a margin is found."""

    kind: Literal["absolute", "relative", "seeds"]
    amount: float  # absolute: in units of what is judged; relative: share of the baseline's value; seeds: unused, 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeedSpread:
    """How far the runs of one recipe lie apart, and how much of it their own images make."""

    runs: int
    variance: float  # of the runs' values, ddof = 1; squared units of what is judged, like the noise
    noise: float  # what the images of each run add to it, taken as known; see `Measurement.run_noise`

    @property
    def sd(self) -> float:
        """The standard deviation over seeds, image noise taken out; 0 where the noise is as large as the spread."""
        return math.sqrt(max(0.0, self.variance - self.noise))

    def lower(self, level: float) -> float:
        """The lower confidence limit of the true standard deviation, wrong with probability `level`: chi-square's."""
        return math.sqrt(max(0.0, self.variance * self.factor_of_lower(level) - self.noise))

    def upper(self, level: float) -> float:
        """The upper confidence limit, likewise."""
        from scipy import special  # here: slow to import, and most commands ask for no such limit

        quantile = 2 * float(special.gammaincinv((self.runs - 1) / 2, level))
        return math.sqrt(max(0.0, self.variance * (self.runs - 1) / quantile - self.noise))

    def factor_of_lower(self, level: float) -> float:
        """What the variance is multiplied by for its own lower limit."""
        from scipy import special

        return (self.runs - 1) / (2 * float(special.gammainccinv((self.runs - 1) / 2, level)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Margin:
    """A margin in the units of what is judged, and how well it is known."""

    value: float | None  # None where there is none
    text: str  # where it comes from, or why there is none
    range: tuple[float, float] | None = None  # 95 % of what the value may be, from seeds; None where it is exact
    seeds: SeedSpread | None = None  # the runs that it is guessed from
    share_error: float = 0.0  # what the uncertainty of the baseline adds to the test of a share; see `error_of_share`
    share_df: float | None = None  # its degrees of freedom; None: normal

    @property
    def guessed_from(self) -> int | None:
        """How many runs it is guessed from; None where it is given."""
        return None if self.seeds is None else self.seeds.runs

    @property
    def exact(self) -> bool:
        """Whether nothing about it is estimated."""
        return self.seeds is None and self.share_error == 0

    def lower(self, level: float) -> float:
        """The margin's lower confidence limit: wrong with probability `level`, in (0, 0.5). A given number is its own.

        Raises `InputError` where there is no margin.
        """
        known = self._known
        if self.seeds is not None:
            return min(known, REPEATABILITY * self.seeds.lower(level))
        return known - self._share_reach(level)

    def upper(self, level: float) -> float:
        """The margin's upper confidence limit, likewise."""
        known = self._known
        if self.seeds is not None:
            return max(known, REPEATABILITY * self.seeds.upper(level))
        return known + self._share_reach(level)

    def _share_reach(self, level: float) -> float:
        error = StandardError(value=self.share_error, df=math.inf if self.share_df is None else self.share_df)
        return t_reach(error, level)

    @property
    def _known(self) -> float:
        if self.value is None:
            raise InputError("margin", expected="a number", found=f"none: {self.text}")
        return self.value


def parse_margin(text: str | float | None) -> MarginRule | None:
    """Read a margin: a number, a share such as "2%", "seeds", or None.

    Raises
    ------
    InputError
        If it is none of these, or not above 0.
    """
    if text is None:
        return None
    if text == "seeds":
        return MarginRule(kind="seeds", amount=0.0)
    given = str(text).strip()
    try:
        amount = float(given.removesuffix("%"))
    except ValueError:
        amount = math.nan
    largest = _LARGEST_PERCENT if given.endswith("%") else _LARGEST
    if not 0 < amount <= largest:
        raise InputError(
            "--margin",
            expected='a number above 0, such as 2.0, a share of what is judged of the baseline, such as 2%, or "seeds"'
            + (f"; at most {largest:g}{'%' if given.endswith('%') else ''}" if amount > largest else ""),
            found=shown(given),
            fix="Give such a margin, or none: then no result is called within the error range.",
        )
    return MarginRule(kind="relative", amount=amount / 100) if given.endswith("%") else absolute_margin(amount)


def absolute_margin(value: float) -> MarginRule:
    """A margin in units of what is judged."""
    require_margin(value)
    return MarginRule(kind="absolute", amount=value)


def given_margin(value: float) -> Margin:
    """A number that was set before looking."""
    require_margin(value)
    return Margin(value=value, text="given")


def require_margin(margin: float | None) -> None:
    """Raise InputError unless the margin is None or a finite number above 0."""
    if margin is not None and not 0 < margin <= _LARGEST:
        raise InputError(
            "--margin",
            expected="a number above 0: the difference that still counts as none",
            found=str(margin),
            fix="Give such a margin, or none: then no result is called within the error range.",
        )


def require_margin_fits(rule: MarginRule | None, estimand: Estimand, *, since: str | None = None) -> None:
    """Raise InputError for a number that can be no margin of what is judged: 1 or more where it is KID.

    `since`: why that is judged, in words; by default that it was asked for.
    """
    if rule is not None and rule.kind == "absolute" and estimand.in_kid and rule.amount >= _LARGEST_KID:
        raise InputError(
            "--margin",
            expected=f"a difference of KIDs, which are of the order of 0.01, "
            f"since {since or f'--judge {estimand.value} is asked'}",
            found=f"{rule.amount:g}",
            fix="Give a share of the baseline's KID, such as --margin 10%, or a number in units of KID; or judge by "
            "FID@n: --judge fid-at-n.",
        )


def require_seeds(rule: MarginRule | None, baseline_runs: int) -> None:
    """Raise InputError if the margin is to come from seeds and the baseline has only one."""
    if rule is not None and rule.kind == "seeds" and baseline_runs < 2:
        raise InputError(
            "--margin seeds",
            expected="two or more training seeds of the baseline",
            found="one",
            fix="Give several runs to --baseline, or a number.",
        )


def find_margin(
    rule: MarginRule | None,
    estimand: Estimand,
    baseline_runs: Sequence[float],
    *,
    n: int,
    noise: float | None,
    share_error: StandardError | None = None,
) -> Margin:
    """The margin of a difference between two arms, in the unit of what is judged.

    Without a rule it comes from the baseline's training seeds, where there are several; see `seed_margin`. A share is
    one of the baseline's value, the mean over its runs.

    Raises `InputError` if the rule does not fit the estimand, or wants seeds and there is only one.

    Parameters
    ----------
    rule : MarginRule or None
    estimand : Estimand
        What is judged.
    baseline_runs : sequence of float
        Its value for each run of the baseline.
    n : int
        Images of each set, for the name of what is judged.
    noise : float or None
        What the images add to the variance between the baseline's runs; see `Measurement.run_noise`.
    share_error : StandardError, optional
        What is not known of a share; see the function of this name. None: nothing, or it is no share.
    """
    require_margin_fits(rule, estimand)
    require_seeds(rule, len(baseline_runs))
    if rule is None or rule.kind == "seeds":
        return seed_margin(baseline_runs, noise)
    if rule.kind == "absolute":
        return given_margin(rule.amount)
    baseline = float(np.mean(baseline_runs))
    text = f"{100 * rule.amount:g} % of the baseline's {estimand.name_at(n)}, {number_text(baseline)}"
    return share_margin(rule.amount * baseline, text, share_error)


def share_margin(value: float, text: str, error: StandardError | None) -> Margin:
    """A share of the baseline as a margin; none where it is not above 0.

    `text`: where it comes from. `error`: what is not known of it; see `error_of_share`. None: nothing.
    """
    if not value > 0:
        return Margin(value=None, text=f"{text}: not above 0")
    if error is None:
        return Margin(value=value, text=text)
    df = error.df if math.isfinite(error.df) else None
    return Margin(value=value, text=text, share_error=error.value, share_df=df)


def seed_margin(baseline_runs: Sequence[float], noise: float | None) -> Margin:
    """2.77 standard deviations over the baseline's training seeds, with the noise of the images taken out.

    95 % of the differences of two baseline runs lie in this range (repeatability limit of ISO 5725). Of S seeds the
    standard deviation is a guess: its limits are those of chi-square with S - 1 degrees of freedom.

    `baseline_runs`: what is judged, of each training seed. `noise`: what the images add to the variance between them
    (`Measurement.run_noise`); None where it is not known.
    """
    count = len(baseline_runs)
    if count < 2:
        return Margin(value=None, text="none given, and one baseline run shows no spread of seeds")
    spread = SeedSpread(runs=count, variance=float(np.var(baseline_runs, ddof=1)), noise=noise or 0.0)
    if spread.variance == 0:
        return Margin(value=None, text="the baseline's runs do not differ at all")
    if spread.sd == 0:
        text = f"the {count} baseline runs differ by no more than their images' noise: more images would show how much"
        return Margin(value=None, text=text)
    low, high = REPEATABILITY * spread.lower(0.025), REPEATABILITY * spread.upper(0.025)
    without = "image noise taken out, " if noise else ""
    text = (
        f"2.77 standard deviations over {count} baseline runs, {without}"
        f"known to lie in {number_text(low)} to {number_text(high)} (95 %)"
    )
    if count == 2:
        text += "; two runs leave too much open to call a recipe within it"
    return Margin(value=REPEATABILITY * spread.sd, range=(low, high), text=text, seeds=spread)


def share_error(
    share: float, measurement: Measurement, weights: Sequence[float], design: SamplingDesign, scope: Scope
) -> StandardError:
    """What the uncertainty of the baseline adds to the test against a share of it.

    See `error_of_share`. Raises `InputError` if the scope is that of recipes and an arm has only one run.

    Parameters
    ----------
    share : float
        r, above 0.
    measurement : Measurement
        Of all generated sets.
    weights : sequence of float
        -1/S for each of the baseline's S runs, 1/S' for each of the candidate's, 0 for others.
    design : SamplingDesign
        How the real set and all generated sets were drawn.
    scope : Scope
        Whether the difference's error counts training seeds too.
    """
    arms = [k for k, weight in enumerate(weights) if weight < 0], [k for k, weight in enumerate(weights) if weight > 0]
    runs = [measurement.runs(arm) for arm in arms]
    noise = [measurement.run_noise(arm, design) for arm in arms]

    def error(scale: float) -> StandardError:
        """That of the candidate less a multiple of the baseline."""
        images = measurement.standard_error([w * scale if w < 0 else w for w in weights], design)
        if scope == Scope.CHECKPOINTS:
            return images
        before = None if noise[0] is None else scale**2 * noise[0]
        return recipe_error([scale * run for run in runs[0]], runs[1], images, noise=(before, noise[1]))

    return error_of_share(share, error)


def error_of_share(share: float, error: Callable[[float], StandardError]) -> StandardError:
    """What the uncertainty of the baseline adds to the test against a share of it, from the errors of contrasts.

    That the candidate is worse by less than the share r is a statement about candidate - (1 + r) baseline, whose error
    differs from that of the plain difference. What it is larger by, in squares, is the error of the margin: next to
    nothing for 2 %; for 20 %, three seeds and no image noise the false "within" would be 6.8 % instead of 5 %.

    `error`: from a number to the standard error of the candidate less that multiple of the baseline.
    """
    widest = max((error(1 + share), error(1 - share)), key=lambda each: each.value)
    return StandardError(value=math.sqrt(max(0.0, widest.value**2 - error(1.0).value ** 2)), df=widest.df)
