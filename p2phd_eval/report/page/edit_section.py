"""The section of a study's page that is about edits."""

from dataclasses import dataclass
from pathlib import Path

from p2phd_eval.images.decoding import read_rgb
from p2phd_eval.report.documents.edit_documents import EditCompareDocument
from p2phd_eval.report.page.page_pictures import data_uri
from p2phd_eval.report.page.page_tables import Table, plain_table
from p2phd_eval.report.tables.edit_tables import edit_kind_table, edit_verdict_table, locality_table, widening_sentence

_WIDEST = 1280  # pixels of the picture


@dataclass(frozen=True, kw_only=True)
class EditSection:
    """What the section shows."""

    sentences: tuple[str, ...]  # a candidate each
    tables: tuple[tuple[str, Table], ...]  # with captions
    picture: str | None  # a data URI
    notes: tuple[str, ...]


def edit_section(document: EditCompareDocument, picture: Path) -> EditSection:
    """Return the section; `picture`: that of the worst edits, left out where it is gone."""
    verdict = edit_verdict_table(document)
    every = [
        each(document, candidate) for candidate in document.candidates for each in (edit_kind_table, locality_table)
    ]
    notes = dict.fromkeys(note for table in every for note in table.notes)
    return EditSection(
        sentences=tuple(widening_sentence(document, each) for each in document.candidates),
        tables=tuple((table.title, plain_table(table)) for table in every),
        picture=data_uri(read_rgb(picture), _WIDEST) if picture.is_file() else None,
        notes=(*verdict.notes[len(document.candidates) :], *notes),
    )
