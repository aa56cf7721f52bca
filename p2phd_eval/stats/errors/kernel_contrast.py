"""Differences of kernel distances (dKID) as U-statistics, with their standard errors, and their terms under swaps."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.stats.design import (
    Block,
    SamplingDesign,
    StandardError,
    checked_contrasts,
    checked_sets,
    combine_variances,
    first_equal,
)
from p2phd_eval.stats.distances.kernel import counter, sums_between, sums_within, tiles_between, tiles_within

Values = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class KernelContrast:
    """A weighted sum of kernel distances, such as a difference; an unbiased estimate of the distributions'."""

    value: float  # sum of weight times KID; a difference is positive where the sets of positive weight are worse
    standard_error: StandardError  # delete-one-unit jackknife, images random, in units of the value
    kids: tuple[float, ...]  # squared MMD of the real and each generated set, weighted or not; may be below 0


def kernel_contrasts(
    sets: Sequence[npt.ArrayLike],
    contrasts: npt.ArrayLike,
    design: SamplingDesign,
    *,
    on_progress: OnProgress = unwatched,
) -> tuple[KernelContrast, ...]:
    """Estimate weighted sums of KIDs of real images x and generated sets, with each kernel matrix computed once.

    With the kernel k(x, y) = (x'y/d + 1)^3, the KID of the real images and the generated ones y is

        mean k(x_i, x_j) + mean k(y_i, y_j) - 2 mean k(x_i, y_j),

    each mean over the pairs (i, j) of images that share no unit: sets of one block of the design share its clusters,
    or, without clusters, its rows. So each term is an unbiased U-statistic, however alike the images of a unit are.

    The jackknife leaves out each unit of a block from all the sets of the block. What remains follows from the sums
    of the rows of the kernel matrices, so it is exact and costs nothing beside them. The blocks are independent,
    and their variances add up. No matrix is whole in memory: a tile of 1024 x 1024 at a time, in float64.

    There is one result a contrast. A block of G units has G - 1 degrees of freedom. Value and standard error are
    exactly 0 where equal sets of one block cancel out. Where the distributions are equal, the jackknife error is too
    large: there the U-statistic is degenerate. Raises `InputError` if a set cannot be used, the sets, the contrasts and
    the design do not fit each other, or a block has fewer than 3 units.

    Parameters
    ----------
    sets : sequence of array_like, each of shape (n_k, d)
        Features, any real dtype: the real images, then K >= 1 generated sets.
    contrasts : array_like, shape (C, K)
        Contrast c is sum_k contrasts[c, k] KID(real, generated set k): (1,) is a KID, (-1, 1) the difference of the
        second and the first, dKID.
    design : SamplingDesign
        How the images were drawn; at least 3 units a block.

    References
    ----------
    Bińkowski et al. (2018), "Demystifying MMD GANs", section 4 (KID); Bounliphone et al. (2016), "A test of relative
    similarity for model selection in generative models" (differences); Arvesen (1969), "Jackknifing U-statistics".
    """
    values = _checked(sets, design)
    rows = checked_contrasts(contrasts, len(values) - 1)
    # Equal sets of one block are computed once and their weights added, so that they cancel without rounding.
    same_as = first_equal(values, design)
    distinct = sorted(set(same_as))
    sizes = design.sizes
    tick = counter(
        tiles_within(sizes[0]) + sum(tiles_within(sizes[k]) + tiles_between(sizes[0], sizes[k]) for k in distinct),
        on_progress,
    )
    real = _within(values, 0, design, tick)
    fakes = {k: (_within(values, k, design, tick), _between(values, k, design, tick)) for k in distinct}
    kids = {k: real.mean + fake.mean - 2 * cross.mean for k, (fake, cross) in fakes.items()}
    results = []
    for row in rows:
        weights = {k: float(sum(row[[j for j, first in enumerate(same_as) if first == k]])) for k in distinct}
        # The real images' own term cancels in a difference.
        terms = [(sum(weights.values()), real)]
        for k, (fake, cross) in fakes.items():
            terms += [(weights[k], fake), (-2 * weights[k], cross)]
        results.append(
            KernelContrast(
                value=float(sum(weight * term.mean for weight, term in terms)),
                standard_error=_jackknife(terms, design),
                kids=tuple(kids[k] for k in same_as),
            )
        )
    return tuple(results)


def kernel_swap_terms(
    real: npt.ArrayLike,
    baseline: npt.ArrayLike,
    candidate: npt.ArrayLike,
    design: SamplingDesign,
    *,
    on_progress: OnProgress = unwatched,
) -> Floats:
    """Split dKID = KID(real, candidate) - KID(real, baseline) into a sum of terms t_i, one for each pair of images.

    With the images y_i of the baseline and z_i of the candidate swapped for some i, dKID is sum_i e_i t_i, where e_i
    is -1 for these and 1 for the others: swaps turn k(z_i, z_j) - k(y_i, y_j) into

        [k(z_i, z_j) - k(y_i, y_j)] (e_i + e_j)/2 + [k(z_i, y_j) - k(y_i, z_j)] (e_i - e_j)/2.

    The first bracket is symmetric in i and j and the second antisymmetric, so that summed over all pairs

        t_i = sum_j [k(z_i, z_j) - k(y_i, y_j) + k(z_i, y_j) - k(y_i, z_j)] / N
              - 2 sum_j [k(x_j, z_i) - k(x_j, y_i)] / M

    with j over the images that share no unit with i, and N and M the numbers of all such pairs (i, j).

    The result is float64 (n,). Raises `InputError` if a set cannot be used, the sets and the design do not fit each
    other, baseline and candidate are not in one block, or a block has fewer than 3 units.

    Parameters
    ----------
    real : array_like, shape (n_r, d)
        Features of the real images.
    baseline, candidate : array_like, shape (n, d)
        Features of the generated images.
    design : SamplingDesign
        How the three sets were drawn: baseline and candidate in one block, the real images in this or another one.
    """
    values = _checked([real, baseline, candidate], design)
    block_of = _block_of(design)
    if block_of[1] is not block_of[2]:
        raise InputError(
            "swap terms",
            expected="baseline and candidate images from the same label maps",
            found="sets that were drawn independently",
            fix="Generate both from the same label maps.",
        )
    n_real, n, _ = design.sizes
    tick = counter(2 * tiles_within(n) + tiles_between(n, n) + 2 * tiles_between(n_real, n), on_progress)
    unit_of = block_of[1].cluster_of
    together = unit_of if block_of[0] is block_of[1] else None
    yy, zz = (sums_within(each, unit_of, tick) for each in values[1:])
    yz, zy = sums_between(values[1], values[2], unit_of, tick)
    xy, xz = (sums_between(values[0], each, together, tick)[1] for each in values[1:])
    pairs = _pairs(block_of[1])
    cross_pairs = n_real * n if together is None else pairs
    terms: Floats = (zz - yy + zy - yz) / pairs - 2 * (xz - xy) / cross_pairs
    return terms


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Term:
    """The mean of a kernel over pairs of images, and what each unit has in it."""

    total: float
    pairs: int
    # For the blocks concerned, by position: the sums (G,) and the numbers (G,) of the pairs that leave with each unit.
    leaving: Mapping[int, tuple[Floats, Floats]]

    @property
    def mean(self) -> float:
        return self.total / self.pairs

    def without_units(self, block: int) -> Floats | float:
        """The mean without each unit (G,) of a block, or the mean as it is where the block has no part in it."""
        if block not in self.leaving:
            return self.mean
        sums, pairs = self.leaving[block]
        return (self.total - sums) / (self.pairs - pairs)


def _within(values: Sequence[Values], k: int, design: SamplingDesign, tick: Callable[[], None]) -> _Term:
    position, block = _placed(design, k)
    sums = _per_unit(block, sums_within(values[k], block.cluster_of, tick))
    counts = _per_unit(block)
    # A unit leaves with its rows and its columns.
    leaving = {position: (2 * sums, 2 * counts * (block.n - counts))}
    return _Term(total=float(sums.sum()), pairs=_pairs(block), leaving=leaving)


def _between(values: Sequence[Values], k: int, design: SamplingDesign, tick: Callable[[], None]) -> _Term:
    (first, real), (second, fake) = _placed(design, 0), _placed(design, k)
    together = first == second
    sums = sums_between(values[0], values[k], real.cluster_of if together else None, tick)
    real_sums, fake_sums = _per_unit(real, sums[0]), _per_unit(fake, sums[1])
    real_counts, fake_counts = _per_unit(real), _per_unit(fake)
    if together:
        pairs = _pairs(real)
        leaving = {first: (real_sums + fake_sums, 2 * real_counts * (real.n - real_counts))}
    else:
        pairs = real.n * fake.n
        leaving = {first: (real_sums, real_counts * fake.n), second: (fake_sums, fake_counts * real.n)}
    return _Term(total=float(real_sums.sum()), pairs=pairs, leaving=leaving)


def _jackknife(terms: Sequence[tuple[float, _Term]], design: SamplingDesign) -> StandardError:
    variances = []
    for position, block in enumerate(design.blocks):
        without = sum((weight * term.without_units(position) for weight, term in terms), np.zeros(block.clusters))
        variances.append((float((block.clusters - 1) * np.var(without)), block.clusters - 1.0))
    return combine_variances(variances)


def _placed(design: SamplingDesign, k: int) -> tuple[int, Block]:
    """The block of set k and its position."""
    ((position, block),) = ((position, block) for position, block in enumerate(design.blocks) if k in block.sets)
    return position, block


def _block_of(design: SamplingDesign) -> list[Block]:
    return [_placed(design, k)[1] for k in range(len(design.sizes))]


def _per_unit(block: Block, sums: Floats | None = None) -> Floats:
    """Add up numbers of the rows (n,) for each unit (G,); without any, count the rows."""
    return np.bincount(block.cluster_of, weights=sums).astype(np.float64)


def _pairs(block: Block) -> int:
    """Number of ordered pairs of rows that share no unit."""
    return block.n**2 - int(np.square(np.bincount(block.cluster_of)).sum())


def _checked(sets: Sequence[npt.ArrayLike], design: SamplingDesign) -> list[Values]:
    values = checked_sets(sets, design)
    for block in design.blocks:
        if block.clusters < 3:
            raise InputError(
                "kernel distance",
                expected="at least 3 images, or clusters of images, in each set",
                found=f"{block.clusters} (the jackknife leaves one out, and a U-statistic needs two)",
                fix="Give more images, or a finer rule for the clusters.",
            )
    return values
