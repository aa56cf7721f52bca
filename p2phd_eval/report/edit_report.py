"""The files of a comparison of edits: JSON, and tables for a pull request."""

from pathlib import Path

from p2phd_eval.editing.compare_edits import EditComparison
from p2phd_eval.files import atomic_write, page_bytes, write_json
from p2phd_eval.report.documents.edit_documents import EditCompareDocument, edit_document
from p2phd_eval.report.tables.edit_tables import render_edit_markdown


def write_edit_report(
    result: EditComparison, data: str, script: str, out: Path, *, below: Path | None = None
) -> EditCompareDocument:
    """Write `comparison.json` and `comparison.md` to the folder of a comparison, and return the document.

    `data`, `script`: what the user called them. `below`: see `edit_document`.
    """
    document = edit_document(result, data, script, below)
    write_json(out / "comparison.json", document.to_builtins())
    with atomic_write(out / "comparison.md") as stream:
        stream.write(page_bytes(render_edit_markdown(document)))
    return document
