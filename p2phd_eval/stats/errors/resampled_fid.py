"""FIDs of resampled images, without building the resampled sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from p2phd_eval.stats.distances.frechet import trace_sqrt_of_covariances

Counts = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.float64]


class ResampledFid:
    """FIDs of resampled generated images against resampled real ones, for several generated sets.

    A resample enters as the number of times each image was drawn. Rows drawn m times are one row times sqrt(m):
    the singular values of the weighted, centred cross-Gram stay the same, and only about 63 % of rows and columns
    are left, which makes them about 4 times cheaper.

    Parameters
    ----------
    real : ndarray of float64, shape (n_r, d)
        Features of the real images.
    fakes : sequence of ndarray of float64, each of shape (n_k, d)
        Features of the generated sets.
    """

    def __init__(self, real: Matrix, fakes: Sequence[Matrix]) -> None:
        self._real = _Centred(real)
        self._fakes = [_Centred(fake) for fake in fakes]
        n_real, d = real.shape
        # A resample of 2 d images has about 1.26 d different ones. With fewer than d its covariance is singular.
        self._grams = [
            self._real.rows @ fake.rows.T if min(n_real, len(fake.rows)) <= 2 * d else None for fake in self._fakes
        ]
        #: Whether all come from cross-Gram matrices [n_r, n_k], and none from covariances [d, d].
        self.uses_grams = all(gram is not None for gram in self._grams)

    def at(self, real_counts: Counts, fake_counts: Sequence[Counts]) -> npt.NDArray[np.float64]:
        """FID of each generated set against the real one.

        Parameters
        ----------
        real_counts : ndarray of int64, shape (n_r,)
            How often each real image was drawn; two draws or more in all.
        fake_counts : sequence of ndarray of int64, each of shape (n_k,)
            How often each image of generated set k was drawn; two draws or more in all.

        Returns
        -------
        ndarray of float64, shape (K,)
            Equal sets drawn with equal counts have equal FIDs, to the bit.
        """
        real_draw, fake_draws = _Draw(real_counts), [_Draw(counts) for counts in fake_counts]
        real_mean, real_trace = self._real.mean_and_trace(real_draw)
        values = np.empty(len(fake_draws))
        traces = self._trace_sqrts(real_draw, fake_draws)
        for k, (fake, draw) in enumerate(zip(self._fakes, fake_draws, strict=True)):
            fake_mean, fake_trace = fake.mean_and_trace(draw)
            step = real_mean - fake_mean
            values[k] = step @ step + real_trace + fake_trace - 2 * traces[k]
        return np.maximum(values, 0)

    def _trace_sqrts(self, real_draw: _Draw, fake_draws: Sequence[_Draw]) -> list[float]:
        if self.uses_grams:
            return _nuclear_norms(
                [
                    _resampled_gram(gram, real_draw, draw)
                    for gram, draw in zip(self._grams, fake_draws, strict=True)
                    if gram is not None
                ]
            )
        covariance = self._real.covariance(real_draw)
        traces = []
        for fake, gram, draw in zip(self._fakes, self._grams, fake_draws, strict=True):
            if gram is None:
                traces.append(trace_sqrt_of_covariances(covariance, fake.covariance(draw)))
            else:
                traces += _nuclear_norms([_resampled_gram(gram, real_draw, draw)])
        return traces


class _Draw:
    """Which images a resample holds, and how often."""

    def __init__(self, counts: Counts) -> None:
        self.n = int(counts.sum())
        self.images = np.flatnonzero(counts)  # (u,), the different images drawn
        self.share = counts[self.images] / self.n  # (u,), sums to 1
        self.root = np.sqrt(counts[self.images] / (self.n - 1))  # (u,), scale of a row in a factor


class _Centred:
    """Features centred at the mean of the whole set, so that no resample has to cancel large numbers."""

    def __init__(self, features: Matrix) -> None:
        self.mean = features.mean(axis=0)
        self.rows = features - self.mean
        self.squares = np.einsum("ij,ij->i", self.rows, self.rows)

    def mean_and_trace(self, draw: _Draw) -> tuple[npt.NDArray[np.float64], float]:
        """Mean [d] and trace of the covariance (ddof = 1) of the resampled set."""
        weights = np.zeros(len(self.rows))
        weights[draw.images] = draw.share
        shift = weights @ self.rows
        trace = draw.n / (draw.n - 1) * (weights @ self.squares - shift @ shift)
        return self.mean + shift, float(trace)

    def covariance(self, draw: _Draw) -> Matrix:
        """Covariance [d, d] (ddof = 1) of the resampled set."""
        rows = self.rows[draw.images]
        rows -= draw.share @ rows
        rows *= draw.root[:, None]
        covariance: Matrix = rows.T @ rows
        return covariance


def _resampled_gram(gram: Matrix, real: _Draw, fake: _Draw) -> Matrix:
    part = gram.take(real.images, axis=0).take(fake.images, axis=1)
    part -= real.share @ part
    part -= (part @ fake.share)[:, None]
    part *= real.root[:, None]
    part *= fake.root
    return part


def _nuclear_norms(matrices: Sequence[Matrix]) -> list[float]:
    """Sum of the singular values of each matrix."""
    if len({matrix.shape for matrix in matrices}) > 1:
        return [float(np.linalg.svd(matrix, compute_uv=False).sum()) for matrix in matrices]
    # In one call: NumPy lets other threads run only while it computes more than 500 values.
    sums: list[float] = np.linalg.svd(np.stack(matrices), compute_uv=False).sum(axis=1).tolist()
    return sums
