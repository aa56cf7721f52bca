"""`p2phd-eval plan`."""

from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import Json
from p2phd_eval.report.console import Output


def plan(
    margin: Annotated[
        str,
        typer.Option(
            "--margin",
            metavar="NUMBER|PERCENT|seeds",
            help="Difference that still counts as none, in units of what the pilot judged (FID@n without a pilot); a "
            "share of the pilot's baseline, such as 2%; or seeds: 2.77 standard deviations over the baseline's "
            "training seeds.",
        ),
    ],
    pilot: Annotated[
        Path | None,
        typer.Argument(
            metavar="PILOT", help="A smaller comparison: what `compare --json` wrote, or the report.json of a study."
        ),
    ] = None,
    power: Annotated[
        float, typer.Option("--power", help="How probable it is to be that the comparison is decided: 0.5 to 0.999.")
    ] = 0.8,
    confidence: Annotated[
        float, typer.Option("--confidence", help="How often an interval that is to exclude 0 holds the truth.")
    ] = 0.95,
    candidate: Annotated[
        str | None,
        typer.Option("--candidate", metavar="NAME", help="Which candidate of the pilot. Default: each of them."),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option("--images", min=2, help="Images at hand: what they can do. Default: the pilot's number."),
    ] = None,
    image_sd: Annotated[
        float | None,
        typer.Option(
            "--image-sd",
            help="Without a pilot: the sd of an image's influence on dFID@n, its standard error * sqrt(n).",
        ),
    ] = None,
    seed_sd: Annotated[
        float | None, typer.Option("--seed-sd", help="Without a pilot: the sd of FID@n over training seeds.")
    ] = None,
    json_target: Json = None,
) -> None:
    """Say how many images, and how many training seeds of each arm, it takes to decide a comparison.

    For each number of runs an arm: the images needed to show that there is no difference beyond the margin, and to
    find a difference as large as the margin. For these checkpoints (scope A), and where the spread over training
    seeds is known for the training recipes (scope B).

    Examples:

        p2phd-eval compare real/ fp32/ amp/ --margin 2% --json pilot.json

        p2phd-eval plan pilot.json --margin 2% --power 0.8

        p2phd-eval plan --image-sd 60 --seed-sd 3 --margin 2 --images 500
    """
    from p2phd_eval.planning import plan_comparison
    from p2phd_eval.report.documents.plan_documents import plan_document
    from p2phd_eval.report.tables.plan_tables import plan_tables

    planned = plan_comparison(
        pilot,
        margin=margin,
        power=power,
        confidence=confidence,
        candidate=candidate,
        images=images,
        image_sd=image_sd,
        seed_sd=seed_sd,
    )
    output = Output(json_target)
    if len(planned) > 1:
        output.note(
            f"Each of {len(planned)} candidates is planned for alone. Judged together (Holm), none needs more than "
            f"with --confidence {1 - (1 - confidence) / len(planned):.4g}."
        )
    for arm in planned:
        for table in plan_tables(arm):
            output.table(table)
    output.document(plan_document(planned, pilot, margin))
