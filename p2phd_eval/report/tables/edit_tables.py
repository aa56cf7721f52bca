"""What editing does to the gap between arms, as tables, sentences and Markdown."""

import math

from p2phd_eval.formatting import estimate_texts, interval_text, number_text
from p2phd_eval.report.console import NOTHING, ResultTable
from p2phd_eval.report.documents.edit_documents import (
    EditCompareDocument,
    EditedCandidatePart,
    EditEstimate,
    EditRatio,
    WideningPart,
    WideningRowPart,
)
from p2phd_eval.report.markdown_text import markdown_row, markdown_text
from p2phd_eval.report.wording import SHORT_SCOPES, VERDICTS
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.widening import MarginBase

_ALL = "all"
_SAID = {
    Verdict.WORSE: "editing widens the gap to {baseline} by {share}",
    Verdict.BETTER: "editing narrows the gap to {baseline} by {share}",
    Verdict.WITHIN: "editing does not widen the gap to {baseline}, within the margin: it changes by {share}",
    Verdict.NEGLIGIBLE: "editing changes the gap to {baseline} by less than the margin: by {share}",
    Verdict.INCONCLUSIVE: "inconclusive whether editing widens the gap to {baseline}: it changes by {share}",
}
_WORDS = {
    Verdict.WORSE: "widens",
    Verdict.BETTER: "narrows",
    Verdict.WITHIN: "does not widen",
    Verdict.NEGLIGIBLE: "less than the margin",
    Verdict.INCONCLUSIVE: "inconclusive",
}


def widening_sentence(document: EditCompareDocument, candidate: EditedCandidatePart) -> str:
    """Return the verdict on a candidate in words, with what it is about."""
    judged, baseline = candidate.judged, document.arms[0].name
    level = f"{100 * document.confidence:.4g} %"
    if judged.of_original is None:
        return f"{candidate.name}: no gap to {baseline} on the maps as they are, so that nothing can widen."
    verb = judged.verdict
    of = judged.of_original
    if verb is Verdict.BETTER:
        low, high = (None if end is None else -end for end in of.interval[::-1])
        of = EditRatio(value=-of.value, interval=(low, high))
    share = f"{_percent(of.value, signed=verb not in (Verdict.WORSE, Verdict.BETTER))} ({level} {_percents(of)})"
    sentence = f"{candidate.name}: {_SAID[verb].format(baseline=baseline, share=share)}."
    sentence += (
        f" {document.judge} inside of what was edited is {number_text(judged.edited)} between the arms, and "
        f"{number_text(judged.original)} at the same pixels of the maps as they were."
    )
    if judged.seeds_original is not None and judged.seeds_edited is not None and judged.of_seeds is not None:
        sentence += (
            f" Two seeds of {baseline} are {number_text(judged.seeds_original)} apart there, and "
            f"{number_text(judged.seeds_edited)} where edited; the change of the gap is "
            f"{_percent(judged.of_seeds.value, signed=True)} of their distance ({level} {_percents(judged.of_seeds)})."
        )
    return sentence


def margin_text(document: EditCompareDocument) -> str:
    """Return what the margin is."""
    if document.margin is None:
        return "No margin: nothing can be within it."
    of = {MarginBase.GAP: "the gap on the maps as they are", MarginBase.SEEDS: "the distance of two baseline seeds"}
    return f"Margin: {100 * document.margin.share:.4g} % of {of[document.margin.base]}, set in advance."


def edit_verdict_table(document: EditCompareDocument) -> ResultTable:
    """Return the table of what was judged, a row for each candidate."""
    judged = document.candidates[0].judged
    rows = [
        (
            each.name,
            _WORDS[each.judged.verdict],
            str(each.judged.pairs),
            number_text(each.judged.original),
            number_text(each.judged.edited),
            *estimate_texts(each.judged.estimate.value, each.judged.estimate.interval),
            *_ratio_cells(each.judged.of_original),
            *_ratio_cells(each.judged.of_seeds),
        )
        for each in document.candidates
    ]
    return ResultTable(
        title=f"Edits of {document.data} under {len(document.arms)} arms: {document.judge} inside of what was edited",
        columns=(
            *("arm", "editing", "pairs", "unedited", "edited", "difference", "interval"),
            *("of the gap", "interval", "of the seeds", "interval"),
        ),
        rows=tuple(rows),
        notes=(
            *(widening_sentence(document, each) for each in document.candidates),
            f"{judged.edits} edits of {judged.images} images. {SHORT_SCOPES[judged.scope]}, "
            f"{100 * document.confidence:.4g} % intervals. {margin_text(document)}",
            *document.notes,
        ),
        styles=tuple(VERDICTS[each.judged.verdict].style for each in document.candidates),
    )


def edit_kind_table(document: EditCompareDocument, candidate: EditedCandidatePart) -> ResultTable:
    """Return the table of all distances, places and kinds of edits of a candidate."""
    return ResultTable(
        title=f"{candidate.name} and {document.arms[0].name}, by kind of edit",
        columns=(
            *("distance", "place", "edits", "number", "unedited", "edited", "PSNR", "difference", "interval"),
            *("of the gap", "interval", "two seeds", "p"),
        ),
        rows=tuple(_kind_row(row) for row in candidate.rows),
        notes=(
            "p: of no change, adjusted for all kinds of a distance and place (Holm's method). PSNR in dB of the mean "
            "MSE, unedited and edited.",
        ),
        styles=tuple("bold" if row.kind == _ALL else "" for row in candidate.rows),
    )


def locality_table(document: EditCompareDocument, candidate: EditedCandidatePart) -> ResultTable:
    """Return the table of how much samples change outside of what was edited."""
    return ResultTable(
        title=f"How much samples of {document.arms[0].name} and {candidate.name} change outside of what was edited",
        columns=("distance", document.arms[0].name, candidate.name, "difference", "interval", "p"),
        rows=tuple(
            (
                row.distance,
                number_text(row.baseline.value),
                number_text(row.candidate.value),
                *estimate_texts(row.difference.value, row.difference.interval),
                _p_text(row.difference.p_value),
            )
            for row in candidate.locality
        ),
        notes=(
            "Instance norm sees whole maps, and so does batch norm, which takes the statistics of each image as the "
            "original does: an edit changes all of a sample.",
        ),
    )


def render_edit_markdown(document: EditCompareDocument) -> str:
    """Return verdicts and tables as GitHub-flavoured Markdown."""
    first = edit_verdict_table(document)
    lines = ["### Does editing widen the gap between precisions?", ""]
    lines += [
        f"* {VERDICTS[each.judged.verdict].emoji} {markdown_text(widening_sentence(document, each))}"
        for each in document.candidates
    ]
    lines += ["", *map(markdown_text, first.notes[len(document.candidates) :])]
    for table in [
        each
        for candidate in document.candidates
        for each in (edit_kind_table(document, candidate), locality_table(document, candidate))
    ]:
        lines += ["", f"**{markdown_text(table.title)}**", ""]
        lines += [
            markdown_row([markdown_text(cell) for cell in table.columns]),
            markdown_row(["---"] * len(table.columns)),
        ]
        lines += [markdown_row([markdown_text(cell) for cell in row]) for row in table.rows]
        lines += ["", *map(markdown_text, table.notes)]
    return "\n".join(lines) + "\n"


def _kind_row(row: WideningRowPart) -> tuple[str, ...]:
    each = row.widening
    return (
        row.distance,
        row.place,
        row.kind,
        str(each.edits),
        number_text(each.original),
        number_text(each.edited),
        _psnr_text(row.distance, each),
        *estimate_texts(each.estimate.value, each.estimate.interval),
        *_ratio_cells(each.of_original),
        _seeds_text(each.seeds_original, each.seeds_estimate),
        _p_text(row.p_holm),
    )


def _psnr_text(distance: str, each: WideningPart) -> str:
    if distance != "MSE" or min(each.original, each.edited) <= 0:
        return NOTHING
    return " / ".join(f"{10 * math.log10(255**2 / value):.2f}" for value in (each.original, each.edited))


def _seeds_text(original: float | None, estimate: EditEstimate | None) -> str:
    if original is None or estimate is None:
        return NOTHING
    return f"{number_text(original)}, {estimate_texts(estimate.value, estimate.interval)[0]}"


def _ratio_cells(ratio: EditRatio | None) -> tuple[str, str]:
    return (NOTHING, NOTHING) if ratio is None else (_percent(ratio.value, signed=True), _percents(ratio))


def _percent(value: float, *, signed: bool = False) -> str:
    text = f"{100 * value + 0.0:.3g}"  # adding 0 takes the sign of -0 away
    return f"{'+' if signed and value > 0 else ''}{text} %"


def _percents(ratio: EditRatio) -> str:
    low, high = (
        infinite if end is None else end for end, infinite in zip(ratio.interval, (-math.inf, math.inf), strict=True)
    )
    return f"{interval_text((100 * low, 100 * high))} %"


def _p_text(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"
