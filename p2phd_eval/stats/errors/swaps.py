"""The swap test, an exact one: can the two images that were made from one label map change places?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError, require_at_least
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.stats.design import Rows, SamplingDesign, checked_sets
from p2phd_eval.stats.distances.covariance import covariance_factor
from p2phd_eval.stats.distances.frechet import centred_rows, nuclear_norm, sum_of_roots
from p2phd_eval.stats.distances.moments import moments
from p2phd_eval.stats.errors.kernel_contrast import kernel_swap_terms
from p2phd_eval.stats.threads import map_in_threads

Matrix = npt.NDArray[np.float64]
Swaps = npt.NDArray[np.bool_]

_USUAL_SWAPS = {"FID": 1000, "KID": 9999}
_BUDGET_SECONDS = 30.0  # what FID swaps may take, on two cores of the machine that `seconds_per_swap` was measured on
_BATCH = 256  # swaps drawn at a time

# Statistics this close, relative to the sum of their terms, are equal but for rounding.
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True, kw_only=True)
class SwapTest:
    """Whether the paired images of two generators are exchangeable."""

    p_value: float  # from 1/(1 + swaps) to 1; two-sided
    swaps: int  # statistics that the observed one was compared with
    exhaustive: bool  # whether they are those of all swaps there are
    statistic: Literal["FID", "KID"]  # whose difference was used


def swap_test(
    real: npt.ArrayLike,
    baseline: npt.ArrayLike,
    candidate: npt.ArrayLike,
    design: SamplingDesign,
    *,
    statistic: Literal["FID", "KID"] | None = None,
    swaps: int | None = None,
    rng: np.random.Generator,
    on_progress: OnProgress = unwatched,
) -> SwapTest:
    """Test whether baseline and candidate are the same but for chance, by swapping their images of a label map.

    If the two images made from label map i are exchangeable, so that it does not matter which of them is called the
    baseline's, the observed |D(real, candidate) - D(real, baseline)| is one like any other of those after random
    swaps, and p is its rank among them. That holds for any n, without any assumption on the features, and although
    D is biased. Where the images have clusters, all of a cluster are swapped together. The null hypothesis is about
    these checkpoints; a small p says that they differ, not that they differ by more than a margin.

    The result is the same on any number of cores. Raises `InputError` if a set cannot be used, the sets and the design
    do not fit each other, baseline and candidate are not in one block, or `swaps` is below 1; with KID, if there are
    fewer than 3 units.

    Parameters
    ----------
    real : array_like, shape (n_r, d)
        Features of the real images.
    baseline, candidate : array_like, shape (n, d)
        Features of the generated images; row i of both comes from one label map.
    design : SamplingDesign
        How the three sets were drawn: baseline and candidate in one block, the real images in this or another one.
    statistic : {"FID", "KID"}, optional
        The distance D; by default FID, or KID (as a U-statistic) where the swaps' FIDs would take more than 30 seconds
        on two cores. That follows from the sizes alone.
    swaps : int, optional
        How many random swaps, at least 1; by default 1000 for FID, 9999 for KID. All 2^(G - 1) - 1 that change |D - D|
        where these are not more; G is the number of clusters, or of images without clusters.
    rng : numpy.random.Generator
        Source of the swaps: in swap b unit g is swapped where `rng.integers(0, 2, size=(swaps, G), dtype=bool)[b, g]`.
    on_progress : callable, optional
        Called with (done, total): swaps for FID, tiles of the kernel matrices for KID.

    Notes
    -----
    p = (1 + number of swaps with |T*| >= |T|) / (1 + swaps), which keeps its level exactly with random swaps too.
    A swap and its complement have the same |T|. Ties count as extreme.

    References
    ----------
    Fisher (1935), "The design of experiments", section 21; Phipson and Smyth (2010), "Permutation p-values should
    never be zero".
    """
    values = [np.asarray(each, dtype=np.float64) for each in checked_sets([real, baseline, candidate], design)]
    unit_of = _units(design)
    require_at_least(1, {"swaps": swaps})
    units = int(unit_of.max()) + 1
    if statistic is None:
        cost = _count(units, swaps, "FID") * seconds_per_swap(len(values[0]), *values[1].shape)
        statistic = "FID" if cost <= _BUDGET_SECONDS else "KID"
    count = _count(units, swaps, statistic)
    exhaustive = count == (1 << (units - 1)) - 1
    batches = _all_swaps(units) if exhaustive else _random_swaps(units, count, rng)
    if statistic == "FID":
        extreme = _extreme_fids(
            SwappedFid(*values), unit_of, [swap for batch in batches for swap in batch], on_progress
        )
    else:
        terms = kernel_swap_terms(values[0], values[1], values[2], design, on_progress=on_progress)
        # Where the two images are equal, a swap changes nothing; rounding in the kernel would.
        terms = np.where((values[1] == values[2]).all(axis=1), 0.0, terms)
        extreme = _extreme_sums(np.bincount(unit_of, weights=terms).astype(np.float64), batches)
    return SwapTest(p_value=(1 + extreme) / (1 + count), swaps=count, exhaustive=exhaustive, statistic=statistic)


def _units(design: SamplingDesign) -> Rows:
    """Return the unit (n,) with which each pair is swapped: its cluster in the block of baseline and candidate."""
    for block in design.blocks:
        if {1, 2} <= set(block.sets):
            return block.cluster_of
    raise InputError(
        "swap test",
        expected="baseline and candidate images from the same label maps",
        found="sets that were drawn independently",
        fix="Generate both from the same label maps.",
    )


def _count(units: int, swaps: int | None, statistic: Literal["FID", "KID"]) -> int:
    return min((1 << (units - 1)) - 1, _USUAL_SWAPS[statistic] if swaps is None else swaps)


def _random_swaps(units: int, count: int, rng: np.random.Generator) -> Iterator[Swaps]:
    for start in range(0, count, _BATCH):
        yield rng.integers(0, 2, size=(min(_BATCH, count - start), units), dtype=bool)


def _all_swaps(units: int) -> Iterator[Swaps]:
    """Yield all swaps that leave the last unit where it is; all others are complements of these."""
    codes = np.arange(1, 1 << (units - 1))
    for start in range(0, len(codes), _BATCH):
        yield (codes[start : start + _BATCH, None] >> np.arange(units) & 1).astype(bool)


def _extreme_fids(fid: SwappedFid, unit_of: Rows, swaps: list[Swaps], on_progress: OnProgress) -> int:
    """Count the swaps after which the FIDs differ at least as much as they do without."""

    def difference(swap: Swaps) -> float:
        return abs(fid.difference(swap[unit_of]))

    smallest = difference(np.zeros(unit_of.max() + 1, dtype=bool)) - _ROUNDING * fid.scale
    return sum(1 for each in map_in_threads(difference, swaps, True, on_progress) if each >= smallest)


def _extreme_sums(terms: npt.NDArray[np.float64], batches: Iterator[Swaps]) -> int:
    """Count them where the difference is a sum of one term a unit, whose sign changes where the unit is swapped."""
    smallest = abs(terms.sum()) - _ROUNDING * np.abs(terms).sum()
    return sum(int(np.count_nonzero(np.abs((1.0 - 2.0 * swaps) @ terms) >= smallest)) for swaps in batches)


def seconds_per_swap(n_real: int, n: int, d: int) -> float:
    """Return about how many seconds `SwappedFid.difference` takes, spread over two cores.

    Fitted to times measured once at (n, d) from (100, 2048) to (900, 2048) and (5000, 64), with OpenBLAS 0.3.31 on
    an AMD EPYC of 2025. With m = min(n_r, n, d) the eigenvalues cost m^3, and where n > m a product costs m^2 n.
    """
    m = min(n_real, n, d)
    return 0.5e-10 * m**3 + 1e-5 * m + (0.35e-10 * m**2 * n if m < n else 0.0)


class SwappedFid:
    """Computes FID(real, candidate) - FID(real, baseline) for any swap of their images, at a small cost a swap.

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
        """Return the candidate's FID less the baseline's, after images i with `swapped[i]` changed places.

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
        """Return M'M or M M', whichever is smaller, where the columns of M are these images, centred."""
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
    """Return F [q, d], for which F'F is the covariance, with q at most n and d."""
    n, d = features.shape
    return centred_rows(features)[1] if n <= d else covariance_factor(moments(features).covariance)
