"""`p2phd-eval report`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import Json
from p2phd_eval.commands.options.places import folder_to_write, path
from p2phd_eval.report.console import Output
from p2phd_eval.stores.store_path import as_path


def report(
    folder: Annotated[Path, typer.Argument(metavar="STUDY", help="Study folder, with all runs ended and compared.")],
    out: Annotated[
        os.PathLike[str] | None,
        typer.Option(
            "--out",
            parser=path,
            callback=folder_to_write,
            metavar="FOLDER",
            help="Write the three there too, such as to s3://bucket/reports.",
        ),
    ] = None,
    json_target: Json = None,
) -> None:
    """Write report.html, report.json and report.md of a study again, from what is there; nothing is computed.

    An artefact or a file of the data that is not the one that the study recorded is named, and nothing is written.

    Examples:

        p2phd-eval report study

        p2phd-eval report study --out s3://bucket/reports/study
    """
    from p2phd_eval.report.tables.study_tables import study_table
    from p2phd_eval.study.write_report import write_report

    output = Output(json_target)
    written = write_report(folder, out, progress=output.progress)
    output.table(study_table(written))
    output.document(written)
    output.note(f"Report: {(folder if out is None else as_path(out)) / 'report.html'}")
