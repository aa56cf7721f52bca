"""From differences, their standard errors and a margin to verdicts (TOST)."""

import dataclasses
import math
from collections.abc import Sequence
from enum import Enum

from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.confidence import require_confidence, t_interval
from p2phd_eval.stats.design import StandardError


class Verdict(str, Enum):
    """What the data say about the difference."""

    WITHIN = "within"  # within the error range: equivalent, and no difference detected
    NEGLIGIBLE = "negligible"  # a difference is detected, and it is smaller than the margin
    WORSE = "worse"
    BETTER = "better"
    INCONCLUSIVE = "inconclusive"


#: The verdicts that speak for a candidate.
FAVOURABLE = (Verdict.WITHIN, Verdict.NEGLIGIBLE, Verdict.BETTER)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """A difference to be judged; positive means that the candidate is worse."""

    estimate: float  # in units of the metric
    error: StandardError
    margin: float | None  # the difference that still counts as none, > 0, set before looking at the data


@dataclasses.dataclass(frozen=True, kw_only=True)
class EquivalenceResult:
    """A difference with its intervals, its tests and its verdict; positive means that the candidate is worse."""

    estimate: float  # in units of the metric, like every number here but p-values and counts
    standard_error: float
    df: float  # degrees of freedom of the t quantiles; infinity is the normal distribution
    confidence: float  # how often `interval` holds the truth
    interval: tuple[float, float]  # two-sided, at `confidence`
    tost_interval: tuple[float, float]  # at 2 confidence - 1: inside the margins where both one-sided tests reject
    margin: float | None  # the difference that still counts as none, or None where there is none
    p_difference: float  # two-sided, of no difference
    p_lower: float | None  # one-sided, of a difference of -margin or less; None without a margin
    p_upper: float | None  # one-sided, of a difference of margin or more
    p_difference_holm: float  # adjusted for all differences that were judged together
    p_equivalence_holm: float | None  # the larger one-sided p-value, adjusted likewise
    verdict: Verdict  # from the adjusted p-values
    material: bool  # worse or better, and `interval` lies wholly beyond the margin
    non_inferior: bool | None  # whether p_upper is below 1 - confidence; None without a margin
    reason: str  # one sentence with the numbers


def equivalence_test(difference: Difference, *, confidence: float = 0.95) -> EquivalenceResult:
    """Judge one difference; see `judge_differences`."""
    return judge_differences([difference], confidence=confidence)[0]


def judge_differences(differences: Sequence[Difference], *, confidence: float = 0.95) -> tuple[EquivalenceResult, ...]:
    """Judge differences by two one-sided tests and by a two-sided one, each at 1 - confidence.

    In this order:

    1. both one-sided tests reject, the two-sided does not: within.
    2. both one-sided tests reject, and so does the two-sided: negligible.
    3. the two-sided test rejects: worse (above 0) or better (below 0).
    4. otherwise: inconclusive.

    For one difference at 95 %: within where the 90 % interval lies inside (-margin, margin) and the 95 % interval
    contains 0, and so on. For several, p-values are adjusted by Holm's method, which keeps the probability of any
    false "within" among them, and of any false "worse" or "better", at 5 %; the intervals stay those of each alone.
    Without a margin the first two are not available: that no difference was detected never counts as "within".

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
    Schuirmann (1987) and Lakens (2017), for the two one-sided tests; Holm (1979).
    """
    require_confidence(confidence)
    for each in differences:
        require_margin(each.margin)
        _require_usable(each)
    tests = [_Tests(each) for each in differences]
    detections = holm([each.p_difference for each in tests])
    one_sided = {
        k: max(each.p_lower, each.p_upper)
        for k, each in enumerate(tests)
        if each.p_lower is not None and each.p_upper is not None
    }
    equivalences = dict(zip(one_sided, holm(list(one_sided.values())), strict=True))
    return tuple(
        _judge(each, tests[k], detections[k], equivalences.get(k), confidence, len(differences))
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


def require_margin(margin: float | None) -> None:
    """Raise InputError unless the margin is None or a finite number above 0."""
    if margin is not None and not (math.isfinite(margin) and margin > 0):
        raise InputError(
            "--margin",
            expected="a number above 0: the difference that still counts as none",
            found=str(margin),
            fix="Give such a margin, or none: then no result is called within the error range.",
        )


class _Tests:
    """The p-values of one difference, before any adjustment."""

    def __init__(self, difference: Difference) -> None:
        estimate, error, margin = difference.estimate, difference.error, difference.margin
        self.p_difference = min(1.0, 2 * _upper_tail(abs(estimate), error))
        self.p_lower = None if margin is None else _upper_tail(estimate + margin, error)
        self.p_upper = None if margin is None else _upper_tail(margin - estimate, error)


def _upper_tail(distance: float, error: StandardError) -> float:
    """One-sided p-value of an estimate this far on the right side of a bound."""
    if error.value == 0:
        return 0.0 if distance > 0 else 1.0
    return float(stats.t.sf(distance / error.value, error.df))


def _judge(
    difference: Difference,
    test: _Tests,
    p_difference: float,
    p_equivalence: float | None,
    confidence: float,
    family: int,
) -> EquivalenceResult:
    alpha = 1 - confidence
    estimate, margin = difference.estimate, difference.margin
    interval = t_interval(estimate, difference.error, confidence)
    tost_interval = t_interval(estimate, difference.error, 2 * confidence - 1)
    detected = p_difference < alpha
    equivalent = p_equivalence is not None and p_equivalence < alpha
    if equivalent:
        verdict = Verdict.NEGLIGIBLE if detected else Verdict.WITHIN
    elif detected:
        verdict = Verdict.WORSE if estimate > 0 else Verdict.BETTER
    else:
        verdict = Verdict.INCONCLUSIVE
    beyond = margin is not None and (interval[0] > margin or interval[1] < -margin)
    return EquivalenceResult(
        estimate=estimate,
        standard_error=difference.error.value,
        df=difference.error.df,
        confidence=confidence,
        interval=interval,
        tost_interval=tost_interval,
        margin=margin,
        p_difference=test.p_difference,
        p_lower=test.p_lower,
        p_upper=test.p_upper,
        p_difference_holm=p_difference,
        p_equivalence_holm=p_equivalence,
        verdict=verdict,
        material=beyond and verdict in (Verdict.WORSE, Verdict.BETTER),
        non_inferior=None if test.p_upper is None else test.p_upper < alpha,
        reason=_reason(
            margin,
            (tost_interval, 2 * confidence - 1),
            (interval, confidence),
            equivalent=equivalent,
            detected=detected,
            adjusted=family > 1,
        ),
    )


def _require_usable(difference: Difference) -> None:
    estimate, error = difference.estimate, difference.error
    if not math.isfinite(estimate):
        raise InputError("estimate", expected="a finite number", found=str(estimate))
    if not (math.isfinite(error.value) and error.value >= 0):
        raise InputError("standard error", expected="a finite number, not negative", found=str(error.value))
    if not error.df > 0:
        raise InputError("df", expected="degrees of freedom above 0", found=str(error.df))


def _reason(
    margin: float | None,
    tost: tuple[tuple[float, float], float],
    two_sided: tuple[tuple[float, float], float],
    *,
    equivalent: bool,
    detected: bool,
    adjusted: bool,
) -> str:
    after = " (after Holm's adjustment)" if adjusted else ""
    zero = f"{_text(*two_sided)} {'excludes' if detected else 'contains'} 0{after}"
    if margin is None:
        return f"the {zero}; without a margin no result can be called within the error range or negligible"
    inside = "lies inside" if equivalent else "does not lie inside"
    link = "but" if equivalent == detected else "and"
    return f"the {_text(*tost)} {inside} ±{margin:.4g}{after} {link} the {zero}"


def _text(interval: tuple[float, float], confidence: float) -> str:
    return f"{100 * confidence:.4g} % interval ({interval[0]:.4g}, {interval[1]:.4g})"
