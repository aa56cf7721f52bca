"""From differences, their standard errors and a margin to verdicts (TOST)."""

import dataclasses
import math
from collections.abc import Sequence
from enum import Enum

from p2phd_eval.errors import InputError
from p2phd_eval.formatting import given_text, interval_text
from p2phd_eval.stats.confidence import require_confidence, t_interval, t_reach, t_tail
from p2phd_eval.stats.design import StandardError
from p2phd_eval.stats.verdicts.margins import Margin, given_margin

Interval = tuple[float, float]

_MORE = range(4, 18)
_NOTICEABLE = 1.02  # an interval that is wider by this factor is said to be
_FARTHEST = 20.0  # standard normal: a p-value of 3e-89


class Verdict(str, Enum):
    """What the data say about the difference."""

    WITHIN = "within"  # within the error range: equivalent, and no difference detected
    NEGLIGIBLE = "negligible"  # a difference is detected, and it is smaller than the margin
    WORSE = "worse"
    BETTER = "better"
    INCONCLUSIVE = "inconclusive"
    NOT_JUDGED = "not-judged"  # what was to be judged cannot be had from these images


#: The verdicts that speak for a candidate.
FAVOURABLE = (Verdict.WITHIN, Verdict.NEGLIGIBLE, Verdict.BETTER)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """A difference to be judged; positive means that the candidate is worse, unless more is better."""

    estimate: float  # in units of the metric
    error: StandardError
    margin: Margin | float | None  # the difference that still counts as none, > 0; a number was set before looking
    more_is_better: bool = False  # of a score such as an accuracy: then positive means that the candidate is better

    @property
    def limit(self) -> Margin | None:
        """The margin with what is known of it; None where there is none."""
        if isinstance(self.margin, Margin):
            return None if self.margin.value is None else self.margin
        return None if self.margin is None else given_margin(self.margin)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EquivalenceResult:
    """A difference with its intervals, its tests and its verdict; positive as of the `Difference` that was judged."""

    estimate: float  # in units of the metric, like every number here but p-values and counts
    standard_error: float
    df: float  # degrees of freedom of the t quantiles; infinity is the normal distribution
    confidence: float  # how often `interval` holds the truth
    interval: Interval  # two-sided, at `confidence`, of this difference alone
    #: At 2 confidence - 1: inside the margins where both one-sided tests reject. Wider than the two-sided interval of
    #: that confidence by what is not known of a margin that is guessed.
    tost_interval: Interval
    margin: float | None  # the difference that still counts as none, or None where there is none
    p_difference: float  # two-sided, of no difference
    p_lower: float | None  # one-sided, of a difference of -margin or less; None without a margin
    p_upper: float | None  # one-sided, of a difference of margin or more
    p_difference_holm: float  # adjusted for all differences that were judged together
    p_equivalence_holm: float | None  # the larger one-sided p-value, adjusted likewise
    p_upper_holm: float | None  # p_upper, or p_lower where more is better, adjusted likewise
    verdict: Verdict  # from the adjusted p-values
    material: bool  # worse or better, and the interval that the reason quotes lies wholly beyond the margin
    non_inferior: bool | None  # whether p_upper_holm is below 1 - confidence; None without a margin
    reason: str  # one sentence with the intervals that decided, at the confidence that Holm's method asks of each


def equivalence_test(difference: Difference, *, confidence: float = 0.95) -> EquivalenceResult:
    """Judge one difference; see `judge_differences`."""
    return judge_differences([difference], confidence=confidence)[0]


def judge_differences(differences: Sequence[Difference], *, confidence: float = 0.95) -> tuple[EquivalenceResult, ...]:
    """Judge differences by two one-sided tests and by a two-sided one, each at 1 - confidence.

    In this order:

    1. both one-sided tests reject, the two-sided does not: within.
    2. both one-sided tests reject, and so does the two-sided: negligible.
    3. the two-sided test rejects: worse (above 0, or below where more is better) or better.
    4. otherwise: inconclusive.

    For one difference at 95 %: within where the 90 % interval lies inside (-margin, margin) and the 95 % interval
    contains 0, and so on. A margin m that is itself a guess has a lower limit L, and the one-sided test at level alpha
    of a difference d with standard error se rejects where

        d - m + sqrt((t se)^2 + (m - L)^2) < 0,    t and L at level alpha                            (MOVER)

    which for a given margin, L = m, is the t test. For several differences, p-values are adjusted by Holm's method,
    which keeps the probability of any false "within" among them, of any false "worse" or "better", and of any false
    non-inferiority at 5 % each. `interval` and `tost_interval` stay those of each alone; the reason quotes those that
    decided. Without a margin the first two are not available: that no difference was detected never counts as
    "within".

    Parameters
    ----------
    differences : sequence of Difference
        Judged as one family. A standard error of 0 makes the estimate itself the interval.
    confidence : float
        In (0.5, 1).

    Returns
    -------
    tuple of EquivalenceResult

    Raises
    ------
    InputError
        If a margin is not above 0, or another number is not usable.

    References
    ----------
    Schuirmann (1987) and Lakens (2017), for the two one-sided tests; Zou and Donner (2008), for the limits of a
    difference of two estimates recovered from theirs (MOVER); Holm (1979).
    """
    require_confidence(confidence)
    alpha = 1 - confidence
    for each in differences:
        _require_usable(each)
    limits = [each.limit for each in differences]
    detections = [min(1.0, 2 * _t_tail(abs(each.estimate), each.error)) for each in differences]
    lower, upper = (
        [
            None if limit is None else _p_inside(sign * each.estimate, each.error, limit)
            for each, limit in zip(differences, limits, strict=True)
        ]
        for sign in (-1, 1)
    )
    equivalences = [None if p is None or q is None else max(p, q) for p, q in zip(lower, upper, strict=True)]
    worse = [p if each.more_is_better else q for each, p, q in zip(differences, lower, upper, strict=True)]
    found, shown, bounded = (Family(p_values, alpha) for p_values in (detections, equivalences, worse))
    return tuple(
        _judge(each, limits[k], (detections[k], lower[k], upper[k]), (found, shown, bounded), k, confidence)
        for k, each in enumerate(differences)
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that rejecting those below alpha makes any false rejection at most alpha probable.

    The k-th smallest of m, k from 0, becomes the maximum of (m - j) p_j over j <= k, at most 1 (Holm 1979).
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


class Family:
    """Hypotheses tested together: their adjusted p-values, and at which level each one was decided."""

    def __init__(self, p_values: Sequence[float | None], alpha: float) -> None:
        known = {place: p for place, p in enumerate(p_values) if p is not None}
        self.adjusted = dict(zip(known, holm(list(known.values())), strict=True))
        self.rejected = {place: p < alpha for place, p in self.adjusted.items()}
        # Holm's steps hold the smallest p-value against alpha / m, the next against alpha / (m - 1), and stop at the
        # first that is too large: it and all after it are judged at the level of that step.
        steps = sum(self.rejected.values())
        self.level = {
            place: alpha / (len(known) - min(rank, steps))
            for rank, place in enumerate(sorted(known, key=known.__getitem__))
        }


def verdict_of(*, detected: bool, equivalent: bool, worse: bool) -> Verdict:
    """Return the verdict by the rule of `judge_differences`.

    `detected`: whether the two-sided test rejects. `equivalent`: whether both one-sided ones do. `worse`: on which side
    of no difference the estimate lies.
    """
    if equivalent:
        return Verdict.NEGLIGIBLE if detected else Verdict.WITHIN
    if detected:
        return Verdict.WORSE if worse else Verdict.BETTER
    return Verdict.INCONCLUSIVE


def _t_tail(distance: float, error: StandardError) -> float:
    """One-sided p-value of an estimate this far on the right side of a bound."""
    if error.value == 0:
        return 0.0 if distance > 0 else 1.0
    return t_tail(distance / error.value, error.df)


def _room_wanted(error: StandardError, margin: Margin, level: float) -> float:
    """How far below the margin an estimate has to lie for its one-sided test at this level to reject (MOVER)."""
    assert margin.value is not None
    return math.hypot(t_reach(error, level), margin.value - margin.lower(level))


def _p_inside(estimate: float, error: StandardError, margin: Margin) -> float:
    """One-sided p-value of a difference of the margin or more: the level at which its test just rejects."""
    assert margin.value is not None
    room = margin.value - estimate
    if room <= 0 or margin.exact:
        return _t_tail(room, error)
    from scipy import special  # here, as all of SciPy: slow to import, and most commands ask for no such margin

    def excess(z: float) -> float:
        return _room_wanted(error, margin, float(special.ndtr(-z))) - room

    # What is wanted grows from 0 as the level falls from one half.
    if excess(_FARTHEST) <= 0:
        return float(special.ndtr(-_FARTHEST))  # or less
    from scipy import optimize

    return float(special.ndtr(-optimize.brentq(excess, 0.0, _FARTHEST, xtol=1e-10)))


def _judge(
    difference: Difference,
    margin: Margin | None,
    p_values: tuple[float, float | None, float | None],
    families: tuple[Family, Family, Family],
    place: int,
    confidence: float,
) -> EquivalenceResult:
    estimate, error = difference.estimate, difference.error
    found, shown, bounded = families
    detected, equivalent = found.rejected[place], shown.rejected.get(place, False)
    worse = (estimate > 0) != difference.more_is_better
    verdict = verdict_of(detected=detected, equivalent=equivalent, worse=worse)
    return EquivalenceResult(
        estimate=estimate,
        standard_error=error.value,
        df=error.df,
        confidence=confidence,
        interval=t_interval(estimate, error, confidence),
        tost_interval=_tost_interval(difference, margin, 1 - confidence),
        margin=None if margin is None else margin.value,
        p_difference=p_values[0],
        p_lower=p_values[1],
        p_upper=p_values[2],
        p_difference_holm=found.adjusted[place],
        p_equivalence_holm=shown.adjusted.get(place),
        p_upper_holm=bounded.adjusted.get(place),
        verdict=verdict,
        material=verdict in (Verdict.WORSE, Verdict.BETTER) and _beyond(difference, margin, found.level[place]),
        non_inferior=bounded.rejected.get(place),
        reason=_reason(difference, margin, found.level[place], shown.level.get(place), detected, equivalent)
        + (f" (of {len(found.level)} judged together, by Holm's method)" if len(found.level) > 1 else ""),
    )


def _tost_interval(difference: Difference, margin: Margin | None, level: float) -> Interval:
    """The interval that lies inside the margins where both one-sided tests at this level reject."""
    estimate, error = difference.estimate, difference.error
    if margin is None:
        return t_interval(estimate, error, 1 - 2 * level)
    reach = _room_wanted(error, margin, level)
    return estimate - reach, estimate + reach


def _beyond(difference: Difference, margin: Margin | None, level: float) -> bool:
    """Whether the difference is larger than the margin, each of its two tests at half the level."""
    if margin is None or margin.value is None:
        return False
    guess = margin.upper(level / 2) - margin.value
    return abs(difference.estimate) - margin.value > math.hypot(t_reach(difference.error, level / 2), guess)


def _require_usable(difference: Difference) -> None:
    estimate, error = difference.estimate, difference.error
    if not math.isfinite(estimate):
        raise InputError("estimate", expected="a finite number", found=str(estimate))
    if not (math.isfinite(error.value) and error.value >= 0):
        raise InputError("standard error", expected="a finite number, not negative", found=str(error.value))
    if not error.df > 0:
        raise InputError("df", expected="degrees of freedom above 0", found=str(error.df))


def _reason(
    difference: Difference,
    margin: Margin | None,
    level: float,
    margin_level: float | None,
    detected: bool,
    equivalent: bool,
) -> str:
    """The intervals that decided; each at the confidence that it was held to, so that they show what they say."""
    two_sided = t_interval(difference.estimate, difference.error, 1 - level)
    zero = f"the {_told(two_sided, 1 - level, marks=(0.0,))} {'excludes' if detected else 'contains'} 0"
    if margin is None or margin_level is None:
        return f"{zero}; without a margin no result can be called within the error range or negligible"
    link = "but" if equivalent == detected and margin.guessed_from is None else "and"
    return f"the {_place(difference, margin, margin_level, equivalent)} {link} {zero}"


def _place(difference: Difference, margin: Margin, level: float, equivalent: bool) -> str:
    """Where the interval lies that shows equivalence, or does not."""
    assert margin.value is not None
    confidence = 1 - 2 * level
    plain = t_interval(difference.estimate, difference.error, confidence)
    wide = _tost_interval(difference, margin, level)
    runs = margin.guessed_from
    if runs is None:
        widened = wide[1] - wide[0] > _NOTICEABLE * (plain[1] - plain[0])
        remark = ", widened as the margin is a share of an estimate," if widened else ""
        return _inside(wide, confidence, margin.value, equivalent, remark)
    if equivalent:
        return _inside(wide, confidence, margin.value, True, f", widened as the margin is guessed from {runs} runs,")
    if not _lies_inside(plain, margin.value):
        return _inside(plain, confidence, margin.value, False)
    # Widening by MOVER is less than taking the lower end for the margin, so the plain interval sticks out there.
    low = _margin_text(margin.lower(level), plain)
    inside = _inside(plain, confidence, margin.value, True)
    return f"{inside}, but that margin is guessed from {runs} runs and with its lower end, ±{low}, it does not,"


def _inside(interval: Interval, confidence: float, margin: float, inside: bool, remark: str = "") -> str:
    limit = _margin_text(margin, interval)
    told = _told(interval, confidence, marks=(-float(limit), float(limit)))
    return f"{told}{remark} {'lies' if inside else 'does not lie'} inside ±{limit}"


def _lies_inside(interval: Interval, margin: float) -> bool:
    return -margin < interval[0] and interval[1] < margin


def _margin_text(margin: float, interval: Interval) -> str:
    """The margin as it was typed, else with three digits, or as many more as leave the interval on its side of it."""
    texts = [given_text(margin), *(f"{margin:.{digits}g}" for digits in _MORE)]
    return next(text for text in texts if _lies_inside(interval, float(text)) == _lies_inside(interval, margin))


def _told(interval: Interval, confidence: float, marks: Sequence[float]) -> str:
    return f"{100 * confidence:.4g} % interval {interval_text(interval, marks)}"
