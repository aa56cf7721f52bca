"""Squared distances in float32 with a bound of their error, and by means of them the k-th nearest in float64."""

from threading import Lock

import numpy as np
import numpy.typing as npt

from p2phd_eval.stats.distances.products import CentredRows, Narrow, squared_lengths, tile_slices
from p2phd_eval.stats.threads import map_in_threads

Matrix = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

# Neighbours that are kept beyond the k-th, so that float32 seldom leaves open which are the k nearest.
_SPARE = 5
# Pairs that are looked at in float64 at a time: 1 MiB at d = 2048, which stays in the processor's caches.
_PAIRS_AT_ONCE = 64


def squared_distances(
    products: Narrow, left: CentredRows, rows: slice, right: CentredRows, columns: slice
) -> tuple[Narrow, tuple[Matrix, Matrix]]:
    """Lower bounds of the squared distances of a tile's pairs, and how far below the distances they may be.

    With u = 2^-24 the product in |a|^2 + |b|^2 - 2 a'b, of d numbers each, is off by at most g(d) |a| |b|, where
    g(d) = d u / (1 - d u), in any order of summation. The rounding of the rows makes 4 u (|a|^2 + |b|^2) of difference,
    the sum some 6 u, and what a comparison in float64 forgives is far less. Since 2 |a| |b| <= |a|^2 + |b|^2, the
    distance is off by at most e(a) + e(b) with e(a) = g(d + 32) |a|^2, and a little where numbers vanish in float32.

    `products`, [m, n]: what `narrow_products` gives for the tile; overwritten. The result is |a - b|^2 - e(a) - e(b),
    float32 (m, n), and the e of the rows, (m,), and of the columns, (n,). All is in units of `CentredRows`.

    References
    ----------
    Higham (2002), "Accuracy and Stability of Numerical Algorithms", section 3.1.
    """
    errors = _error(left, rows), _error(right, columns)
    products *= -2
    products += (left.lengths[rows] - errors[0]).astype(np.float32)[:, None]
    products += (right.lengths[columns] - errors[1]).astype(np.float32)
    return products, errors


class NearestOthers:
    """The k nearest other rows of each row of a set, from tiles of products, which may come in any order.

    Every tile on and above the diagonal is to be added once, by any thread; the result depends on neither.

    `rows`: the set, of n rows.
    """

    def __init__(self, rows: CentredRows, k: int) -> None:
        self._rows, self._k = rows, k
        kept = k + _SPARE
        # The smallest lower bounds so far, ascending, and whose they are; none is at infinity, at place 0.
        self._best = np.full((len(rows), kept), np.inf, dtype=np.float32)
        self._places = np.zeros((len(rows), kept), dtype=np.intp)
        self._locks = {block.start: Lock() for block in tile_slices(len(rows))}

    def add(self, products: Narrow, rows: slice, columns: slice) -> None:
        """Look at a tile, given its products, which are overwritten; the tile across the diagonal is seen with it."""
        least, _ = squared_distances(products, self._rows, rows, self._rows, columns)
        if rows == columns:
            np.fill_diagonal(least, np.inf)
        else:
            self._keep(columns, least.T.copy(), rows.start)
        self._keep(rows, least, columns.start)

    def _keep(self, block: slice, least: Narrow, first: int) -> None:
        with self._locks[block.start]:
            self._best[block], self._places[block] = _merge(self._best[block], self._places[block], least, first)

    def squared_radii(self, neighbours: tuple[int, ...]) -> Matrix:
        """Squared distance [len(neighbours), n] of each row to its k-th nearest other row, for each k, in float64.

        In units of `CentredRows`. `neighbours`: none above the k that is kept.
        """

        def work(block: slice) -> Matrix:
            radii: Matrix = self._nearest(block)[:, [each - 1 for each in neighbours]].T
            return radii

        return np.concatenate(map_in_threads(work, list(tile_slices(len(self._rows))), True), axis=1)

    def _nearest(self, block: slice) -> Matrix:
        """Squared distances [m, k] of a block's rows to the k nearest others, ascending."""
        best, places, k = self._best[block], self._places[block], self._k
        squares = np.full(best.shape, np.inf)
        i, j = np.nonzero(np.isfinite(best[:, :k]))
        squares[i, j] = self._exact(block.start + i, places[i, j])
        # Of the spare ones those alone that float32 leaves open.
        i, j = np.nonzero(best[:, k:] < squares[:, :k].max(axis=1)[:, None])
        squares[i, k + j] = self._exact(block.start + i, places[i, k + j])
        nearest = np.sort(squares, axis=1)[:, :k]
        # Whoever was not kept is at least as far as the last one who was.
        unsettled = np.flatnonzero(nearest[:, -1] > best[:, -1])
        for start in range(0, len(unsettled), 256):
            part = unsettled[start : start + 256]
            nearest[part] = _nearest_in_float64(self._rows, block.start + part, k)
        return nearest

    def _exact(self, left: Places, right: Places) -> Matrix:
        """Squared distances [p] of pairs of rows in float64."""
        squares = np.empty(len(left))
        for start in range(0, len(left), _PAIRS_AT_ONCE):
            part = slice(start, start + _PAIRS_AT_ONCE)
            apart = self._rows.differences(left[part], right[part])
            squares[part] = squared_lengths(apart)
        return squares


def rounding_of(rows: Matrix) -> Matrix:
    """What each row [n, d] may add to the rounding of |x|^2 + |y|^2 - 2 x'y less a squared radius in float64.

    A dot product over d numbers is off by at most about d eps |x| |y| <= d eps (|x|^2 + |y|^2) / 2, the squares by
    d eps (|x|^2 + |y|^2), and the squared radius by as much again. On average it is sqrt(d) times less.
    """
    bound: Matrix = 4 * rows.shape[1] * np.finfo(np.float64).eps * np.square(rows).sum(axis=1)
    return bound


def _error(rows: CentredRows, block: slice) -> Matrix:
    d = rows.rows.shape[1]
    gamma = (d + 32) * 2.0**-24
    error: Matrix = gamma / (1 - gamma) * rows.lengths[block] + d * 2.0**-120
    return error


def _merge(best: Narrow, places: Places, tile: Narrow, first: int) -> tuple[Narrow, Places]:
    """Keep as many of the smallest of `best` and of a tile [m, n] in each row; column j of the tile is `first` + j."""
    m, kept = best.shape
    i, j = np.nonzero(tile < best[:, -1:])
    if len(i) > 8 * kept * m and tile.shape[1] > kept:  # the first tile, above all
        j = np.argpartition(tile, kept - 1, axis=1)[:, :kept].ravel()
        i = np.repeat(np.arange(m), kept)
    rows = np.concatenate((np.repeat(np.arange(m), kept), i))
    values = np.concatenate((best.ravel(), tile[i, j]))
    where = np.concatenate((places.ravel(), first + j))
    order = np.lexsort((values, rows))
    ends = np.cumsum(np.bincount(rows, minlength=m))
    # Each row has the `kept` of before at the least.
    taken = order[(ends - np.bincount(rows, minlength=m))[:, None] + np.arange(kept)]
    return values[taken], where[taken]


def _nearest_in_float64(rows: CentredRows, which: Places, k: int) -> Matrix:
    """Squared distances [m, k] of rows to the k nearest others, in float64 throughout.

    It is for those that have so many others at one distance that nothing less settles which are nearest.
    """
    left = rows.wide(which)
    nearest = np.full((len(which), k), np.inf)
    for columns in tile_slices(len(rows)):
        right = rows.wide(columns)
        squares = np.square(left).sum(axis=1)[:, None] + np.square(right).sum(axis=1) - 2 * (left @ right.T)
        squares[which[:, None] == np.arange(columns.start, columns.stop)] = np.inf
        nearest = np.partition(np.concatenate((nearest, np.maximum(squares, 0)), axis=1), range(k), axis=1)[:, :k]
    return nearest
