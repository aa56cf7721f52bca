"""The rows of a table that show the FID of the distributions."""

from __future__ import annotations

from p2phd_eval.stats.errors.intervals import FIDInterval


def interval_rows(interval: FIDInterval | None) -> tuple[tuple[str, str], ...]:
    """Return the rows of the FID of the distributions: its interval, or that there is none, and the diagnostics."""
    if interval is None:
        return (("FID of the distributions", "too few images to extrapolate"),)
    richardson = interval.population.richardson
    ratio = "-" if richardson.slope_ratio is None else f"{richardson.slope_ratio:.2f}"
    diagnostics = (
        ("slope ratio (2 where the bias is c/n)", ratio),
        ("bias gap", f"{interval.population.bias_gap:.2f} standard errors"),
    )
    if interval.interval is None:
        return (("FID of the distributions", "refused, see below"), *diagnostics)
    low, high = interval.interval
    return (
        ("FID of the distributions (n to infinity)", f"{interval.population.value:.4f}"),
        (f"its {100 * interval.confidence:.4g} % interval", f"({low:.4f}, {high:.4f})"),
        *diagnostics,
    )


def interval_notes(interval: FIDInterval | None) -> tuple[str, ...]:
    """Return the sentence that says why there is no interval."""
    if interval is None or interval.interval is not None:
        return ()
    return (f"No interval for the distributions' FID: {interval.population.refusal}.",)
