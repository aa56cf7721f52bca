"""The confidence of intervals, and intervals by the t distribution."""

from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import StandardError


def require_confidence(confidence: float) -> None:
    """Raise InputError unless the confidence of an interval is a number between one half and 1."""
    if not 0.5 < confidence < 1:
        raise InputError(
            "--confidence",
            expected="a number above 0.5 and below 1, such as 0.95",
            found=str(confidence),
            fix="For 95 % give 0.95.",
        )


def t_interval(estimate: float, error: StandardError, confidence: float) -> tuple[float, float]:
    """Two-sided interval of an estimate by the t distribution."""
    reach = float(stats.t.ppf(0.5 + confidence / 2, error.df)) * error.value
    return estimate - reach, estimate + reach
