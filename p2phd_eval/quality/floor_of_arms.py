"""Arms against their baseline beside the noise floor: did pixels move, or did the quality fall?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.cluster_rules import ClusterRule, cluster_labels
from p2phd_eval.evaluation.comparison import ComparisonResult, FeatureArm, compare_feature_sets
from p2phd_eval.evaluation.pairing import aligned, require_same_stamps
from p2phd_eval.features.feature_set import FeatureSet, FeatureStamp
from p2phd_eval.progress import ProgressFactory, silent
from p2phd_eval.quality.distance_weights import WEIGHTED
from p2phd_eval.quality.floor_arms import FloorArm, FloorRun, RealPhotos, common_images, common_seeds, require_arms
from p2phd_eval.quality.image_distance import ImageDistance, QualityMetric
from p2phd_eval.quality.pair_distances import Values, metric_of_distance, pair_distances
from p2phd_eval.stats.confidence import require_confidence
from p2phd_eval.stats.errors.kernel_between import KernelBetween, kernel_between
from p2phd_eval.stats.verdicts.compared_arms import FIDComparison
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.floor_ratio import (
    FEWEST_DRAWS,
    TOLERANCE,
    FloorRatio,
    FloorVerdict,
    floor_ratios,
    floor_verdict,
    joint_quality,
    require_tolerance,
)
from p2phd_eval.stats.verdicts.margins import MarginRule, parse_margin
from p2phd_eval.stats.verdicts.scope import Scope
from p2phd_eval.stats.verdicts.widening import ShareMargin, Widening, judge_together, widening

#: A change of quality that still counts as none: of dFID@n as a share of the baseline's FID@n, and of the distance to
#: the photo as a share of the baseline's distance.
MARGIN = "2%"
_PHOTO_SHARE = 0.02  # where the margin of FIDs is no share
_USUAL_JUDGES = ("LPIPS", "1 - SSIM")  # the first that can be had
_WHOSE_WEIGHTS = {
    "lpips": "LPIPS takes --lpips-weights FILE.",
    **{name: f"It takes --distance-weights {name}=PATH; see docs/distances.md." for name in WEIGHTED},
}


@dataclass(frozen=True, kw_only=True)
class FloorRow:
    """A candidate in one distance."""

    metric: QualityMetric
    ratio: FloorRatio  # of its distance to the baseline over the noise floor
    to_photo: Widening | None  # how much farther from the photos than the baseline it is; None without photos


@dataclass(frozen=True, kw_only=True)
class FloorCandidate:
    """A candidate, and what moved."""

    name: str
    rows: tuple[FloorRow, ...]  # a distance each
    judged: FloorRow
    kid: KernelBetween | None  # between it and the baseline; None without features
    fid: FIDComparison | None  # against the real photos
    quality: Verdict | None  # of FID and judged distance together; None without real photos
    verdict: FloorVerdict


@dataclass(frozen=True, kw_only=True)
class BenignVariant:
    """The baseline, made in another way that ought to change nothing."""

    name: str
    kid: KernelBetween | None  # between it and the baseline


@dataclass(frozen=True, kw_only=True)
class NoiseFloor:
    """Candidates against a baseline beside its benign variants."""

    baseline: str
    benign: tuple[BenignVariant, ...]
    candidates: tuple[FloorCandidate, ...]
    judge: QualityMetric
    images: int
    clusters: int | None  # None: each image is its own
    seeds: tuple[int, ...]  # of the runs that all arms have
    scope: Scope
    confidence: float
    tolerance: float
    photo_margin: float  # share of the baseline's distance to the photos
    comparison: ComparisonResult | None  # of FIDs; None without real photos
    stamp: FeatureStamp | None  # how the features of the baseline's first run were made
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        found = "\n".join(f"{each.name}: {each.verdict.value}" for each in self.candidates)
        return f"NoiseFloor: {self.judge.name} of {self.images} images against {self.baseline}\n{found}"


def floor_of_arms(
    baseline: FloorArm,
    candidates: Sequence[FloorArm],
    benign: Sequence[FloorArm],
    *,
    distances: Sequence[ImageDistance],
    real: RealPhotos | None = None,
    judge: str | None = None,
    tolerance: float = TOLERANCE,
    margin: MarginRule | str | float | None = MARGIN,
    cluster_by: ClusterRule | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: ProgressFactory = silent,
) -> NoiseFloor:
    """Say of each candidate whether it is inside the noise floor, above it with the same quality, or worse.

    Runs pair by seed, images by id; what some arm lacks is left out, with a note. See `floor_ratios` for the place
    against the floor. Quality is that of dFID@n against the real photos (see `compare_feature_sets`) and of the judged
    distance to the photos, where these have the ids of the samples: worse if one of them is, kept if both are. Without
    real photos there is no FID and no quality; between the arms, KID stands beside that of the benign variants.

    Parameters
    ----------
    baseline : FloorArm
    candidates, benign : sequence of FloorArm
        One or more each. All names differ.
    distances : sequence of ImageDistance
        Those that are measured, on the device: see `find_distances`.
    real : RealPhotos, optional
    judge : str, optional
        The distance that the verdict is about, such as "lpips", "ssim" or "mse"; by default LPIPS, or 1 - SSIM where
        its weights cannot be had.
    tolerance : float
        See `floor_ratios`.
    margin : MarginRule, str, float or None
        A change of quality that still counts as none; see `parse_margin`. A share is also that of the baseline's
        distance to the photos, which is 2 % otherwise.
    cluster_by : ClusterRule, optional
        Which images are alike; by default those of one condition, and else each is its own.
    confidence : float
        In (0.5, 1).
    seed : int
        Draws the swaps and splits.
    device : torch.device or str
    progress : ProgressFactory

    Raises
    ------
    InputError
        If there is no candidate or no benign variant, names repeat, no seed or fewer than two images are common to all
        arms, ids repeat, an image cannot be read or has another size than the same one of the baseline, or an option is
        out of range.
    """
    require_confidence(confidence)
    require_tolerance(tolerance)
    rule = margin if isinstance(margin, MarginRule) else parse_margin(margin)
    metrics = [metric_of_distance(each) for each in distances]
    judged = _judge(judge, metrics)
    arms = [baseline, *benign, *candidates]
    require_arms(baseline, candidates, benign)
    seeds, notes = common_seeds(arms)
    runs = {arm.name: [arm.run(each) for each in seeds] for arm in arms}
    ids, photos, about_images = common_images(runs, None if real is None else real.images)
    labels = cluster_labels(ids, cluster_by)
    samples = [run for own in runs.values() for run in own]
    with progress("distances to the baseline", "images") as on_progress:
        found = pair_distances(
            [run.images for run in samples],
            [(k % len(seeds), k) for k in range(len(seeds), len(samples))],  # each with the baseline's run of its seed
            ids,
            photos=photos,
            distances=distances,
            device=device,
            on_progress=on_progress,
        )
    between = {name: _by_arm([*benign, *candidates], table) for name, table in found.between.items()}
    to_photo = {name: _by_arm(arms, table) for name, table in found.to_photo.items()}
    share = rule.amount if rule is not None and rule.kind == "relative" else _PHOTO_SHARE

    def rows(metric: QualityMetric) -> list[FloorRow]:
        own = between[metric.name]
        ratios = floor_ratios(
            [own[arm.name] for arm in candidates],
            [own[arm.name] for arm in benign],
            clusters=labels,
            tolerance=tolerance,
            confidence=confidence,
        )
        farther: Sequence[Widening | None] = [None] * len(candidates)
        if to_photo:
            before, *after = (to_photo[metric.name][arm.name] for arm in (baseline, *candidates))
            images = range(len(ids)) if labels is None else labels
            of_photos = ShareMargin(share=share)
            farther = judge_together(
                [widening(before, each, images, margin=of_photos, confidence=confidence) for each in after]
            )
        return [
            FloorRow(metric=metric, ratio=each, to_photo=photo) for each, photo in zip(ratios, farther, strict=True)
        ]

    by_candidate = list(zip(*map(rows, metrics), strict=True))
    comparison = None
    if real is not None:
        comparison = compare_feature_sets(
            real.features,
            [FeatureArm(name=arm.name, runs=_features(runs[arm.name])) for arm in (baseline, *candidates)],
            margin=rule,
            cluster_by=cluster_by,
            confidence=confidence,
            replicates=0,
            seed=seed,
            progress=progress,
        )
    kids = _kids(arms, runs, ids, labels, seed, progress)
    fids: Sequence[FIDComparison | None] = [None] * len(candidates) if comparison is None else comparison.candidates
    judgements = tuple(
        _candidate(arm.name, own, judged, kids.get(arm.name), fid)
        for arm, own, fid in zip(candidates, by_candidate, fids, strict=True)
    )
    of_first = samples[0].features
    clusters = None if labels is None else len(set(labels))
    notes += [*about_images, *_draw_notes(len(ids), clusters), *_copy_notes(between, candidates, benign, baseline)]
    if found.resized:
        notes.append(f"{found.resized} of {len(ids)} photos were resized to the size of their samples (bicubic).")
    if comparison is not None:
        notes += comparison.warnings
    return NoiseFloor(
        baseline=baseline.name,
        benign=tuple(BenignVariant(name=arm.name, kid=kids.get(arm.name)) for arm in benign),
        candidates=judgements,
        judge=judged,
        images=len(ids),
        clusters=clusters if clusters != len(ids) else None,
        seeds=seeds,
        scope=judgements[0].judged.ratio.scope,
        confidence=confidence,
        tolerance=tolerance,
        photo_margin=share,
        comparison=comparison,
        stamp=None if of_first is None else of_first.stamp,
        notes=tuple(notes),
    )


def require_judged(judge: str | None, distances: Sequence[ImageDistance]) -> None:
    """Raise `InputError` unless a distance of this name is measured; before anything is computed."""
    _judge(judge, [metric_of_distance(each) for each in distances])


def _judge(judge: str | None, metrics: Sequence[QualityMetric]) -> QualityMetric:
    by_name = {metric.name.removeprefix("1 - ").lower(): metric for metric in metrics}
    if judge is None:
        named = {metric.name: metric for metric in metrics}
        return next((named[name] for name in _USUAL_JUDGES if name in named), metrics[0])
    if judge.lower() not in by_name:
        raise InputError(
            f"--judge {judge}",
            expected=" | ".join(by_name),
            found="no such distance, or none whose weights can be had",
            fix=_WHOSE_WEIGHTS.get(judge.lower(), ""),
        )
    return by_name[judge.lower()]


def _candidate(
    name: str, rows: tuple[FloorRow, ...], judge: QualityMetric, kid: KernelBetween | None, fid: FIDComparison | None
) -> FloorCandidate:
    judged = next(row for row in rows if row.metric == judge)
    quality = joint_quality([each.verdict for each in (fid, judged.to_photo) if each is not None])
    return FloorCandidate(
        name=name,
        rows=rows,
        judged=judged,
        kid=kid,
        fid=fid,
        quality=quality,
        verdict=floor_verdict(judged.ratio.position, quality),
    )


def _by_arm(arms: Sequence[FloorArm], table: Values) -> dict[str, Values]:
    """Cut a table with the rows of all arms' runs into one for each arm."""
    return {arm.name: own for arm, own in zip(arms, np.split(table, len(arms)), strict=True)}


def _features(runs: Sequence[FloorRun]) -> tuple[FeatureSet, ...]:
    found = []
    for run in runs:
        if run.features is None:
            raise InputError(run.images.name, expected="features beside the images, for the FID", found="none")
        found.append(run.features)
    return tuple(found)


def _kids(
    arms: Sequence[FloorArm],
    runs: Mapping[str, Sequence[FloorRun]],
    ids: Sequence[str],
    labels: Sequence[str] | None,
    seed: int,
    progress: ProgressFactory,
) -> dict[str, KernelBetween]:
    """KID between the baseline and each other arm; none where features or images are too few."""
    few = (len(ids) if labels is None else len(set(labels))) < 3
    if few or any(run.features is None for own in runs.values() for run in own):
        return {}
    features = {name: _features(own) for name, own in runs.items()}
    require_same_stamps([(name, each.stamp) for name, own in features.items() for each in own])
    values = {name: [aligned(each, ids).values for each in own] for name, own in features.items()}
    baseline, *others = [arm.name for arm in arms]
    found = {}
    for name, rng in zip(others, np.random.default_rng(seed).spawn(len(others)), strict=True):
        with progress(f"KID between {baseline} and {name}", "tiles") as on_progress:
            pairs = list(zip(values[baseline], values[name], strict=True))
            found[name] = kernel_between(pairs, clusters=labels, rng=rng, on_progress=on_progress)
    return found


def _draw_notes(images: int, clusters: int | None) -> list[str]:
    draws, unit = (images, "images") if clusters is None else (clusters, "clusters")
    if draws >= FEWEST_DRAWS:
        return []
    return [
        f"warning: only {draws} {unit}: below {FEWEST_DRAWS} the spread of skewed distances is hardly known, and the "
        "intervals of ratios may be too short."
    ]


def _copy_notes(
    tables: Mapping[str, Mapping[str, Values]],
    candidates: Sequence[FloorArm],
    benign: Sequence[FloorArm],
    baseline: FloorArm,
) -> list[str]:
    """Say where images of two arms are the same, to the last digit of every distance."""
    notes = []
    still = [arm.name for arm in benign if not any(table[arm.name].any() for table in tables.values())]
    if still:
        notes.append(
            f"{' and '.join(still)}: every image is the one of {baseline.name}, bit for bit: such a variant tells "
            "nothing of noise."
        )
    notes += [
        f"warning: {arm.name} is as far from {baseline.name} as {other.name} is, to the last digit of each image: "
        "perhaps they are the same images, and the candidate is held against itself."
        for arm in candidates
        for other in benign
        if other.name not in still and all(np.array_equal(each[arm.name], each[other.name]) for each in tables.values())
    ]
    return notes
