"""Means over images of a value that each image has, such as its SSIM, and paired differences between arms."""

import dataclasses

import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.stats.confidence import require_confidence
from p2phd_eval.stats.design import SamplingDesign, StandardError
from p2phd_eval.stats.errors.image_means import fixed_runs_mean, image_error, run_noise, table_of_runs
from p2phd_eval.stats.errors.seeds import recipe_error
from p2phd_eval.stats.errors.skewness import diluted_skewness, skewed_interval, skewed_p
from p2phd_eval.stats.verdicts.scope import Scope


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageMean:
    """A mean over images, which are random; the runs are those that they are."""

    value: float  # in units of the values, like the error and the interval
    error: StandardError
    skewness: float  # of the mean
    confidence: float
    interval: tuple[float, float]  # two-sided, see `stats.errors.skewness`


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeanDifference:
    """Mean of a candidate minus mean of the baseline, paired by image."""

    estimate: float  # in units of the values, like the error and the interval
    error: StandardError
    skewness: float  # of the estimate
    scope: Scope
    confidence: float
    interval: tuple[float, float]  # two-sided, see `stats.errors.skewness`
    p_value: float  # two-sided, of no difference


def image_mean(values: npt.ArrayLike, *, clusters: npt.ArrayLike | None = None, confidence: float = 0.95) -> ImageMean:
    """Mean over runs and images, with the standard error of images that are random.

    Each image's values are averaged over the runs first: runs on one image are no further draws of it. For distances
    between samples, a run stands for a pair of runs.

    Raises `InputError` if the values are not such a table of finite numbers of at least two images, or there are fewer
    than two clusters.

    Parameters
    ----------
    values : array_like, shape (runs, n)
        One for each run, on the same n images.
    clusters : array_like, shape (n,), optional
        Any label, such as a video sequence, for each image; by default each image is its own cluster.
    confidence : float
        In (0.5, 1).
    """
    require_confidence(confidence)
    table = table_of_runs("values", values)
    found = fixed_runs_mean(table, SamplingDesign.paired(table.shape[1], 1, clusters))
    return ImageMean(
        value=found.value,
        error=found.error,
        skewness=found.skewness,
        confidence=confidence,
        interval=skewed_interval(found.value, found.error, found.skewness, confidence),
    )


def mean_difference(
    baseline: npt.ArrayLike,
    candidate: npt.ArrayLike,
    *,
    scope: Scope,
    clusters: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> MeanDifference:
    """Difference between two arms on the same images.

    In scope A it is the mean over images of d_i, the candidate's mean over its runs on image i minus the baseline's:
    with one run an arm and no clusters, a paired t test, widened where the d_i are skewed. Scope B adds the variance of
    each arm's runs, see `stats.errors.seeds.recipe_error`; the runs are taken as without skewness.

    Raises `InputError` as `image_mean`; if the numbers of images differ; or in scope B if an arm has only one run.

    Parameters
    ----------
    baseline, candidate : array_like, shapes (runs, n) and (runs', n)
        Column i of both is of image i.
    scope : Scope
        Whether the result speaks of these checkpoints (A) or of the recipes they were trained by (B).
    clusters, confidence
        See `image_mean`.
    """
    before, after = table_of_runs("baseline", baseline), table_of_runs("candidate", candidate)
    if before.shape[1] != after.shape[1]:
        raise InputError(
            "candidate",
            expected=f"values of the {before.shape[1]} images of the baseline",
            found=f"values of {after.shape[1]}",
        )
    require_confidence(confidence)
    differences = after.mean(axis=0) - before.mean(axis=0)
    design = SamplingDesign.paired(before.shape[1], 1, clusters)
    images, skewness = image_error(differences, design)
    error = images
    if scope == Scope.RECIPES:
        noise = run_noise(before, design), run_noise(after, design)
        error = recipe_error(before.mean(axis=1).tolist(), after.mean(axis=1).tolist(), images, noise=noise)
        skewness = diluted_skewness(skewness, images, error)
    estimate = float(differences.mean())
    return MeanDifference(
        estimate=estimate,
        error=error,
        skewness=skewness,
        scope=scope,
        confidence=confidence,
        interval=skewed_interval(estimate, error, skewness, confidence),
        p_value=skewed_p(estimate, error, skewness),
    )
