"""The report of a study as files: JSON, one page, and a table for a pull request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from p2phd_eval.files import atomic_write, write_json
from p2phd_eval.report.page.markdown import render_markdown
from p2phd_eval.report.page.report_page import render_page
from p2phd_eval.study.document import report_document
from p2phd_eval.study.study_plan import StudyPlan


def write_report(study: Path, plan: StudyPlan) -> dict[str, Any]:
    """Write `report.json`, `report.html` and `report.md` from the artefacts of a study, and return the document.

    Raises
    ------
    InputError
        If an artefact, an image or a photo is missing or cannot be read.
    """
    report = report_document(study, plan)
    write_json(study / "report.json", report)
    for name, text in (("report.html", render_page(report, study)), ("report.md", render_markdown(report))):
        with atomic_write(study / name) as stream:
            stream.write(text.encode())
    return report
