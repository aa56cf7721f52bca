"""How near the samples of each arm come to their photos, and how far apart seeds, arms and repeats are."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.cluster_rules import ClusterRule, cluster_labels
from p2phd_eval.images.condition_ids import sample_counts
from p2phd_eval.images.sources.repeated import photos_for
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.progress import ProgressFactory, silent
from p2phd_eval.quality.distance_weights import NO_WEIGHTS
from p2phd_eval.quality.find_distances import find_distances
from p2phd_eval.quality.image_distance import PSNR_MOST, QualityMetric
from p2phd_eval.quality.image_quality import ImageQuality, per_image_quality
from p2phd_eval.stats.errors.skewness import STRONG_SKEWNESS
from p2phd_eval.stats.verdicts.equivalence import holm
from p2phd_eval.stats.verdicts.paired_means import ImageMean, MeanDifference, image_mean, mean_difference
from p2phd_eval.stats.verdicts.scope import Scope


@dataclass(frozen=True, kw_only=True)
class QualityRun:
    """The samples of one training run."""

    name: str
    arm: str
    seed: int
    repeat: bool  # the second training of an arm's seed, which shows what non-determinism alone does
    source: ImageSource


@dataclass(frozen=True, kw_only=True)
class ArmQuality:
    """One metric of an arm's samples against their photos."""

    metric: str
    arm: str
    mean: ImageMean  # over its runs and images
    difference: MeanDifference | None  # to the baseline; None for the baseline itself
    p_holm: float | None  # of no difference, adjusted for all candidates of this metric; None for the baseline


@dataclass(frozen=True, kw_only=True)
class RunDistance:
    """One metric between the samples of two runs, over all pairs of runs of one kind."""

    metric: str
    kind: str  # such as "fp32 and fp32, other seed"
    mean: ImageMean  # over pairs of runs and images; images random
    pairs_of_runs: int


@dataclass(frozen=True, kw_only=True)
class RunQuality:
    """The per-image quality of all arms."""

    metrics: tuple[QualityMetric, ...]
    to_photo: tuple[ArmQuality, ...]  # by metric, then by arm, the baseline first
    between: tuple[RunDistance, ...]  # by metric, then by kind
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _PairKind:
    """Pairs of runs of one kind, as positions."""

    name: str
    pairs: list[tuple[int, int]]


def quality_of_runs(
    photos: ImageSource,
    runs: Sequence[QualityRun],
    *,
    baseline: str,
    lpips_weights: Path | None = None,
    distance_weights: Mapping[str, Path] = NO_WEIGHTS,
    device: torch.device | str = "cpu",
    cluster_by: ClusterRule | None = None,
    confidence: float = 0.95,
    progress: ProgressFactory = silent,
) -> RunQuality:
    """Compare the samples of all runs with the photos, and of some pairs of runs with each other.

    The pairs: runs of the baseline with other seeds, which shows how far apart equally good generators are; runs of
    the baseline and of a candidate with the same seed; and the repeat of a baseline run with the run itself. Repeats
    count in nothing else.

    Differences have scope B where every arm has several runs, else A, as comparisons of FID do.

    Raises `InputError` if the baseline has no run, the given weights cannot be used, or as `per_image_quality` and
    `mean_difference`.

    Parameters
    ----------
    photos : ImageSource
        The real images.
    runs : sequence of QualityRun
        One or more of the baseline. Images that some run or the photos lack are left out, and a note says so.
    baseline : str
        The name of its arm.
    lpips_weights : Path, optional
        See `find_lpips_weights`. Without it, and where the weights cannot be had, LPIPS is left out with a note.
    distance_weights : mapping of str to Path
        Weights of further distances, by the names in `quality.distance_weights`; without them there are none.
    cluster_by : ClusterRule, optional
        Which images were drawn together; by default those of one condition, and else each image is a draw of its own.
    confidence : float
        In (0.5, 1).
    """
    arms: dict[str, list[int]] = {baseline: []}
    for position, run in enumerate(runs):
        if not run.repeat:
            arms.setdefault(run.arm, []).append(position)
    if not arms[baseline]:
        raise InputError(
            "per-image quality", expected=f"samples of the baseline {baseline}", found=f"none in {len(runs)} runs"
        )
    photos = photos_for(photos, [run.source for run in runs])
    kinds = _kinds(runs, arms, baseline)
    distances, why_not = find_distances(device, lpips_weights=lpips_weights, weights=distance_weights)
    with progress("per-image quality", "images") as on_progress:
        found = per_image_quality(
            photos,
            [run.source for run in runs],
            pairs=[pair for kind in kinds for pair in kind.pairs],
            distances=distances,
            device=device,
            on_progress=on_progress,
        )
    clusters = cluster_labels(found.ids, cluster_by)
    scope = Scope.RECIPES if all(len(positions) > 1 for positions in arms.values()) else Scope.CHECKPOINTS
    rows, to_photo = _rows_of_kinds(kinds), list[ArmQuality]()
    for metric in found.metrics:
        values = {arm: found.to_photo[metric.name][positions] for arm, positions in arms.items()}
        to_photo += _arm_qualities(metric.name, values, baseline, scope, clusters, confidence)
    between = tuple(
        RunDistance(
            metric=metric.name,
            kind=kind.name,
            mean=image_mean(found.between[metric.name][own], clusters=clusters, confidence=confidence),
            pairs_of_runs=len(kind.pairs),
        )
        for metric in found.metrics
        for kind, own in zip(kinds, rows, strict=True)
    )
    return RunQuality(
        metrics=found.metrics,
        to_photo=tuple(to_photo),
        between=between,
        notes=(
            _scope_note(found, scope, confidence, cluster_by, clustered=clusters is not None),
            *_p_notes(len(arms) - 1),
            *_skewness_notes(to_photo, between),
            *_notes(found, photos, runs),
            *_identical_notes(found, kinds, rows),
            *why_not,
        ),
    )


def _arm_qualities(
    metric: str,
    values: Mapping[str, npt.NDArray[np.float64]],
    baseline: str,
    scope: Scope,
    clusters: Sequence[str] | None,
    confidence: float,
) -> list[ArmQuality]:
    """Hold the arms against their photos in one metric; `values`: of each arm, by run and image."""
    differences = {
        arm: mean_difference(values[baseline], own, scope=scope, clusters=clusters, confidence=confidence)
        for arm, own in values.items()
        if arm != baseline
    }
    adjusted = dict(zip(differences, holm([each.p_value for each in differences.values()]), strict=True))
    return [
        ArmQuality(
            metric=metric,
            arm=arm,
            mean=image_mean(own, clusters=clusters, confidence=confidence),
            difference=differences.get(arm),
            p_holm=adjusted.get(arm),
        )
        for arm, own in values.items()
    ]


def _kinds(runs: Sequence[QualityRun], arms: dict[str, list[int]], baseline: str) -> list[_PairKind]:
    seeds = {arm: {runs[position].seed: position for position in positions} for arm, positions in arms.items()}
    own = seeds[baseline]
    kinds = [
        _PairKind(name=f"{baseline} and {baseline}, other seed", pairs=list(itertools.combinations(arms[baseline], 2)))
    ]
    for arm, others in seeds.items():
        if arm != baseline:
            pairs = [(own[seed], others[seed]) for seed in own if seed in others]
            kinds.append(_PairKind(name=f"{baseline} and {arm}, same seed", pairs=pairs))
    again = [
        (own[run.seed], position)
        for position, run in enumerate(runs)
        if run.repeat and run.arm == baseline and run.seed in own
    ]
    kinds.append(_PairKind(name=f"{baseline} and {baseline}, same seed again", pairs=again))
    return [kind for kind in kinds if kind.pairs]


def _rows_of_kinds(kinds: Sequence[_PairKind]) -> list[slice]:
    """Where the pairs of each kind stand when those of all kinds follow each other."""
    ends = list(itertools.accumulate(len(kind.pairs) for kind in kinds))
    return [slice(end - len(kind.pairs), end) for end, kind in zip(ends, kinds, strict=True)]


def _scope_note(
    found: ImageQuality, scope: Scope, confidence: float, cluster_by: ClusterRule | None, *, clustered: bool
) -> str:
    of = {
        Scope.CHECKPOINTS: "differences are between these checkpoints (scope A: images random)",
        Scope.RECIPES: "differences are between the recipes (scope B: images and training seeds random)",
    }[scope]
    samples = sample_counts(found.ids)
    drawn = "" if samples is None else f" ({samples})"
    if clustered:
        drawn += ", clustered by condition" if cluster_by is None else f", clustered by {cluster_by.text}"
    return f"{len(found.ids)} images{drawn}; {100 * confidence:.4g} % intervals; {of}, candidate minus baseline."


def _p_notes(candidates: int) -> list[str]:
    meaning = "p: how often chance alone would give a difference as large where there is none"
    if candidates == 0:
        return []
    if candidates == 1:
        return [f"{meaning}; each metric is a question of its own."]
    return [
        f"{meaning}; those of the {candidates} candidates in one metric are adjusted together (Holm's method): in "
        "studies without any difference, 5 % have one below 0.05 or several. Metrics are not adjusted for each other, "
        "and intervals not at all."
    ]


def _skewness_notes(to_photo: Sequence[ArmQuality], between: Sequence[RunDistance]) -> list[str]:
    strong = [
        f"{row.metric} of {row.arm}"
        for row in to_photo
        if max(abs(row.mean.skewness), 0 if row.difference is None else abs(row.difference.skewness)) > STRONG_SKEWNESS
    ]
    strong += [f"{row.metric}, {row.kind}" for row in between if abs(row.mean.skewness) > STRONG_SKEWNESS]
    if not strong:
        return []
    return [
        "warning: a few images lie far to one side of the others (skewed values), and there are too few images to know "
        f"how far: the intervals, which reach farther to that side, may still be too short. {'; '.join(strong)}."
    ]


def _notes(found: ImageQuality, photos: ImageSource, runs: Sequence[QualityRun]) -> list[str]:
    notes = []
    every = {"the photos": set(photos.ids), **{run.name: set(run.source.ids) for run in runs}}
    largest = set().union(*every.values())
    short = [f"{name} ({len(largest - own)})" for name, own in every.items() if own != largest]
    if short:
        notes.append(
            f"{len(largest) - len(found.ids)} of {len(largest)} images are left out, which are missing from "
            f"{', '.join(short)}."
        )
    if found.resized:
        notes.append(
            f"{found.resized} of {len(found.ids)} photos were resized to the size of their samples, as in training "
            "(bicubic, antialiased)."
        )
    return notes


def _identical_notes(found: ImageQuality, kinds: Sequence[_PairKind], rows: Sequence[slice]) -> list[str]:
    tables: list[tuple[str, npt.NDArray[np.float64]]] = [("samples and photos", found.to_photo["PSNR"])]
    tables += [(kind.name, found.between["PSNR"][own]) for kind, own in zip(kinds, rows, strict=True)]
    return [
        f"{name}: {count} of {table.size} pairs of images are identical or closer than rounding to 8 bits; their PSNR "
        f"counts as {PSNR_MOST:.1f} dB."
        for name, table in tables
        if (count := int(np.sum(table == PSNR_MOST)))
    ]
