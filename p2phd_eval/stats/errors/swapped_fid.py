"""Difference of two generated sets' FIDs after some of their images have changed places."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from p2phd_eval.stats.distances.covariance import covariance_factor
from p2phd_eval.stats.distances.frechet import centred_rows, nuclear_norm, sum_of_roots
from p2phd_eval.stats.distances.moments import moments

Matrix = npt.NDArray[np.float64]


def seconds_per_swap(n_real: int, n: int, d: int) -> float:
    """About how long `SwappedFid.difference` takes, spread over two cores.

    Fitted to times measured once at (n, d) from (100, 2048) to (900, 2048) and (5000, 64), with OpenBLAS 0.3.31 on
    an AMD EPYC of 2025. With m = min(n_r, n, d) the eigenvalues cost m^3, and where n > m a product costs m^2 n.
    """
    m = min(n_real, n, d)
    return 0.5e-10 * m**3 + 1e-5 * m + (0.35e-10 * m**2 * n if m < n else 0.0)


class SwappedFid:
    """FID(real, candidate) - FID(real, baseline) for any swap of their images, at a small cost a swap.

    With F'F the covariance of the real images and y_i the generated ones, the trace term is the nuclear norm of the
    matrix with columns F y_i, centred over i. Swaps only choose among 2 n columns, which are computed once, or
    among the rows and columns of their Gram matrix [2 n, 2 n]. All other terms of the difference are a sum of one
    number an image, whose sign a swap changes: with s_i = (y_i + z_i)/2 and h_i = (z_i - y_i)/2,

        l_i = 4 h_i'(m_s - m_r)/n + 4 h_i'(s_i - m_s)/(n - 1).

    Parameters
    ----------
    real : ndarray of float64, shape (n_r, d)
    baseline, candidate : ndarray of float64, shape (n, d)
        y and z; rows i of both may change places.
    """

    def __init__(self, real: Matrix, baseline: Matrix, candidate: Matrix) -> None:
        n = len(baseline)
        middle, half = (baseline + candidate) / 2, (candidate - baseline) / 2
        centre = middle.mean(axis=0)
        middle -= centre
        to_real = centre - real.mean(axis=0)
        self._linear = 4 * (half @ to_real / n + np.einsum("ij,ij->i", half, middle) / (n - 1))
        factor = _factor(real)
        # (q, 2 n): first the baseline's images, then the candidate's
        self._columns = factor @ np.concatenate([middle - half, middle + half]).T / np.sqrt(n - 1)
        self._gram = self._columns.T @ self._columns if n <= len(factor) else None
        self._n = n
        self._rank = min(len(factor), len(real) - 1, n - 1)
        traces = self._trace_sqrts(np.zeros(n, dtype=bool))
        #: Sum of the terms' sizes, to which the rounding is relative.
        self.scale = 2 * sum(traces) + float(np.abs(self._linear).sum())

    def difference(self, swapped: npt.NDArray[np.bool_]) -> float:
        """FID of the candidate's set less that of the baseline's, after images i with `swapped[i]` changed places.

        The complement of a swap gives exactly the negative.
        """
        baseline, candidate = self._trace_sqrts(swapped)
        return float(np.where(swapped, -1.0, 1.0) @ self._linear) - 2 * (candidate - baseline)

    def _trace_sqrts(self, swapped: npt.NDArray[np.bool_]) -> tuple[float, float]:
        chosen = [np.arange(self._n) + self._n * side for side in (swapped, ~swapped)]
        # In one call: NumPy lets other threads run only while it computes more than 500 values.
        squares = np.linalg.eigvalsh(np.stack([self._square(images) for images in chosen]))
        baseline, candidate = (self._nuclear_norm(each, images) for each, images in zip(squares, chosen, strict=True))
        return baseline, candidate

    def _square(self, images: npt.NDArray[np.int64]) -> Matrix:
        """M'M or M M', whichever is smaller, of the centred columns M of these images."""
        if self._gram is None:
            columns = self._centred_columns(images)
            product: Matrix = columns @ columns.T
            return product
        part: Matrix = self._gram.take(images, axis=0).take(images, axis=1)
        part -= part.mean(axis=0)
        part -= part.mean(axis=1)[:, None]
        return part

    def _nuclear_norm(self, squares: npt.NDArray[np.float64], images: npt.NDArray[np.int64]) -> float:
        # All eigenvalues beyond the rank are 0; the roots of their rounding would be visible.
        roots = sum_of_roots(squares[len(squares) - self._rank :]) if self._rank else 0.0
        return nuclear_norm(self._centred_columns(images)) if roots is None else roots

    def _centred_columns(self, images: npt.NDArray[np.int64]) -> Matrix:
        columns: Matrix = self._columns.take(images, axis=1)
        columns -= columns.mean(axis=1)[:, None]
        return columns


def _factor(features: Matrix) -> Matrix:
    """F [q, d] with F'F the covariance and q at most n and d."""
    n, d = features.shape
    return centred_rows(features)[1] if n <= d else covariance_factor(moments(features).covariance)
