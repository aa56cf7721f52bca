"""`p2phd-eval generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options import BatchSize, Device, Json, Seed
from p2phd_eval.report.console import Output
from p2phd_eval.report.documents import document


def generate(
    source: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or a checkpoint file.")],
    data: Annotated[Path, typer.Argument(help="Data set with label maps; photos are not needed.")],
    out: Annotated[Path, typer.Option("--out", help="Image folder to write.")],
    phase: Annotated[
        str, typer.Option("--phase", help="Part of the data set: folders <phase>_label and so on.")
    ] = "test",
    precision: Annotated[
        str,
        typer.Option("--precision", help="Of sampling, whatever the training used: fp32, tf32, amp-fp16, amp-bf16."),
    ] = "fp32",
    batch_size: BatchSize = 4,
    seed: Seed = 0,
    device: Device = None,
    json_target: Json = None,
) -> None:
    """Generate a photo for every label map: one PNG each, named after it, and a manifest.json.

    Images that are there already are kept, so an interrupted call goes on where it stopped.

    Example:

        p2phd-eval generate runs/amp DATA --out runs/amp/samples
    """
    from p2phd_eval.devices import describe_device, find_device
    from p2phd_eval.generators.sampling import generate as run_sampling

    output = Output(json_target)
    torch_device = find_device(device)
    output.note(f"device: {describe_device(torch_device)}, sampling precision: {precision}")
    with output.progress("generate", "images") as on_progress:
        result = run_sampling(
            source,
            data,
            out,
            device=torch_device,
            phase=phase,
            precision_name=precision,
            batch_size=batch_size,
            seed=seed,
            on_progress=on_progress,
        )
    output.document(
        document(
            "generate",
            folder=str(out),
            written=result.written,
            kept=result.kept,
            size=list(result.size),
            manifest=result.manifest,
        )
    )
    size = f" of {result.size[0]} x {result.size[1]}" if result.written else ""
    output.note(f"{result.written} images{size} written to {out}, {result.kept} kept from before.")
