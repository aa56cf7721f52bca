"""The result of `compare` as a table and as a document."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.features.precision_shifts import PrecisionShift
from p2phd_eval.generators.image_folder import MANIFEST
from p2phd_eval.pictures import difference_column, evenly_spaced, picture_grid
from p2phd_eval.report.console import ResultTable
from p2phd_eval.report.documents import document
from p2phd_eval.report.fid import shift_documents
from p2phd_eval.sources.source import ImageSource
from p2phd_eval.stats.comparison import CandidateResult, ComparisonResult
from p2phd_eval.stats.equivalence import Verdict
from p2phd_eval.stats.pairing import common_ids

_WORDS = {
    Verdict.WITHIN: "within the error range",
    Verdict.NEGLIGIBLE: "detectable but negligible",
    Verdict.WORSE: "worse",
    Verdict.BETTER: "better",
    Verdict.INCONCLUSIVE: "inconclusive",
}
_STYLES = {
    Verdict.WITHIN: "green",
    Verdict.NEGLIGIBLE: "green",
    Verdict.WORSE: "red",
    Verdict.BETTER: "cyan",
    Verdict.INCONCLUSIVE: "yellow",
}


def short_names(folders: Sequence[Path]) -> list[str]:
    """Name folders by what distinguishes them: `runs/fp32/samples`, `runs/amp/samples` become "fp32", "amp"."""
    parts = [folder.parts for folder in folders]
    shortest = min(len(part) for part in parts)
    start = 0
    while start < shortest and len({part[start] for part in parts}) == 1:
        start += 1
    end = 0
    while end < shortest - start and len({part[-1 - end] for part in parts}) == 1:
        end += 1
    names = ["/".join(part[start : len(part) - end]) for part in parts]
    return names if all(names) else [str(folder) for folder in folders]


def comparison_table(result: ComparisonResult, real: str, shifts: Sequence[PrecisionShift] = ()) -> ResultTable:
    """Return the table of a comparison, the baseline first; `shifts`: what a reduced feature precision did to it."""
    rows: list[tuple[str, ...]] = [
        (result.baseline_name, f"{result.baseline_fid:.3f}", "-", "-", "-", "-", "-", "baseline")
    ]
    rows += [_row(candidate) for candidate in result.candidates]
    margin = "none given" if result.margin is None else f"±{result.margin:g}"
    notes = [
        f"Scope {result.scope}. Margin: {margin}. Positive dFID: the candidate is worse.",
        "Another training seed moves the FID too, often by more: this is no verdict on how the checkpoints were made.",
    ]
    notes += [_sentence(candidate) for candidate in result.candidates]
    notes += map(str, shifts)
    notes += [f"warning: {warning}" for warning in result.warnings]
    return ResultTable(
        title=f"FID@{result.n_pairs} against {real}, {result.n_pairs} images paired by label map",
        columns=("images", "FID", "dFID", "SE", "SE (bootstrap)", "90 % interval", "95 % interval", "verdict"),
        rows=tuple(rows),
        notes=tuple(notes),
        styles=("", *(_STYLES[candidate.verdict] for candidate in result.candidates)),
    )


def comparison_document(
    result: ComparisonResult, real: str, folders: Sequence[Path], shifts: Sequence[PrecisionShift] = ()
) -> dict[str, Any]:
    """Return the JSON document of a comparison; `folders` are those of the baseline and the candidates, in order."""
    return document(
        "compare",
        scope=result.scope,
        margin=result.margin,
        n_pairs=result.n_pairs,
        real=real,
        baseline={
            "name": result.baseline_name,
            "folder": str(folders[0]),
            "fid": result.baseline_fid,
            "manifest": _manifest(folders[0]),
            "stamp": asdict(result.baseline_stamp),
        },
        candidates=[
            {
                "name": candidate.name,
                "folder": str(folder),
                "fid": candidate.fid,
                "dfid": candidate.dfid,
                "dfid_se": candidate.dfid_se,
                "dfid_se_bootstrap": candidate.dfid_se_bootstrap,
                "ci90": list(candidate.ci90),
                "ci95": list(candidate.ci95),
                "n_pairs": candidate.n_pairs,
                "verdict": candidate.verdict.value,
                "material": candidate.equivalence.material,
                "non_inferior": candidate.equivalence.non_inferior,
                "p_equivalence": candidate.equivalence.p_equivalence,
                "df": candidate.equivalence.df if math.isfinite(candidate.equivalence.df) else None,
                "reason": candidate.equivalence.reason,
                "n_needed": candidate.equivalence.n_needed,
                "manifest": _manifest(folder),
                "stamp": asdict(candidate.stamp),
            }
            for candidate, folder in zip(result.candidates, folders[1:], strict=True)
        ],
        precision_shifts=shift_documents(shifts),
        stamp=asdict(result.real_stamp),
        warnings=list(result.warnings),
    )


def comparison_picture(sources: Sequence[ImageSource], names: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Return some images of all sets side by side, and the first candidate's difference from the baseline.

    Parameters
    ----------
    sources : sequence of ImageSource
        Real, baseline and candidates, with ids in common.
    names : sequence of str
        A caption for each.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
    """
    places = [{image: index for index, image in enumerate(source.ids)} for source in sources]
    shared = common_ids([(name, tuple(place)) for name, place in zip(names, places, strict=True)])
    rows = [
        [source.load(place[shared[i]]).pixels for source, place in zip(sources, places, strict=True)]
        for i in evenly_spaced(len(shared))
    ]
    return picture_grid(rows, difference_column(rows, names, 2, 1))


def _row(candidate: CandidateResult) -> tuple[str, ...]:
    bootstrap = "-" if candidate.dfid_se_bootstrap is None else f"{candidate.dfid_se_bootstrap:.3f}"
    return (
        candidate.name,
        f"{candidate.fid:.3f}",
        f"{candidate.dfid:+.3f}",
        f"{candidate.dfid_se:.3f}",
        bootstrap,
        f"({candidate.ci90[0]:+.3f}, {candidate.ci90[1]:+.3f})",
        f"({candidate.ci95[0]:+.3f}, {candidate.ci95[1]:+.3f})",
        _WORDS[candidate.verdict],
    )


def _sentence(candidate: CandidateResult) -> str:
    test = candidate.equivalence
    material = "materially " if test.material else ""
    sentence = f"{candidate.name}: {material}{_WORDS[candidate.verdict]}, since {test.reason}."
    if test.non_inferior and candidate.verdict is Verdict.INCONCLUSIVE:
        sentence += " It is not inferior by more than the margin (one-sided 95 %)."
    if test.n_needed is not None:
        sentence += f" About {test.n_needed} paired images would decide it, if estimate and spread stay as they are."
    return sentence


def _manifest(folder: Path) -> dict[str, Any] | None:
    """What `generate` wrote beside the images: checkpoint, precisions, versions; None for a folder without it."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None
