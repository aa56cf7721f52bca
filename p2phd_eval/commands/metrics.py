"""`p2phd-eval metrics`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import (
    Cache,
    Device,
    Dims,
    Force,
    Json,
    Plugin,
    Precision,
    ResizeMode,
    Seed,
    Weights,
    Workers,
)
from p2phd_eval.features.identity import FeaturePrecision, Resize
from p2phd_eval.report.console import Output


def metrics(
    real: Annotated[Path, typer.Argument(help="Real images: a folder, archive, list or features, as for `fid`.")],
    fake: Annotated[Path, typer.Argument(help="Generated images, likewise.")],
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
    """FID, KID, FID-infinity, precision, recall, density and coverage of generated images, from the same features.

    Example:

        p2phd-eval metrics real/ fake/ --json metrics.json
    """
    from p2phd_eval.features.inputs import open_images_or_features

    inputs = [open_images_or_features(real), open_images_or_features(fake)]

    from p2phd_eval.evaluation.metrics_of_sets import evaluate_metrics
    from p2phd_eval.evaluation.precision_shifts import precision_shifts
    from p2phd_eval.features.extraction import FeatureExtractor, FeatureSettings
    from p2phd_eval.images.sources.source import ImageSource
    from p2phd_eval.report.tables.metrics_tables import metrics_document, metrics_table

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
    features = [extractor(each) if isinstance(each, ImageSource) else each for each in inputs]
    with output.progress("metrics", "%") as on_progress:
        result = evaluate_metrics(*features, seed=seed, force=force, on_progress=on_progress)
    shifts = precision_shifts(extractor, inputs, features, [str(fake)])
    output.table(metrics_table(result, str(real), str(fake), shifts))
    output.document(metrics_document(result, str(real), str(fake), shifts))
