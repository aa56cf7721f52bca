"""`p2phd-eval compare`."""

from __future__ import annotations

from enum import Enum
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
from p2phd_eval.errors import InputError
from p2phd_eval.features.identity import FeaturePrecision, Resize
from p2phd_eval.images import write_png
from p2phd_eval.report.console import Output


class FailOn(str, Enum):
    """The verdicts that `--fail-on` takes."""

    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"


def compare(
    real: Annotated[Path, typer.Argument(help="The real images: a folder, archive, list or features, as for `fid`.")],
    baseline: Annotated[Path, typer.Argument(help="The baseline's images, such as fp32.")],
    candidates: Annotated[list[Path], typer.Argument(help="Images to compare with the baseline's, such as AMP.")],
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
    """Is the FID of each candidate within the error range of the baseline's, worse, better, or undecided?

    Images are paired by the stem of their label map. Each difference comes with its standard error, intervals, a
    verdict and the reason for it.

    Examples:

        p2phd-eval compare real/ runs/fp32/samples runs/amp/samples --margin 2.0

        p2phd-eval compare real/ fp32/ amp/ --margin 2.0 --fail-on worse --json verdict.json
    """
    from p2phd_eval.features.inputs import open_images_or_features
    from p2phd_eval.sources.source import ImageSource
    from p2phd_eval.stats.equivalence import require_margin
    from p2phd_eval.stats.pairing import common_ids, require_unique_ids

    # Cheap failures first: margin, images and names are checked before the network computes anything.
    require_margin(margin)
    paths = (real, baseline, *candidates)
    inputs = [open_images_or_features(path) for path in paths]
    named_ids = [(str(path), each.ids) for path, each in zip(paths, inputs, strict=True)]
    require_unique_ids(named_ids)
    common_ids(named_ids)
    sources = [each for each in inputs if isinstance(each, ImageSource)]
    if picture is not None and len(sources) < len(inputs):
        raise InputError("--picture", expected="images in all arguments", found="features, which show nothing")

    from p2phd_eval.features.extraction import FeatureExtractor, FeatureSettings
    from p2phd_eval.features.precision_shifts import precision_shifts
    from p2phd_eval.report.comparison import comparison_document, comparison_picture, comparison_table, short_names
    from p2phd_eval.stats.comparison import compare_fid

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
    names = short_names([baseline, *candidates])
    features = [extractor(each) if isinstance(each, ImageSource) else each for each in inputs]
    with output.progress("bootstrap", "replicates") as on_progress:
        result = compare_fid(
            features[0],
            features[1],
            list(zip(names[1:], features[2:], strict=True)),
            names[0],
            margin=margin,
            replicates=replicates,
            seed=seed,
            force=force,
            on_progress=on_progress,
        )
    shifts = precision_shifts(extractor, inputs, features, names)
    output.table(comparison_table(result, str(real), shifts))
    output.document(comparison_document(result, str(real), [baseline, *candidates], shifts))
    if picture is not None:
        write_png(picture, comparison_picture(sources, ["real", *names]))
        output.note(f"Picture: {picture}")
    found = {candidate.verdict.value for candidate in result.candidates}
    if found & {verdict.value for verdict in fail_on or ()}:
        raise typer.Exit(1)
