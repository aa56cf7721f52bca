"""The result of `metrics` as a table and as a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from p2phd_eval.evaluation.metrics_of_sets import MetricsResult
from p2phd_eval.evaluation.precision_shifts import PrecisionShift
from p2phd_eval.report.console import ResultTable
from p2phd_eval.report.documents import document
from p2phd_eval.report.tables.fid_tables import PAIRING, made_rows, shift_documents
from p2phd_eval.report.tables.interval_rows import interval_document, interval_notes, interval_rows


def metrics_table(result: MetricsResult, real: str, fake: str, shifts: Sequence[PrecisionShift] = ()) -> ResultTable:
    """Return the table of all metrics; `shifts` holds what a reduced feature precision did to the FID."""
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
            f"Standard errors: influence functions for the FID, a jackknife for KID; {PAIRING[fid.pairing]}.",
            *map(str, shifts),
            *(f"warning: {warning}" for warning in result.warnings),
        ),
    )


def metrics_document(
    result: MetricsResult, real: str, fake: str, shifts: Sequence[PrecisionShift] = ()
) -> dict[str, Any]:
    """Return the JSON document of all metrics."""
    fid = result.fid
    return document(
        "metrics",
        real=real,
        fake=fake,
        n_real=fid.n_real,
        n_fake=fid.n_fake,
        pairing=fid.pairing,
        fid=fid.fid,
        fid_se=fid.fid_se,
        distance=asdict(fid.distance),
        population=interval_document(fid.interval),
        fid_infinity=asdict(result.fid_infinity),
        kid=result.kid.value,
        kid_se=result.kid.se,
        neighbours=asdict(result.neighbours),
        precision_shifts=shift_documents(shifts),
        stamp={"real": asdict(fid.real_stamp), "fake": asdict(fid.fake_stamp)},
        warnings=list(result.warnings),
    )
