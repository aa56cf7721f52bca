"""The document of `segment score`, which is also a part of a study's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct

from p2phd_eval.report.documents.document import Document, finite, from_result
from p2phd_eval.report.segment_wording import segment_sentence
from p2phd_eval.stats.segmentation.score_names import SegmentationScore
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.scope import Scope
from p2phd_eval.stores.store_path import AnyPath

if TYPE_CHECKING:
    from p2phd_eval.segmentation.segmentation_score import SegmentationResult
    from p2phd_eval.stats.segmentation.compared_scores import ArmScores, JudgedScore, ScoreComparison, ScoreDifference
    from p2phd_eval.stats.segmentation.score_errors import ScoreEstimate


class StudySegmenter(Struct, frozen=True, kw_only=True):
    """Who segments the samples of a study, and what the numbers of its label maps mean."""

    name: str  # as `find_segmenter` takes it; a file by its absolute path
    weights: str | None
    class_map: str | None
    ignore: tuple[int, ...]


class ScorePart(Struct, frozen=True, kw_only=True):
    """A score in percent, the mean over runs."""

    value: float
    se: float  # images random: chance, and the bias that ratios of few images have
    interval: tuple[float, float] | None  # two-sided; null: too few images hold the class


class ScoreDifferencePart(Struct, frozen=True, kw_only=True):
    """A candidate's score less the baseline's, in percentage points; positive: better."""

    estimate: float
    se: float  # in the document's scope
    interval: tuple[float, float] | None  # two-sided; null: too few images hold the class
    p_value: float | None  # two-sided, of no difference
    p_holm: float | None  # adjusted for all candidates, and of classes for all classes


class ConfusionPart(Struct, frozen=True, kw_only=True):
    """Pixels of one class that are taken for another."""

    true: str
    predicted: str
    share: float  # of the pixels of the true class


class SegmentClass(Struct, frozen=True, kw_only=True):
    """One class."""

    name: str
    pixels: int  # that are of it in the label maps
    held_by: int  # label maps that have it
    counted: bool  # whether the label maps have it, so that it is in the means


class SegmentArm(Struct, frozen=True, kw_only=True):
    """The scores of one arm, or of the real photos."""

    name: str
    folders: tuple[str, ...]
    runs: tuple[dict[SegmentationScore, float], ...]  # of each run, in percent
    scores: dict[SegmentationScore, ScorePart]
    classes: tuple[ScorePart | None, ...]  # IoU, in the order of the document's; null: it occurs nowhere
    differences: dict[SegmentationScore, ScoreDifferencePart]  # to the baseline; empty of itself and of real photos
    class_differences: tuple[ScoreDifferencePart | None, ...]  # likewise
    confusions: tuple[ConfusionPart, ...]  # the largest shares


class SegmentVerdict(Struct, frozen=True, kw_only=True):
    """The verdict on a candidate, in percentage points; positive: better."""

    name: str
    verdict: Verdict
    sentence: str  # in words, with scope, reason and numbers
    estimate: float
    se: float
    df: float | None  # null: normal
    interval: tuple[float, float]  # two-sided
    tost_interval: tuple[float, float]  # at 2 confidence - 1
    margin: float | None
    margin_text: str  # where it comes from
    p_difference_holm: float
    p_equivalence_holm: float | None
    material: bool
    non_inferior: bool | None


class SegmentStamp(Struct, frozen=True, kw_only=True):
    """What decided the scores beside the images: numbers compare where all of it agrees."""

    segmenter: str
    identity: str  # SHA-256 of its weights, code and settings
    classes: tuple[str, ...]  # that are scored
    class_map_sha256: str
    size: str  # at which maps are compared
    photo_sizes: tuple[tuple[int, int], ...]  # width and height of the samples as the segmenter got them, each once
    protocol: str | None = None  # that the images were held against; null: none


class SegmentDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/segment"):
    """What a segmenter finds in samples, against their label maps."""

    again: ClassVar[str] = "Make it again: p2phd-eval segment score LABELS SAMPLES --segmenter NAME --json FILE"

    labels: str
    photos: str | None  # the real photos; null: none, and so no oracle row
    stamp: SegmentStamp
    images: int
    clusters: int | None  # null: each image is its own
    judge: SegmentationScore  # what the verdicts are about
    scope: Scope
    confidence: float
    classes: tuple[SegmentClass, ...]
    real: SegmentArm | None  # the oracle row: the real photos through the same segmenter
    arms: tuple[SegmentArm, ...]  # the baseline first
    verdicts: tuple[SegmentVerdict, ...]
    worst: tuple[str, ...]  # images of the last arm with the lowest scores
    notes: tuple[str, ...]


def segment_document(
    result: SegmentationResult, folders: Mapping[str, Sequence[AnyPath | str]], *, labels: str, photos: str | None
) -> SegmentDocument:
    """Return the document of a result; `folders`: of each arm's runs, by its name."""
    found = result.comparison
    return from_result(
        SegmentDocument,
        found,
        labels=labels,
        photos=photos,
        stamp=from_result(SegmentStamp, result.stamp),
        classes=tuple(
            SegmentClass(name=name, pixels=pixels, held_by=held, counted=counted)
            for name, pixels, held, counted in zip(
                result.stamp.classes, found.pixels, found.held_by, found.counted, strict=True
            )
        ),
        real=None if found.real is None else _arm(found.real, result, ()),
        arms=tuple(_arm(arm, result, folders.get(arm.name, ())) for arm in found.arms),
        verdicts=tuple(_verdict(each, found) for each in found.verdicts),
        worst=result.worst,
        notes=result.notes,
    )


def _arm(arm: ArmScores, result: SegmentationResult, folders: Sequence[AnyPath | str]) -> SegmentArm:
    return SegmentArm(
        name=arm.name,
        folders=tuple(map(str, folders)),
        runs=tuple(dict(run) for run in arm.runs),
        scores={score: _score(each) for score, each in arm.scores.items()},
        classes=tuple(None if each is None else _score(each) for each in arm.classes),
        differences={score: _difference(each) for score, each in arm.differences.items()},
        class_differences=tuple(None if each is None else _difference(each) for each in arm.class_differences),
        confusions=tuple(from_result(ConfusionPart, each) for each in result.confusions.get(arm.name, ())),
    )


def _score(found: ScoreEstimate) -> ScorePart:
    return ScorePart(value=found.value, se=found.error.value, interval=found.interval)


def _difference(found: ScoreDifference) -> ScoreDifferencePart:
    return from_result(ScoreDifferencePart, found, se=found.error.value)


def _verdict(judged: JudgedScore, comparison: ScoreComparison) -> SegmentVerdict:
    test = judged.test
    return from_result(
        SegmentVerdict,
        test,
        name=judged.name,
        sentence=segment_sentence(judged, comparison),
        se=test.standard_error,
        df=finite(test.df),
        margin_text=judged.margin.text,
    )
