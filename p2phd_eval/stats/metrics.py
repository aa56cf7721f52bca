"""What one set of features tells about generated images beyond their FID."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from p2phd_eval.stats.evaluation import FidResult, evaluate_fid
from p2phd_eval.stats.extrapolation import (
    SLOPE_RANGE,
    FidInfinity,
    HalfSampleRichardson,
    fid_infinity,
    half_sample_richardson,
)
from p2phd_eval.stats.feature_set import FeatureSet
from p2phd_eval.stats.kernel import KernelDistance, kernel_distance
from p2phd_eval.stats.neighbours import NeighbourMetrics, neighbour_metrics
from p2phd_eval.stats.pairing import sorted_by_id

Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class MetricsResult:
    """All metrics of one real and one generated set, from the same features."""

    fid: FidResult  # FID@n, without bootstrap
    kid: KernelDistance
    fid_infinity: FidInfinity
    richardson: HalfSampleRichardson
    neighbours: NeighbourMetrics
    warnings: tuple[str, ...]  # those of the FID, and whether the extrapolations may be believed


def evaluate_metrics(
    real: FeatureSet,
    fake: FeatureSet,
    *,
    seed: int = 0,
    splits: int = 10,
    force: bool = False,
    on_progress: Progress | None = None,
) -> MetricsResult:
    """FID, KID, FID-infinity, half-sample Richardson, precision, recall, density and coverage.

    Images are paired by id where both sets hold the same ids, once each, as in `evaluate_fid`. The order of the
    images does not matter.

    Parameters
    ----------
    real, fake : FeatureSet
        Made with the same network, resize and dtype; at least 8 images each.
    seed : int
        Of the splits: `default_rng(seed).spawn(2)` gives the generators of the Richardson estimate and of
        FID-infinity.
    splits : int
        Half splits of the Richardson estimate.
    force : bool
        Compare sets that were made differently, with a warning.
    on_progress : callable, optional
        Called with (done, 100): per cent, a fifth for each of the FID, the KID, the two extrapolations and the
        metrics of neighbours.

    Returns
    -------
    MetricsResult

    Raises
    ------
    InputError
        As `evaluate_fid`, and if a set holds fewer than 8 images or `splits` is below 1.
    """
    richardson_rng, infinity_rng = np.random.default_rng(seed).spawn(2)
    fid = evaluate_fid(real, fake, replicates=0, force=force)
    _fifth(0, on_progress)(1, 1)
    paired = fid.pairing == "paired"
    # Pairs have the same ids, so that this order is theirs in both sets.
    real_values, fake_values = sorted_by_id(real).values, sorted_by_id(fake).values
    kid = kernel_distance(real_values, fake_values, paired=paired, on_progress=_fifth(1, on_progress))
    richardson = half_sample_richardson(
        real_values, fake_values, paired=paired, splits=splits, rng=richardson_rng, on_progress=_fifth(2, on_progress)
    )
    infinity = fid_infinity(
        real_values, fake_values, paired=paired, rng=infinity_rng, on_progress=_fifth(3, on_progress)
    )
    return MetricsResult(
        fid=fid,
        kid=kid,
        fid_infinity=infinity,
        richardson=richardson,
        neighbours=neighbour_metrics(real_values, fake_values, on_progress=_fifth(4, on_progress)),
        warnings=fid.warnings + _slope_warnings(richardson),
    )


def _fifth(stage: int, on_progress: Progress | None) -> Progress:
    """Progress of one of the five stages as progress of all."""

    def report(done: int, total: int) -> None:
        if on_progress is not None:
            on_progress(20 * stage + 20 * done // total, 100)

    return report


def _slope_warnings(richardson: HalfSampleRichardson) -> tuple[str, ...]:
    if richardson.slope_holds:
        return ()
    if richardson.slope_ratio is None:
        return ("the FIDs of halves are not above that of all images: there is no bias c/n to extrapolate",)
    low, high = SLOPE_RANGE
    return (
        f"the FID's bias does not fall as c/n yet: its slope ratio is {richardson.slope_ratio:.2f}, outside "
        f"[{low}, {high}]; at this number of images neither the Richardson estimate nor FID-infinity can be believed",
    )
