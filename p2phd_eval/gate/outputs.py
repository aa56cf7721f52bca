"""The result of a gate as a table, as a document, as JUnit XML and as the Markdown of a CI step's summary."""

import os
from pathlib import Path
from xml.etree import ElementTree

from p2phd_eval.files import atomic_write, page_bytes
from p2phd_eval.formatting import apart_texts, chance_text, one_line
from p2phd_eval.gate.point_bands import RANDOM, images_text
from p2phd_eval.gate.rules import GateResult
from p2phd_eval.report.console import NOTHING, ResultTable
from p2phd_eval.report.documents.document import from_result
from p2phd_eval.report.documents.gate_documents import GateBand, GateDocument, GateRow, GateRules
from p2phd_eval.report.markdown_text import markdown_row, markdown_text

_SUITE = "p2phd-eval gate"
_BAND_COLUMNS = ("arm", "FID", "band", "fails if equal", "passes at the edge", "passes at twice", "images")


def gate_table(result: GateResult) -> ResultTable:
    """Return the table of a gate, a row for each candidate and rule; numbers in full."""
    return ResultTable(
        title=f"Gate on {result.source}: {result.conclusion}",
        columns=("arm", "rule", "result"),
        rows=tuple((each.arm, each.rule, _word(each)) for each in result.results),
        notes=tuple(f"{_word(each)}: {each.arm}, {each.rule}. {each.reason}" for each in result.results),
        styles=tuple("green" if each.holds else "red" for each in result.results),
    )


def band_table(result: GateResult) -> ResultTable | None:
    """Return the table of what chance makes of bands, a row for each candidate; None where no rule is one."""
    bands = [(each, each.band) for each in result.results if each.band is not None]
    if not bands:
        return None
    scopes = dict.fromkeys(band.scope for _, band in bands)
    random = " and of ".join(f"{RANDOM[scope]} (scope {scope.value})" for scope in scopes)
    return ResultTable(
        title="What sampling alone makes of the band",
        columns=_BAND_COLUMNS,
        rows=tuple((each.arm, *_band_cells(each, band)) for each, band in bands),
        notes=(
            f"With another sample of {random}, by the standard error of the difference in the report: how often a "
            "candidate fails whose true FID is the baseline's, and how often one passes that is at the edge, or twice "
            "as far from the baseline.",
            "Images: from how many on the first is below 5 %, if the difference spreads as it does now, clusters stay "
            "as large as they are and become more, runs stay as many, and the band keeps its width.",
        ),
    )


def _band_cells(row: GateRow, band: GateBand) -> tuple[str, ...]:
    ends = [band.high] if band.low is None else [band.low, band.high]
    candidate, *limits = apart_texts(band.candidate, *ends)
    return (
        candidate,
        f"up to {limits[0]}" if band.low is None else " to ".join(limits),
        chance_text(band.fails_if_equal),
        chance_text(band.passes_at_edge),
        chance_text(band.passes_at_twice),
        images_text(band, row.judged) or NOTHING,
    )


def gate_document(result: GateResult) -> GateDocument:
    """Return the JSON document of a gate."""
    return GateDocument(
        source=result.source, holds=result.holds, rules=from_result(GateRules, result.rules), results=result.results
    )


def write_junit(path: str | os.PathLike[str], result: GateResult) -> None:
    """Write a JUnit file: one test case for each candidate and rule, as CI systems read it.

    `testsuites` > `testsuite` > `testcase` > `failure`, with the counts on both outer elements; times are 0, since
    nothing ran.
    """
    broken = sum(not each.holds for each in result.results)
    counts = {"tests": str(len(result.results)), "failures": str(broken), "errors": "0", "skipped": "0", "time": "0"}
    root = ElementTree.Element("testsuites", {"name": _SUITE, **counts})
    suite = ElementTree.SubElement(root, "testsuite", {"name": _SUITE, **counts})
    for each in result.results:
        name = one_line(f"{each.arm}: {each.rule}")
        case = ElementTree.SubElement(suite, "testcase", {"classname": _SUITE, "name": name, "time": "0"})
        reason = one_line(each.reason)
        if each.holds:
            ElementTree.SubElement(case, "system-out").text = reason
        else:
            failure = ElementTree.SubElement(case, "failure", {"message": reason, "type": "broken rule"})
            failure.text = reason
    tree = ElementTree.ElementTree(root)
    ElementTree.indent(tree)
    with atomic_write(path) as stream:
        tree.write(stream, encoding="utf-8", xml_declaration=True)


def append_summary(path: Path, result: GateResult) -> None:
    """Append a section of Markdown to a step summary, which other steps write to as well."""
    text = page_bytes(summary_markdown(result))
    path.parent.mkdir(parents=True, exist_ok=True)
    # One write to a file opened for appending: never half a section between those of others.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    with os.fdopen(descriptor, "wb", buffering=len(text) + 1) as stream:
        stream.write(text)


def summary_markdown(result: GateResult) -> str:
    """Return the result as GitHub's Markdown; every name is shown as text."""
    rows = [
        ("✅" if each.holds else "❌", markdown_text(each.arm), markdown_text(each.rule), markdown_text(each.reason))
        for each in result.results
    ]
    lines = [
        f"### Gate: {result.conclusion}",
        "",
        f"Rules on {markdown_text(result.source)}.",
        "",
        markdown_row(["", "arm", "rule", "why"]),
        markdown_row(["---"] * 4),
        *map(markdown_row, rows),
        "",
    ]
    if (bands := band_table(result)) is not None:
        lines += [
            f"{bands.title}:",
            "",
            markdown_row(bands.columns),
            markdown_row(["---"] * len(bands.columns)),
            *(markdown_row([markdown_text(cell) for cell in row]) for row in bands.rows),
            "",
            *(line for note in bands.notes for line in (note, "")),
        ]
    return "\n".join(["", *lines])


def _word(result: GateRow) -> str:
    return "holds" if result.holds else "broken"
