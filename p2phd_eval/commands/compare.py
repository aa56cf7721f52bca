"""`p2phd-eval compare`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options import BatchSize, Device, Json, Replicates, Seed, Weights
from p2phd_eval.images import list_images, write_png
from p2phd_eval.report.console import Output


class FailOn(str, Enum):
    """The verdicts that `--fail-on` takes."""

    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"


def compare(
    real: Annotated[Path, typer.Argument(help="Folder of the real images.")],
    baseline: Annotated[Path, typer.Argument(help="Folder of the baseline's images, such as fp32.")],
    candidates: Annotated[list[Path], typer.Argument(help="Folders to compare with the baseline, such as AMP.")],
    margin: Annotated[
        float | None,
        typer.Option(
            "--margin",
            help="FID difference that still counts as none, set in advance. Without it nothing is called within.",
        ),
    ] = None,
    fail_on: Annotated[
        list[FailOn] | None, typer.Option("--fail-on", help="Exit with 1 on this verdict; may be repeated.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="PNG to write: some images of all folders side by side.")
    ] = None,
    weights: Weights = None,
    batch_size: BatchSize = 32,
    replicates: Replicates = None,
    seed: Seed = 0,
    device: Device = None,
    json_target: Json = None,
) -> None:
    """Is the FID of each candidate within the error range of the baseline's, worse, better, or undecided?

    Images are paired by the stem of their label map. Each difference comes with its standard error, intervals, a
    verdict and the reason for it.

    Examples:

        p2phd-eval compare real/ runs/fp32/samples runs/amp/samples --margin 2.0

        p2phd-eval compare real/ fp32/ amp/ --margin 2.0 --fail-on worse --json verdict.json
    """
    from p2phd_eval.stats.equivalence import require_margin
    from p2phd_eval.stats.pairing import common_ids, require_unique_ids

    # Cheap failures first: margin, folders and names are checked before the network computes anything.
    require_margin(margin)
    image_sets = [list_images(folder) for folder in (real, baseline, *candidates)]
    named_ids = [(str(images.root), images.ids) for images in image_sets]
    require_unique_ids(named_ids)
    common_ids(named_ids)

    from p2phd_eval.devices import describe_device, find_device
    from p2phd_eval.report.comparison import comparison_document, comparison_picture, comparison_table, short_names
    from p2phd_eval.stats.comparison import compare_fid
    from p2phd_eval.stats.extraction import extract_all

    output = Output(json_target)
    torch_device = find_device(device)
    names = short_names([baseline, *candidates])
    output.note(f"device: {describe_device(torch_device)}")
    features = extract_all(
        image_sets, weights=weights, device=torch_device, progress=output.progress, batch_size=batch_size
    )
    with output.progress("bootstrap", "replicates") as on_progress:
        result = compare_fid(
            features[0],
            features[1],
            list(zip(names[1:], features[2:], strict=True)),
            names[0],
            margin=margin,
            replicates=replicates,
            seed=seed,
            on_progress=on_progress,
        )
    output.table(comparison_table(result, str(real)))
    output.document(comparison_document(result, str(real), [baseline, *candidates]))
    if picture is not None:
        write_png(picture, comparison_picture(image_sets, ["real", *names]))
        output.note(f"Picture: {picture}")
    found = {candidate.verdict.value for candidate in result.candidates}
    if found & {verdict.value for verdict in fail_on or ()}:
        raise typer.Exit(1)
