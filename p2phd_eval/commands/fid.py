"""`p2phd-eval fid`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options import (
    Cache,
    Device,
    Dims,
    Force,
    Json,
    Plugin,
    Precision,
    Replicates,
    ResizeMode,
    Seed,
    Weights,
    Workers,
)
from p2phd_eval.features.identity import FeaturePrecision, Resize
from p2phd_eval.report.console import Output


def fid(
    real: Annotated[Path, typer.Argument(help="Real images: folder, .zip, .tar, shards, list; or .npz; see below.")],
    fake: Annotated[Path, typer.Argument(help="Generated images, likewise.")],
    replicates: Replicates = None,
    seed: Seed = 0,
    force: Force = False,
    device: Device = None,
    json_target: Json = None,
    weights: Weights = None,
    resize: ResizeMode = Resize.LEGACY_PYTORCH,
    dims: Dims = 2048,
    precision: Precision = FeaturePrecision.FP32,
    plugin: Plugin = None,
    workers: Workers = None,
    cache: Cache = True,
) -> None:
    """FID between two sets of images with its standard error: pytorch-fid's number, and how far it can be trusted.

    Each set is a folder (subfolders are read too), a .zip or .tar, webdataset shards ("train-{000000..000009}.tar"), a
    .txt list of files, features of `p2phd-eval features` (.npz), or statistics `mu` and `sigma` of any FID tool
    (.npz, .pt), for which no standard error can be had.

    Examples:

        p2phd-eval fid real/ fake/ --json fid.json

        p2phd-eval fid real.npz fake.zip --resize legacy-tensorflow
    """
    from p2phd_eval.features.inputs import open_input

    # Cheap failures first: both are found and listed before torch is loaded.
    inputs = [open_input(real), open_input(fake)]

    from p2phd_eval.features.extraction import FeatureExtractor, FeatureSettings
    from p2phd_eval.features.inputs import as_statistics
    from p2phd_eval.features.precision_shifts import precision_shifts
    from p2phd_eval.report.fid import fid_document, fid_table, statistics_document, statistics_table
    from p2phd_eval.sources.source import ImageSource
    from p2phd_eval.stats.evaluation import evaluate_fid
    from p2phd_eval.stats.feature_set import FeatureSet
    from p2phd_eval.stats.statistics_fid import fid_from_statistics

    output = Output(json_target)
    settings = FeatureSettings(
        weights=weights,
        plugin=plugin,
        resize=resize,
        dims=dims,
        precision=precision,
        device=device,
        workers=workers,
        cache=cache,
    )
    extractor = FeatureExtractor(settings, progress=output.progress, note=output.note)
    sets = [extractor(each) if isinstance(each, ImageSource) else each for each in inputs]
    features = [each for each in sets if isinstance(each, FeatureSet)]
    if len(features) < len(sets):
        statistics = fid_from_statistics(*map(as_statistics, sets), force=force)
        output.table(statistics_table(statistics, str(real), str(fake)))
        output.document(statistics_document(statistics, str(real), str(fake)))
        return
    with output.progress("bootstrap", "replicates") as on_progress:
        result = evaluate_fid(*features, replicates=replicates, seed=seed, force=force, on_progress=on_progress)
    shifts = precision_shifts(extractor, inputs, features, [str(fake)])
    output.table(fid_table(result, str(real), str(fake), shifts))
    output.document(fid_document(result, str(real), str(fake), shifts))
