"""The result of `fid` as a table and as a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from p2phd_eval.evaluation.fid_of_moments import StatisticsFidResult
from p2phd_eval.evaluation.fid_of_sets import FidResult
from p2phd_eval.evaluation.precision_shifts import PrecisionShift
from p2phd_eval.features.feature_set import FeatureStamp
from p2phd_eval.report.console import ResultTable
from p2phd_eval.report.documents import document
from p2phd_eval.report.tables.interval_rows import interval_document, interval_notes, interval_rows
from p2phd_eval.stats.distances.frechet import FrechetDistance

PAIRING = {
    "paired": "real and generated images of one label map are taken as pairs",
    "independent": "real and generated images are taken as independent",
}


def fid_table(result: FidResult, real: str, fake: str, shifts: Sequence[PrecisionShift] = ()) -> ResultTable:
    """Return the table of one FID; `shifts` holds what a reduced feature precision did to it."""
    n = min(result.n_real, result.n_fake)
    bootstrap = "-" if result.fid_se_bootstrap is None else f"{result.fid_se_bootstrap:.4g}"
    notes = [
        f"The standard errors are those of FID@{n}, at this number of images; {PAIRING[result.pairing]}.",
        f"FID@{n} is biased upward by about c/n: compare only FIDs of one n.",
        *interval_notes(result.interval),
        *map(str, shifts),
    ]
    return ResultTable(
        title=f"FID of {fake} against {real}",
        columns=("quantity", "value"),
        rows=(
            (f"FID@{n}", f"{result.fid:.4f}"),
            ("standard error (influence)", f"{result.fid_se:.4g}"),
            (f"standard error ({result.replicates} bootstrap replicates)", bootstrap),
            *interval_rows(result.interval),
            ("images", f"{result.n_real} real, {result.n_fake} generated"),
            *(() if result.clusters is None else (("clusters", str(result.clusters)),)),
            *_terms(result.distance),
            *made_rows(result.real_stamp),
        ),
        notes=(*notes, *(f"warning: {warning}" for warning in result.warnings)),
    )


def fid_document(result: FidResult, real: str, fake: str, shifts: Sequence[PrecisionShift] = ()) -> dict[str, Any]:
    """Return the JSON document of one FID."""
    return document(
        "fid",
        real=real,
        fake=fake,
        fid=result.fid,
        fid_se=result.fid_se,
        fid_se_bootstrap=result.fid_se_bootstrap,
        replicates=result.replicates,
        population=interval_document(result.interval),
        clusters=result.clusters,
        n_real=result.n_real,
        n_fake=result.n_fake,
        pairing=result.pairing,
        distance=asdict(result.distance),
        precision_shifts=shift_documents(shifts),
        stamp={"real": asdict(result.real_stamp), "fake": asdict(result.fake_stamp)},
        warnings=list(result.warnings),
    )


def statistics_table(result: StatisticsFidResult, real: str, fake: str) -> ResultTable:
    """Return the table of one FID that was computed from moments alone."""
    known = [n for n in (result.n_real, result.n_fake) if n is not None]
    numbers = ["unknown" if n is None else str(n) for n in (result.n_real, result.n_fake)]
    stamp = result.real_stamp or result.fake_stamp
    return ResultTable(
        title=f"FID of {fake} against {real}",
        columns=("quantity", "value"),
        rows=(
            (f"FID@{min(known)}" if len(known) == 2 else "FID", f"{result.fid:.4f}"),
            ("standard error", "not known from means and covariances alone"),
            ("images", f"{numbers[0]} real, {numbers[1]} generated"),
            *_terms(result.distance),
            *(() if stamp is None else made_rows(stamp)),
        ),
        notes=(
            "FID is biased upward by about c/n: compare only FIDs of one n.",
            *(f"warning: {warning}" for warning in result.warnings),
        ),
    )


def statistics_document(result: StatisticsFidResult, real: str, fake: str) -> dict[str, Any]:
    """Return the JSON document of one FID that was computed from moments alone: that of `fid`, without errors."""
    stamps = {"real": result.real_stamp, "fake": result.fake_stamp}
    return document(
        "fid",
        real=real,
        fake=fake,
        fid=result.fid,
        fid_se=None,
        fid_se_bootstrap=None,
        replicates=0,
        population=None,
        clusters=None,
        n_real=result.n_real,
        n_fake=result.n_fake,
        pairing=None,
        distance=asdict(result.distance),
        precision_shifts=[],
        stamp={side: None if stamp is None else asdict(stamp) for side, stamp in stamps.items()},
        warnings=list(result.warnings),
    )


def shift_documents(shifts: Sequence[PrecisionShift]) -> list[dict[str, Any]]:
    """Return what a reduced feature precision did, for a document."""
    return [{**asdict(shift), "shift": shift.shift} for shift in shifts]


def _terms(distance: FrechetDistance) -> tuple[tuple[str, str], ...]:
    return (
        ("mean term", f"{distance.mean_term:.4f}"),
        ("covariance term", f"{distance.trace_real + distance.trace_fake - 2 * distance.trace_sqrt:.4f}"),
    )


def made_rows(stamp: FeatureStamp) -> tuple[tuple[str, str], ...]:
    """Return the rows that say how features were made."""
    return (
        ("features", f"{stamp.dims} of {stamp.weights} ({stamp.weights_sha256[:12]})"),
        ("resize", stamp.resize),
        ("computed on", f"{stamp.device} in {stamp.dtype}"),
        ("hash of the images", stamp.images_sha256[:12]),
        ("versions", f"p2phd-eval {stamp.tool}, torch {stamp.torch}, Pillow {stamp.pillow}"),
    )
