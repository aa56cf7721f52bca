"""Which difference still counts as none: given in advance, as a share of the baseline, or from the baseline's seeds."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.verdicts.equivalence import require_margin

# The difference of two values of standard deviation s lies within 1.96 sqrt(2) s with probability 95 % (ISO 5725).
REPEATABILITY = float(stats.norm.ppf(0.975)) * math.sqrt(2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MarginRule:
    """How a margin is found."""

    kind: Literal["absolute", "relative", "seeds"]
    amount: float  # absolute: in units of the FID; relative: share of the baseline's FID@n; seeds: unused, 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Margin:
    """A margin in the units of what is judged."""

    value: float | None  # None where there is none
    range: tuple[float, float] | None  # 95 % of what the value may be, from seeds; None where it is exact
    text: str  # where it comes from, or why there is none


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
    shown = str(text).strip()
    try:
        amount = float(shown.removesuffix("%"))
    except ValueError:
        amount = math.nan
    if not (math.isfinite(amount) and amount > 0):
        raise InputError(
            "--margin",
            expected='a number above 0, such as 2.0, a share of the baseline\'s FID, such as 2%, or "seeds"',
            found=shown,
            fix="Give such a margin, or none: then no result is called within the error range.",
        )
    return MarginRule(kind="relative", amount=amount / 100) if shown.endswith("%") else absolute_margin(amount)


def absolute_margin(value: float) -> MarginRule:
    """A margin in units of the FID."""
    require_margin(value)
    return MarginRule(kind="absolute", amount=value)


def margin_of_fid(rule: MarginRule | None, baseline_at_n: float, baseline_runs: Sequence[float]) -> Margin:
    """The margin of a FID difference.

    Without a rule it comes from the baseline's training seeds, where there are several: 2.77 standard deviations, the
    range in which 95 % of the differences of two baseline runs lie (repeatability limit of ISO 5725). The standard
    deviation of S seeds is uncertain: its 95 % range is that of chi-square with S - 1 degrees of freedom.

    `baseline_at_n`: FID@n of the baseline, the mean over its runs: what a relative margin is a share of.
    `baseline_runs`: FID of each training seed of the baseline. Raises `InputError` if the margin is to come from seeds
    and there is only one.
    """
    if rule is not None and rule.kind == "absolute":
        return Margin(value=rule.amount, range=None, text="given")
    return _margin_of(rule, baseline_at_n, baseline_runs, "FID")


def margin_of_kid(rule: MarginRule | None, baseline: float, baseline_runs: Sequence[float]) -> Margin:
    """The margin of a KID difference, likewise; a FID margin given as a number says nothing about KID."""
    if rule is not None and rule.kind == "absolute":
        return Margin(
            value=None,
            range=None,
            text="the margin is given in units of FID and says nothing about KID; a share, such as 2%, or several "
            "seeds would give one",
        )
    return _margin_of(rule, baseline, baseline_runs, "KID")


def require_seeds(rule: MarginRule | None, baseline_runs: int) -> None:
    """Raise InputError if the margin is to come from seeds and the baseline has only one."""
    if rule is not None and rule.kind == "seeds" and baseline_runs < 2:
        raise InputError(
            "--margin seeds",
            expected="two or more training seeds of the baseline",
            found="one",
            fix="Give several runs to --baseline, or a number.",
        )


def _margin_of(rule: MarginRule | None, baseline: float, runs: Sequence[float], metric: str) -> Margin:
    if rule is not None and rule.kind == "relative":
        value = rule.amount * baseline
        text = f"{100 * rule.amount:g} % of the baseline's {metric}, {baseline:.4g}"
        if value > 0:
            return Margin(value=value, range=None, text=text)
        return Margin(value=None, range=None, text=f"{text}: not above 0")
    require_seeds(rule, len(runs))
    if len(runs) < 2:
        return Margin(value=None, range=None, text="none given, and one baseline run shows no spread of seeds")
    df = len(runs) - 1
    value = REPEATABILITY * float(np.std(runs, ddof=1))
    low, high = (value * math.sqrt(df / float(stats.chi2.ppf(p, df))) for p in (0.975, 0.025))
    text = f"2.77 standard deviations over {len(runs)} baseline seeds, 95 % range {low:.3g} to {high:.3g}"
    if value == 0:
        return Margin(value=None, range=None, text="the baseline's seeds do not differ at all")
    return Margin(value=value, range=(low, high), text=text)
