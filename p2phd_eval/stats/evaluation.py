"""The FID of one set of generated images, with its standard errors."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np

from p2phd_eval.stats.bootstrap import bootstrap_fid_se, usual_replicates
from p2phd_eval.stats.feature_set import FeatureSet, FeatureStamp
from p2phd_eval.stats.frechet import FrechetDistance
from p2phd_eval.stats.influence import fid_influence, independent_standard_error, paired_standard_error
from p2phd_eval.stats.pairing import require_same_stamps, sorted_by_id
from p2phd_eval.stats.set_checks import (
    count_warnings,
    duplicate_warnings,
    few_images_warnings,
    format_warnings,
    size_warnings,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FidResult:
    """FID@n: at this number of images, with finite n biased upward."""

    fid: float  # squared feature units
    fid_se: float  # analytic standard error (influence function), in units of the FID
    fid_se_bootstrap: float | None  # the same from the bootstrap; None where no replicates were asked for
    n_real: int  # number of images
    n_fake: int
    pairing: Literal["paired", "independent"]  # what both standard errors assume
    distance: FrechetDistance
    real_stamp: FeatureStamp
    fake_stamp: FeatureStamp
    warnings: tuple[str, ...]


def evaluate_fid(
    real: FeatureSet,
    fake: FeatureSet,
    *,
    replicates: int | None = None,
    seed: int = 0,
    force: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> FidResult:
    """FID between real and generated images, with two standard errors.

    Where both sets hold the same ids, once each, image i of both comes from the same label map: the sets are
    aligned and the errors are those of pairs. Otherwise they are those of two independent samples. The order of
    the images does not matter.

    Parameters
    ----------
    real, fake : FeatureSet
        Made with the same network, resize and dtype; at least 2 images each.
    replicates : int, optional
        Bootstrap replicates, 0 for none; by default 200, or 20 above 2 d images, where each costs seconds.
    seed : int
        Of the bootstrap.
    force : bool
        Compare sets that were made differently, with a warning.
    on_progress : callable, optional
        Called with (done, total) after each replicate.

    Returns
    -------
    FidResult

    Raises
    ------
    InputError
        If the sets were made differently (unless forced), hold too few images, or have width and height swapped.
    """
    named = [("the real images", real.stamp), ("the generated images", fake.stamp)]
    warnings = require_same_stamps(named, force=force)
    warnings += size_warnings(real, ("the generated images", fake))
    warnings += format_warnings(real.stamp, named[1]) + duplicate_warnings(named[0]) + duplicate_warnings(named[1])
    warnings += count_warnings(len(real), len(fake))
    warnings += few_images_warnings(min(len(real), len(fake)), real.stamp.dims)
    paired = len(set(real.ids)) == len(real) and sorted(real.ids) == sorted(fake.ids)
    shared = set(real.ids) & set(fake.ids)
    if shared and not paired:
        warnings += (
            f"{len(shared)} ids occur in both sets, but the sets are not pairs throughout: the standard errors "
            "take all images as independent",
        )
    real, fake = sorted_by_id(real), sorted_by_id(fake)

    influence = fid_influence(real.values, fake.values)
    if replicates is None:
        replicates = usual_replicates(min(len(real), len(fake)), real.stamp.dims, 200)
    bootstrap = None
    if replicates:
        bootstrap = bootstrap_fid_se(
            real.values,
            fake.values,
            paired=paired,
            replicates=replicates,
            rng=np.random.default_rng(seed),
            on_progress=on_progress,
        )
    if influence.distance.note:
        warnings += (influence.distance.note,)
    return FidResult(
        fid=influence.distance.value,
        fid_se=paired_standard_error(influence) if paired else independent_standard_error(influence),
        fid_se_bootstrap=None if bootstrap is None else bootstrap.se,
        n_real=len(real),
        n_fake=len(fake),
        pairing="paired" if paired else "independent",
        distance=influence.distance,
        real_stamp=real.stamp,
        fake_stamp=fake.stamp,
        warnings=warnings,
    )
