"""The report of a study as one HTML file that opens from the disk and needs nothing else."""

import json
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from msgspec import UNSET

from p2phd_eval.formatting import error_text, signed_text
from p2phd_eval.report.documents.study_documents import ReportDocument
from p2phd_eval.report.page.edit_section import edit_section
from p2phd_eval.report.page.floor_section import floor_section
from p2phd_eval.report.page.glossary import GLOSSARY, terms_in
from p2phd_eval.report.page.page_pictures import picture_rows
from p2phd_eval.report.page.page_tables import (
    bench_table,
    checks_table,
    class_table,
    cluster_table,
    commands_table,
    difference_tables,
    extrapolation_table,
    generation_table,
    measures_table,
    quality_tables,
    refusals,
    run_table,
    speed_table,
)
from p2phd_eval.report.page.plots import curves_plot, epochs_plot, forest_plots, runs_plot, scaler_plot
from p2phd_eval.report.page.segment_section import segment_section
from p2phd_eval.report.page.verdict_cards import convergence, verdict_cards

_ABOUT = {
    "training": ("Training", "Every arm that is trained, against {baseline}. Arms of pix2pixHD all generate in fp32."),
    "generation": ("Generation", "The same weights, generated in other ways."),
    "benign": ("Benign variants", "Variants of {baseline} that ought to change nothing, against it."),
    "same seed again": (
        "The same seed again",
        "The first seed of {baseline} made twice, which shows what chance alone does on this machine.",
    ),
}


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
    environment.filters["signed"] = signed_text
    environment.globals["error"] = error_text
    main, bench = report.main, report.speed.bench
    candidates = () if main is None else main.candidates
    scale, far = convergence(report)
    pictures = picture_rows(report, folder)
    return environment.get_template("report.html.j2").render(
        report=report,
        baseline=report.arms[0],
        cards=verdict_cards(report),
        scale=scale,
        far=far,
        forests=forest_plots(report),
        about=_ABOUT,
        explained=candidates[0].name if candidates else "",
        runs_plot=runs_plot(report),
        epochs_plot=epochs_plot(report),
        curves_plot=curves_plot(report),
        scaler_plot=scaler_plot(report),
        differences=difference_tables(report),
        speed=speed_table(report) if report.trains else commands_table(report),
        generation=generation_table(report),
        bench=None if bench is None else bench_table(bench),
        measures=None if main is None else measures_table(main),
        refusals=[] if main is None else refusals(main),
        checks=checks_table(report),
        extrapolation=extrapolation_table(report),
        quality=quality_tables(report.quality),
        edits=None if report.edits is UNSET else edit_section(report.edits, folder / "edits" / "worst.png"),
        segmentation=None
        if report.segmentation is UNSET
        else segment_section(report.segmentation, folder / "analysis" / "segmentation.png"),
        floor=None if report.floor is UNSET else floor_section(report.floor),
        runs=run_table(report),
        pictures=pictures,
        picture_columns=1 + max((picture.column for row in pictures for picture in row.pictures), default=0),
        origins=[
            (entry.name, entry.explanation, cluster_table(entry.explanation), class_table(entry.explanation))
            for entry in candidates
            if entry.explanation
        ],
        glossary=GLOSSARY,
        terms_in=terms_in,
        config=json.dumps(report.what_was_run.config, indent=2),
        style=Markup(_template("report.css")),
        script=Markup(_template("report.js")),
    )


def _template(name: str) -> str:
    return (files("p2phd_eval.report.page") / "templates" / name).read_text(encoding="utf-8")
