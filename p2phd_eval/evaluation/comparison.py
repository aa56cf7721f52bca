"""Candidates against one baseline, from named feature sets: who is paired with whom, and what limits the answer."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.checks import (
    cluster_warnings,
    condition_warnings,
    count_warnings,
    duplicate_warnings,
    few_images_warnings,
    format_warnings,
    mixture_warnings,
    oddity_warnings,
    said_once,
    size_warnings,
)
from p2phd_eval.evaluation.cluster_rules import ClusterRule, cluster_labels, drawn_by_condition
from p2phd_eval.evaluation.copies import copy_warnings
from p2phd_eval.evaluation.pairing import (
    aligned,
    examples,
    named_as_samples,
    require_same_stamps,
    require_unique_ids,
    sorted_by_id,
)
from p2phd_eval.evaluation.precision_shifts import PrecisionShift
from p2phd_eval.evaluation.reference import axes_of_reference
from p2phd_eval.features.feature_set import FeatureSet, FeatureStamp
from p2phd_eval.features.identity import is_clip
from p2phd_eval.images.condition_ids import FEWEST_CONDITIONS, SampleCounts, condition_of, sample_counts
from p2phd_eval.progress import ProgressFactory, silent
from p2phd_eval.stats.design import Block, Rows, SamplingDesign, cluster_codes
from p2phd_eval.stats.distances.kernel import kernel_scale
from p2phd_eval.stats.distances.real_scale import RealScale, real_scale
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.compared_arms import Arm, FIDComparison, compare_arms, require_judgeable
from p2phd_eval.stats.verdicts.explanation import ClassShares, Explanation, explain_dfid
from p2phd_eval.stats.verdicts.margins import MarginRule
from p2phd_eval.stats.verdicts.scope import Scope

Pairing = Literal["triplets", "conditions", "generated", "independent"]

_FEWEST_PAIRS = 3  # what a jackknife needs


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureArm:
    """One way to train, such as fp32: the features of one or more training seeds."""

    name: str
    runs: tuple[FeatureSet, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparisonResult:
    """Candidates against one baseline, all at the same n and on the same images."""

    scope: Scope
    #: Who is paired: real, baseline and candidate image of one label map; the generated two, drawn together with the
    #: photos of their condition; the generated two only; or none.
    pairing: Pairing
    samples: SampleCounts | None  # of a generated set, as used; None where conditions have no seeds
    n: int  # images of each set that were used; of independent sets the smallest number
    clusters: int | None  # how many groups of images that are alike; None where each is its own
    confidence: float
    baseline_name: str
    baseline_fids: tuple[float, ...]  # FID@n of each of its runs
    ids: tuple[str, ...]  # the pairs, in the order of all generated images' influences; empty for independent sets
    real_ids: tuple[str, ...]  # of the real images, in the order of their influences
    labels: tuple[str, ...] | None  # the cluster of each pair; None without clusters or pairs
    design: SamplingDesign  # how the real set and all runs were drawn, the baseline's first
    real_stamp: FeatureStamp
    real_scale: RealScale | None  # what FIDs the real images give by themselves; None where they are too few
    reference_stamp: FeatureStamp | None  # the images whose principal axes the block FID takes; None without
    kernel_scale: float  # of the rational quadratic kernels: the mean squared distance of two real images
    stamps: tuple[tuple[FeatureStamp, ...], ...]  # for each arm those of its runs, the baseline first
    candidates: tuple[FIDComparison, ...]
    warnings: tuple[str, ...]
    # What `compare_images` adds.
    arms: dict[str, tuple[Any, ...]] = dataclasses.field(default_factory=dict)  # what holds each run's images, by arm
    explanations: tuple[Explanation, ...] = ()  # one a candidate, where asked for
    precision_shifts: tuple[PrecisionShift, ...] = ()  # what a reduced feature precision did to each run's FID
    notes: tuple[str, ...] = ()  # what the reader of the verdicts should know of how the runs were made

    def __str__(self) -> str:
        return "\n".join(map(str, self.candidates))

    def __repr__(self) -> str:
        return f"ComparisonResult: FID@{self.n} against {self.baseline_name}, {len(self.warnings)} warnings\n{self}"


def compare_feature_sets(
    real: FeatureSet,
    arms: Sequence[FeatureArm],
    *,
    margin: MarginRule | None,
    judge: Estimand | str = Estimand.FID_AT_N,
    reference: FeatureSet | None = None,
    scope: Scope | str | None = None,
    cluster_by: ClusterRule | None = None,
    confidence: float = 0.95,
    replicates: int | None = None,
    seed: int = 0,
    strict: bool = False,
    force: bool = False,
    progress: ProgressFactory = silent,
) -> ComparisonResult:
    """Compare the FID of candidates with that of a baseline, image by image where their names match.

    Images pair up by id: the real image and the generated ones of one label map, or the generated ones of one condition
    and seed, with the photos of that condition. Ids that a set lacks are left out of all, with a warning, so that
    every FID here is on the same images. Where the real images have other names the generated ones are still pairs;
    where those differ too, all sets are taken as independent, which costs power. The order of the images does not
    matter.

    Parameters
    ----------
    real : FeatureSet
    arms : sequence of FeatureArm
        The baseline, then one candidate or more, with different names; all sets made with the same network, resize
        and dtype, with unique ids.
    margin, judge, scope, confidence, replicates, progress
        See `compare_arms`.
    reference : FeatureSet, optional
        Other real images, such as the training photos, for the block FID; none of them may be in another set.
    cluster_by : ClusterRule, optional
        Which images are alike, such as those of one city; by default those of one condition, such as ``cat@0`` and
        ``cat@1``, and else each is its own.
    seed : int
        Draws the splits, the bootstrap replicates and the swaps.
    strict : bool
        Refuse sets whose ids do not match throughout.
    force : bool
        Compare sets that were made differently, with a warning.

    Returns
    -------
    ComparisonResult

    Raises
    ------
    InputError
        If the sets were made differently (unless forced), an id repeats, ids do not match (with `strict`), a name
        repeats, the reference cannot be used (see `axes_of_reference`), width and height are swapped, a rule covers
        no images or only some, or as `compare_arms`.
    """
    _require_names([arm.name for arm in arms])
    clip = is_clip(real.stamp.weights)
    require_judgeable(judge, margin, has_reference=reference is not None, clip=clip)
    named = [("the real images", real), *_named_runs(arms)]
    stamps = [(name, features.stamp) for name, features in named]
    warnings = require_same_stamps(stamps, force=force)
    require_unique_ids([(name, features.ids) for name, features in named])
    named[0] = named[0][0], named_as_samples(real, sorted(_shared_ids(named[1:])))
    pairing, ids = _pairing(named)
    warnings += _matching_warnings(named, pairing, ids, strict)
    for stamp in stamps:
        warnings += duplicate_warnings(stamp)
    warnings += oddity_warnings(stamps[0]) + said_once(stamps[1:], oddity_warnings)
    warnings += said_once(named[1:], lambda each: copy_warnings(real, each))
    warnings += mixture_warnings(stamps[0]) + said_once(stamps[1:], mixture_warnings)
    warnings += said_once(stamps[1:], lambda stamp: format_warnings(real.stamp, stamp))
    used = [
        sorted_by_id(features) if kept is None else aligned(features, kept)
        for (_, features), kept in zip(named, _kept(named, pairing, ids), strict=True)
    ]
    if pairing == "independent":
        used[1:], fewer = _at_one_n(used[1:], [name for name, _ in named[1:]], seed)
        warnings += fewer
    generated = [(name, features) for (name, _), features in zip(named[1:], used[1:], strict=True)]
    warnings += said_once(generated, lambda each: size_warnings(used[0], each))
    for count in sorted({len(features) for _, features in generated}):
        warnings += count_warnings(len(used[0]), count)
    design = _design(used, pairing, cluster_by)
    n = min(design.sizes)
    samples = sample_counts(used[1].ids)
    warnings += few_images_warnings(n, real.stamp.dims) + cluster_warnings(design)
    warnings += condition_warnings(samples, design)
    axes = None
    if reference is not None:
        axes, of_reference = axes_of_reference(reference, named, force=force)
        warnings += of_reference

    values = iter([features.values for features in used[1:]])
    results = compare_arms(
        used[0].values,
        [Arm(name=arm.name, runs=tuple(next(values) for _ in arm.runs)) for arm in arms],
        design,
        margin=margin,
        judge=judge,
        reference=axes,
        clip=clip,
        scope=scope,
        confidence=confidence,
        replicates=replicates,
        rng=np.random.default_rng(seed),
        progress=progress,
    )
    return ComparisonResult(
        scope=results[0].scope,
        pairing=pairing,
        samples=samples,
        n=n,
        clusters=design.clusters if design.clustered else None,
        confidence=confidence,
        baseline_name=arms[0].name,
        baseline_fids=results[0].at_n.baseline_runs,
        ids=ids,
        real_ids=used[0].ids,
        labels=cluster_labels(ids, cluster_by) if ids else None,
        design=design,
        real_stamp=real.stamp,
        real_scale=real_scale(used[0].values, design, rng=np.random.default_rng(seed)),
        reference_stamp=None if reference is None else reference.stamp,
        kernel_scale=kernel_scale(used[0].values),
        stamps=tuple(tuple(run.stamp for run in arm.runs) for arm in arms),
        candidates=results,
        warnings=warnings,
    )


def explain(result: ComparisonResult, candidate: int, class_shares: ClassShares | None = None) -> Explanation:
    """Say where the dFID@n of a candidate comes from; see `explain_dfid`.

    Parameters
    ----------
    result : ComparisonResult
    candidate : int
        Which of `result.candidates`.
    class_shares : ClassShares, optional
        How much each class covers of the label maps `explained_ids(result)`.
    """
    compared = result.candidates[candidate]
    runs = (*compared.baseline_influences, *compared.influences)
    sizes = [len(arm) for arm in result.stamps]
    first = 1 + sum(sizes[: candidate + 1])
    positions = (*range(1, 1 + sizes[0]), *range(first, first + sizes[candidate + 1]))
    weights = [-1 / sizes[0]] * sizes[0] + [1 / sizes[candidate + 1]] * sizes[candidate + 1]
    ids, labels = explained_ids(result), result.labels
    rows_of: list[Rows] | None = None
    if result.pairing == "conditions":
        place = {condition: row for row, condition in enumerate(ids)}
        real, generated = (
            np.array([place[condition_of(image)] for image in images]) for images in (result.real_ids, result.ids)
        )
        rows_of = [real, *([generated] * len(positions))]
        if labels is not None:
            cluster_of = dict(zip(map(condition_of, result.ids), labels, strict=True))
            labels = tuple(cluster_of[condition] for condition in ids)
            labels = None if labels == ids else labels
    return explain_dfid(
        runs,
        weights,
        result.design.subset(positions),
        ids=ids or None,
        rows_of=rows_of,
        clusters=labels if ids else None,
        class_shares=class_shares if ids else None,
    )


def explained_ids(result: ComparisonResult) -> tuple[str, ...]:
    """Return what a difference is divided among: label maps, or conditions; empty where only parts can be told."""
    if result.pairing == "conditions":
        return tuple(sorted(set(map(condition_of, result.ids))))
    return result.ids if result.pairing == "triplets" else ()


def _require_names(names: list[str]) -> None:
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise InputError(
            "names", expected="a different name for the baseline and each candidate", found=f"{count} x {name!r}"
        )
    if len(names) < 2:
        raise InputError("candidates", expected="at least one", found="none")


def _named_runs(arms: Sequence[FeatureArm]) -> list[tuple[str, FeatureSet]]:
    return [
        (arm.name if len(arm.runs) == 1 else f"{arm.name}, run {k}", run)
        for arm in arms
        for k, run in enumerate(arm.runs, start=1)
    ]


def _shared_ids(named: Sequence[tuple[str, FeatureSet]]) -> set[str]:
    return set.intersection(*(set(features.ids) for _, features in named))


def _pairing(named: Sequence[tuple[str, FeatureSet]]) -> tuple[Pairing, tuple[str, ...]]:
    generated = _shared_ids(named[1:])
    shared = _shared_ids(named)
    photos = named[0][1].ids
    conditions = set(map(condition_of, photos)) & set(map(condition_of, generated))
    of_conditions, photos_of_conditions = (
        {image for image in images if condition_of(image) in conditions} for images in (generated, photos)
    )
    # Without seeds conditions are ids, and those in common are the same.
    if not of_conditions == photos_of_conditions == shared and len(conditions) >= FEWEST_CONDITIONS:
        return "conditions", tuple(sorted(of_conditions))
    for pairing, found in (("triplets", shared), ("generated", generated)):
        if len(found) >= _FEWEST_PAIRS:
            return pairing, tuple(sorted(found))  # type: ignore[return-value]
    return "independent", ()


def _kept(
    named: Sequence[tuple[str, FeatureSet]], pairing: Pairing, ids: tuple[str, ...]
) -> list[tuple[str, ...] | None]:
    """The ids of each set that are used, in this order; None of sets that are used whole, in the order of their ids."""
    if pairing == "independent":
        return [None] * len(named)
    of_real: tuple[str, ...] | None = ids if pairing == "triplets" else None
    if pairing == "conditions":
        conditions = set(map(condition_of, ids))
        of_real = tuple(sorted(image for image in named[0][1].ids if condition_of(image) in conditions))
    return [of_real, *([ids] * (len(named) - 1))]


def _at_one_n(sets: Sequence[FeatureSet], names: Sequence[str], seed: int) -> tuple[list[FeatureSet], tuple[str, ...]]:
    """Cut generated sets to the number of images of the smallest: FIDs at different n differ by their bias alone."""
    n = min(map(len, sets))
    larger = [f"{name} has {len(each)}" for name, each in zip(names, sets, strict=True) if len(each) > n]
    if not larger:
        return list(sets), ()
    rng = np.random.default_rng(seed)
    cut = [aligned(each, sorted(rng.permutation(each.ids)[:n].tolist())) if len(each) > n else each for each in sets]
    return cut, (
        f"all generated sets are compared at {n} images, drawn at random where there are more ({', '.join(larger)}): "
        "FID depends on their number",
    )


def _matching_warnings(
    named: Sequence[tuple[str, FeatureSet]], pairing: Pairing, ids: tuple[str, ...], strict: bool
) -> tuple[str, ...]:
    left_out = [
        (name, sorted(set(features.ids) - set(kept)))
        for (name, features), kept in zip(named, _kept(named, pairing, ids), strict=True)
        if kept is not None
    ]
    warnings = tuple(
        f"{len(missing)} of the images of {name} are left out, because another set lacks them: {examples(missing)}"
        for name, missing in left_out
        if missing
    )
    shown = "; ".join(f"{name}: {examples(features.ids)}" for name, features in named)
    if pairing == "generated":
        warnings = (
            f"the real images have other names than the generated ones ({shown}): they are taken as independent of "
            "them, which costs some power",
            *warnings,
        )
    elif pairing == "independent":
        warnings = (
            f"the names do not match ({shown}): all sets are taken as independent, so the noise that baseline and "
            "candidate share does not cancel. Where it correlates by r, pairs would make the standard error of the "
            "difference smaller by the factor sqrt(1 - r), 0.32 at r = 0.9",
        )
    if warnings and strict:
        raise InputError(
            "--strict",
            expected="the same image names in all sets",
            found="; ".join(warnings),
            fix="Name each generated image by the stem of its label map, or leave --strict out.",
        )
    return warnings


def _design(used: Sequence[FeatureSet], pairing: Pairing, cluster_by: ClusterRule | None) -> SamplingDesign:
    if pairing == "conditions":
        return drawn_by_condition(used[0].ids, used[1].ids, cluster_by, sets=len(used))
    everything = tuple(range(len(used)))
    blocks: dict[Pairing, list[tuple[int, ...]]] = {
        "triplets": [everything],
        "generated": [(0,), everything[1:]],
        "independent": [(k,) for k in everything],
    }
    return SamplingDesign(
        [
            Block(
                sets=sets, cluster_of=cluster_codes(cluster_labels(used[sets[0]].ids, cluster_by), len(used[sets[0]]))
            )
            for sets in blocks[pairing]
        ]
    )
