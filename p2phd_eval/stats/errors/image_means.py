"""The error of means over images of a table with a row for each run: images random, and runs as well where asked."""

import dataclasses

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import SamplingDesign, StandardError
from p2phd_eval.stats.errors.seeds import combine_few
from p2phd_eval.stats.errors.skewness import diluted_skewness, skewness_of_mean

Values = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EstimatedMean:
    """A mean, and how it is distributed."""

    value: float
    error: StandardError
    skewness: float  # of the mean


def image_error(values: Values, design: SamplingDesign) -> tuple[StandardError, float]:
    """Standard error and skewness of the mean of values (n,): each pulls on it by its distance from the mean.

    `design`: of one set of n, how they were drawn.
    """
    shifted = values - values[0]  # equal values are then zeros, without error by rounding
    influences = shifted - shifted.mean()
    return design.standard_error([influences]), skewness_of_mean(design.blocks[0].totals(influences))


def run_noise(table: Values, design: SamplingDesign) -> float | None:
    """How much of the variance between the means of rows (runs, n) is the images'; see `Measurement.run_noise`."""
    count = len(table)
    if count < 2:
        return None
    apart = table - table.mean(axis=0)
    apart = apart - apart.mean(axis=1, keepdims=True)
    block = design.blocks[0]
    return float(block.variance(np.stack([block.totals(run) for run in apart])).mean()) * count / (count - 1)


def fixed_runs_mean(table: Values, design: SamplingDesign) -> EstimatedMean:
    """Mean of a table (runs, n) of images that are random; the runs are those that they are."""
    means = table.mean(axis=0)
    error, skewness = image_error(means, design)
    return EstimatedMean(value=float(means.mean()), error=error, skewness=skewness)


def random_runs_mean(table: Values, design: SamplingDesign) -> EstimatedMean:
    """Mean of a table (runs, n) whose rows and columns are both drawn at random, crossed.

        Var = s^2 / S + max(0, se_images^2 - e / S)

    The spread s of the S rows' means holds what their images add to it, e, and so does se_images, the error over the
    images of the rows' mean. It is counted once. Degrees of freedom are those of `combine_few`. The runs are taken as
    without skewness: three or six of them cannot show any.

    `table`: two rows or more.

    References
    ----------
    Searle, Casella and McCulloch (1992), "Variance Components", section 4.3.
    """
    fixed = fixed_runs_mean(table, design)
    count = len(table)
    noise = run_noise(table, design)
    assert noise is not None  # there are two rows
    of_runs = float(np.var(table.mean(axis=1), ddof=1)) / count
    of_images = max(0.0, fixed.error.value**2 - noise / count)
    error = combine_few([(of_images, fixed.error.df), (of_runs, count - 1.0)])
    return EstimatedMean(value=fixed.value, error=error, skewness=diluted_skewness(fixed.skewness, fixed.error, error))


def table_of_runs(where: str, values: npt.ArrayLike) -> Values:
    """Return values of images as such a table, float64 (runs, n).

    Raises `InputError`, naming `where`, for fewer than one run or two images, or a number that is not finite.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2:
        raise InputError(
            where, expected="shape (runs, images) with a run and two images or more", found=f"shape {table.shape}"
        )
    if not np.isfinite(table).all():
        raise InputError(where, expected="finite numbers", found="NaN or infinity")
    return table
