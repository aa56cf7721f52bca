"""`p2phd-eval generate`."""

import re
from collections.abc import Sequence
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
from p2phd_eval.commands.options.places import folder_to_write
from p2phd_eval.config import RESIZE_MODES
from p2phd_eval.errors import InputError
from p2phd_eval.report.console import Output

_FEATURES = "A model with features"
_ENGINES = "Engines"
_PIN = re.compile(r"(-?[0-9]{1,10})=([0-9]{1,9})")


def generate(
    source: Source,
    data: Annotated[Path, typer.Argument(help="Data set with label maps; photos only for --style photo.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", callback=folder_to_write, help="Image folder to write.")
    ],
    phase: Phase = "test",
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            help="What sampling computes in, whatever trained: fp64, fp32, tf32, amp-fp16, amp-bf16, fp16, bf16, "
            "amp-fp8, fp8-plain, fp4-plain; of a graph fp32, fp16, bf16, int8.",
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
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            metavar="torch|compile|onnxruntime|tensorrt",
            rich_help_panel=_ENGINES,
            help="What runs the network: torch, as it is or compiled, or an ONNX graph, which is kept in RUN/graphs.",
        ),
    ] = "torch",
    graph: Annotated[
        Path | None,
        typer.Option(
            "--graph",
            metavar="FILE.onnx",
            rich_help_panel=_ENGINES,
            help="An exported graph of this checkpoint to run. Default: it is made.",
        ),
    ] = None,
    calibrate_on: Annotated[
        Path | None,
        typer.Option(
            "--calibrate-on",
            metavar="DATA",
            rich_help_panel=_ENGINES,
            help="Data set whose training maps set the ranges of int8. Default: the one that is generated.",
        ),
    ] = None,
    batch_size: BatchSize = 4,
    seed: Seed = 0,
    load_size: Annotated[
        int | None,
        typer.Option(
            "--load-size",
            min=1,
            help="Width in pixels to which label maps are scaled; with resize_and_crop height and width. Default: as "
            "while training.",
        ),
    ] = None,
    resize_or_crop: Annotated[
        str | None,
        typer.Option(
            "--resize-or-crop",
            metavar="|".join(RESIZE_MODES),
            help="How label maps are made to fit; nothing is cropped. Default: as while training.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            metavar="NUMBER",
            min=1,
            help="Generate so many images alone, the first ones, by name; a later call without it adds the others.",
        ),
    ] = None,
    page: Annotated[
        bool, typer.Option("--page", help="Write OUT/index.html, too: label maps and samples side by side.")
    ] = False,
    style: Annotated[
        list[str] | None,
        typer.Option(
            "--style",
            metavar="clusters|photo|REGION=K",
            rich_help_panel=_FEATURES,
            help="Features drawn from the clusters of their class (the default), or of the data set's photo; and for "
            "the region of a number (in instance maps; with label features a class) cluster K, from 0, of its class. "
            "May be repeated.",
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
    made again, those whose label map is gone are removed. Styles that DATA/PHASE_styles.json sets are taken from there.

    Examples:

        p2phd-eval generate runs/amp DATA --out runs/amp/samples

        p2phd-eval generate runs/512p-feat DATA --out runs/512p-feat/encoded --style photo

        p2phd-eval generate runs/512p-feat DATA --out samples --style clusters --style 26001=3 --style 7=0

        p2phd-eval generate runs/amp DATA --out look --limit 20 --load-size 512 --page

        p2phd-eval generate runs/fp32 DATA --out int8 --engine onnxruntime --precision int8

        torchrun --nproc-per-node 8 --no-python p2phd-eval generate runs/amp DATA --out runs/amp/samples

        p2phd-eval generate checkpoints/label2city DATA --out samples  # the original's latest_net_G.pth
    """
    from p2phd_eval.distributed import is_first_process
    from p2phd_eval.generators.sampling.generation import generate as run_sampling
    from p2phd_eval.report.documents.command_documents import GenerateDocument
    from p2phd_eval.report.documents.document import from_result

    base, pins = parse_styles(style or [])
    output = Output(json_target, silent=not is_first_process())
    result = run_sampling(
        source,
        data,
        out,
        phase=phase,
        precision=precision,
        arithmetic=arithmetic,
        engine=engine,
        graph=graph,
        calibrate_on=calibrate_on,
        batch_size=batch_size,
        seed=seed,
        style=base,
        pins=pins,
        clusters=clusters,
        load_size=load_size,
        resize_or_crop=resize_or_crop,
        limit=limit,
        page=page,
        which_epoch=which_epoch,
        label_nc=label_nc,
        instances=instances,
        device=device,
        progress=output.progress,
        note=output.note,
    )
    output.document(from_result(GenerateDocument, result, folder=str(out)))
    output.note(str(result))


def parse_styles(given: Sequence[str]) -> tuple[str | None, dict[int, int]]:
    """Return the one word among styles, if there is one, and the clusters of regions."""
    words, pins = list[str](), dict[int, int]()
    for each in given:
        found = _PIN.fullmatch(each)
        if found is None:
            words.append(each)
        elif pins.setdefault(int(found[1]), int(found[2])) != int(found[2]):
            raise InputError(
                "--style", expected=f"one cluster of region {int(found[1])}", found=f"two, the other {each}"
            )
    if len(words) > 1 or any("=" in word for word in words):
        expected = "clusters or photo, once, and REGION=K, two whole numbers"
        raise InputError("--style", expected=expected, found=" ".join(map(repr, words)))
    return (words[0] if words else None), pins
