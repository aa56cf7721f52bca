"""`p2phd-eval compare`."""

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import (
    STATISTICS,
    ClusterBy,
    Confidence,
    Force,
    Json,
    Judge,
    ProtocolName,
    Reference,
    Replicates,
    ScopeChoice,
    Seed,
)
from p2phd_eval.commands.options.feature_network import with_feature_settings
from p2phd_eval.commands.options.folders import Baselines, Candidates, Positional, Runs
from p2phd_eval.commands.options.places import file_to_write, path
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.report.console import Output
from p2phd_eval.stats.estimands import Estimand

_EXPLANATION = "Explanation"


class FailOn(str, Enum):
    """The verdicts that `--fail-on` takes."""

    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"


@with_feature_settings
def compare(
    real: Annotated[
        os.PathLike[str],
        typer.Argument(parser=path, help="The real images: a folder, archive, list or features, as for `fid`."),
    ],
    settings: FeatureSettings,
    folders: Positional = None,
    baselines: Baselines = None,
    candidates: Candidates = None,
    runs: Runs = None,
    margin: Annotated[
        str | None,
        typer.Option(
            "--margin",
            metavar="NUMBER|PERCENT|seeds",
            rich_help_panel=STATISTICS,
            help="Difference that still counts as none, set in advance: in units of what is judged (2.0), of the "
            "baseline's value (2%), or 2.77 sd of the baseline's seeds, the default where there are several. Without "
            "one nothing is within.",
        ),
    ] = None,
    judge: Judge = Estimand.FID_AT_N,
    reference: Reference = None,
    scope: ScopeChoice = None,
    cluster_by: ClusterBy = None,
    confidence: Confidence = 0.95,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse sets whose names do not match throughout.")] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            rich_help_panel=_EXPLANATION,
            help="Say where the difference comes from: parts, images, clusters, classes; --picture shows.",
        ),
    ] = False,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            metavar="IMAGES",
            rich_help_panel=_EXPLANATION,
            help="Label maps, for --explain: the share of each class, and pictures.",
        ),
    ] = None,
    fail_on: Annotated[
        list[FailOn] | None, typer.Option("--fail-on", help="Exit with 1 on this verdict; may be repeated.")
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            metavar="FILE.png",
            callback=file_to_write(".png"),
            rich_help_panel=_EXPLANATION,
            help="File to write: images of all arms side by side; with --explain the most influential.",
        ),
    ] = None,
    replicates: Replicates = None,
    seed: Seed = 0,
    force: Force = False,
    protocol: ProtocolName = None,
    json_target: Json = None,
) -> None:
    """Judge the FID of each candidate against a baseline's: within the error range, worse, better, or inconclusive.

    Images are paired by the stem of their label map. The difference of FID at this number of images is judged, with its
    standard error, intervals, a verdict and the reason for it. A second measure, which does not depend on the number
    of images, stands beside it and can make the verdict more careful, never less.

    Examples:

        p2phd-eval compare real/ runs/fp32/samples runs/amp/samples --margin 2.0

        p2phd-eval compare real/ --baseline fp32-0 fp32-1 fp32-2 --candidate amp-0 amp-1 amp-2 --margin 2%

        p2phd-eval compare real/ --runs study/ --cluster-by cityscapes-city --json verdict.json

        p2phd-eval compare real/ fp32/ amp/ --margin 2% --reference data/train_img

        p2phd-eval compare real/ fp32/ amp/ --explain --labels data/test_label --picture worst.png
    """
    from p2phd_eval.evaluation.arms import read_arms
    from p2phd_eval.evaluation.compare_images import compare_images
    from p2phd_eval.report.documents.comparison_documents import comparison_document
    from p2phd_eval.report.tables.comparison_tables import comparison_table, measures_table
    from p2phd_eval.report.tables.explanation_tables import explanation_tables
    from p2phd_eval.stats.verdicts.equivalence import Verdict

    output = Output(json_target)
    arms, notes = read_arms(folders or (), baselines or (), candidates or (), runs or ())
    if not runs:  # of runs they are told below
        for text in notes:
            output.note(text)
    result = compare_images(
        real,
        *(() if runs else ({arm.name: arm.folders for arm in arms},)),
        runs=[folder for group in runs for folder in group.folders] if runs else None,
        margin=margin,
        judge=judge,
        reference=reference,
        scope=scope,
        cluster_by=cluster_by,
        confidence=confidence,
        strict=strict,
        explain=explain,
        labels=labels,
        picture=picture,
        replicates=replicates,
        seed=seed,
        force=force,
        protocol=protocol,
        settings=settings,
        progress=output.progress,
        note=output.note,
    )
    output.table(comparison_table(result, str(real)))
    output.table(measures_table(result))
    of = "condition" if result.pairing == "conditions" else "label map"
    for candidate, explanation in zip(result.candidates, result.explanations, strict=False):
        for table in explanation_tables(explanation, candidate.name, of):
            output.table(table)
    output.document(comparison_document(result, str(real), list(result.arms.values())))
    if picture is not None:
        output.note(f"Picture: {picture}")
    unwanted = {Verdict(each.value) for each in fail_on or ()}
    if Verdict.INCONCLUSIVE in unwanted:
        unwanted.add(Verdict.NOT_JUDGED)
    if unwanted & {candidate.verdict for candidate in result.candidates}:
        raise typer.Exit(1)
