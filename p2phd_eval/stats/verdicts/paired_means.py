"""Means over images of a value that each image has, such as its SSIM, and paired differences between arms."""

import dataclasses

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.stats.confidence import require_confidence, t_interval
from p2phd_eval.stats.design import SamplingDesign, StandardError
from p2phd_eval.stats.errors.seeds import recipe_error
from p2phd_eval.stats.verdicts.equivalence import Difference, equivalence_test
from p2phd_eval.stats.verdicts.scope import Scope


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageMean:
    """A mean over images, which are random; the runs are those that they are."""

    value: float  # in units of the values, like the error and the interval
    error: StandardError
    confidence: float
    interval: tuple[float, float]  # two-sided, by the t distribution


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeanDifference:
    """Mean of a candidate minus mean of the baseline, paired by image."""

    estimate: float  # in units of the values, like the error and the interval
    error: StandardError
    scope: Scope
    confidence: float
    interval: tuple[float, float]  # two-sided, by the t distribution
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
    means = _table("values", values).mean(axis=0)
    error = _image_error(means, clusters)
    value = float(means.mean())
    return ImageMean(value=value, error=error, confidence=confidence, interval=t_interval(value, error, confidence))


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
    with one run an arm and no clusters, a paired t test. Scope B adds the variance of each arm's runs, see
    `stats.errors.seeds.recipe_error`.

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
    before, after = _table("baseline", baseline), _table("candidate", candidate)
    if before.shape[1] != after.shape[1]:
        raise InputError(
            "candidate",
            expected=f"values of the {before.shape[1]} images of the baseline",
            found=f"values of {after.shape[1]}",
        )
    differences = after.mean(axis=0) - before.mean(axis=0)
    error = _image_error(differences, clusters)
    if scope == Scope.RECIPES:
        noise = _run_noise(before, clusters), _run_noise(after, clusters)
        error = recipe_error(before.mean(axis=1).tolist(), after.mean(axis=1).tolist(), error, noise=noise)
    estimate = float(differences.mean())
    test = equivalence_test(Difference(estimate=estimate, error=error, margin=None), confidence=confidence)
    return MeanDifference(
        estimate=estimate,
        error=error,
        scope=scope,
        confidence=confidence,
        interval=test.interval,
        p_value=test.p_difference,
    )


def _table(where: str, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2:
        raise InputError(
            where, expected="shape (runs, images) with a run and two images or more", found=f"shape {table.shape}"
        )
    if not np.isfinite(table).all():
        raise InputError(where, expected="finite numbers", found="NaN or infinity")
    return table


def _image_error(values: npt.NDArray[np.float64], clusters: npt.ArrayLike | None) -> StandardError:
    """Standard error of a mean: each image's influence on it is its distance from the mean."""
    shifted = values - values[0]  # equal values are then zeros, without error by rounding
    return SamplingDesign.paired(len(values), 1, clusters).standard_error([shifted - shifted.mean()])


def _run_noise(table: npt.NDArray[np.float64], clusters: npt.ArrayLike | None) -> float | None:
    """How much of the variance between the means of an arm's runs is the images'; see `Measurement.run_noise`."""
    count = len(table)
    if count < 2:
        return None
    apart = table - table.mean(axis=0)
    return float(np.mean([_image_error(run, clusters).value ** 2 for run in apart])) * count / (count - 1)
