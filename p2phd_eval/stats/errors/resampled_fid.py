"""FIDs of many resamples of the same sets, from what is computed once of the whole sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from p2phd_eval.stats.distances.frechet import nuclear_norm_by_square, trace_sqrt_of_covariances
from p2phd_eval.stats.distances.products import squared_lengths

Counts = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.float64]

#: Up to this many images a feature the cross-Gram is cheaper than covariances; beyond, a resample still holds 1.1 d
#: different images, so that its covariances are regular.
GRAMS_UP_TO = 1.75


class ResampledFid:
    """Computes the FIDs of resampled generated images against resampled real ones, for several generated sets.

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
        self._real = CentredSet(real)
        self._fakes = [CentredSet(fake) for fake in fakes]
        n_real, d = real.shape
        self._grams = [
            self._real.rows @ fake.rows.T if min(n_real, len(fake.rows)) <= GRAMS_UP_TO * d else None
            for fake in self._fakes
        ]
        #: Whether all come from cross-Gram matrices [n_r, n_k], and none from covariances [d, d].
        self.uses_grams = all(gram is not None for gram in self._grams)

    def at(self, counts: Sequence[Sequence[Counts]]) -> Matrix:
        """Return the FIDs [B, K] of the generated sets against the real one at several resamples.

        Equal sets drawn with equal counts have equal FIDs, to the bit.

        `counts`: of each of B resamples, how often each image of the real set and of the generated ones was drawn,
        int64 of shape (n_k,); two draws or more in all.
        """
        draws = [[_Draw(each) for each in resample] for resample in counts]
        (real_means, real_traces), *fakes = (
            each.means_and_traces([resample[k] for resample in draws])
            for k, each in enumerate((self._real, *self._fakes))
        )
        trace_sqrts = np.array([self._trace_sqrts(real, fake) for real, *fake in draws])
        values = np.empty((len(draws), len(fakes)))
        for k, (means, traces) in enumerate(fakes):
            steps = real_means - means
            values[:, k] = squared_lengths(steps) + real_traces + traces - 2 * trace_sqrts[:, k]
        return np.maximum(values, 0)

    def _trace_sqrts(self, real_draw: _Draw, fake_draws: Sequence[_Draw]) -> list[float]:
        covariance = None if self.uses_grams else self._real.covariance(real_draw)
        traces = []
        for fake, gram, draw in zip(self._fakes, self._grams, fake_draws, strict=True):
            if gram is not None:
                traces.append(nuclear_norm_by_square(_resampled_gram(gram, real_draw, draw)))
            else:
                assert covariance is not None
                traces.append(trace_sqrt_of_covariances(covariance, fake.covariance(draw)))
        return traces


class _Draw:
    """Which images a resample holds, and how often."""

    def __init__(self, counts: Counts) -> None:
        self.n = int(counts.sum())
        self.images = np.flatnonzero(counts)  # (u,), the different images drawn
        self.share = counts[self.images] / self.n  # (u,), sums to 1
        self.root = np.sqrt(counts[self.images] / (self.n - 1))  # (u,), scale of a row in a factor


class CentredSet:
    """Features centred at the mean of the whole set, so that no part of it has to cancel large numbers."""

    def __init__(self, features: Matrix) -> None:
        self.mean = features.mean(axis=0)
        self.rows = features - self.mean
        self.squares = squared_lengths(self.rows)

    def means_and_traces(self, draws: Sequence[_Draw]) -> tuple[Matrix, Matrix]:
        """Return the means [B, d] and the traces [B] of the covariances (ddof = 1) of B resamples of the set."""
        weights = np.zeros((len(draws), len(self.rows)))
        for share, draw in zip(weights, draws, strict=True):
            share[draw.images] = draw.share
        # In one product, for which the rows come from memory once.
        shifts = weights @ self.rows
        n = np.array([draw.n for draw in draws])
        return self.mean + shifts, n / (n - 1) * (weights @ self.squares - squared_lengths(shifts))

    def covariance(self, draw: _Draw) -> Matrix:
        """Return the covariance [d, d] (ddof = 1) of the resampled set."""
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
    # Its rows, times the roots of the shares, add up to 0, and so do its columns: each of these vectors is made the
    # first axis by a Householder reflection, and that axis left out. No singular value is then 0 for sure.
    left, right = np.sqrt(real.share), np.sqrt(fake.share)
    part = part[:, 1:] - np.outer(part[:, 0], right[1:] / (1 + right[0]))
    return part[1:] - np.outer(left[1:] / (1 + left[0]), part[0])
