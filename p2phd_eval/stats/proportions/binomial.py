"""Exact inference for proportions: interval, tests, and numbers of trials."""

import math
from collections.abc import Callable

import numpy as np
from scipy import stats

from p2phd_eval.errors import InputError, is_number, require_at_least

_MOST_TRIALS = 10**7  # what needs more is refused


def clopper_pearson(successes: int, trials: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a proportion, each tail at most (1 - confidence) / 2.

    `successes`: 0 to `trials`. `trials`: at least 1. `confidence`: in (0, 1). The result is the lower and the upper
    bound, in [0, 1]. Raises `InputError` if a number is out of its range.

    References
    ----------
    Clopper and Pearson (1934); the bounds as quantiles of beta distributions.
    """
    _require_counts(successes, trials)
    if not 0 < confidence < 1:
        raise InputError("confidence", expected="a number above 0 and below 1", found=str(confidence))
    # `binomtest(...).proportion_ci` finds the same roots to 2e-12 only, in ten times the time.
    tail = (1 - confidence) / 2
    low = float(stats.beta.ppf(tail, successes, trials - successes + 1)) if successes > 0 else 0.0
    high = float(stats.beta.isf(tail, successes + 1, trials - successes)) if successes < trials else 1.0
    return low, high


def binomial_p(successes: int, trials: int) -> float:
    """Exact two-sided p-value of a proportion of 0.5: twice the smaller tail, at most 1.

    Raises `InputError` if `trials` is below 1, or `successes` not one of 0 to `trials`.
    """
    _require_counts(successes, trials)
    return float(stats.binomtest(successes, trials, 0.5).pvalue)


def binomial_equivalence_p(successes: int, trials: int, margin: float) -> tuple[float, float]:
    """Exact one-sided p-values of a proportion outside 0.5 ± margin (TOST).

    Both are below alpha where the Clopper-Pearson interval at 1 - 2 alpha lies inside (0.5 - margin, 0.5 + margin).

    `successes` and `trials`: as for `clopper_pearson`. `margin`: in (0, 0.5). The result is p of a proportion of 0.5 -
    margin or less, and of one of 0.5 + margin or more. Raises `InputError` if a number is out of its range.
    """
    _require_counts(successes, trials)
    require_share_margin(margin)
    below = stats.binomtest(successes, trials, 0.5 - margin, alternative="greater")
    above = stats.binomtest(successes, trials, 0.5 + margin, alternative="less")
    return float(below.pvalue), float(above.pvalue)


def more_failures_p(baseline: tuple[int, int], candidate: tuple[int, int]) -> float:
    """One-sided p-value of no more failures in the candidate than in the baseline: Fisher's exact test.

    Each is the number that failed and the number of all. With three of each even 3 against 0 gives 0.05, so failures
    alone rarely prove anything.

    References
    ----------
    Fisher (1935), "The Design of Experiments".
    """
    table = [[failed, trials - failed] for failed, trials in (candidate, baseline)]
    return float(stats.fisher_exact(table, alternative="greater")[1])


def half_width(trials: int, *, confidence: float = 0.95) -> float:
    """Half the width of the exact interval of `trials` trials where it is widest: at as many successes as failures."""
    low, high = clopper_pearson(trials // 2, trials, confidence=confidence)
    return (high - low) / 2


def trials_for_precision(precision: float, *, confidence: float = 0.95) -> int:
    """Smallest number of trials whose exact interval reaches no farther than ± `precision`, whatever comes out.

    `precision`: half the width of the interval, 0.001 to 0.5. `confidence`: how often such an interval holds the
    proportion. Raises `InputError` if `precision` is out of its range.
    """
    if not is_number(precision, 0.001, 0.5):
        raise InputError("--half-width", expected="half the width of an interval, 0.001 to 0.5", found=str(precision))
    return _first(lambda trials: half_width(trials, confidence=confidence) <= precision, "--half-width")


def equivalence_power(trials: int, margin: float, *, confidence: float = 0.95) -> float:
    """Exact probability that TOST at 1 - confidence shows equivalence where the proportion is 0.5.

    Raises `InputError` if a number is out of its range.
    """
    _require_counts(0, trials)
    require_share_margin(margin)
    alpha = 1 - confidence
    # Farther from the middle than 24 standard deviations there is nothing to add up.
    reach = math.ceil(12 * math.sqrt(trials)) + 1
    successes = np.arange(max(0, trials // 2 - reach), min(trials, trials // 2 + reach) + 1)
    shown = (stats.binom.sf(successes - 1, trials, 0.5 - margin) < alpha) & (
        stats.binom.cdf(successes, trials, 0.5 + margin) < alpha
    )
    return float(stats.binom.pmf(successes[shown], trials, 0.5).sum())


def trials_for_equivalence(margin: float, *, power: float = 0.8, confidence: float = 0.95) -> int:
    """About the smallest number of trials that shows equivalence with this power where the proportion is 0.5.

    The power of an exact test rises in steps that fall back a little; a number nearby may do as well.

    Raises `InputError` if a number is out of its range, or more than ten million trials would be needed.
    """
    require_share_margin(margin)
    return _first(lambda trials: equivalence_power(trials, margin, confidence=confidence) >= power, "--margin")


def require_share_margin(margin: float) -> None:
    """Raise InputError unless the margin of a share around one half is above 0 and below one half."""
    if not is_number(margin, 0, 0.5) or margin in (0, 0.5):
        raise InputError(
            "--margin",
            expected="a number above 0 and below 0.5: how far from 0.5 a share still counts as even",
            found=str(margin),
            fix="With 0.1, shares from 0.4 to 0.6 count as even.",
        )


def _first(enough: Callable[[int], bool], where: str) -> int:
    """Smallest number for which `enough` holds, by doubling and bisection; `where`: what is named if none does."""
    high = 1
    while not enough(high):
        high *= 2
        if high > _MOST_TRIALS:
            raise InputError(where, expected=f"a wish that {_MOST_TRIALS} trials fulfil", found="one that needs more")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _require_counts(successes: int, trials: int) -> None:
    require_at_least(1, {"trials": trials})
    if not 0 <= successes <= trials:
        raise InputError("successes", expected=f"0 to {trials}, the number of trials", found=str(successes))
