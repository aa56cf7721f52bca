"""The result of `fid` as a table and as a document."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from p2phd_eval.report.console import ResultTable
from p2phd_eval.report.documents import document
from p2phd_eval.stats.evaluation import FidResult

_PAIRING = {
    "paired": "real and generated images of one label map are taken as pairs",
    "independent": "real and generated images are taken as independent",
}


def fid_table(result: FidResult, real: str, fake: str) -> ResultTable:
    """Return the table of one FID."""
    n = min(result.n_real, result.n_fake)
    distance = result.distance
    bootstrap = "-" if result.fid_se_bootstrap is None else f"{result.fid_se_bootstrap:.4g}"
    return ResultTable(
        title=f"FID of {fake} against {real}",
        columns=("quantity", "value"),
        rows=(
            (f"FID@{n}", f"{result.fid:.4f}"),
            ("standard error (influence)", f"{result.fid_se:.4g}"),
            ("standard error (bootstrap)", bootstrap),
            ("images", f"{result.n_real} real, {result.n_fake} generated"),
            ("mean term", f"{distance.mean_term:.4f}"),
            ("covariance term", f"{distance.trace_real + distance.trace_fake - 2 * distance.trace_sqrt:.4f}"),
            ("weights", result.real_stamp.weights),
            ("resize", result.real_stamp.resize),
            ("features computed on", f"{result.real_stamp.device} in {result.real_stamp.dtype}"),
        ),
        notes=(
            f"The standard errors are those of FID@{n}, at this number of images; {_PAIRING[result.pairing]}.",
            "FID is biased upward by about c/n: compare only FIDs of one n.",
            *(f"warning: {warning}" for warning in result.warnings),
        ),
    )


def fid_document(result: FidResult, real: str, fake: str) -> dict[str, Any]:
    """Return the JSON document of one FID."""
    return document(
        "fid",
        real=real,
        fake=fake,
        fid=result.fid,
        fid_se=result.fid_se,
        fid_se_bootstrap=result.fid_se_bootstrap,
        n_real=result.n_real,
        n_fake=result.n_fake,
        pairing=result.pairing,
        distance=asdict(result.distance),
        stamp={"real": asdict(result.real_stamp), "fake": asdict(result.fake_stamp)},
        warnings=list(result.warnings),
    )
