"""Sums of rows about a fixed point, from which their mean and covariance follow."""

from collections.abc import Iterable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from p2phd_eval.stats.unlocked_lapack import add_products

Matrix = npt.NDArray[np.float64]


class Sums(Protocol):
    """What a `MomentAccumulator` sums its blocks in: `ShiftedSums`, or the same on another device."""

    def add(self, rows: Matrix) -> None:
        """Add rows [k, d], which may be overwritten."""
        ...

    def mean_and_covariance(self, n: int) -> tuple[Matrix, Matrix]:
        """Return the mean [d] and the covariance [d, d], symmetric, divided by n - 1; the sums are then used up."""
        ...


class ShiftedSums:
    """Sums about the mean of the first rows, in NumPy and BLAS.

    `first`, ndarray of float64, shape (k, d): the first rows. They set the point; they are not added.
    """

    def __init__(self, first: Matrix) -> None:
        d = first.shape[1]
        self._shift = central_point(first)
        self._total = np.zeros(d)  # sum of (row - shift)
        # Sum of (row - shift)(row - shift)', its lower triangle alone, stored by columns as BLAS wants it.
        self._scatter = np.zeros((d, d), order="F")

    def add(self, rows: Matrix) -> None:
        """Add rows [k, d], which are overwritten."""
        rows -= self._shift
        self._total += rows.sum(axis=0)
        # BLAS's symmetric update does half the work of a product, and adds in place.
        add_products(self._scatter, rows)

    def mean_and_covariance(self, n: int) -> tuple[Matrix, Matrix]:
        """Return the mean [d] and the covariance [d, d], symmetric, divided by n - 1; the sums are then used up."""
        step = self._total / n
        covariance = self._scatter
        add_products(covariance, step[None], -n)
        covariance /= n - 1
        _mirror_lower(covariance)
        return self._shift + step, covariance.T


def without_rows(
    mean: Matrix, covariance: Matrix, blocks: Iterable[Matrix], n: int, left_over: int
) -> tuple[Matrix, Matrix]:
    """Return the mean [d] and the covariance [d, d] of what is left of a set, divided by its number of rows - 1.

    `mean`, `covariance`: of the n rows of the whole set, divided by n - 1. `blocks`: the rows [k, d] that are taken
    out, which are overwritten. `left_over`: how many then remain.
    """
    total = np.zeros_like(mean)
    # A symmetric matrix's upper triangle in rows is its lower one in columns, as BLAS wants it.
    left = np.asfortranarray(np.triu(covariance).T)
    left *= n - 1
    for rows in blocks:
        rows -= mean
        total -= rows.sum(axis=0)
        add_products(left, rows, -1.0)
    step = total / left_over
    add_products(left, step[None], -left_over)
    left /= left_over - 1
    _mirror_lower(left)
    return mean + step, left.T


def central_point(rows: Matrix) -> Matrix:
    """Return the mean [d] of rows [k, d], exact where they are equal, so that a constant feature has no variance."""
    # Rounding can carry the mean of equal numbers past them.
    point: Matrix = np.clip(rows.mean(axis=0), rows.min(axis=0), rows.max(axis=0))
    return point


def _mirror_lower(matrix: Matrix) -> None:
    """Copy the lower triangle onto the upper one, which is 0, in stripes that stay in the processor's caches."""
    for start in range(0, len(matrix), 64):
        stop = start + 64
        matrix[:start, start:stop] = matrix[start:stop, :start].T
        square = matrix[start:stop, start:stop]
        square += np.tril(square, -1).T
