"""The kernel distance (KID where the features are Inception's) over all images, with its standard error."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.stats.design import Rows, require_pairs
from p2phd_eval.stats.feature_arrays import checked_features, require_equal_dims

# Rows of a tile of the kernel matrix. A tile is 8 MiB and the rows it is made of 16 MiB each at d = 2048.
_ROWS = 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class KernelDistance:
    """The squared maximum mean discrepancy (MMD) of two sets, an unbiased estimate of the distributions'."""

    value: float  # squared MMD; unbiased, so that it may be below 0 where the distributions are close
    se: float  # delete-one jackknife standard error, in units of the value
    n_real: int  # number of images
    n_fake: int
    pairing: Literal["paired", "independent"]  # what value and standard error assume


def kernel_distance(
    real: npt.ArrayLike, fake: npt.ArrayLike, *, paired: bool, on_progress: OnProgress = unwatched
) -> KernelDistance:
    """KID of two sets of features: all images, no subsets, in float64, with an exact jackknife standard error.

    The kernel is k(x, y) = (x'y/d + 1)^3. Independent sets of m and n images give the two-sample U-statistic

        sum_{i != j} k(x_i, x_j) / (m (m - 1)) + sum_{i != j} k(y_i, y_j) / (n (n - 1)) - 2 mean_ij k(x_i, y_j).

    Where image i of both sets comes from one label map, x_i and y_i are alike and the terms k(x_i, y_i) bias this
    downward. Pairs give the U-statistic without them,

        sum_{i != j} [k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i)] / (n (n - 1)).

    The value without image i (or pair i) follows from the sums of the rows of the kernel matrices, so the jackknife
    costs nothing beside them. The matrices are never whole in memory: a tile of 1024 x 1024 at a time.

    Parameters
    ----------
    real : array_like, shape (n_r, d)
        Features of the real images, any real dtype, n_r >= 3.
    fake : array_like, shape (n_g, d)
        Features of the generated images, n_g >= 3.
    paired : bool
        Whether real image i and generated image i share a label map (n_r = n_g).
    on_progress : callable, optional
        Called with (tiles done, tiles in all).

    Returns
    -------
    KernelDistance
        Where the two distributions are equal the jackknife error is too large, by a factor of about sqrt(2): there
        the U-statistic is degenerate.

    Raises
    ------
    InputError
        If a set cannot be used or has fewer than 3 images, or the two do not fit each other.

    References
    ----------
    Bińkowski et al. (2018), "Demystifying MMD GANs", section 4 (KID); Gretton et al. (2012), "A kernel two-sample
    test", eq. 3 (independent sets) and eq. 4 (pairs); Arvesen (1969), "Jackknifing U-statistics".
    """
    real_values, fake_values = checked_features(real, "real"), checked_features(fake, "fake")
    require_equal_dims(real_values, fake_values)
    n_real, n_fake = len(real_values), len(fake_values)
    _require_counts(n_real, n_fake, paired)
    tick = counter(tiles_within(n_real) + tiles_within(n_fake) + tiles_between(n_real, n_fake), on_progress)
    real_sums = sums_within(real_values, np.arange(n_real), tick)
    fake_sums = sums_within(fake_values, np.arange(n_fake), tick)
    cross_real, cross_fake = sums_between(real_values, fake_values, np.arange(n_real) if paired else None, tick)
    if paired:
        value, se = _paired_statistic(real_sums + fake_sums - cross_real - cross_fake)
    else:
        value, se = _two_sample_statistic(real_sums, fake_sums, cross_real, cross_fake)
    return KernelDistance(
        value=value, se=se, n_real=n_real, n_fake=n_fake, pairing="paired" if paired else "independent"
    )


def _paired_statistic(sums: npt.NDArray[np.float64]) -> tuple[float, float]:
    """U-statistic and jackknife error from sums_i = sum_{j != i} h(i, j) of a symmetric h."""
    n = len(sums)
    total = sums.sum()
    # Pair i leaves with its row and its column.
    without = (total - 2 * sums) / ((n - 1) * (n - 2))
    return float(total / (n * (n - 1))), float(np.sqrt(_jackknife_variance(without)))


def _two_sample_statistic(
    real_sums: npt.NDArray[np.float64],
    fake_sums: npt.NDArray[np.float64],
    cross_real: npt.NDArray[np.float64],
    cross_fake: npt.NDArray[np.float64],
) -> tuple[float, float]:
    m, n = len(real_sums), len(fake_sums)
    real_total, fake_total, cross = real_sums.sum(), fake_sums.sum(), cross_real.sum()
    real_mean, fake_mean = real_total / (m * (m - 1)), fake_total / (n * (n - 1))
    without_real = (
        (real_total - 2 * real_sums) / ((m - 1) * (m - 2)) + fake_mean - 2 * (cross - cross_real) / ((m - 1) * n)
    )
    without_fake = (
        (fake_total - 2 * fake_sums) / ((n - 1) * (n - 2)) + real_mean - 2 * (cross - cross_fake) / (m * (n - 1))
    )
    variance = _jackknife_variance(without_real) + _jackknife_variance(without_fake)
    return float(real_mean + fake_mean - 2 * cross / (m * n)), float(np.sqrt(variance))


def _jackknife_variance(without: npt.NDArray[np.float64]) -> float:
    return float((len(without) - 1) * without.var())


def sums_within(values: npt.NDArray[Any], unit_of: Rows, tick: Callable[[], None]) -> npt.NDArray[np.float64]:
    """Sum of k(x_i, x_j) over the images j of other units, for each image i.

    Each of the two equal halves of the matrix is computed once.

    The result is float64 (n,).

    Parameters
    ----------
    values : ndarray, shape (n, d)
    unit_of : ndarray of int64, shape (n,)
        What each image was drawn with: its label map, or its cluster.
    tick : callable
        Called after each tile; there are `tiles_within(n)`.
    """
    sums = np.zeros(len(values))
    for rows in _blocks(len(values)):
        left = values[rows].astype(np.float64)
        for columns in _blocks(len(values), rows.start):
            diagonal = columns == rows
            kernel = _kernel(left, left if diagonal else values[columns].astype(np.float64))
            kernel[unit_of[rows, None] == unit_of[columns]] = 0
            if not diagonal:
                sums[columns] += kernel.sum(axis=0)
            sums[rows] += kernel.sum(axis=1)
            tick()
    return sums


def sums_between(
    left: npt.NDArray[Any], right: npt.NDArray[Any], unit_of: Rows | None, tick: Callable[[], None]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Sum of k(x_i, y_j) over the images j of other units, for each image i, and over i for each j.

    The results are float64, of shapes (m,) and (n,).

    Parameters
    ----------
    left, right : ndarray, shapes (m, d) and (n, d)
    unit_of : ndarray of int64, shape (n,), or None
        The unit of row i of both sets, where they were drawn together (m = n); None where they are independent, and
        no image shares a unit with one of the other set.
    tick : callable
        Called after each tile; there are `tiles_between(m, n)`.
    """
    left_sums, right_sums = np.zeros(len(left)), np.zeros(len(right))
    for rows in _blocks(len(left)):
        tile = left[rows].astype(np.float64)
        for columns in _blocks(len(right)):
            kernel = _kernel(tile, right[columns].astype(np.float64))
            if unit_of is not None:
                kernel[unit_of[rows, None] == unit_of[columns]] = 0
            left_sums[rows] += kernel.sum(axis=1)
            right_sums[columns] += kernel.sum(axis=0)
            tick()
    return left_sums, right_sums


def _kernel(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # The product of a matrix and its own transpose takes NumPy half the work.
    kernel: npt.NDArray[np.float64] = left @ right.T
    kernel /= left.shape[1]
    kernel += 1
    kernel *= np.square(kernel)
    return kernel


def _blocks(n: int, start: int = 0) -> Iterator[slice]:
    return (slice(first, min(first + _ROWS, n)) for first in range(start, n, _ROWS))


def tiles_within(n: int) -> int:
    """Tiles of the symmetric kernel matrix of n images that `sums_within` computes."""
    blocks = -(-n // _ROWS)
    return blocks * (blocks + 1) // 2


def tiles_between(m: int, n: int) -> int:
    """Tiles of the kernel matrix of m and n images."""
    return -(-m // _ROWS) * -(-n // _ROWS)


def counter(total: int, on_progress: OnProgress) -> Callable[[], None]:
    """Make the function that is called after each of `total` tiles and passes their number on."""
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        on_progress(done, total)

    return tick


def _require_counts(n_real: int, n_fake: int, paired: bool) -> None:
    for name, n in (("real", n_real), ("fake", n_fake)):
        if n < 3:
            raise InputError(
                f"{name} features",
                expected="at least 3 images",
                found=f"{n} (the jackknife leaves one out, and a U-statistic needs two)",
                fix="Give more images.",
            )
    if paired:
        require_pairs(n_real, n_fake)
