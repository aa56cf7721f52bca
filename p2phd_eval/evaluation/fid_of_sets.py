"""The FID of one set of generated images, with its standard errors and its interval."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from p2phd_eval.evaluation.checks import (
    cluster_warnings,
    condition_warnings,
    count_warnings,
    duplicate_warnings,
    few_images_warnings,
    format_warnings,
    mixture_warnings,
    oddity_warnings,
    repeated_id_warnings,
    size_warnings,
)
from p2phd_eval.evaluation.cluster_rules import ClusterRule, cluster_labels, drawn_by_condition
from p2phd_eval.evaluation.copies import copy_warnings
from p2phd_eval.evaluation.pairing import NamedSet, named_as_samples, require_same_stamps, sorted_by_id
from p2phd_eval.evaluation.precision_shifts import PrecisionShift
from p2phd_eval.evaluation.reference import axes_of_reference
from p2phd_eval.features.feature_set import FeatureSet, FeatureStamp
from p2phd_eval.images.condition_ids import FEWEST_CONDITIONS, SampleCounts, condition_of, sample_counts
from p2phd_eval.progress import ProgressFactory, silent
from p2phd_eval.stats.confidence import require_confidence
from p2phd_eval.stats.design import Block, SamplingDesign, cluster_codes
from p2phd_eval.stats.distances.frechet import FrechetDistance
from p2phd_eval.stats.distances.moments import Moments
from p2phd_eval.stats.errors.bootstrap import bootstrap_contrasts, usual_replicates
from p2phd_eval.stats.errors.extrapolation import half_samples
from p2phd_eval.stats.errors.influence import fid_influence
from p2phd_eval.stats.errors.intervals import FIDInterval, at_n_error, interval_of

_REPLICATES = 200

Pairing = Literal["paired", "conditions", "independent"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class FidResult:
    """FID@n, with finite n biased upward, and the intervals of the distributions' FID and block FID."""

    fid: float  # squared feature units
    fid_se: float  # analytic standard error (influence function), in units of the FID
    fid_se_bootstrap: float | None  # the same from the bootstrap; None where no replicates were asked for
    replicates: int  # how many the bootstrap took
    interval: FIDInterval | None  # for the distributions' FID; None below 8 images or clusters, or if not asked for
    block_fid: FIDInterval | None  # the block FID at n and of the distributions; None without a reference, or as above
    clusters: int | None  # how many groups of images that are alike; None where each is its own
    n_real: int  # number of images
    n_fake: int
    pairing: Pairing  # what all errors assume
    samples: SampleCounts | None  # of the generated images, where conditions have seeds
    design: SamplingDesign  # how both sets were drawn, in the order of their ids
    distance: FrechetDistance
    real_stamp: FeatureStamp
    fake_stamp: FeatureStamp
    reference_stamp: FeatureStamp | None  # the images whose principal axes the block FID takes
    warnings: tuple[str, ...]
    precision_shifts: tuple[PrecisionShift, ...] = ()  # what a reduced feature precision did; none where it is float32

    def __repr__(self) -> str:
        at_n = f"FID@{min(self.n_real, self.n_fake)} {self.fid:.4f}, standard error {self.fid_se:.4g}"
        about = f"FidResult: {at_n}; {self.n_real} real and {self.n_fake} generated images, {self.pairing}"
        return about if self.interval is None else f"{about}\n{self.interval}"


def evaluate_fid(
    real: FeatureSet,
    fake: FeatureSet,
    *,
    reference: FeatureSet | None = None,
    confidence: float = 0.95,
    cluster_by: ClusterRule | None = None,
    extrapolate: bool = True,
    replicates: int | None = None,
    seed: int = 0,
    force: bool = False,
    wholes: Sequence[Moments] | None = None,
    progress: ProgressFactory = silent,
) -> FidResult:
    """FID between real and generated images, with two standard errors and an interval.

    Where both sets hold the same ids, once each, image i of both comes from the same label map: the sets are
    aligned and the errors are those of pairs. Where both hold the same conditions, with several samples of some, all
    images of a condition were drawn together. Otherwise the errors are those of two independent samples. The
    order of the images does not matter.

    Parameters
    ----------
    real, fake : FeatureSet
        Made with the same network, resize and dtype; at least 2 images each.
    reference : FeatureSet, optional
        Other real images, such as the training photos, for the block FID; none of them may be in `real` or `fake`.
    confidence : float
        How often such intervals hold the truth, in (0.5, 1).
    cluster_by : ClusterRule, optional
        Which images are alike, such as those of one city; by default those of one condition, such as ``cat@0`` and
        ``cat@1``, and else each is its own.
    extrapolate : bool
        Whether to compute the intervals; see `p2phd_eval.stats.errors.intervals`.
    replicates : int, optional
        Bootstrap replicates, 0 for none; by default up to 200, fewer where each is costly.
    seed : int
        Draws the splits and the bootstrap replicates.
    force : bool
        Compare sets that were made differently, with a warning.
    wholes : sequence of Moments, optional
        Those of both sets, where they are known already; see `moments_of_large_sets`.
    progress : ProgressFactory
        Opened for each stage.

    Returns
    -------
    FidResult

    Raises
    ------
    InputError
        If the sets were made differently (unless forced), hold too few images, have width and height swapped,
        the rule does not cover all images, or the reference cannot be used (see `axes_of_reference`).
    """
    require_confidence(confidence)
    named = [("the real images", real), ("the generated images", fake)]
    warnings = _warnings(*named, force=force)
    axes = None
    if reference is not None:
        axes, of_reference = axes_of_reference(reference, named, force=force)
        warnings += of_reference
    real = named_as_samples(real, fake.ids)
    pairing = _pairing(real, fake)
    shared = set(real.ids) & set(fake.ids)
    if shared and pairing == "independent":
        warnings += (
            f"{len(shared)} ids occur in both sets, but the sets are not pairs throughout: the standard errors "
            "take all images as independent",
        )
    real, fake = sorted_by_id(real), sorted_by_id(fake)
    sets = [real.values, fake.values]
    design = _design(real, fake, pairing, cluster_by)
    seeds = sample_counts(fake.ids)
    warnings += cluster_warnings(design) + condition_warnings(seeds, design)
    splits_rng, bootstrap_rng, blocks_rng = np.random.default_rng(seed).spawn(3)
    interval = block_fid = None
    if extrapolate and design.quarters:
        with progress("half samples", "FIDs") as on_progress:
            samples = half_samples(sets, design, wholes=wholes, rng=splits_rng, on_progress=on_progress)
        interval = interval_of(samples, design, confidence)
        influence = samples.whole[0]
        if axes is not None:
            with progress("half samples in blocks", "FIDs") as on_progress:
                samples_in_blocks = half_samples(sets, design, axes=axes, rng=blocks_rng, on_progress=on_progress)
            block_fid = interval_of(samples_in_blocks, design, confidence)
    else:
        influence = fid_influence(*sets)
    if replicates is None:
        replicates = usual_replicates(max(len(real), len(fake)), real.stamp.dims, 1, _REPLICATES)
    bootstrap = None
    if replicates:
        with progress("bootstrap", "replicates") as on_progress:
            (bootstrap,) = bootstrap_contrasts(
                sets, np.ones((1, 1)), design, replicates=replicates, rng=bootstrap_rng, on_progress=on_progress
            )
    if influence.distance.note:
        warnings += (influence.distance.note,)
    return FidResult(
        fid=influence.distance.value,
        fid_se=at_n_error([influence], (1.0,), design).value,
        fid_se_bootstrap=None if bootstrap is None else bootstrap.se,
        replicates=replicates,
        interval=interval,
        block_fid=block_fid,
        clusters=design.clusters if design.clustered else None,
        n_real=len(real),
        n_fake=len(fake),
        pairing=pairing,
        samples=seeds,
        design=design,
        distance=influence.distance,
        real_stamp=real.stamp,
        fake_stamp=fake.stamp,
        reference_stamp=None if reference is None else reference.stamp,
        warnings=warnings,
    )


def _warnings(real: NamedSet, fake: NamedSet, *, force: bool) -> tuple[str, ...]:
    """What about the two sets limits what their FID says; raises `InputError` for sets that do not compare."""
    stamps = [(name, features.stamp) for name, features in (real, fake)]
    warnings = require_same_stamps(stamps, force=force)
    warnings += size_warnings(real[1], fake)
    warnings += mixture_warnings(stamps[0]) + mixture_warnings(stamps[1])
    warnings += format_warnings(stamps[0][1], stamps[1])
    warnings += duplicate_warnings(stamps[0]) + duplicate_warnings(stamps[1])
    warnings += oddity_warnings(stamps[0]) + oddity_warnings(stamps[1])
    warnings += repeated_id_warnings(real) + repeated_id_warnings(fake)
    warnings += copy_warnings(real[1], fake)
    n_real, n_fake = len(real[1]), len(fake[1])
    return warnings + count_warnings(n_real, n_fake) + few_images_warnings(min(n_real, n_fake), stamps[0][1].dims)


def _pairing(real: FeatureSet, fake: FeatureSet) -> Pairing:
    if len(set(real.ids)) < len(real) or len(set(fake.ids)) < len(fake):
        return "independent"
    if set(real.ids) == set(fake.ids):
        return "paired"
    conditions = {condition_of(image) for image in real.ids}
    # Without seeds conditions are ids, which are not the same.
    same = conditions == {condition_of(image) for image in fake.ids}
    return "conditions" if same and len(conditions) >= FEWEST_CONDITIONS else "independent"


def _design(real: FeatureSet, fake: FeatureSet, pairing: Pairing, cluster_by: ClusterRule | None) -> SamplingDesign:
    if pairing == "conditions":
        return drawn_by_condition(real.ids, fake.ids, cluster_by, sets=2)
    clusters = [cluster_labels(each.ids, cluster_by) for each in (real, fake)]
    if pairing == "paired":
        return SamplingDesign.paired(len(real), 2, clusters[0])
    return SamplingDesign(
        [
            Block(sets=(k,), cluster_of=cluster_codes(labels, len(each)))
            for k, (labels, each) in enumerate(zip(clusters, (real, fake), strict=True))
        ]
    )
