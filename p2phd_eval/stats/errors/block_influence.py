"""Influence function of the block FID: that of the FID, block by block."""

import numpy as np
import numpy.typing as npt

from p2phd_eval.stats.distances.block_frechet import Array, ReferenceAxes, assemble_block_distance, spanned_blocks
from p2phd_eval.stats.distances.frechet import centred_rows
from p2phd_eval.stats.errors.influence import FidInfluence, assemble_influence


def block_fid_influence(real: npt.ArrayLike, fake: npt.ArrayLike, axes: ReferenceAxes) -> FidInfluence:
    """Block FID and the influence function of each image on it.

    The optimal transport map T of `fid_influence` consists of one map a block; in the rest, where only total
    variances a and b count, it is the scaling (b/a)^(1/2). With these x'Tx is a sum over blocks, and all formulas
    there hold, for singular blocks too. Raises `InputError` as `block_frechet_distance`.

    Parameters
    ----------
    real : array_like, shape (n_r, d)
        Features of the real images, n_r >= 2.
    fake : array_like, shape (n_g, d)
        Features of the generated images, n_g >= 2.
    axes : ReferenceAxes
        From images that are in neither set.
    """
    return influence_in_axes(axes.coordinates(real, "real"), axes.coordinates(fake, "generated"), axes)


def influence_in_axes(real: Array, fake: Array, axes: ReferenceAxes) -> FidInfluence:
    """Block FID and influences of coordinates (n_r, d) and (n_g, d) in the axes."""
    real_mean, real_rows = centred_rows(real)
    fake_mean, fake_rows = centred_rows(fake)
    real_bases, real_factors = np.linalg.qr(spanned_blocks(real_rows, axes))
    fake_bases, fake_factors = np.linalg.qr(spanned_blocks(fake_rows, axes))
    left, singular_values, right = np.linalg.svd(real_factors @ fake_factors.transpose(0, 2, 1), full_matrices=False)
    real_rest, fake_rest = (np.square(rows[:, axes.spanned :]).sum(axis=1) for rows in (real_rows, fake_rows))
    step = real_mean - fake_mean
    return assemble_influence(
        assemble_block_distance(step, real_rows, fake_rows, singular_values, axes),
        step,
        (real_rows, fake_rows),
        (
            _transported(real_bases @ left, singular_values) + _scaled(real_rest, fake_rest.sum()),
            _transported(fake_bases @ right.transpose(0, 2, 1), singular_values) + _scaled(fake_rest, real_rest.sum()),
        ),
    )


def _transported(vectors: Array, singular_values: Array) -> Array:
    """Sum of x'Tx / (n - 1) over blocks, (n,), from the blocks' singular vectors (blocks, n, k)."""
    np.square(vectors, out=vectors)
    moved: Array = (vectors @ singular_values[:, :, None]).sum(axis=(0, 2))
    return moved


def _scaled(squares: Array, other: float) -> Array:
    """|x|^2 of each image, (n,), times the ratio of the other set's standard deviation to this one's."""
    total = squares.sum()
    return squares * np.sqrt(other / total) if total > 0 else squares
