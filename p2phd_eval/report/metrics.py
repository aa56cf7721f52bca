"""The result of `metrics` as a table and as a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from p2phd_eval.features.precision_shifts import PrecisionShift
from p2phd_eval.report.console import ResultTable
from p2phd_eval.report.documents import document
from p2phd_eval.report.fid import PAIRING, made_rows, shift_documents
from p2phd_eval.stats.metrics import MetricsResult


def metrics_table(result: MetricsResult, real: str, fake: str, shifts: Sequence[PrecisionShift] = ()) -> ResultTable:
    """Return the table of all metrics; `shifts` holds what a reduced feature precision did to the FID."""
    fid, kid, richardson, neighbours = result.fid, result.kid, result.richardson, result.neighbours
    n, stamp = min(fid.n_real, fid.n_fake), fid.real_stamp
    fid_se = f"{fid.fid_se:.4g}"
    ratio = "-" if richardson.slope_ratio is None else f"{richardson.slope_ratio:.2f}"
    return ResultTable(
        title=f"Metrics of {fake} against {real}",
        columns=("metric", "value", "standard error"),
        rows=(
            (f"FID@{n}", f"{fid.fid:.4f}", fid_se),
            ("FID, half-sample Richardson", f"{richardson.value:.4f}", fid_se if richardson.slope_holds else "-"),
            ("slope ratio of its bias (2 for c/n)", ratio, "-"),
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
            f"FID@{n} is biased upward by about c/n. The Richardson estimate and FID-infinity take that bias off.",
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
        richardson=asdict(result.richardson),
        fid_infinity=asdict(result.fid_infinity),
        kid=result.kid.value,
        kid_se=result.kid.se,
        neighbours=asdict(result.neighbours),
        precision_shifts=shift_documents(shifts),
        stamp={"real": asdict(fid.real_stamp), "fake": asdict(fid.fake_stamp)},
        warnings=list(result.warnings),
    )
