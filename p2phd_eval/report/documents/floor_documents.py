"""The document of `floor`: whether candidates moved pixels beyond noise, and what became of their quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from msgspec import UNSET, Struct, UnsetType

from p2phd_eval.features.feature_set import FeatureStamp
from p2phd_eval.report.documents.document import Document, finite, from_result
from p2phd_eval.report.floor_wording import floor_sentence, quality_sentence
from p2phd_eval.report.wording import verdict_sentence
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.floor_ratio import FloorVerdict, Position
from p2phd_eval.stats.verdicts.scope import Scope
from p2phd_eval.stores.store_path import AnyPath

if TYPE_CHECKING:
    from p2phd_eval.quality.floor_of_arms import FloorCandidate, FloorRow, NoiseFloor
    from p2phd_eval.stats.errors.kernel_between import KernelBetween
    from p2phd_eval.stats.errors.ratios import Ratio
    from p2phd_eval.stats.verdicts.compared_arms import FIDComparison
    from p2phd_eval.stats.verdicts.widening import Widening


class FloorRatioPart(Struct, frozen=True, kw_only=True):
    """A ratio of two means over images, or a change as a share."""

    value: float
    interval: tuple[float | None, float | None]  # two-sided, by Fieller's method; null: the data do not bound it


class KidBetween(Struct, frozen=True, kw_only=True):
    """KID between an arm and the baseline, the mean over runs; unbiased, so that it may be below 0."""

    value: float
    se: float  # jackknife over images; too large where the distributions are equal
    chance: float  # standard deviation where the images of a pair are swapped at random
    p_value: float  # share of swaps that give as much or more
    swaps: int


class ToPhotoPart(Struct, frozen=True, kw_only=True):
    """The distance of samples to their real photos."""

    baseline: float  # mean over images
    candidate: float
    change: FloorRatioPart | None  # candidate - baseline as a share of the baseline's; null where that is 0
    p_value: float  # two-sided, of no change
    verdict: Verdict  # worse: farther from the photos


class FloorDistancePart(Struct, frozen=True, kw_only=True):
    """A candidate in one distance."""

    distance: str
    to_baseline: float  # mean over images and runs
    floors: dict[str, float]  # the same of each benign variant
    farthest: str  # the variant that is the floor
    ratio: FloorRatioPart | None  # to_baseline over the floor; null where the floor is 0
    at_most: float | None  # one-sided bound of the ratio, at the level that decided; null: nothing bounds it
    p_inside: float  # of a ratio of the tolerance or more, adjusted for all candidates
    p_above: float  # of a ratio of the tolerance or less, likewise
    position: Position
    to_photo: ToPhotoPart | None  # null without photos


class FloorFid(Struct, frozen=True, kw_only=True):
    """FID@n against the real photos."""

    n: int
    baseline: float
    candidate: float
    estimate: float  # candidate - baseline
    interval: tuple[float, float] | None
    margin: float | None  # in units of FID
    verdict: Verdict
    sentence: str


class FloorCandidatePart(Struct, frozen=True, kw_only=True):
    """A candidate, and what moved."""

    name: str
    folders: tuple[str, ...]
    verdict: FloorVerdict
    sentence: str  # the verdict in words, with its numbers
    quality: Verdict | None  # of FID and the judged distance to the photos together; null without real photos
    quality_sentence: str
    distances: tuple[FloorDistancePart, ...]
    kid: KidBetween | None
    fid: FloorFid | None


class BenignPart(Struct, frozen=True, kw_only=True):
    """The baseline, made again in a way that ought to change nothing."""

    name: str
    folders: tuple[str, ...]
    kid: KidBetween | None


class FloorDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/floor"):
    """Candidates against a baseline beside its noise floor."""

    again: ClassVar[str] = "Make it again: p2phd-eval floor BASELINE CANDIDATE --benign FOLDER --json FILE"

    baseline: str
    folders: tuple[str, ...]  # of the baseline
    benign: tuple[BenignPart, ...]
    real: str | None  # what the user called the real photos; null: without
    judge: str  # the distance that the verdicts are about
    units: dict[str, str]  # of each distance; empty: none
    weights_sha256: dict[str, str] | UnsetType = UNSET  # of each distance that compares a network's activations
    images: int
    clusters: int | None  # null: each image is its own
    seeds: tuple[int, ...]  # of the runs that are compared; of `floor` their places, from 0
    scope: Scope
    confidence: float
    tolerance: float  # times the floor that still counts as inside
    photo_margin: float  # share of the baseline's distance to the photos that still counts as no change
    candidates: tuple[FloorCandidatePart, ...]
    stamp: FeatureStamp | None  # how the baseline's features were made
    notes: tuple[str, ...]

    def judged(self, candidate: FloorCandidatePart) -> FloorDistancePart:
        """Return the distance that a candidate's verdict is about."""
        return next(each for each in candidate.distances if each.distance == self.judge)


def floor_document(
    result: NoiseFloor, folders: Mapping[str, Sequence[AnyPath | str]], real: str | None = None
) -> FloorDocument:
    """Return the document of a noise floor.

    `folders`: of each arm's runs, by its name. `real`: what the user called the real photos.
    """

    def names_of(arm: str) -> tuple[str, ...]:
        return tuple(map(str, folders.get(arm, ())))

    return from_result(
        FloorDocument,
        result,
        folders=names_of(result.baseline),
        benign=tuple(
            BenignPart(name=each.name, folders=names_of(each.name), kid=_kid(each.kid)) for each in result.benign
        ),
        real=real,
        judge=result.judge.name,
        units={row.metric.name: row.metric.unit for row in result.candidates[0].rows},
        weights_sha256={
            row.metric.name: row.metric.weights_sha256
            for row in result.candidates[0].rows
            if row.metric.weights_sha256 is not None
        },
        candidates=tuple(_candidate(each, result, names_of(each.name)) for each in result.candidates),
    )


def _candidate(each: FloorCandidate, result: NoiseFloor, folders: tuple[str, ...]) -> FloorCandidatePart:
    return FloorCandidatePart(
        name=each.name,
        folders=folders,
        verdict=each.verdict,
        sentence=floor_sentence(each, result),
        quality=each.quality,
        quality_sentence=quality_sentence(each, result),
        distances=tuple(_distance(row, result) for row in each.rows),
        kid=_kid(each.kid),
        fid=None if each.fid is None else _fid(each.fid),
    )


def _distance(row: FloorRow, result: NoiseFloor) -> FloorDistancePart:
    ratio = row.ratio
    names = [each.name for each in result.benign]
    return from_result(
        FloorDistancePart,
        ratio,
        distance=row.metric.name,
        to_baseline=ratio.distance,
        floors=dict(zip(names, ratio.floors, strict=True)),
        farthest=names[ratio.farthest],
        ratio=None if ratio.ratio is None else _ratio(ratio.ratio),
        at_most=None if ratio.at_most is None else finite(ratio.at_most),
        to_photo=None if row.to_photo is None else _to_photo(row.to_photo),
    )


def _to_photo(found: Widening) -> ToPhotoPart:
    return ToPhotoPart(
        baseline=found.original,
        candidate=found.edited,
        change=None if found.of_original is None else _ratio(found.of_original),
        p_value=found.estimate.p_value,
        verdict=found.verdict,
    )


def _fid(found: FIDComparison) -> FloorFid:
    return FloorFid(
        n=found.n,
        baseline=found.at_n.baseline,
        candidate=found.at_n.candidate,
        estimate=found.at_n.estimate,
        interval=found.interval,
        margin=found.margin.value,
        verdict=found.verdict,
        sentence=verdict_sentence(found),
    )


def _kid(kid: KernelBetween | None) -> KidBetween | None:
    return None if kid is None else from_result(KidBetween, kid)


def _ratio(ratio: Ratio) -> FloorRatioPart:
    low, high = ratio.interval
    return FloorRatioPart(value=ratio.value, interval=(finite(low), finite(high)))
