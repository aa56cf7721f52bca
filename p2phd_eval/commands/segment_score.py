"""`p2phd-eval segment score`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from p2phd_eval.commands.options.common import (
    STATISTICS,
    BatchSize,
    ClusterBy,
    Confidence,
    Device,
    Json,
    ProtocolName,
    ScopeChoice,
)
from p2phd_eval.commands.options.folders import Baselines, Candidates
from p2phd_eval.commands.options.places import file_to_write, name_or_path, path
from p2phd_eval.commands.options.segmenter_choice import SEGMENTER, ClassMapFile, Ignore, SegmenterWeights
from p2phd_eval.report.console import Output
from p2phd_eval.stats.segmentation.score_names import SegmentationScore

_EXAMPLES = (
    "Score one run: p2phd-eval segment score LABELS SAMPLES --segmenter NAME\n"
    "or compare one run an arm: p2phd-eval segment score LABELS BASELINE CANDIDATE --segmenter NAME\n"
    "or several: p2phd-eval segment score LABELS --baseline A B C --candidate D E F --segmenter NAME"
)


def score(
    labels: Annotated[
        os.PathLike[str],
        typer.Argument(
            parser=path, help="Label maps that the samples were made of, or a data set with test_label in it."
        ),
    ],
    folders: Annotated[
        list[Path] | None,  # or of addresses: typer knows no list of what has parameters itself
        typer.Argument(
            parser=path,
            metavar="SAMPLES",
            help="One run an arm: the baseline's samples, then those to compare with it, if any.",
        ),
    ] = None,
    segmenter: Annotated[
        str,
        typer.Option(
            "--segmenter",
            callback=name_or_path,
            metavar="NAME|FILE|MODULE:CALLABLE",
            rich_help_panel=SEGMENTER,
            help="Who segments; see docs/segmenters.md.",
        ),
    ] = ...,  # type: ignore[assignment]
    weights: SegmenterWeights = None,
    photos: Annotated[
        os.PathLike[str] | None,
        typer.Option(
            "--photos",
            parser=path,
            metavar="IMAGES",
            help="The real photos of the label maps, for the oracle row. Default: PHASE_img beside PHASE_label.",
        ),
    ] = None,
    class_map: ClassMapFile = None,
    ignore: Ignore = None,
    protocol: ProtocolName = None,
    baselines: Baselines = None,
    candidates: Candidates = None,
    judge: Annotated[
        SegmentationScore,
        typer.Option("--judge", rich_help_panel=STATISTICS, help="What the verdict is about, chosen before looking."),
    ] = SegmentationScore.MEAN_IOU,
    margin: Annotated[
        str | None,
        typer.Option(
            "--margin",
            metavar="POINTS|PERCENT|seeds",
            rich_help_panel=STATISTICS,
            help="Difference that still counts as none, set in advance: in percentage points (1), of the baseline's "
            "score (2%), or 2.77 sd of the baseline's seeds, the default where there are several. Without one nothing "
            "is within.",
        ),
    ] = None,
    scope: ScopeChoice = None,
    cluster_by: ClusterBy = None,
    confidence: Confidence = 0.95,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            metavar="FILE.png",
            callback=file_to_write(".png"),
            help="File to write: maps, photos and what was seen, of the worst and of median images.",
        ),
    ] = None,
    batch_size: BatchSize = 4,
    device: Device = None,
    json_target: Json = None,
) -> None:
    """Segment samples, and score the result against the label maps that they were made of.

    Pixel accuracy, mean accuracy, mean IoU, frequency-weighted IoU and IoU by class, as in the papers of pix2pixHD and
    SPADE, with errors by image, and a verdict on each candidate. The real photos through the same segmenter are the
    oracle row: a score that no generator has to beat. Label maps are never resized; predictions are. What was segmented
    once is kept, by content.

    Examples:

        p2phd-eval segment score data/ fp32/ amp/ --segmenter segmenter.safetensors --margin 1

        p2phd-eval segment score test_label/ fp32/ --segmenter my_module:build --photos test_img/ --class-map map.toml

        p2phd-eval segment score data/ --baseline a0 a1 a2 --candidate amp=b0 b1 b2 --segmenter s.safetensors

        p2phd-eval segment score data/ fp32/ amp/ --segmenter s.safetensors --picture worst.png --json scores.json
    """
    from p2phd_eval.evaluation.arms import ArmFolders, read_arms
    from p2phd_eval.report.documents.segment_documents import segment_document
    from p2phd_eval.report.tables.segment_tables import class_iou_table, segment_table
    from p2phd_eval.segmentation.segmentation_score import segmentation_score

    output = Output(json_target)
    if folders and len(folders) == 1 and not baselines and not candidates:
        arms: tuple[ArmFolders, ...] = (ArmFolders(name=folders[0].name or "samples", folders=tuple(folders)),)
    else:
        arms, _ = read_arms(folders or (), baselines or (), candidates or (), (), examples=_EXAMPLES)
    by_name = {arm.name: arm.folders for arm in arms}
    result = segmentation_score(
        labels,
        by_name,
        segmenter=segmenter,
        weights=weights,
        photos=photos,
        class_map=class_map,
        ignore=ignore or (),
        protocol=protocol,
        judge=judge,
        margin=margin,
        scope=scope,
        cluster_by=cluster_by,
        confidence=confidence,
        batch_size=batch_size,
        device=device,
        picture=picture,
        progress=output.progress,
    )
    document = segment_document(result, by_name, labels=str(labels), photos=None if photos is None else str(photos))
    output.table(segment_table(document))
    output.table(class_iou_table(document))
    output.document(document)
    if picture is not None:
        output.note(f"Picture: {picture}")
