"""Influence function of the block FID: that of the FID, block by block."""

import numpy as np
import numpy.typing as npt

from p2phd_eval.stats.distances.block_frechet import Array, ReferenceAxes, assemble_block_distance
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
    step = real_mean - fake_mean
    # x'Tx / (n - 1) of each image, of the rest and then of block after block.
    real_rest, fake_rest = (np.square(rows[:, axes.rest]).sum(axis=1) for rows in (real_rows, fake_rows))
    real_transported, fake_transported = _scaled(real_rest, fake_rest.sum()), _scaled(fake_rest, real_rest.sum())
    trace_sqrt = 0.0
    for columns in axes.blocks:
        real_basis, real_factor = np.linalg.qr(real_rows[:, columns])
        fake_basis, fake_factor = np.linalg.qr(fake_rows[:, columns])
        left, singular_values, right = np.linalg.svd(real_factor @ fake_factor.T, full_matrices=False)
        real_transported += np.square(real_basis @ left) @ singular_values
        fake_transported += np.square(fake_basis @ right.T) @ singular_values
        trace_sqrt += float(singular_values.sum())
    distance = assemble_block_distance(step, real_rows, fake_rows, trace_sqrt, axes)
    return assemble_influence(distance, step, (real_rows, fake_rows), (real_transported, fake_transported))


def _scaled(squares: Array, other: float) -> Array:
    """|x|^2 of each image, (n,), times the ratio of the other set's standard deviation to this one's."""
    total = squares.sum()
    return squares * np.sqrt(other / total) if total > 0 else squares
