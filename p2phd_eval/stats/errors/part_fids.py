"""FIDs of many parts of the same sets and their influences, from what is computed once of the whole sets."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from p2phd_eval.stats.design import Rows
from p2phd_eval.stats.distances.frechet import assemble_distance, nuclear_norm_by_square, without_sum
from p2phd_eval.stats.errors.influence import FidInfluence, Pull, influence_of_pulls
from p2phd_eval.stats.errors.resampled_fid import CentredSet
from p2phd_eval.stats.singular_vectors import singular_vectors

Matrix = npt.NDArray[np.float64]


class PartFids:
    """Computes FIDs of parts of sets that have no more images than features.

    The cross-Gram matrix of two parts, centred at their means, is that of the whole sets, centred once more. So a part
    costs a decomposition and few products with features, where `fid_influence` centres its rows and multiplies them.

    Parameters
    ----------
    real : array_like, shape (n_r, d)
        Features of the real images, n_r <= d.
    fakes : sequence of array_like, each of shape (n_k, d)
        Features of the generated sets, likewise.
    """

    def __init__(self, real: npt.ArrayLike, fakes: Sequence[npt.ArrayLike]) -> None:
        self._real, *self._fakes = (CentredSet(np.asarray(each, dtype=np.float64)) for each in (real, *fakes))
        self._grams = [self._real.rows @ fake.rows.T for fake in self._fakes]
        self._equal = [
            np.array_equal(self._real.mean, fake.mean) and np.array_equal(self._real.rows, fake.rows)
            for fake in self._fakes
        ]

    def influence(self, k: int, real: Rows, fake: Rows) -> FidInfluence:
        """Return the FID of a part of the k-th generated set, and the influences of its images; see `fid_influence`.

        `k`: from 0 on. `real`, `fake`: two or more different images of the real set and of that one.
        """
        same = self._same(k, real, fake)
        first = _Part(self._real, real)
        second = first if same else _Part(self._fakes[k], fake)
        squares = first.squares(), second.squares()
        if same:
            # The identity, so that the distance and all influences are exactly 0.
            transported, trace_sqrt = squares, float(squares[0].sum())
        else:
            left, values, right = singular_vectors(self._centred_gram(k, real, fake))
            transported, trace_sqrt = (np.square(left) @ values, values @ np.square(right)), float(values.sum())
        step = first.mean - second.mean
        distance = assemble_distance(
            mean_difference=step,
            trace_real=float(squares[0].sum()),
            trace_fake=float(squares[1].sum()),
            trace_sqrt=trace_sqrt,
            method="cross-Gram",
        )
        return influence_of_pulls(
            distance,
            Pull(squares=squares[0], along=first.along(step), transported=transported[0]),
            Pull(squares=squares[1], along=second.along(step), transported=transported[1]),
        )

    def value(self, k: int, real: Rows, fake: Rows) -> float:
        """Return the FID of a part alone, several times as fast; parameters as for `influence`."""
        if self._same(k, real, fake):
            return 0.0
        first, second = _Part(self._real, real), _Part(self._fakes[k], fake)
        step = first.mean - second.mean
        nuclear = nuclear_norm_by_square(without_sum(without_sum(self._centred_gram(k, real, fake)).T))
        return max(0.0, float(step @ step) + first.trace + second.trace - 2 * nuclear)

    def _same(self, k: int, real: Rows, fake: Rows) -> bool:
        """Whether both parts are the same images."""
        return self._equal[k] and np.array_equal(real, fake)

    def _centred_gram(self, k: int, real: Rows, fake: Rows) -> Matrix:
        """A B' of the parts' centred rows over sqrt(n - 1)."""
        part: Matrix = self._grams[k].take(real, axis=0).take(fake, axis=1)
        part -= part.mean(axis=0)
        part -= part.mean(axis=1)[:, None]
        part /= np.sqrt((len(real) - 1) * (len(fake) - 1))
        return part


class _Part:
    """Some images of a set, centred at their own mean and over sqrt(n - 1)."""

    def __init__(self, whole: CentredSet, rows: Rows) -> None:
        self._whole, self._rows, self._n = whole, rows, len(rows)
        share = np.zeros(len(whole.rows))
        share[rows] = 1 / self._n
        self._shift = share @ whole.rows  # [d]
        self.mean: Matrix = whole.mean + self._shift  # [d]

    @property
    def trace(self) -> float:
        """The trace of the covariance."""
        of_rows = self._whole.squares[self._rows].sum()
        return float(of_rows - self._n * (self._shift @ self._shift)) / (self._n - 1)

    def squares(self) -> Matrix:
        """Squared lengths [n]."""
        moved = (self._whole.squares - 2 * (self._whole.rows @ self._shift))[self._rows]
        squares: Matrix = (moved + self._shift @ self._shift) / (self._n - 1)
        return squares

    def along(self, step: Matrix) -> Matrix:
        """Products [n] with a vector [d]."""
        products = (self._whole.rows @ step)[self._rows]
        along: Matrix = (products - self._shift @ step) / np.sqrt(self._n - 1)
        return along
