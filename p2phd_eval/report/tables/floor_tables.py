"""Candidates against the noise floor as tables, and as Markdown for a pull request."""

from collections.abc import Sequence

from p2phd_eval.formatting import number_text, signed_text
from p2phd_eval.report.console import NOTHING, ResultTable
from p2phd_eval.report.documents.floor_documents import FloorDistancePart, FloorDocument, FloorRatioPart, KidBetween
from p2phd_eval.report.floor_wording import FLOOR_VERDICTS
from p2phd_eval.report.markdown_text import markdown_row, markdown_text
from p2phd_eval.report.wording import SHORT_SCOPES, VERDICTS


def floor_verdict_table(document: FloorDocument) -> ResultTable:
    """Return the table of what was judged, a row for each candidate."""
    rows = []
    for each in document.candidates:
        judged = document.judged(each)
        rows.append(
            (
                each.name,
                FLOOR_VERDICTS[each.verdict].words,
                number_text(judged.to_baseline),
                number_text(judged.floors[judged.farthest]),
                *_ratio_cells(judged),
                NOTHING if each.quality is None else VERDICTS[each.quality].words,
            )
        )
    clusters = "" if document.clusters is None else f" in {document.clusters} clusters"
    runs = f"{len(document.seeds)} run{'s' if len(document.seeds) > 1 else ''} an arm"
    return ResultTable(
        title=f"{document.judge} to {document.baseline} beside its noise floor, {document.images} images",
        columns=("arm", "what moved", document.judge, "floor", "times", "interval", "at most", "quality"),
        rows=tuple(rows),
        notes=(
            *(each.sentence for each in document.candidates),
            f"{document.images} images{clusters}, {runs}. {SHORT_SCOPES[document.scope]}, "
            f"{100 * document.confidence:.4g} % intervals. Up to {document.tolerance:g} times the floor is inside.",
            *document.notes,
        ),
        styles=tuple(FLOOR_VERDICTS[each.verdict].style for each in document.candidates),
    )


def floor_distance_table(document: FloorDocument) -> ResultTable:
    """Return the table of all distances, to the baseline and to the photos."""
    photos = any(row.to_photo is not None for each in document.candidates for row in each.distances)
    variants = [each.name for each in document.benign]
    rows = []
    for each in document.candidates:
        for row in each.distances:
            cells = [
                each.name,
                row.distance,
                number_text(row.to_baseline),
                *(number_text(row.floors[name]) for name in variants),
                *_ratio_cells(row),
                row.position.value,
            ]
            if photos:
                cells += _photo_cells(row)
            rows.append(tuple(cells))
    return ResultTable(
        title=f"Every distance to {document.baseline}, mean over images",
        columns=(
            *("arm", "distance", "to it"),
            *variants,
            *("times", "interval", "at most", "floor"),
            *(("to the photo", "change", "interval", "quality") if photos else ()),
        ),
        rows=tuple(rows),
        notes=(f"The verdict is about {document.judge}; the other distances are told beside it, and judge nothing.",),
    )


def floor_kid_table(document: FloorDocument) -> ResultTable | None:
    """Return the table of KIDs between the arms; None where there are none."""
    kids = [(each.name, "benign", each.kid) for each in document.benign]
    kids += [(each.name, "candidate", each.kid) for each in document.candidates]
    rows = tuple((name, role, *_kid_cells(kid)) for name, role, kid in kids if kid is not None)
    if not rows:
        return None
    return ResultTable(
        title=f"KID between {document.baseline} and the other arms",
        columns=("arm", "", "KID", "error", "by chance", "p"),
        rows=rows,
        notes=(
            "Unbiased, so that it may be below 0. By chance: standard deviation over random swaps of the two images of "
            "a pair, where it is 0 on average; p: share of swaps that give as much. Error: jackknife over images, too "
            "large where the distributions are equal.",
        ),
    )


def render_floor_markdown(document: FloorDocument) -> str:
    """Return verdicts and tables as GitHub-flavoured Markdown."""
    lines = ["### Trajectory or quality?", ""]
    lines += floor_bullets(document)
    verdict = floor_verdict_table(document)
    lines += ["", *map(markdown_text, verdict.notes[len(document.candidates) :])]
    for table in (verdict, floor_distance_table(document), floor_kid_table(document)):
        if table is not None:
            notes = () if table is verdict else table.notes
            lines += ["", f"**{markdown_text(table.title)}**", "", *_markdown_rows(table)]
            lines += ["", *map(markdown_text, notes)] if notes else []
    return "\n".join(lines) + "\n"


def floor_bullets(document: FloorDocument) -> list[str]:
    """Return the verdict on each candidate as a line of a list in Markdown."""
    return [f"* {FLOOR_VERDICTS[each.verdict].emoji} {markdown_text(each.sentence)}" for each in document.candidates]


def _markdown_rows(table: ResultTable) -> list[str]:
    lines: list[Sequence[str]] = [table.columns, ["---"] * len(table.columns), *table.rows]
    return [markdown_row([each if each == "---" else markdown_text(each) for each in line]) for line in lines]


def _ratio_cells(row: FloorDistancePart) -> tuple[str, str, str]:
    if row.ratio is None:
        return NOTHING, NOTHING, NOTHING
    return (
        number_text(row.ratio.value),
        _interval(row.ratio),
        NOTHING if row.at_most is None else number_text(row.at_most),
    )


def _photo_cells(row: FloorDistancePart) -> list[str]:
    photo = row.to_photo
    if photo is None:
        return [NOTHING] * 4
    change, interval = "0", NOTHING
    if photo.change is not None:
        change, interval = f"{signed_text(100 * photo.change.value)} %", _percents(photo.change)
    means = f"{number_text(photo.baseline)} to {number_text(photo.candidate)}"
    return [means, change, interval, VERDICTS[photo.verdict].words]


def _kid_cells(kid: KidBetween) -> tuple[str, str, str, str]:
    p_value = f"{kid.p_value:.2g}" if kid.p_value > 1 / (1 + kid.swaps) else f"<= {kid.p_value:.2g}"
    return number_text(kid.value), number_text(kid.se), number_text(kid.chance), p_value


def _interval(ratio: FloorRatioPart) -> str:
    return " to ".join("no bound" if end is None else number_text(end) for end in ratio.interval)


def _percents(ratio: FloorRatioPart) -> str:
    return " to ".join("no bound" if end is None else signed_text(100 * end) for end in ratio.interval) + " %"
