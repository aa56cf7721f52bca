"""The confidence of intervals, and intervals by the t distribution."""

import math

from p2phd_eval.errors import InputError, is_number, shown
from p2phd_eval.stats.design import StandardError

_LARGEST_CONFIDENCE = 0.999999


def require_confidence(confidence: float) -> None:
    """Raise InputError unless the confidence of an interval is a number between one half and 1 - 1e-6.

    Nearer to 1 the quantiles say more of rounding, and of distributions that are not quite normal, than of the data.
    """
    if not is_number(confidence, 0.5, _LARGEST_CONFIDENCE) or confidence == 0.5:
        raise InputError(
            "--confidence",
            expected=f"a number above 0.5 and at most {_LARGEST_CONFIDENCE}, such as 0.95",
            found=shown(confidence),
            fix="For 95 % give 0.95.",
        )


def t_interval(estimate: float, error: StandardError, confidence: float) -> tuple[float, float]:
    """Two-sided interval of an estimate by the t distribution."""
    reach = t_reach(error, 0.5 - confidence / 2)
    return estimate - reach, estimate + reach


def t_reach(error: StandardError, level: float) -> float:
    """What an estimate's deviation exceeds with probability `level`, by the t distribution; 0 without any error."""
    if error.value == 0:
        return 0.0
    return -t_quantile(level, error.df) * error.value


# What scipy.stats returns, without its checks, which take most of the time, and without its import, which is the
# longest of a short command. That of scipy.special is long as well, and where there is no interval none is needed.


def t_quantile(p: float, df: float) -> float:
    """The value that Student's t is below with probability `p`; the normal's where `df` is infinite."""
    from scipy import special

    return float(special.ndtri(p) if math.isinf(df) else special.stdtrit(df, p))


def t_tail(t: float, df: float) -> float:
    """The probability that Student's t is above `t`; the normal's where `df` is infinite."""
    from scipy import special

    return float(special.ndtr(-t) if math.isinf(df) else special.stdtr(df, -t))
