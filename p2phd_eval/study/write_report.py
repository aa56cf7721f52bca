"""The report of a study as files: JSON, one page, and a table for a pull request."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from p2phd_eval.files import atomic_write, write_json
from p2phd_eval.report.page.markdown import render_markdown
from p2phd_eval.report.page.report_page import render_page
from p2phd_eval.study.document import report_document
from p2phd_eval.study.study_plan import load_plan


def write_report(study: str | os.PathLike[str]) -> dict[str, Any]:
    """Write `report.json`, `report.html` and `report.md` from what is in a study's folder, and return the document.

    Parameters
    ----------
    study : path-like
        A study folder whose runs have ended and are compared; nothing is computed again.

    Raises
    ------
    InputError
        If there is no study, or an artefact, an image or a photo of it is missing or cannot be read.
    """
    folder = Path(study)
    report = report_document(folder, load_plan(folder))
    write_json(folder / "report.json", report)
    for name, text in (("report.html", render_page(report, folder)), ("report.md", render_markdown(report))):
        with atomic_write(folder / name) as stream:
            stream.write(text.encode())
    return report
