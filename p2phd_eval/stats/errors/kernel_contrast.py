"""Kernel distances (KID) of several sets as U-statistics, with each image's influence, and their terms under swaps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.stats.design import Block, SamplingDesign, checked_sets, first_equal
from p2phd_eval.stats.distances.kernel import (
    CubicKernel,
    GaussianKernel,
    Kernel,
    KernelPairs,
    RationalQuadraticKernel,
    kernel_scale,
    kernel_sums,
)
from p2phd_eval.stats.distances.products import WideRows
from p2phd_eval.stats.errors.measurement import Measurement
from p2phd_eval.stats.estimands import Estimand

Values = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


def kernel_measurements(
    sets: Sequence[npt.ArrayLike], design: SamplingDesign, *, clip: bool = False, on_progress: OnProgress = unwatched
) -> dict[Estimand, Measurement]:
    """KID of real images x and each generated set y, with two kernels from one pass over the images' products.

    The kernels are the cubic one of the peers, `Estimand.KID`, and a rational quadratic one that sees noise and spread
    as well, `Estimand.KID_RQ`, whose scale is `kernel_scale` of the real images. Of CLIP's embeddings there is CMMD as
    well, `Estimand.CMMD`, with the Gaussian kernel. With each of them, the distance is

        mean k(x_i, x_j) + mean k(y_i, y_j) - 2 mean k(x_i, y_j),

    each mean over the pairs (i, j) of images that share no unit: sets of one block of the design share its clusters,
    or, without clusters, its rows, and blocks may share their clusters. So each term is an unbiased U-statistic,
    however alike the images of a unit are.

    The jackknife leaves out each unit g from all the sets that share it. What remains, w_g, follows from the sums of
    the rows of the kernel matrices, so it is exact and costs nothing beside them. The influences of the n_g images of
    unit g, of n in the block, add up to (n - n_g) (w - w_g), with w such that those of all units add up to 0: the
    standard error that `SamplingDesign.standard_error` makes of them is that of the jackknife,

        sum_g (1 - n_g/n) (w_g - w)^2,

    for one KID and for any weighted sum; for equal units w is the mean and 1 - n_g/n is (G - 1)/G. (Of blocks that
    share units of unequal sizes it is that but for the differences of n_g/n.) Where the distributions are equal it is
    too large: there the U-statistic is degenerate.

    Equal sets of one block are computed once, so that they cancel in a difference. Raises `InputError` if a set cannot
    be used, the sets and the design do not fit each other, or a block has fewer than 3 units.

    Parameters
    ----------
    sets : sequence of array_like, each of shape (n_k, d)
        Features, any real dtype: the real images, then K >= 1 generated sets.
    design : SamplingDesign
        How the images were drawn; at least 3 units a block.
    clip : bool
        The features are CLIP's embeddings, scaled to length one: CMMD is measured too.
    on_progress : callable, optional
        Called with (tiles done, tiles in all).

    References
    ----------
    Bińkowski et al. (2018), "Demystifying MMD GANs", section 4 (KID) and appendix E (rational quadratic); Jayasumana et
    al. (2024), "Rethinking FID" (CMMD); Bounliphone et al. (2016), "A test of relative similarity for model selection
    in generative models" (differences); Arvesen (1969), "Jackknifing U-statistics".
    """
    values = _checked(sets, design)
    kernels: dict[Estimand, Kernel] = {
        Estimand.KID: CubicKernel(values[0].shape[1]),
        Estimand.KID_RQ: RationalQuadraticKernel(kernel_scale(values[0])),
    }
    if clip:
        kernels[Estimand.CMMD] = GaussianKernel()
    same_as = first_equal(values, design)
    distinct = sorted(set(same_as))
    wanted = [(0, 0), *((k, k) for k in distinct), *((0, k) for k in distinct)]
    # In float64: arms of nearly the same images differ by less than float32 shows.
    rows = [WideRows(each) for each in values]
    pairs = [_pairs(rows, design, *each) for each in wanted]
    sums = dict(zip(wanted, kernel_sums(pairs, list(kernels.values()), on_progress), strict=True))

    measurements = {}
    for number, estimand in enumerate(kernels):
        terms = {(k, m): _Mean(design, k, m, left[number], right[number]) for (k, m), (left, right) in sums.items()}
        real = terms[0, 0]
        kids = {k: real.value + terms[k, k].value - 2 * terms[0, k].value for k in distinct}
        # Within one set an image is on both sides of its pairs.
        measurements[estimand] = Measurement(
            estimand=estimand,
            values=tuple(kids[k] for k in same_as),
            real=np.array([real.left + real.right - 2 * terms[0, k].left for k in same_as]),
            fake=tuple(terms[k, k].left + terms[k, k].right - 2 * terms[0, k].right for k in same_as),
        )
    return measurements


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
    if not design.drawn_together((1, 2)):
        raise InputError(
            "swap terms",
            expected="baseline and candidate images from the same label maps",
            found="sets that were drawn independently",
            fix="Generate both from the same label maps.",
        )
    wanted = [(1, 1), (2, 2), (1, 2), (0, 1), (0, 2)]
    rows = [WideRows(each) for each in values]
    pairs = [_pairs(rows, design, *each) for each in wanted]
    sums = kernel_sums(pairs, [CubicKernel(values[0].shape[1])], on_progress)
    (yy, _), (zz, _), (yz, zy), (_, xy), (_, xz) = ((left[0], right[0]) for left, right in sums)
    terms: Floats = (zz - yy + zy - yz) / _count(design, 1, 2) - 2 * (xz - xy) / _count(design, 0, 1)
    return terms


class _Mean:
    """The mean of a kernel over the pairs of images of two sets that share no unit, and how each image pulls on it.

    `left_sums` (m,) and `right_sums` (n,): the sums of the kernel over each image's pairs, of sets `k` and `m`.
    """

    def __init__(self, design: SamplingDesign, k: int, m: int, left_sums: Floats, right_sums: Floats) -> None:
        total, pairs = float(left_sums.sum()), _count(design, k, m)
        self.value = total / pairs
        blocks = design.block_of(k), design.block_of(m)
        counts = [_per_unit(block) for block in blocks]
        if _share_units(design, k, m):
            # A unit leaves with its rows and its columns, half of which is put down to either side.
            leaving = counts[0] * (blocks[1].n - counts[1]) + counts[1] * (blocks[0].n - counts[0])
            sides = [(total / 2, leaving)] * 2
        else:
            sides = [(total, counts[0] * blocks[1].n), (total, counts[1] * blocks[0].n)]
        self.left, self.right = (
            _influence(block, (share - _per_unit(block, sums)) / (pairs - leaving))
            for block, sums, (share, leaving) in zip(blocks, (left_sums, right_sums), sides, strict=True)
        )


def _influence(block: Block, without: Floats) -> Floats:
    """The influence of each image (n,), from the statistic without each unit (G,)."""
    counts = _per_unit(block)
    pulls = (block.n - counts) * (np.average(without, weights=block.n - counts) - without)
    influence: Floats = (pulls / counts)[block.cluster_of]
    return influence


def _pairs(rows: Sequence[WideRows], design: SamplingDesign, k: int, m: int) -> KernelPairs:
    units = (design.block_of(k).cluster_of, design.block_of(m).cluster_of) if _share_units(design, k, m) else None
    return KernelPairs(left=rows[k], right=rows[m], units=units)


def _count(design: SamplingDesign, k: int, m: int) -> int:
    """Number of ordered pairs of rows of two sets that share no unit."""
    left, right = design.block_of(k), design.block_of(m)
    shared = int(left.counts @ right.counts) if _share_units(design, k, m) else 0
    return left.n * right.n - shared


def _share_units(design: SamplingDesign, k: int, m: int) -> bool:
    return design.shared_clusters or design.drawn_together((k, m))


def _per_unit(block: Block, sums: Floats | None = None) -> Floats:
    """Add up numbers of the rows (n,) for each unit (G,); without any, count the rows."""
    return np.bincount(block.cluster_of, weights=sums).astype(np.float64)


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
