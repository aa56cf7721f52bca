"""`p2phd-eval floor`."""

import os
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import (
    STATISTICS,
    ClusterBy,
    Confidence,
    DistanceWeights,
    Json,
    LpipsWeights,
    Seed,
)
from p2phd_eval.commands.options.feature_network import with_feature_settings
from p2phd_eval.commands.options.folders import Baselines, Candidates, Positional, parse_folders
from p2phd_eval.commands.options.places import path, text_to_write
from p2phd_eval.evaluation.arms import GivenFolders
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.quality.distance_weights import parse_distance_weights
from p2phd_eval.report.console import Output


@with_feature_settings
def floor(
    settings: FeatureSettings,
    folders: Positional = None,
    baselines: Baselines = None,
    candidates: Candidates = None,
    benign: Annotated[
        list[GivenFolders] | None,
        typer.Option(
            "--benign",
            parser=parse_folders,
            metavar="FOLDER...",
            help="The baseline, made again in a way that ought to change nothing: the same seed once more, compiled, "
            "another batch size or attention kernel. With one run an arm each folder is a variant; with several give "
            "the option once for each variant.",
        ),
    ] = None,
    real: Annotated[
        os.PathLike[str] | None,
        typer.Option("--real", parser=path, metavar="IMAGES", help="The real photos, by which quality is judged."),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            "--judge",
            metavar="lpips|ssim|mse|...",
            rich_help_panel=STATISTICS,
            help="The distance that the verdict is about. Default: lpips, or ssim where its weights cannot be had.",
        ),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance", rich_help_panel=STATISTICS, help="Times the noise floor that still counts as inside."
        ),
    ] = 1.25,
    margin: Annotated[
        str,
        typer.Option(
            "--margin",
            metavar="NUMBER|PERCENT|seeds",
            rich_help_panel=STATISTICS,
            help="A change of quality that still counts as none, set in advance: a share of the baseline's FID and of "
            "its distance to the photos, or of FID alone as for `compare`.",
        ),
    ] = "2%",
    cluster_by: ClusterBy = None,
    confidence: Confidence = 0.95,
    seed: Seed = 0,
    lpips_weights: LpipsWeights = None,
    distance_weights: DistanceWeights = None,
    markdown: Annotated[
        os.PathLike[str] | None,
        typer.Option(
            "--markdown",
            parser=path,
            callback=text_to_write,
            metavar="FILE",
            help="Markdown to write, for a pull request.",
        ),
    ] = None,
    json_target: Json = None,
) -> None:
    """Trajectory or quality? Say whether a candidate moves pixels more than harmless changes do, and if so, what for.

    The distance of each image to the same one of the baseline stands beside that of benign variants: the noise floor.
    A candidate is inside the floor; or above it, with the quality kept; or its quality is worse. Quality is the FID and
    the distance to the real photos; without them, KID between the arms stands beside that of the variants.

    Examples:

        p2phd-eval floor fp32/ int8/ fp8/ --benign fp32-again/ fp32-compiled/ --real photos/

        p2phd-eval floor --baseline a0 a1 a2 --candidate int8=b0 b1 b2 --benign compiled=c0 c1 c2 --json floor.json
    """
    from p2phd_eval.evaluation.arms import read_floor_arms
    from p2phd_eval.files import atomic_write, page_bytes
    from p2phd_eval.quality.noise_floor import noise_floor
    from p2phd_eval.report.documents.floor_documents import floor_document
    from p2phd_eval.report.tables.floor_tables import (
        floor_distance_table,
        floor_kid_table,
        floor_verdict_table,
        render_floor_markdown,
    )

    output = Output(json_target)
    arms = read_floor_arms(folders or (), baselines or (), candidates or (), benign or ())
    every = (arms.baseline, *arms.benign, *arms.candidates)
    result = noise_floor(
        {arms.baseline.name: arms.baseline.folders},
        {arm.name: arm.folders for arm in arms.candidates},
        {arm.name: arm.folders for arm in arms.benign},
        real=real,
        judge=judge,
        tolerance=tolerance,
        margin=margin,
        cluster_by=cluster_by,
        confidence=confidence,
        seed=seed,
        lpips_weights=lpips_weights,
        distance_weights=parse_distance_weights(distance_weights or ()),
        settings=settings,
        progress=output.progress,
        note=output.note,
    )
    document = floor_document(result, {arm.name: arm.folders for arm in every}, None if real is None else str(real))
    for table in (floor_verdict_table(document), floor_distance_table(document), floor_kid_table(document)):
        if table is not None:
            output.table(table)
    output.document(document)
    if markdown is not None:
        with atomic_write(markdown) as stream:
            stream.write(page_bytes(render_floor_markdown(document)))
