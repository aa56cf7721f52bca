"""Standard errors and extrapolated FIDs as JSON values, and the rows of a table that show them."""

from __future__ import annotations

from typing import Any

from p2phd_eval.report.documents import finite
from p2phd_eval.stats.design import StandardError
from p2phd_eval.stats.errors.intervals import FIDInterval, PopulationEstimate


def error_document(error: StandardError) -> dict[str, Any]:
    """Return a standard error as JSON values."""
    return {"se": error.value, "df": finite(error.df)}


def population_document(population: PopulationEstimate) -> dict[str, Any]:
    """Return an extrapolated FID, or difference of FIDs, with its diagnostics as JSON values."""
    richardson = population.richardson
    return {
        "value": population.value,
        **error_document(population.error),
        "sampling_se": population.sampling_error.value,
        "at_n": richardson.at_n,
        "at_half": richardson.at_half,
        "at_quarter": richardson.at_quarter,
        "splits": richardson.splits,
        "slope_ratio": richardson.slope_ratio,
        "slope_holds": richardson.slope_holds,
        "residual_bias": richardson.residual_bias,
        "bias_gap": finite(population.bias_gap),
        "refusal": population.refusal,
    }


def interval_document(interval: FIDInterval | None) -> dict[str, Any] | None:
    """Return the interval of one FID as JSON values; None where it was not computed."""
    if interval is None:
        return None
    return {
        "confidence": interval.confidence,
        "interval": None if interval.interval is None else list(interval.interval),
        **population_document(interval.population),
    }


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
