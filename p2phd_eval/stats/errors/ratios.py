"""Ratios of two means over the same images, both estimated: Fieller's intervals, for skewed values too."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from p2phd_eval.stats.errors.image_means import EstimatedMean
from p2phd_eval.stats.errors.skewness import skewed_interval, skewed_p

Values = npt.NDArray[np.float64]
MeanOf = Callable[[Values], EstimatedMean]  # the mean of a table (runs, n) over its images, with its error

_FARTHEST = 1e6  # a ratio beyond it is told as unbounded
_ROUNDING = 1e-12  # an interval that reaches no farther, as a share of the largest value above, is none


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ratio:
    """A mean over another one; an end is infinite where the data do not bound it."""

    value: float
    interval: tuple[float, float]  # two-sided, by Fieller's method


def ratio_of_means(above: Values, below: Values, mean_of: MeanOf, confidence: float) -> Ratio | None:
    """Return the ratio of the means of two tables (runs, n) of the same images; None where that below is not above 0.

    A number r is inside the interval where the mean of `above` - r `below` may be 0, with the intervals of skewed
    means. It holds the ratio as often as these hold 0, however uncertain the mean below is.

    References
    ----------
    Fieller (1954), "Some problems in interval estimation".
    """
    bottom = float(below.mean())
    if not bottom > 0:
        return None
    value = float(above.mean()) / bottom
    low, high = (_end(above, below, mean_of, confidence, value, side) for side in (-1, 1))
    return Ratio(value=value, interval=(low, high))


def upper_end(above: Values, below: Values, mean_of: MeanOf, confidence: float) -> float:
    """Return the upper end of `ratio_of_means`; `below` has a mean above 0."""
    return _end(above, below, mean_of, confidence, float(above.mean()) / float(below.mean()), 1)


def p_of_more(found: EstimatedMean) -> float:
    """One-sided p-value of a mean of 0 or more."""
    half = skewed_p(found.value, found.error, found.skewness) / 2
    return half if found.value < 0 else 1 - half


def _end(above: Values, below: Values, mean_of: MeanOf, confidence: float, value: float, side: int) -> float:
    """Return where an interval of a ratio ends on one side of its value; infinity where it does not."""
    from scipy import optimize  # here: slow to import

    def excess(ratio: float) -> float:
        """How far the interval of the contrast reaches beyond 0: 0 at the ends of the ratio's interval."""
        found = mean_of(above - ratio * below)
        low, high = skewed_interval(found.value, found.error, found.skewness, confidence)
        # The contrast falls as the ratio grows: where it reaches down to 0 the ratio's interval begins.
        return high if side > 0 else low

    if abs(excess(value)) <= _ROUNDING * float(np.abs(above).max()):  # the same ratio in every image
        return value
    step = max(abs(value), 0.01)
    inner = value
    while abs(value) + step < _FARTHEST:
        outer = value + side * step
        if side * excess(outer) <= 0:
            return float(optimize.brentq(excess, inner, outer, xtol=1e-6 * step, rtol=1e-6))
        inner, step = outer, 2 * step
    return side * math.inf
