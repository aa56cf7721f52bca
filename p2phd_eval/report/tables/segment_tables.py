"""Segmentation scores as tables."""

from p2phd_eval.formatting import estimate_texts, number_text, signed_fixed_text
from p2phd_eval.report.console import NOTHING, ResultTable
from p2phd_eval.report.documents.segment_documents import ScoreDifferencePart, ScorePart, SegmentArm, SegmentDocument
from p2phd_eval.report.markdown_text import markdown_text
from p2phd_eval.report.wording import SHORT_SCOPES, VERDICTS
from p2phd_eval.stats.segmentation.score_names import SCORE_NAMES, SegmentationScore

_POINTS = "less baseline, points"
_GIVEN = "given"  # what a margin that the user typed says of where it comes from


def segment_table(document: SegmentDocument) -> ResultTable:
    """Return the table of scores, a row for each arm, the real photos last."""
    verdicts = {each.name: each for each in document.verdicts}
    others = [score for score in SegmentationScore if score is not document.judge]
    rows, styles = [], []
    for arm in [*document.arms, *([] if document.real is None else [document.real])]:
        judged, verdict = arm.scores[document.judge], verdicts.get(arm.name)
        rows.append(
            (
                arm.name,
                number_text(judged.value),
                interval_cell(judged),
                *difference_cells(arm.differences.get(document.judge)),
                NOTHING if verdict is None else VERDICTS[verdict.verdict].words,
                *(number_text(arm.scores[score].value) for score in others),
            )
        )
        styles.append("" if verdict is None else VERDICTS[verdict.verdict].style)
    clusters = "" if document.clusters is None else f" in {document.clusters} clusters"
    stamp = document.stamp
    return ResultTable(
        title=f"{SCORE_NAMES[document.judge]} of {stamp.segmenter} in {document.images} photos, %",
        columns=(
            *("arm", SCORE_NAMES[document.judge], "interval", _POINTS, "its interval", "verdict"),
            *(SCORE_NAMES[score] for score in others),
        ),
        rows=tuple(rows),
        notes=(
            *(each.sentence for each in document.verdicts),
            *(
                f"Margin of {each.name}: {each.margin_text}."
                for each in document.verdicts
                if each.margin_text != _GIVEN
            ),
            f"{document.images} images{clusters}. {SHORT_SCOPES[document.scope]}, {100 * document.confidence:.4g} % "
            f"intervals. Segmenter {stamp.segmenter} ({stamp.identity[:12]}), class map {stamp.class_map_sha256[:12]}.",
            "A score judges photos by a segmenter that makes mistakes of its own"
            + ("." if document.real is None else f": in {document.real.name} it makes these too."),
            *(f"Note: {note}." for note in document.notes),  # which may begin with a path
        ),
        styles=tuple(styles) if any(styles) else (),
    )


def class_iou_table(document: SegmentDocument) -> ResultTable:
    """Return the table of IoUs by class: a row a class, a column an arm, and differences with their intervals."""
    every = [*document.arms, *([] if document.real is None else [document.real])]
    total = sum(each.pixels for each in document.classes)
    rows = []
    for k, each in enumerate(document.classes):
        if all(arm.classes[k] is None for arm in every):
            continue
        cells = [each.name, f"{100 * each.pixels / total:.2f}", str(each.held_by)]
        cells += [_value_cell(arm, k) for arm in every]
        for arm in document.arms[1:]:
            cells += difference_cells(arm.class_differences[k])
        rows.append(tuple(cells))
    marked = [] if len(document.arms) < 2 else ["* marks p < .05, adjusted for all classes and candidates (Holm)."]
    return ResultTable(
        title="IoU by class, %",
        columns=(
            *("class", "% of pixels", "in maps"),
            *(arm.name for arm in every),
            *(text for arm in document.arms[1:] for text in (f"{arm.name} {_POINTS}", "its interval")),
        ),
        rows=tuple(rows),
        notes=(*_confusion_notes(document), *marked),
    )


def segment_bullets(document: SegmentDocument) -> list[str]:
    """Return the verdict on each candidate as a line of a list in Markdown."""
    return [f"* {VERDICTS[each.verdict].emoji} {markdown_text(each.sentence)}" for each in document.verdicts]


def interval_cell(score: ScorePart) -> str:
    """Return the interval of a score."""
    return NOTHING if score.interval is None else " to ".join(number_text(end) for end in score.interval)


def difference_cells(found: ScoreDifferencePart | None) -> tuple[str, str]:
    """Return a difference and its interval."""
    if found is None:
        return NOTHING, NOTHING
    if found.interval is None:
        return signed_fixed_text(found.estimate, 2), NOTHING
    estimate, interval = estimate_texts(found.estimate, found.interval, marks=(0.0,))
    return estimate + ("*" if found.p_holm is not None and found.p_holm < 0.05 else ""), interval


def _value_cell(arm: SegmentArm, place: int) -> str:
    found = arm.classes[place]
    return NOTHING if found is None else number_text(found.value)


def _confusion_notes(document: SegmentDocument) -> list[str]:
    return [
        f"{arm.name}: taken for another class most often: "
        + ", ".join(f"{each.true} for {each.predicted} ({100 * each.share:.0f} %)" for each in arm.confusions[:3])
        + "."
        for arm in document.arms
        if arm.confusions
    ]
