"""The report of a study as one HTML file that opens from the disk and needs nothing else."""

import json
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from p2phd_eval.report.documents.study_documents import ReportDocument
from p2phd_eval.report.page.page_pictures import picture_rows
from p2phd_eval.report.page.page_tables import (
    bias_rows,
    difference_rows,
    memory_shares,
    quality_tables,
    run_rows,
    signed,
    speed_rows,
)
from p2phd_eval.report.page.plots import curves_plot, forest_plot, runs_plot, scaler_plot
from p2phd_eval.report.wording import SHORT_SCOPES, VERDICTS


def render_page(report: ReportDocument, folder: Path) -> str:
    """Return the page of a study.

    All text of the report is escaped; the style, the script and the plots are the package's own. The same report and
    images give the same bytes. Measured times stand in the section "speed" alone.

    The text is to be written as UTF-8. Raises `InputError` if an image cannot be read.

    `folder`: the study folder, from which samples are read.
    """
    environment = Environment(
        loader=PackageLoader("p2phd_eval.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["signed"] = signed
    training, bench = report.comparisons.training, report.speed.bench
    pictures = picture_rows(report, folder)
    return environment.get_template("report.html.j2").render(
        report=report,
        baseline=report.arms[0],
        verdicts=VERDICTS,
        scopes=SHORT_SCOPES,
        explanations=[] if training is None else training.candidates,
        forests=[forest_plot(report, statistic) for statistic in ("FID", "KID")],
        runs_plot=runs_plot(report),
        curves_plot=curves_plot(report),
        scaler_plot=scaler_plot(report),
        differences=difference_rows(report),
        speed=speed_rows(report),
        ratios=[] if bench is None else bench.ratios,
        memory=memory_shares(report),
        bias=bias_rows(report),
        quality=quality_tables(report.quality),
        runs=run_rows(report),
        pictures=pictures,
        config=json.dumps(report.what_was_run.config, indent=2),
        style=Markup(_template("report.css")),
        script=Markup(_template("report.js")),
    )


def _template(name: str) -> str:
    return (files("p2phd_eval.report.page") / "templates" / name).read_text(encoding="utf-8")
