"""The section of a study's page that is about the noise floor."""

from dataclasses import dataclass

from p2phd_eval.report.documents.floor_documents import FloorDocument
from p2phd_eval.report.floor_wording import FLOOR_VERDICTS
from p2phd_eval.report.page.page_tables import Cell, Table, plain_table
from p2phd_eval.report.tables.floor_tables import floor_distance_table, floor_kid_table, floor_verdict_table


@dataclass(frozen=True, kw_only=True)
class FloorSection:
    """What the section shows."""

    sentences: tuple[str, ...]  # a candidate each
    verdicts: Table
    tables: tuple[tuple[str, Table], ...]  # with captions
    notes: tuple[str, ...]


def floor_section(document: FloorDocument) -> FloorSection:
    """Return the section."""
    verdict = floor_verdict_table(document)
    others = [each for each in (floor_distance_table(document), floor_kid_table(document)) if each is not None]
    rows = tuple(
        (Cell(name), Cell(words, verdict=FLOOR_VERDICTS[each.verdict].as_verdict.value), *map(Cell, cells))
        for each, (name, words, *cells) in zip(document.candidates, verdict.rows, strict=True)
    )
    return FloorSection(
        sentences=tuple(each.sentence for each in document.candidates),
        verdicts=Table(columns=verdict.columns, rows=rows),
        tables=tuple((each.title, plain_table(each)) for each in others),
        notes=(*verdict.notes[len(document.candidates) :], *(note for each in others for note in each.notes)),
    )
