"""`p2phd-eval generate`."""

from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import (
    BatchSize,
    Device,
    Instances,
    Json,
    LabelNc,
    Phase,
    Seed,
    Source,
    WhichEpoch,
)
from p2phd_eval.report.console import Output

_FEATURES = "A model with features"


def generate(
    source: Source,
    data: Annotated[Path, typer.Argument(help="Data set with label maps; photos only for --style photo.")],
    out: Annotated[Path, typer.Option("--out", help="Image folder to write.")],
    phase: Phase = "test",
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            help="What sampling computes in, whatever trained: fp64, fp32, tf32, amp-fp16, amp-bf16, fp16, bf16, "
            "amp-fp8, fp8-plain, fp4-plain.",
        ),
    ] = "fp32",
    arithmetic: Annotated[
        str | None,
        typer.Option(
            "--arithmetic",
            metavar="native|emulated",
            help="How convolutions in 16 bits are computed: by instructions for them, or in float32 with the same "
            "roundings. Default: native where the device has such instructions.",
        ),
    ] = None,
    batch_size: BatchSize = 4,
    seed: Seed = 0,
    style: Annotated[
        str | None,
        typer.Option(
            "--style",
            metavar="clusters|photo",
            rich_help_panel=_FEATURES,
            help="Features drawn from the clusters of their class, or of the data set's photo. Default: clusters.",
        ),
    ] = None,
    clusters: Annotated[
        Path | None,
        typer.Option(
            "--clusters",
            metavar="FILE",
            rich_help_panel=_FEATURES,
            help="File of `encode cluster`. Default: RUN/clusters.npz.",
        ),
    ] = None,
    which_epoch: WhichEpoch = None,
    label_nc: LabelNc = None,
    instances: Instances = None,
    device: Device = None,
    json_target: Json = None,
) -> None:
    """Generate a photo for every label map: one PNG each, named after it, and a manifest.json.

    Finished images are kept, so an interrupted call goes on where it stopped; those whose label map has changed are
    made again, those whose label map is gone are removed.

    Examples:

        p2phd-eval generate runs/amp DATA --out runs/amp/samples

        p2phd-eval generate runs/512p-feat DATA --out runs/512p-feat/encoded --style photo

        torchrun --nproc-per-node 8 --no-python p2phd-eval generate runs/amp DATA --out runs/amp/samples

        p2phd-eval generate checkpoints/label2city DATA --out samples   (the original's latest_net_G.pth)
    """
    from p2phd_eval.distributed import is_first_process
    from p2phd_eval.generators.sampling.generation import generate as run_sampling
    from p2phd_eval.report.documents.command_documents import GenerateDocument
    from p2phd_eval.report.documents.document import from_result

    output = Output(json_target, silent=not is_first_process())
    result = run_sampling(
        source,
        data,
        out,
        phase=phase,
        precision=precision,
        arithmetic=arithmetic,
        batch_size=batch_size,
        seed=seed,
        style=style,
        clusters=clusters,
        which_epoch=which_epoch,
        label_nc=label_nc,
        instances=instances,
        device=device,
        progress=output.progress,
        note=output.note,
    )
    output.document(from_result(GenerateDocument, result, folder=str(out)))
    output.note(str(result))
