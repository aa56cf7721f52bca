"""`p2phd-eval demo`."""

from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import Device, Json, Seed, Weights
from p2phd_eval.report.console import Output


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder to write; a second call goes on in it.")] = Path("demo"),
    margin: Annotated[
        str, typer.Option("--margin", metavar="NUMBER|PERCENT|seeds", help="Difference that still counts as none.")
    ] = "2%",
    feature_weights: Weights = None,
    seed: Seed = 0,
    device: Device = None,
    json_target: Json = None,
) -> None:
    """Draw street scenes and make a study of them, in minutes: fp32 and AMP, two seeds each.

    Needs no data. The FID Inception weights are fetched once.

    Example:

        p2phd-eval demo --out demo
    """
    from p2phd_eval.commands.study_output import exit_codes, print_forecast, print_result
    from p2phd_eval.study.run_demo import run_demo

    output = Output(json_target)
    with exit_codes(output):
        result = run_demo(
            out,
            margin=margin,
            seed=seed,
            device=device,
            feature_weights=feature_weights,
            in_terminal=True,
            on_forecast=lambda forecast: print_forecast(output, forecast),
            progress=output.progress,
            note=output.note,
        )
    print_result(output, result)
    output.note(
        "After minutes of training a seed alone moves the FID by tens, and two seeds an arm say little about it: the "
        "report shows how a study reads, not what AMP does."
    )
