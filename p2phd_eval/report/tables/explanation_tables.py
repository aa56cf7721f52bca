"""Where dFID comes from, as tables."""

from collections.abc import Sequence
from typing import Any

from p2phd_eval.formatting import signed_fixed_text, signed_text
from p2phd_eval.report.console import NOTHING, ResultTable
from p2phd_eval.stats.verdicts.explanation import ClassPart, ClusterPart, Explanation

_MOST_ROWS = 16  # rows that a table of clusters or classes may have


def explanation_tables(explanation: Explanation, name: str, of: str = "label map") -> list[ResultTable]:
    """Return the tables of parts, of images, of clusters and of classes, as far as there are any.

    `of`: what the difference is divided among, "label map" or "condition".
    """
    tables = [_parts_table(explanation, name)]
    if explanation.upward or explanation.downward:
        tables.append(_images_table(explanation, name, of))
    if explanation.clusters:
        tables.append(_clusters_table(explanation.clusters, name))
    if explanation.classes:
        tables.append(_classes_table(explanation.classes, name))
    return tables


def _parts_table(explanation: Explanation, name: str) -> ResultTable:
    return ResultTable(
        title=f"Where dFID@n of {name} comes from: {signed_fixed_text(explanation.dfid, 3)}",
        columns=("part", "difference", "SE"),
        rows=(
            ("means", signed_fixed_text(explanation.mean_part, 3), f"{explanation.mean_part_se:.3f}"),
            ("covariances", signed_fixed_text(explanation.covariance_part, 3), f"{explanation.covariance_part_se:.3f}"),
        ),
        notes=(
            "Means: the average image drifts away from the real one. Covariances: spread and variety differ.",
            "Both are at n, biased as dFID@n is; SE: images random.",
        ),
    )


def _images_table(explanation: Explanation, name: str, of: str) -> ResultTable:
    images = (*explanation.upward, *explanation.downward)
    return ResultTable(
        title=f"{of.capitalize()}s with the largest influence on dFID of {name}",
        columns=(of, "influence", "contribution"),
        rows=tuple((image.id, signed_text(image.influence), signed_text(image.contribution)) for image in images),
        notes=(
            f"Influence: the change of dFID from having drawn this {of}, to first order. Above 0: it speaks "
            "against the candidate.",
            f"Contribution: its term in dFID; over all {of}s the contributions sum to dFID, the influences to 0.",
        ),
        styles=("red",) * len(explanation.upward) + ("cyan",) * len(explanation.downward),
    )


def _clusters_table(clusters: Sequence[ClusterPart], name: str) -> ResultTable:
    shown, notes = _ends(clusters, "clusters")
    return ResultTable(
        title=f"dFID of {name} by cluster",
        columns=("cluster", "images", "share", "contribution", "change without it"),
        rows=tuple(
            (
                part.name,
                str(part.images),
                f"{part.share:.1%}",
                signed_fixed_text(part.contribution, 3),
                signed_fixed_text(part.change_without, 3),
            )
            for part in shown
        ),
        notes=(
            "The contributions sum to dFID. Last column: what leaving the cluster out would change, to first order.",
            *notes,
        ),
    )


def _classes_table(classes: Sequence[ClassPart], name: str) -> ResultTable:
    shown, notes = _ends(classes, "classes")
    return ResultTable(
        title=f"dFID of {name} by class of the label maps",
        columns=("class", "share of pixels", "contribution (pro rata)", "rank correlation", "p (Holm)"),
        rows=tuple(
            (
                part.name,
                f"{part.share:.1%}",
                signed_fixed_text(part.contribution, 3),
                NOTHING if part.correlation is None else signed_fixed_text(part.correlation, 2),
                NOTHING if part.p_holm is None else f"{part.p_holm:.3g}",
            )
            for part in shown
        ),
        notes=(
            "Pro rata: each image's contribution, divided among its classes by their pixels; they sum to dFID. That "
            "is bookkeeping, not cause.",
            "Rank correlation: of a class's share with the influence over the label maps, a hint where the effect "
            "lives. Above 0: dFID comes from label maps with much of it. Shares sum to 1, so one class's excess is "
            "another's lack.",
            *notes,
        ),
    )


def _ends(parts: Sequence[ClusterPart] | Sequence[ClassPart], what: str) -> tuple[Sequence[Any], tuple[str, ...]]:
    """The first and the last of many rows, and a note of how many are left out."""
    if len(parts) <= _MOST_ROWS:
        return parts, ()
    half = _MOST_ROWS // 2
    hidden = len(parts) - 2 * half
    return (*parts[:half], *parts[-half:]), (f"{hidden} {what} between these are in the JSON document.",)
