"""`p2phd-eval data synthesize` and `p2phd-eval data validate`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from p2phd_eval.commands.options.common import Json, Seed
from p2phd_eval.config import DataConfig
from p2phd_eval.report.console import Output, ResultTable
from p2phd_eval.report.documents import document

if TYPE_CHECKING:
    from p2phd_eval.generators.data.validation import PhaseReport

app = typer.Typer(no_args_is_help=True, help="Make a data set of embedded scenes, or check one of your own.")


@app.command()
def synthesize(
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    n_train: Annotated[int, typer.Option("--train", min=1, help="Training scenes.")] = 200,
    n_test: Annotated[int, typer.Option("--test", min=0, help="Test scenes.")] = 100,
    width: Annotated[int, typer.Option("--width", help="Pixels.")] = 256,
    height: Annotated[int, typer.Option("--height", help="Pixels.")] = 128,
    seed: Seed = 0,
    json_target: Json = None,
) -> None:
    """Draw procedural street scenes in pix2pixHD's folder layout: label, instance and photo, no download.

    Example:

        p2phd-eval data synthesize scenes --train 400 --test 200
    """
    from p2phd_eval.scenes.data_set import CLASSES, write_dataset

    output = Output(json_target)
    with output.progress("draw", "scenes") as on_progress:
        write_dataset(
            out, n_train=n_train, n_test=n_test, width=width, height=height, seed=seed, on_progress=on_progress
        )
    output.document(
        document(
            "data-synthesize",
            folder=str(out),
            n_train=n_train,
            n_test=n_test,
            width=width,
            height=height,
            seed=seed,
            classes=list(CLASSES),
        )
    )
    output.note(
        f"{n_train} training and {n_test} test scenes of {width} x {height} with {len(CLASSES)} classes in {out}."
    )


@app.command()
def validate(
    data: Annotated[Path, typer.Argument(help="Data set in pix2pixHD's layout.")],
    label_nc: Annotated[
        int | None, typer.Option("--label-nc", min=0, help="Classes. Default: classes.json, else 35.")
    ] = None,
    instances: Annotated[
        bool | None, typer.Option("--instances/--no-instances", help="Check instance maps. Default: if there are any.")
    ] = None,
    json_target: Json = None,
) -> None:
    """Read every file and name all that is wrong: orphans, unreadable files, sizes that differ, labels out of range.

    Exit code 2 if anything is.

    Example:

        p2phd-eval data validate datasets/cityscapes --label-nc 35
    """
    from p2phd_eval.generators.data.triplets import stored_label_nc
    from p2phd_eval.generators.data.validation import phases, validate_phase

    output = Output(json_target)
    if label_nc is None:
        label_nc = stored_label_nc(data)
    if instances is None:
        instances = any(data.glob("*_inst"))
    config = DataConfig(instances=instances)
    if label_nc is not None:
        config = replace(config, label_nc=label_nc)
    reports = []
    for phase in phases(data, config):
        with output.progress(f"read {phase}", "samples") as on_progress:
            reports.append(validate_phase(data, phase, config, on_progress=on_progress))
    problems = [problem for report in reports for problem in report.problems]
    output.table(_table(data, reports, config))
    for problem in problems:
        output.note(f"problem: {problem}")
    output.document(
        document(
            "data-validate",
            folder=str(data),
            label_nc=config.label_nc,
            instances=config.instances,
            phases=[asdict(report) for report in reports],
            n_problems=len(problems),
        )
    )
    if problems:
        raise typer.Exit(2)


def _table(data: Path, reports: list[PhaseReport], config: DataConfig) -> ResultTable:
    rows = []
    for report in reports:
        largest = sorted(report.class_shares.items(), key=lambda item: -item[1])[:3]
        rows.append(
            (
                report.phase,
                str(report.n),
                ", ".join(f"{size} ({count})" for size, count in report.sizes.items()),
                str(len(report.class_shares)),
                ", ".join(f"{label}: {share:.0%}" for label, share in largest),
                str(len(report.problems)),
            )
        )
    return ResultTable(
        title=f"{data}: {config.label_nc} classes, instances {'on' if config.instances else 'off'}",
        columns=("phase", "samples", "sizes", "labels used", "largest classes", "problems"),
        rows=tuple(rows),
        styles=tuple("red" if report.problems else "" for report in reports),
    )
