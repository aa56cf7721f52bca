"""The kernel distance (KID where the features are Inception's) over all images, with its standard error.

Three kernels are here. The cubic one is that of the peers' KID; it hardly sees noise and spread. The rational quadratic
ones do, since they look at the distance of two images; so does the Gaussian one of CMMD.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.stats.design import Rows, require_pairs
from p2phd_eval.stats.distances.products import (
    Multiply,
    TileRows,
    WideRows,
    centred_together,
    multiply_on_cpu,
    tile_pairs,
    tile_slices,
)
from p2phd_eval.stats.feature_arrays import checked_features, require_equal_dims
from p2phd_eval.stats.threads import map_in_threads

Matrix = npt.NDArray[np.float64]

# Shapes of the mixture, from Bińkowski et al. (2018), appendix E: small ones reach far, large ones are near to an RBF.
_ALPHAS = (0.2, 0.5, 1.0, 2.0, 5.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class KernelDistance:
    """The squared maximum mean discrepancy (MMD) of two sets, an unbiased estimate of the distributions'."""

    value: float  # squared MMD; unbiased, so that it may be below 0 where the distributions are close
    se: float  # delete-one jackknife standard error, in units of the value
    within: tuple[float, float]  # mean of the kernel over the pairs of images within the real and the generated set
    n_real: int  # number of images
    n_fake: int
    pairing: Literal["paired", "conditions", "independent"]  # what value and standard error assume


def kernel_distance(
    real: npt.ArrayLike,
    fake: npt.ArrayLike,
    *,
    paired: bool,
    kernel: Kernel | None = None,
    multiply: Multiply = multiply_on_cpu,
    on_progress: OnProgress = unwatched,
) -> KernelDistance:
    """KID of two sets of features: all images, no subsets, with an exact jackknife standard error.

    The kernel is k(x, y) = (x'y/d + 1)^3. Independent sets of m and n images give the two-sample U-statistic

        sum_{i != j} k(x_i, x_j) / (m (m - 1)) + sum_{i != j} k(y_i, y_j) / (n (n - 1)) - 2 mean_ij k(x_i, y_j).

    Where image i of both sets comes from one label map, x_i and y_i are alike and the terms k(x_i, y_i) bias this
    downward. Pairs give the U-statistic without them,

        sum_{i != j} [k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i)] / (n (n - 1)).

    The value without image i (or pair i) follows from the sums of the rows of the kernel matrices, so the jackknife
    costs nothing beside them. The matrices are never whole in memory: a tile of 1024 x 1024 at a time.

    Features that are float32 are multiplied in float32, as `CentredRows` does it, and all else is float64, so that the
    rounding of 25 million products averages out: value and error are within 1e-5 standard errors of what
    float64 gives (`benchmarks/metrics.py` shows some 1e-7). Features that are float64 are multiplied in float64.

    Parameters
    ----------
    real : array_like, shape (n_r, d)
        Features of the real images, any real dtype, n_r >= 3.
    fake : array_like, shape (n_g, d)
        Features of the generated images, n_g >= 3.
    paired : bool
        Whether real image i and generated image i share a label map (n_r = n_g).
    kernel : Kernel, optional
        Another kernel in place of KID's.
    multiply : callable, optional
        What multiplies in float32; see `p2phd_eval.features.device_products` for a GPU.
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
    real_values, fake_values = checked_kernel_sets(real, fake, paired=paired)
    rows: tuple[TileRows, TileRows]
    if real_values.dtype == fake_values.dtype == np.float32:
        rows = centred_together(real_values, fake_values, multiply)
    else:
        rows = WideRows(real_values), WideRows(fake_values)
    kernels = [kernel or CubicKernel(real_values.shape[1])]
    return distance_of_sums(kernel_sums(pairs_of_sets(*rows, paired=paired), kernels, on_progress), paired=paired)


def pairs_of_sets(real: TileRows, fake: TileRows, *, paired: bool) -> tuple[KernelPairs, KernelPairs, KernelPairs]:
    """The pairs that a kernel distance is made of: within the real images, within the generated ones, across."""
    places = np.arange(len(real)), np.arange(len(fake))
    return (
        KernelPairs(left=real, right=real, units=(places[0], places[0])),
        KernelPairs(left=fake, right=fake, units=(places[1], places[1])),
        KernelPairs(left=real, right=fake, units=places if paired else None),
    )


def distance_of_sums(sums: Sequence[tuple[Matrix, Matrix]], *, paired: bool) -> KernelDistance:
    """The kernel distance from what `kernel_sums` gives of `pairs_of_sets` and one kernel."""
    (real_sums, _), (fake_sums, _), (cross_real, cross_fake) = ((left[0], right[0]) for left, right in sums)
    n_real, n_fake = len(real_sums), len(fake_sums)
    within = real_sums.sum() / (n_real * (n_real - 1)), fake_sums.sum() / (n_fake * (n_fake - 1))
    if paired:
        value, se = _paired_statistic(real_sums + fake_sums - cross_real - cross_fake)
    else:
        value, se = _two_sample_statistic(real_sums, fake_sums, cross_real, cross_fake)
    return KernelDistance(
        value=value,
        se=se,
        within=(float(within[0]), float(within[1])),
        n_real=n_real,
        n_fake=n_fake,
        pairing="paired" if paired else "independent",
    )


def checked_kernel_sets(
    real: npt.ArrayLike, fake: npt.ArrayLike, *, paired: bool
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return features of two sets that a kernel distance can be had of; raises InputError as `kernel_distance`."""
    real_values, fake_values = checked_features(real, "real"), checked_features(fake, "generated")
    require_equal_dims(real_values, fake_values)
    _require_counts(len(real_values), len(fake_values), paired)
    return real_values, fake_values


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


class Kernel(Protocol):
    """A kernel k(x, y) that follows from the product x'y and the squares |x|^2 and |y|^2."""

    def __call__(self, products: Matrix, left_squares: Matrix, right_squares: Matrix) -> Matrix:
        """Return k(x_i, y_j) [m, n], from the x_i'y_j [m, n], the |x_i|^2 [m] and the |y_j|^2 [n]."""
        ...


class CubicKernel:
    """The kernel of KID, k(x, y) = (x'y/d + 1)^3.

    `d`: number of features of an image.

    References
    ----------
    Bińkowski et al. (2018), "Demystifying MMD GANs", section 4.
    """

    def __init__(self, d: int) -> None:
        self._d = d

    def __call__(self, products: Matrix, left_squares: Matrix, right_squares: Matrix) -> Matrix:
        """See `Kernel`; the squares are not needed."""
        kernel = products / self._d
        kernel += 1
        kernel *= np.square(kernel)
        return kernel


class RationalQuadraticKernel:
    """The sum of rational quadratic kernels, k(x, y) = sum_a (1 + |x - y|^2 / (a s))^-a, a = 0.2, 0.5, 1, 2, 5.

    It is characteristic: of different distributions the MMD is above 0, whatever they differ in. The scale s makes it
    independent of the features' unit; see `kernel_scale`.

    `scale`: s, > 0, in squared feature units; 2 sigma^2 in the paper.

    References
    ----------
    Bińkowski et al. (2018), "Demystifying MMD GANs", section 4 and appendix E.
    """

    def __init__(self, scale: float) -> None:
        self._scale = scale

    def __call__(self, products: Matrix, left_squares: Matrix, right_squares: Matrix) -> Matrix:
        """See `Kernel`."""
        distances = _squared_distances(products, left_squares, right_squares)
        distances /= self._scale
        kernel = np.zeros_like(distances)
        for alpha in _ALPHAS:
            term = distances / alpha
            term += 1
            kernel += np.power(term, -alpha, out=term)
        return kernel


class GaussianKernel:
    """The kernel of CMMD, k(x, y) = 1000 exp(-|x - y|^2 / (2 s^2)) with s = 10, for embeddings of length one.

    It is characteristic. s was fixed by the authors, with which the kernel is nearly linear in |x - y|^2; so was the
    factor, which makes the numbers readable.

    References
    ----------
    Jayasumana et al. (2024), "Rethinking FID: Towards a Better Evaluation Metric for Image Generation", section 5.
    """

    sigma = 10.0
    factor = 1000.0

    def __call__(self, products: Matrix, left_squares: Matrix, right_squares: Matrix) -> Matrix:
        """See `Kernel`."""
        kernel = _squared_distances(products, left_squares, right_squares)
        kernel /= -2 * self.sigma**2
        np.exp(kernel, out=kernel)
        kernel *= self.factor
        return kernel


def _squared_distances(products: Matrix, left_squares: Matrix, right_squares: Matrix) -> Matrix:
    distances = products * -2
    distances += left_squares[:, None]
    distances += right_squares
    return np.maximum(distances, 0, out=distances)  # rounding, where two images are alike


def kernel_scale(real: npt.NDArray[Any]) -> float:
    """The scale of the rational quadratic kernel: the mean squared distance of two real images, 2 Tr S_r.

    It is exact at any number of images without looking at pairs of them, and their order does not matter. (The median
    needs all pairs or a choice of them; on Inception's features the two give the same answers.) Where all real images
    are alike, the scale is 1.

    `real`, ndarray of shape (n, d): n >= 2. The result is in squared feature units.
    """
    # Rounding can carry the mean of equal numbers past them.
    centre = np.clip(real.mean(axis=0, dtype=np.float64), real.min(axis=0), real.max(axis=0))
    squares = sum(float(np.square(real[rows] - centre).sum()) for rows in tile_slices(len(real)))
    return 2 * squares / (len(real) - 1) or 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class KernelPairs:
    """Two sets of which the kernel is summed over the pairs of images that share no unit."""

    left: TileRows  # m of them
    right: TileRows  # n, of the same class; the same object as `left` for the pairs within one set
    #: (m,) and (n,), what each row of either set was drawn with: its label map, or its cluster. None where the sets are
    #: independent.
    units: tuple[Rows, Rows] | None

    @property
    def within(self) -> bool:
        """Whether these are the pairs within one set."""
        return self.left is self.right


def kernel_sums(
    pairs: Sequence[KernelPairs], kernels: Sequence[Kernel], on_progress: OnProgress = unwatched
) -> list[tuple[Matrix, Matrix]]:
    """Sums of the rows and of the columns of kernel matrices, without the pairs of images that share a unit.

    The products x'y, which cost most, are computed once for all kernels. No matrix is whole in memory: each core works
    on a tile of 1024 x 1024 at a time, with its sums in float64. The result does not depend on the number of cores.

    Parameters
    ----------
    pairs : sequence of KernelPairs
        P pairs of sets.
    kernels : sequence of Kernel
        K of them.
    on_progress : callable, optional
        Called with (tiles done, tiles in all).

    Returns
    -------
    list of (ndarray, ndarray)
        P times the sums sum_j k(x_i, y_j), shape (K, m), and sum_i k(x_i, y_j), shape (K, n), float64. Within one set
        they are equal.
    """
    jobs = [
        (position, rows, columns)
        for position, each in enumerate(pairs)
        for rows, columns in tile_pairs(len(each.left), len(each.right), within=each.within)
    ]

    def work(job: tuple[int, slice, slice]) -> tuple[Matrix, Matrix]:
        position, rows, columns = job
        return _tile_sums(pairs[position], rows, columns, kernels)

    sums = [(np.zeros((len(kernels), len(each.left))), np.zeros((len(kernels), len(each.right)))) for each in pairs]
    for (position, rows, columns), (of_rows, of_columns) in zip(
        jobs, map_in_threads(work, jobs, True, on_progress), strict=True
    ):
        left, right = sums[position]
        left[:, rows] += of_rows
        right[:, columns] += of_columns
        if pairs[position].within and rows != columns:  # the tile below the diagonal
            left[:, columns] += of_columns
            right[:, rows] += of_rows
    return sums


def _tile_sums(pairs: KernelPairs, rows: slice, columns: slice, kernels: Sequence[Kernel]) -> tuple[Matrix, Matrix]:
    products = pairs.left.products(rows, pairs.right, columns)
    squares = pairs.left.squares(rows), pairs.right.squares(columns)
    apart = None if pairs.units is None else pairs.units[0][rows, None] != pairs.units[1][columns]
    of_rows, of_columns = [], []
    for kernel in kernels:
        values = kernel(products, squares[0], squares[1])
        if apart is not None:
            values *= apart
        of_rows.append(values.sum(axis=1))
        of_columns.append(values.sum(axis=0))
    return np.array(of_rows), np.array(of_columns)


def _require_counts(n_real: int, n_fake: int, paired: bool) -> None:
    for name, n in (("real", n_real), ("generated", n_fake)):
        if n < 3:
            raise InputError(
                f"{name} features",
                expected="at least 3 images",
                found=f"{n} (the jackknife leaves one out, and a U-statistic needs two)",
                fix="Give more images.",
            )
    if paired:
        require_pairs(n_real, n_fake)
