"""`p2phd-eval demo`."""

from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import Device, Json, Seed, Weights
from p2phd_eval.commands.options.places import folder_to_write
from p2phd_eval.report.console import Output


def demo(
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FOLDER", callback=folder_to_write, help="Folder to write; a second call goes on in it."
        ),
    ] = Path("demo"),
    margin: Annotated[
        str, typer.Option("--margin", metavar="NUMBER|PERCENT|seeds", help="Difference that still counts as none.")
    ] = "2%",
    feature_weights: Weights = None,
    seed: Seed = 0,
    device: Device = None,
    json_target: Json = None,
) -> None:
    """Draw street scenes and make a study of them, in minutes on two cores.

    Trains tiny networks in fp32 and amp-fp16, three seeds each, and generates from the fp32 ones in reduced formats as
    well, of which one is too narrow. Needs no data. The FID Inception weights are fetched once.

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
            on_forecast=lambda forecast: print_forecast(output, forecast),
            progress=output.progress,
            note=output.note,
        )
    print_result(output, result)
    output.note(
        f"Picture: {result.picture}",
        "These networks trained for seconds: the report shows how a study reads, not what AMP does to yours. Next:",
        "p2phd-eval study DATA --out study --arms fp32,amp-fp16 --seeds 3 --margin 2%",
    )
