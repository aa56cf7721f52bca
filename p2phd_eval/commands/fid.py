"""`p2phd-eval fid`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import (
    Cache,
    ClusterBy,
    Confidence,
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
    confidence: Confidence = 0.95,
    cluster_by: ClusterBy = None,
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
    """FID between two sets of images: pytorch-fid's number, its standard error, and an interval where one covers.

    Each set is a folder (subfolders are read too), a .zip or .tar, webdataset shards ("train-{000000..000009}.tar"), a
    .txt list of files, features of `p2phd-eval features` (.npz), or statistics `mu` and `sigma` of any FID tool
    (.npz, .pt), for which no standard error can be had.

    Examples:

        p2phd-eval fid real/ fake/ --json fid.json

        p2phd-eval fid real.npz fake.zip --resize legacy-tensorflow

        p2phd-eval fid real/ fake/ --cluster-by cityscapes-city
    """
    from p2phd_eval.evaluation.cluster_rules import parse_rule
    from p2phd_eval.features.inputs import open_input
    from p2phd_eval.features.statistics import Statistics
    from p2phd_eval.stats.confidence import require_confidence

    # Cheap failures first: options are checked, both sets found and listed, before torch is loaded.
    require_confidence(confidence)
    rule = None if cluster_by is None else parse_rule(cluster_by)
    inputs = [open_input(real), open_input(fake)]
    for each in inputs:
        if rule is not None and not isinstance(each, Statistics):
            rule.labels(each.ids)

    from p2phd_eval.evaluation.fid_of_moments import fid_from_statistics
    from p2phd_eval.evaluation.fid_of_sets import evaluate_fid
    from p2phd_eval.evaluation.precision_shifts import precision_shifts
    from p2phd_eval.features.extraction import FeatureExtractor, FeatureSettings
    from p2phd_eval.features.feature_set import FeatureSet
    from p2phd_eval.features.inputs import as_statistics
    from p2phd_eval.images.sources.source import ImageSource
    from p2phd_eval.report.tables.fid_tables import fid_document, fid_table, statistics_document, statistics_table

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
    result = evaluate_fid(
        *features,
        confidence=confidence,
        cluster_by=rule,
        replicates=replicates,
        seed=seed,
        force=force,
        progress=output.progress,
    )
    shifts = precision_shifts(extractor, inputs, features, [str(fake)])
    output.table(fid_table(result, str(real), str(fake), shifts))
    output.document(fid_document(result, str(real), str(fake), shifts))
