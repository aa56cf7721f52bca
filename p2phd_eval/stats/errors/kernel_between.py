"""The kernel distance between two sets of paired images, beside what chance alone makes of it."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.stats.design import Rows, cluster_codes, require_pairs
from p2phd_eval.stats.distances.kernel import CubicKernel
from p2phd_eval.stats.distances.products import WideRows, tile_slices
from p2phd_eval.stats.feature_arrays import checked_features, require_equal_dims
from p2phd_eval.stats.threads import map_in_threads

Floats = npt.NDArray[np.float64]
Pair = tuple[npt.ArrayLike, npt.ArrayLike]

_SWAPS = 999
_ROUNDING = 1e-9  # statistics this close, relative to their largest, are equal


@dataclasses.dataclass(frozen=True, kw_only=True)
class KernelBetween:
    """KID between two arms, the mean over their runs; unbiased, so that it may be below 0."""

    value: float
    se: float  # jackknife over images; too large, by up to sqrt(2), where the distributions are equal
    chance: float  # its standard deviation where the images of a pair are swapped at random: then the mean is 0
    p_value: float  # share of swaps that give as much or more; one-sided, exact
    swaps: int


def kernel_between(
    runs: Sequence[Pair],
    *,
    clusters: npt.ArrayLike | None = None,
    swaps: int = _SWAPS,
    rng: np.random.Generator,
    on_progress: OnProgress = unwatched,
) -> KernelBetween:
    """KID between the images of two arms, paired by label map or prompt, and whether chance gives as much.

    The statistic is the U-statistic of pairs of `kernel_distance`, with h(i, j) the mean over runs of

        k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i)

    over the pairs (i, j) that share no cluster. Swapping the two images of pair i turns the sign of all h(i, j), so
    that with random signs e, one a cluster, the statistic is a quadratic form e'He in the sums H(g, g') of h over
    clusters, whose mean is 0 and whose variance is known: 2 sum H^2 over the square of the number of pairs. Where the
    two images of a label map are exchangeable, the value is one like any other of these, whatever n is. The jackknife
    does not hold there, since the statistic is degenerate.

    Parameters
    ----------
    runs : sequence of (array_like, array_like), each of shape (n, d)
        Features of both arms, for each run (seed); row i of all belongs to label map i.
    clusters : array_like, shape (n,), optional
        Any label; the pairs of one cluster are swapped together, and never compared with each other.
    swaps : int
    rng : numpy.random.Generator
        Source of the swaps.
    on_progress : callable, optional
        Called with (tiles done, tiles in all).

    Raises
    ------
    InputError
        If a set cannot be used, sets do not fit each other, or there are fewer than 3 pairs or clusters.

    References
    ----------
    Gretton et al. (2012), "A kernel two-sample test", eq. 4; Fisher (1935), "The design of experiments", section 21;
    Phipson and Smyth (2010), "Permutation p-values should never be zero".
    """
    values = [(checked_features(first, "baseline"), checked_features(second, "candidate")) for first, second in runs]
    n, d = values[0][0].shape
    for each in (features for pair in values for features in pair):
        require_equal_dims(values[0][0], each)
        require_pairs(n, len(each))
    unit_of = cluster_codes(clusters, n)
    units = int(unit_of.max()) + 1
    if units < 3:
        raise InputError(
            "kernel distance",
            expected="at least 3 images, or clusters of images",
            found=f"{units} (the jackknife leaves one out, and a U-statistic needs two)",
        )
    # In the order of the units, so that those of a tile are whole; unit g has the rows from first[g] on.
    order = slice(None) if clusters is None else np.argsort(unit_of, kind="stable")
    ordered = [(x[order], y[order]) for x, y in values]
    unit_of, counts = unit_of[order], np.bincount(unit_of)
    first = np.concatenate(([0], np.cumsum(counts)))
    kernel = CubicKernel(d)
    pairs_of_rows = [(WideRows(x), WideRows(y)) for x, y in ordered]
    # Of equal images h is 0; rounding in the kernel would make it something.
    differ = [(x != y).any(axis=1) for x, y in ordered]
    signs = 1.0 - 2.0 * rng.integers(0, 2, size=(swaps, units))

    def tile(job: tuple[slice, slice]) -> tuple[Floats, Floats, Floats, float]:
        """Sums of H over the rows and the columns of a tile, its part of e'He for all swaps, and the sum of H^2."""
        own, others = job
        rows, columns = (slice(first[units.start], first[units.stop]) for units in job)
        h = np.zeros((rows.stop - rows.start, columns.stop - columns.start))
        for (x, y), moved in zip(pairs_of_rows, differ, strict=True):
            of_run = np.zeros_like(h)
            for left, right, sign in ((x, x, 1), (y, y, 1), (x, y, -1), (y, x, -1)):
                of_run += sign * kernel(left.products(rows, right, columns), left.squares(rows), right.squares(columns))
            h += of_run * (moved[rows, None] & moved[columns])
        h *= (unit_of[rows, None] != unit_of[columns]) / len(pairs_of_rows)
        of_units: Floats = np.add.reduceat(h, first[own] - rows.start, axis=0)
        of_units = np.add.reduceat(of_units, first[others] - columns.start, axis=1)
        swapped: Floats = np.einsum("bi,bi->b", signs[:, own] @ of_units, signs[:, others])
        return of_units.sum(axis=1), of_units.sum(axis=0), swapped, float(np.square(of_units).sum())

    tiles = _tiles_of_units(first)
    jobs = [(own, others) for place, own in enumerate(tiles) for others in tiles[place:]]
    of_unit, swapped, squares = np.zeros(units), np.zeros(swaps), 0.0
    for (own, others), (of_rows, of_columns, part, square) in zip(
        jobs, map_in_threads(tile, jobs, True, on_progress), strict=True
    ):
        of_unit[own] += of_rows
        if own != others:  # the tile below the diagonal
            of_unit[others] += of_columns
        swapped += part if own == others else 2 * part
        squares += square if own == others else 2 * square
    pairs = n**2 - int(np.square(counts).sum())
    total = float(of_unit.sum())
    # A unit leaves with its rows and its columns.
    without = (total - 2 * of_unit) / (pairs - 2 * counts * (n - counts))
    centred = without - np.average(without, weights=n - counts)
    largest = max(abs(total), float(np.abs(swapped).max()))
    extreme = int(np.count_nonzero(swapped >= total - _ROUNDING * largest))
    return KernelBetween(
        value=total / pairs,
        se=float(np.sqrt(((1 - counts / n) * np.square(centred)).sum())),
        chance=float(np.sqrt(2 * squares)) / pairs,
        p_value=(1 + extreme) / (1 + swaps),
        swaps=swaps,
    )


def _tiles_of_units(first: Rows) -> list[slice]:
    """Cut units into those of tiles, whole; unit g has the rows from first[g] to first[g + 1]."""
    starts = [rows.start for rows in tile_slices(int(first[-1]))]
    bounds = np.unique(np.searchsorted(first, [*starts, first[-1]])).tolist()
    return list(map(slice, bounds[:-1], bounds[1:]))
