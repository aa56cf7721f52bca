"""From a difference, its standard error and a margin to a verdict (TOST)."""

from __future__ import annotations

import dataclasses
import math
from enum import Enum

from scipy import stats

from p2phd_eval.errors import InputError


class Verdict(str, Enum):
    """What the data say about the difference."""

    WITHIN = "within"  # within the error range: equivalent, and no difference detected
    NEGLIGIBLE = "negligible"  # a difference is detected, and it is smaller than the margin
    WORSE = "worse"
    BETTER = "better"
    INCONCLUSIVE = "inconclusive"


@dataclasses.dataclass(frozen=True, kw_only=True)
class EquivalenceResult:
    """A difference with its intervals and its verdict; positive means that the candidate is worse."""

    estimate: float  # in units of the FID, like every number here but the p-value and the counts
    standard_error: float
    margin: float | None  # the difference that still counts as none, or None where nobody set one
    df: float  # degrees of freedom of the t quantiles; infinity is the normal distribution
    ci90: tuple[float, float]
    ci95: tuple[float, float]
    verdict: Verdict
    material: bool  # worse or better, and the 95 % interval lies wholly beyond the margin
    non_inferior: bool | None  # whether the one-sided 95 % upper bound is below the margin; None without one
    p_equivalence: float | None  # TOST p-value, the larger of its two; None without a margin
    reason: str  # one sentence with the numbers
    n_needed: int | None  # images that would decide an inconclusive result; None where none would


def equivalence_test(
    estimate: float, standard_error: float, *, margin: float | None, n: int, df: float = math.inf
) -> EquivalenceResult:
    """Judge a difference by two one-sided tests at 5 % and by its 95 % interval.

    In this order:

    1. 90 % interval inside (-margin, margin), 95 % interval contains 0: within.
    2. 90 % interval inside (-margin, margin), 95 % interval excludes 0: negligible.
    3. 95 % interval excludes 0: worse (above 0) or better (below 0).
    4. otherwise: inconclusive.

    Without a margin the first two are not available. A 95 % interval that contains 0 never counts as "within".

    Parameters
    ----------
    estimate : float
        The difference; positive means that the candidate is worse.
    standard_error : float
        Of the estimate, >= 0. With 0 both intervals are the estimate itself.
    margin : float or None
        Above 0, in units of the estimate, set before looking at the data.
    n : int
        Number of images (pairs) behind the standard error.
    df : float
        Degrees of freedom of the t quantiles.

    Returns
    -------
    EquivalenceResult

    Raises
    ------
    InputError
        If the margin is not above 0, or another number is not usable.

    Notes
    -----
    `n_needed` answers: if the estimate e and the standard deviation of an image stayed as they are, so that the
    standard error were s sqrt(n/n'), from which n' on would the result be decided? The 95 % interval excludes 0
    above n (q_.975 s / |e|)^2; the 90 % interval is inside the margin above n (q_.95 s / (margin - |e|))^2, where
    |e| < margin. It is the smaller of the two, and None where neither exists.

    References
    ----------
    Schuirmann (1987); Lakens (2017).
    """
    require_margin(margin)
    _require_usable(estimate, standard_error, n, df)
    q90, q95 = float(stats.t.ppf(0.95, df)), float(stats.t.ppf(0.975, df))
    ci90 = (estimate - q90 * standard_error, estimate + q90 * standard_error)
    ci95 = (estimate - q95 * standard_error, estimate + q95 * standard_error)
    contains_zero = ci95[0] <= 0 <= ci95[1]
    equivalent = margin is not None and -margin < ci90[0] and ci90[1] < margin

    if equivalent:
        verdict = Verdict.WITHIN if contains_zero else Verdict.NEGLIGIBLE
    elif contains_zero:
        verdict = Verdict.INCONCLUSIVE
    else:
        verdict = Verdict.WORSE if estimate > 0 else Verdict.BETTER
    decided = verdict is not Verdict.INCONCLUSIVE
    return EquivalenceResult(
        estimate=estimate,
        standard_error=standard_error,
        margin=margin,
        df=df,
        ci90=ci90,
        ci95=ci95,
        verdict=verdict,
        material=margin is not None and (ci95[0] > margin or ci95[1] < -margin),
        non_inferior=None if margin is None else ci90[1] < margin,
        p_equivalence=None if margin is None else _tost_p(estimate, standard_error, margin, df),
        reason=_reason(margin, ci90, ci95, equivalent=equivalent, contains_zero=contains_zero),
        n_needed=None if decided else _n_needed(estimate, standard_error, margin, n, q90, q95),
    )


def require_margin(margin: float | None) -> None:
    """Raise InputError unless the margin is None or a finite number above 0."""
    if margin is not None and not (math.isfinite(margin) and margin > 0):
        raise InputError(
            "--margin",
            expected="a number above 0: the FID difference that still counts as none",
            found=str(margin),
            fix="Give such a margin, or none: then no result is called within the error range.",
        )


def _require_usable(estimate: float, standard_error: float, n: int, df: float) -> None:
    if not math.isfinite(estimate):
        raise InputError("estimate", expected="a finite number", found=str(estimate))
    if not (math.isfinite(standard_error) and standard_error >= 0):
        raise InputError("standard error", expected="a finite number, not negative", found=str(standard_error))
    if n < 2:
        raise InputError("n", expected="at least 2 images", found=str(n))
    if not df > 0:
        raise InputError("df", expected="degrees of freedom above 0", found=str(df))


def _tost_p(estimate: float, standard_error: float, margin: float, df: float) -> float:
    room = margin - abs(estimate)
    if standard_error == 0:
        return 0.0 if room > 0 else 1.0
    return float(stats.t.sf(room / standard_error, df))


def _n_needed(
    estimate: float, standard_error: float, margin: float | None, n: int, q90: float, q95: float
) -> int | None:
    size = abs(estimate)
    limits = []
    if size > 0:
        limits.append(_square(q95 * standard_error / size) * n)
    if margin is not None and size < margin:
        limits.append(_square(q90 * standard_error / (margin - size)) * n)
    # Rounding must not call the n at hand enough: it was inconclusive.
    return max(math.floor(min(limits)) + 1, n + 1) if limits and math.isfinite(min(limits)) else None


def _square(ratio: float) -> float:
    # `**` raises where the result overflows; the product is infinite, which means that no n is enough.
    return ratio * ratio


def _reason(
    margin: float | None,
    ci90: tuple[float, float],
    ci95: tuple[float, float],
    *,
    equivalent: bool,
    contains_zero: bool,
) -> str:
    zero = "contains 0" if contains_zero else "excludes 0"
    if margin is None:
        return (
            f"the 95 % interval {_text(ci95)} {zero}; without a margin no result can be called within the "
            "error range or negligible"
        )
    inside = "lies inside" if equivalent else "does not lie inside"
    link = "and" if equivalent == contains_zero else "but"
    return f"the 90 % interval {_text(ci90)} {inside} ±{margin:.4g} {link} the 95 % interval {_text(ci95)} {zero}"


def _text(interval: tuple[float, float]) -> str:
    return f"({interval[0]:.4g}, {interval[1]:.4g})"
