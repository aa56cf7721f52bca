"""`p2phd-eval fid`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options import BatchSize, Device, Json, Replicates, Seed, Weights
from p2phd_eval.images import list_images
from p2phd_eval.report.console import Output


def fid(
    real: Annotated[Path, typer.Argument(help="Folder of real images; subfolders are read too.")],
    fake: Annotated[Path, typer.Argument(help="Folder of generated images.")],
    weights: Weights = None,
    batch_size: BatchSize = 32,
    replicates: Replicates = None,
    seed: Seed = 0,
    device: Device = None,
    json_target: Json = None,
) -> None:
    """FID between two folders with its standard error: pytorch-fid's number, and how far it can be trusted.

    Example:

        p2phd-eval fid real/ fake/ --json fid.json
    """
    # Cheap failures first: both folders are listed before torch is loaded.
    image_sets = [list_images(real), list_images(fake)]

    from p2phd_eval.devices import describe_device, find_device
    from p2phd_eval.report.fid import fid_document, fid_table
    from p2phd_eval.stats.evaluation import evaluate_fid
    from p2phd_eval.stats.extraction import extract_all

    output = Output(json_target)
    torch_device = find_device(device)
    output.note(f"device: {describe_device(torch_device)}")
    features = extract_all(
        image_sets, weights=weights, device=torch_device, progress=output.progress, batch_size=batch_size
    )
    with output.progress("bootstrap", "replicates") as on_progress:
        result = evaluate_fid(*features, replicates=replicates, seed=seed, on_progress=on_progress)
    output.table(fid_table(result, str(real), str(fake)))
    output.document(fid_document(result, str(real), str(fake)))
