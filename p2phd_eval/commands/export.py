"""`p2phd-eval export`."""

from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import Instances, Json, LabelNc, Source, WhichEpoch
from p2phd_eval.commands.options.places import file_to_write
from p2phd_eval.report.console import Output

app = typer.Typer(no_args_is_help=True, help="Write a generator as a file that other programs run.")


@app.callback()
def _export() -> None:
    """Keep the name of the one command there is."""


@app.command()
def onnx(
    source: Source,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE.onnx", callback=file_to_write(".onnx"), help="File to write.")
    ],
    precision: Annotated[
        str,
        typer.Option("--precision", metavar="fp32|fp16|bf16|int8", help="What convolutions compute in; norms in fp32."),
    ] = "fp32",
    calibrate_on: Annotated[
        Path | None,
        typer.Option("--calibrate-on", metavar="DATA", help="Data set whose training maps set the ranges of int8."),
    ] = None,
    clusters: Annotated[
        Path | None,
        typer.Option(
            "--clusters",
            metavar="FILE",
            help="File of `encode cluster`, for int8 of a model with features. Default: RUN/clusters.npz.",
        ),
    ] = None,
    which_epoch: WhichEpoch = None,
    label_nc: LabelNc = None,
    instances: Instances = None,
    json_target: Json = None,
) -> None:
    """Write a generator as an ONNX file, checked against torch on drawn scenes.

    The graph takes label and instance maps as they are, of any number and size. Its metadata name the checkpoint by its
    SHA-256, its configuration and what the inputs are.

    Examples:

        p2phd-eval export onnx runs/fp32 --out street.onnx

        p2phd-eval export onnx runs/fp32 --out street-int8.onnx --precision int8 --calibrate-on DATA
    """
    from p2phd_eval.deployment.export_onnx import export_onnx
    from p2phd_eval.report.documents.command_documents import ExportDocument
    from p2phd_eval.report.documents.document import from_result

    output = Output(json_target)
    result = export_onnx(
        source,
        out,
        precision=precision,
        calibrate_on=calibrate_on,
        clusters=clusters,
        which_epoch=which_epoch,
        label_nc=label_nc,
        instances=instances,
        note=output.note,
    )
    output.document(from_result(ExportDocument, result, file=str(out)))
    output.note(str(result))
    for check in result.checks:
        psnr = "nothing differs" if check.psnr is None else f"PSNR {check.psnr:.1f} dB"
        output.note(
            f"against torch in fp32, {check.images} of {check.width} x {check.height}: {psnr}, at most "
            f"{check.largest:.2g} of the range"
        )
