"""`p2phd-eval segment train`."""

from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import Device, Json
from p2phd_eval.commands.options.places import file_to_write
from p2phd_eval.report.console import Output


def train(
    data: Annotated[Path, typer.Argument(help="Data set in pix2pixHD's layout: train_img and train_label.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE.safetensors",
            callback=file_to_write(".safetensors"),
            help="File to write. Default: one in the cache.",
        ),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(
            "--width",
            min=16,
            help="At which it reads photos, in training and ever after, in pixels; choose that of the samples. "
            "Default: that of the photos, 256 at most.",
        ),
    ] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps of training, of eight photos each.")] = 1500,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")] = 0,
    ignore: Annotated[
        list[int] | None,
        typer.Option(
            "--ignore", metavar="NUMBER", help="A label that stands for no class; may be repeated. Default: 255."
        ),
    ] = None,
    device: Device = None,
    json_target: Json = None,
) -> None:
    """Train a segmenter on a data set's own photos and label maps, to score samples with.

    Minutes on a CPU. Killed at any moment and called again, it goes on and gives the same segmenter; one that is
    finished is taken as it is. A tenth of the training photos is kept to say how well it reads; test photos are not
    touched.

    Examples:

        p2phd-eval segment train scenes --out segmenter.safetensors --width 128

        p2phd-eval segment train camvid --out camvid.safetensors --width 128 --ignore 11
    """
    from p2phd_eval.files import file_sha256
    from p2phd_eval.report.documents.command_documents import HeldOutScores, SegmentTrainDocument
    from p2phd_eval.report.documents.document import from_result
    from p2phd_eval.segmentation.train_segmenter import train_segmenter

    output = Output(json_target)
    trained = train_segmenter(
        data,
        out,
        width=width,
        steps=steps,
        seed=seed,
        ignore=(255,) if ignore is None else ignore,
        device=device,
        progress=output.progress,
    )
    header = trained.header
    output.document(
        from_result(
            SegmentTrainDocument,
            header.recipe,
            file=str(trained.path),
            sha256=file_sha256(trained.path),
            classes=header.classes,
            photos=header.photos,
            data_sha256=header.data_sha256,
            held_out=from_result(HeldOutScores, header.held_out),
        )
    )
    output.note(str(trained))
