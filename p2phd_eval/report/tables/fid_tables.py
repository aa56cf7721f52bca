"""The result of `fid` as a table."""

from __future__ import annotations

from p2phd_eval.evaluation.fid_of_moments import StatisticsFidResult
from p2phd_eval.evaluation.fid_of_sets import FidResult
from p2phd_eval.features.feature_set import FeatureStamp
from p2phd_eval.report.console import ResultTable
from p2phd_eval.report.tables.interval_rows import interval_notes, interval_rows
from p2phd_eval.report.wording import PAIRINGS
from p2phd_eval.stats.distances.frechet import FrechetDistance


def fid_table(result: FidResult, real: str, fake: str) -> ResultTable:
    """Return the table of one FID."""
    n = min(result.n_real, result.n_fake)
    bootstrap = "-" if result.fid_se_bootstrap is None else f"{result.fid_se_bootstrap:.4g}"
    notes = [
        f"The standard errors are those of FID@{n}, at this number of images; {PAIRINGS[result.pairing]}.",
        f"FID@{n} is biased upward by about c/n: compare only FIDs of one n.",
        *interval_notes(result.interval),
        *map(str, result.precision_shifts),
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
