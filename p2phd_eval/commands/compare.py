"""`p2phd-eval compare`."""

from __future__ import annotations

from enum import Enum
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
from p2phd_eval.commands.options.folders import Baselines, Candidates, Positional, Runs
from p2phd_eval.errors import InputError
from p2phd_eval.features.identity import FeaturePrecision, Resize
from p2phd_eval.images.png import write_png
from p2phd_eval.report.console import Output
from p2phd_eval.stats.verdicts.scope import Scope

_STRIP_ROWS = 4  # of the images that pull dFID up, and of those that pull it down


class FailOn(str, Enum):
    """The verdicts that `--fail-on` takes."""

    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"


def compare(
    real: Annotated[Path, typer.Argument(help="The real images: a folder, archive, list or features, as for `fid`.")],
    folders: Positional = None,
    baselines: Baselines = None,
    candidates: Candidates = None,
    runs: Runs = None,
    margin: Annotated[
        str | None,
        typer.Option(
            "--margin",
            metavar="NUMBER|PERCENT|seeds",
            help="Difference that still counts as none, set in advance: in FID (2.0), of the baseline's FID (2%), or "
            "2.77 sd of the baseline's seeds, the default where there are several. Without one nothing is within.",
            show_default=False,
        ),
    ] = None,
    scope: Annotated[
        Scope | None,
        typer.Option(
            "--scope",
            help="A: these checkpoints, images random. B: the recipes, training seeds random too. Default: B where "
            "every arm has several runs.",
            show_default=False,
        ),
    ] = None,
    cluster_by: ClusterBy = None,
    confidence: Confidence = 0.95,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse sets whose names do not match throughout.")] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Say where the difference comes from: parts, images, clusters, classes; --picture shows."
        ),
    ] = False,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="Label maps, for --explain: the share of each class, and pictures.")
    ] = None,
    fail_on: Annotated[
        list[FailOn] | None, typer.Option("--fail-on", help="Exit with 1 on this verdict; may be repeated.")
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture", help="PNG to write: images of all arms side by side; with --explain the most influential."
        ),
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
    verdict and the reason for it. Where the bias of FID at this number of images hides the answer, KID gives it.

    Examples:

        p2phd-eval compare real/ runs/fp32/samples runs/amp/samples --margin 2.0

        p2phd-eval compare real/ --baseline fp32-0 fp32-1 fp32-2 --candidate amp-0 amp-1 amp-2 --margin 2%

        p2phd-eval compare real/ --runs study/ --cluster-by cityscapes-city --json verdict.json

        p2phd-eval compare real/ fp32/ amp/ --explain --labels data/test_label --picture worst.png
    """
    from p2phd_eval.evaluation.arms import read_arms
    from p2phd_eval.evaluation.cluster_rules import parse_rule
    from p2phd_eval.evaluation.pairing import common_ids, require_unique_ids
    from p2phd_eval.features.inputs import open_images_or_features
    from p2phd_eval.images.sources.source import ImageSource
    from p2phd_eval.stats.confidence import require_confidence
    from p2phd_eval.stats.errors.seeds import require_runs
    from p2phd_eval.stats.verdicts.margins import parse_margin, require_seeds

    # Cheap failures first: options, images and names are checked before the network computes anything.
    margin_rule = parse_margin(margin)
    require_confidence(confidence)
    cluster_rule = None if cluster_by is None else parse_rule(cluster_by)
    arms, arm_notes = read_arms(folders or (), baselines or (), candidates or (), runs or ())
    require_seeds(margin_rule, len(arms[0].folders))
    if scope is Scope.RECIPES:
        require_runs({arm.name: len(arm.folders) for arm in arms})
    paths = [real, *(folder for arm in arms for folder in arm.folders)]
    inputs = [open_images_or_features(path) for path in paths]
    named_ids = [(str(path), each.ids) for path, each in zip(paths, inputs, strict=True)]
    require_unique_ids(named_ids)
    if cluster_rule is not None:
        for each in inputs:
            cluster_rule.labels(each.ids)
    if labels is not None and not explain:
        raise InputError("--labels", expected="--explain beside it", found="no --explain")
    if picture is not None and any(not isinstance(each, ImageSource) for each in inputs):
        raise InputError("--picture", expected="images in all arguments", found="features, which show nothing")
    if picture is not None:
        common_ids(named_ids)

    from p2phd_eval.evaluation import comparison as set_comparison
    from p2phd_eval.evaluation.class_shares import label_class_shares, stored_class_names
    from p2phd_eval.evaluation.precision_shifts import precision_shifts
    from p2phd_eval.features.extraction import FeatureExtractor, FeatureSettings
    from p2phd_eval.images.sources.open import open_source
    from p2phd_eval.report.tables.comparison_tables import comparison_document, comparison_picture, comparison_table
    from p2phd_eval.report.tables.explanation_tables import explanation_document, explanation_tables, influence_strip

    output = Output(json_target)
    for note in arm_notes:
        output.note(note)
    label_maps = None if labels is None else open_source(labels)
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
    sets = iter(features[1:])
    result = set_comparison.compare_feature_sets(
        features[0],
        [set_comparison.FeatureArm(name=arm.name, runs=tuple(next(sets) for _ in arm.folders)) for arm in arms],
        margin=margin_rule,
        scope=scope,
        cluster_by=cluster_rule,
        confidence=confidence,
        replicates=replicates,
        seed=seed,
        strict=strict,
        force=force,
        progress=output.progress,
    )
    names = [
        arm.name if len(arm.folders) == 1 else f"{arm.name} {k}" for arm in arms for k, _ in enumerate(arm.folders)
    ]
    shifts = precision_shifts(extractor, inputs, features, names)
    output.table(comparison_table(result, str(real), shifts))
    document = comparison_document(result, str(real), [arm.folders for arm in arms], shifts)
    explanations = []
    if explain:
        shares = None
        if labels is not None and label_maps is not None:
            with output.progress("label maps", "maps") as on_progress:
                shares = label_class_shares(label_maps, result.ids, stored_class_names(labels), on_progress)
        explanations = [set_comparison.explain(result, k, shares) for k in range(len(result.candidates))]
        for candidate, explanation, entry in zip(result.candidates, explanations, document["candidates"], strict=True):
            entry["explanation"] = explanation_document(explanation)
            for table in explanation_tables(explanation, candidate.name):
                output.table(table)
    output.document(document)
    if picture is not None:
        sources = [each for each in inputs if isinstance(each, ImageSource)]
        if explanations and (explanations[0].upward or explanations[0].downward):
            first = [sources[0], sources[1], sources[1 + len(arms[0].folders)]]
            images = explanations[0].upward[:_STRIP_ROWS] + explanations[0].downward[:_STRIP_ROWS]
            pixels = influence_strip(images, first, ["real", arms[0].name, arms[1].name], label_maps)
        else:
            pixels = comparison_picture(sources, ["real", *names])
        write_png(picture, pixels)
        output.note(f"Picture: {picture}")
    found = {candidate.verdict.value for candidate in result.candidates}
    if found & {verdict.value for verdict in fail_on or ()}:
        raise typer.Exit(1)
