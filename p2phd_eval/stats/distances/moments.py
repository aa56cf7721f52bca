"""Number, mean and covariance of a set of features, in float64, of streams too, and mergeable."""

import copy
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.stats.distances.shifted_sums import ShiftedSums, Sums, without_rows
from p2phd_eval.stats.feature_arrays import BLOCK_ROWS, feature_rows, require_equal_dims, require_usable, too_few
from p2phd_eval.stats.threads import map_in_threads


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moments:
    """Sample moments of features."""

    n: int | None  # number of images; None where a file of another tool does not say
    mean: npt.NDArray[np.float64]  # (d,)
    covariance: npt.NDArray[np.float64]  # (d, d), symmetric, divided by n - ddof
    ddof: int = 1


class MomentAccumulator:
    """Moments of a stream of features, in memory that does not grow with it: about 3 d^2 + 2048 d doubles.

    Rows are summed in blocks of `BLOCK_ROWS`, counted from the first row of the stream, so the result is the same
    to the bit however the rows are dealt out over calls of `update`.

    The sums are about a fixed point, the mean of the first block. That bounds what is lost where the sums are brought
    to the mean: with m = `BLOCK_ROWS`, the squared distance of any such point from the mean is at most n / m times
    the variance in its direction, so that the relative error is about n / m times float64's, 2e-13 for a million rows,
    even if the features drift.

    `sums`: makes the sums, given the first rows [k, d]; see `p2phd_eval.features.device_moments` for those of a GPU.

    References
    ----------
    Chan, Golub and LeVeque (1983), "Algorithms for computing the sample variance", section 3 (shifted data).
    """

    def __init__(self, sums: Callable[[npt.NDArray[np.float64]], Sums] = ShiftedSums) -> None:
        self.n = 0  # rows so far
        self._new_sums = sums
        self._block: npt.NDArray[np.float64] | None = None  # (BLOCK_ROWS, d), its first n % BLOCK_ROWS rows in use
        self._sums: Sums | None = None  # the sums over all full blocks

    def update(self, rows: npt.ArrayLike) -> None:
        """Add rows.

        Parameters
        ----------
        rows : array_like, shape (k, d)
            One row an image, any real dtype, k >= 0. Of a memory-mapped array no more than a block is read at a time.

        Raises
        ------
        InputError
            If the array is not 2-D or not real, differs from the rows before in d, or has a value that
            is NaN, infinite or too large. Nothing of it is then added.
        """
        values = feature_rows(rows, "the features")
        if self._block is None:
            self._block = np.empty((BLOCK_ROWS, values.shape[1]))
        require_equal_dims(self._block, values)
        require_usable(values, "the features", self.n)
        while len(values):
            used = self.n % BLOCK_ROWS
            taken = min(len(values), BLOCK_ROWS - used)
            self._block[used : used + taken] = values[:taken]
            values = values[taken:]
            self.n += taken
            if used + taken == BLOCK_ROWS:
                self._sums = self._sums or self._new_sums(self._block)
                self._sums.add(self._block)

    def result(self) -> Moments:
        """Return the moments of all rows so far; more may follow.

        The result has ddof = 1. Raises `InputError` if there were fewer than two rows.
        """
        return copy.deepcopy(self).last_result()

    def last_result(self) -> Moments:
        """Return the same without a copy of the sums, which are then used up: no rows may follow."""
        if self._block is None or self.n < 2:
            raise too_few(self.n, "the features")
        rest = self._block[: self.n % BLOCK_ROWS]
        sums = self._sums or self._new_sums(rest)
        sums.add(rest)
        mean, covariance = sums.mean_and_covariance(self.n)
        return Moments(n=self.n, mean=mean, covariance=covariance)


def moments(features: npt.ArrayLike) -> Moments:
    """Mean and unbiased covariance of features in float64, to the bit those of a `MomentAccumulator`.

    `features`, array_like, shape (n, d): one row an image, any real dtype, n >= 2. The result has ddof = 1. Raises
    `InputError` if the features cannot be used; see `as_features`.
    """
    accumulator = MomentAccumulator()
    accumulator.update(features)
    return accumulator.last_result()


def moments_of_large_sets(sets: Sequence[npt.NDArray[Any]]) -> list[Moments] | None:
    """Moments of each of some sets, shape (n_k, d), on all cores; None where a set has no more images than features.

    Its parts have no use for them then: their distances come from the images themselves.
    """
    return map_in_threads(moments, sets, True) if min(map(len, sets)) > sets[0].shape[1] else None


def moments_without(whole: Moments, rows: npt.NDArray[Any]) -> Moments:
    """Moments of a set without some of its images, from its own and from the features of these, shape (m, d).

    It costs what the moments of m rows cost. The sums of what is left are differences, so that their error is that of
    `whole` times about its n over what is left; take it where m is at most half of n. `whole` has ddof = 1, its n is
    known, and at least 2 images are left.
    """
    if not len(rows):
        return whole
    assert whole.n is not None
    blocks = (rows[start : start + BLOCK_ROWS].astype(np.float64) for start in range(0, len(rows), BLOCK_ROWS))
    n = whole.n - len(rows)
    mean, covariance = without_rows(whole.mean, whole.covariance, blocks, whole.n, n)
    return Moments(n=n, mean=mean, covariance=covariance)


def moments_of_rest(whole: Moments, part: Moments) -> Moments:
    """Moments of a set without a part of it, from those of both.

    It costs no product of rows. The sums of what is left are differences, so that their error is that of `whole` times
    about its n over what is left; take it where the part is at most half of n. Both have ddof = 1 and an n that is
    known, and at least 2 images are left.
    """
    assert whole.n is not None
    assert part.n is not None
    n = whole.n - part.n
    step = (whole.mean - part.mean) * (whole.n / n)  # from the part's mean to that of the rest
    between = step * np.sqrt(part.n * n / whole.n)
    scatter = np.empty_like(whole.covariance)
    for start in range(0, len(scatter), 64):  # stripes that stay in the processor's caches
        rows = slice(start, start + 64)
        stripe = np.multiply(whole.covariance[rows], whole.n - 1, out=scatter[rows])
        stripe -= (part.n - 1) * part.covariance[rows]
        stripe -= np.outer(between[rows], between)
        stripe /= n - 1
    return Moments(n=n, mean=part.mean + step, covariance=scatter)


def merge_moments(a: Moments, b: Moments) -> Moments:
    """Moments of two disjoint sets together, from the moments of each.

    `a` and `b`: moments with the same d and ddof, whose n is known. The result has the moments of all `a.n + b.n`
    images. Raises `InputError` if d or ddof differ, or an n is not known.

    References
    ----------
    Chan, Golub and LeVeque (1979), "Updating formulae and a pairwise algorithm for computing sample
    variances", eq. 2.1.
    """
    require_equal_dims(a.mean, b.mean)
    require_equal_ddof(a, b)
    if a.n is None or b.n is None:
        raise InputError(
            "moments",
            expected="the number of images of both parts",
            found="moments that do not say of how many images they are",
            fix="Compute the moments again from the images or features.",
        )
    n = a.n + b.n
    step = b.mean - a.mean
    scatter = (a.n - a.ddof) * a.covariance + (b.n - b.ddof) * b.covariance
    scatter += np.outer(step, step * (a.n * b.n / n))
    return Moments(n=n, mean=a.mean + step * (b.n / n), covariance=scatter / (n - a.ddof), ddof=a.ddof)


def require_equal_ddof(a: Moments, b: Moments) -> None:
    """Raise InputError unless both covariances were divided by n - ddof with the same ddof."""
    if a.ddof != b.ddof:
        raise InputError(
            "moments",
            expected="covariances with the same ddof",
            found=f"ddof {a.ddof} and {b.ddof}",
            fix="Multiply one covariance by (n - its ddof) / (n - the other ddof).",
        )
