"""The result of `metrics` as a table."""

from __future__ import annotations

from p2phd_eval.evaluation.metrics_of_sets import MetricsResult
from p2phd_eval.report.console import ResultTable
from p2phd_eval.report.tables.fid_tables import made_rows
from p2phd_eval.report.tables.interval_rows import interval_notes, interval_rows
from p2phd_eval.report.wording import PAIRINGS


def metrics_table(result: MetricsResult, real: str, fake: str) -> ResultTable:
    """Return the table of all metrics."""
    fid, kid, neighbours = result.fid, result.kid, result.neighbours
    n, stamp = min(fid.n_real, fid.n_fake), fid.real_stamp
    fid_se = f"{fid.fid_se:.4g}"
    return ResultTable(
        title=f"Metrics of {fake} against {real}",
        columns=("metric", "value", "standard error"),
        rows=(
            (f"FID@{n}", f"{fid.fid:.4f}", fid_se),
            *((*row, "-") for row in interval_rows(fid.interval)),
            ("FID-infinity", f"{result.fid_infinity.value:.4f}", "-"),
            ("KID", f"{kid.value:.6f}", f"{kid.se:.3g}"),
            (f"precision (k = {neighbours.precision_k})", f"{neighbours.precision:.4f}", "-"),
            (f"recall (k = {neighbours.precision_k})", f"{neighbours.recall:.4f}", "-"),
            (f"density (k = {neighbours.density_k})", f"{neighbours.density:.4f}", "-"),
            (f"coverage (k = {neighbours.density_k})", f"{neighbours.coverage:.4f}", "-"),
            ("images", f"{fid.n_real} real, {fid.n_fake} generated", "-"),
            *((*row, "-") for row in made_rows(stamp)),
        ),
        notes=(
            f"FID@{n} is biased upward by about c/n; FID-infinity takes off what a line can.",
            *interval_notes(fid.interval),
            "KID is unbiased, from all images, and may be negative.",
            "Precision, recall, density and coverage depend on n: compare only those of one n.",
            f"Standard errors: influence functions for the FID, a jackknife for KID; {PAIRINGS[fid.pairing]}.",
            *map(str, result.precision_shifts),
            *(f"warning: {warning}" for warning in result.warnings),
        ),
    )
