"""The Fréchet distance block by block, along the principal axes of a reference: few images suffice for each block.

The bias of FID@n grows with the number of features, and with 2048 of them it falls so slowly with n that it cannot be
extrapolated at the sizes that people have. A block of 32 features has no such trouble. Summed over blocks that make up
the whole space, the distances are a lower bound of the FID to which every feature contributes.
"""

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError, require_at_least
from p2phd_eval.stats.distances.frechet import FrechetDistance, assemble_distance, centred_rows, nuclear_norm
from p2phd_eval.stats.distances.moments import moments
from p2phd_eval.stats.feature_arrays import as_features, checked_features, require_equal_dims

Array = npt.NDArray[np.float64]

BLOCK = 32  # axes a block

# Share of the largest variance below which an axis holds rounding alone: features are float32, products float64.
_NO_VARIANCE = 1e-10


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReferenceAxes:
    """Orthonormal axes from images that are in none of the compared sets, and how they are cut into blocks."""

    axes: Array = dataclasses.field(repr=False)  # (d, d), a column an axis, by falling variance of the reference
    spanned: int  # r, the first axes, along which the reference varies; the others are any basis of the rest
    images: int  # n of the reference
    block: int  # axes a block; the last one of those spanned may have fewer

    @property
    def blocks(self) -> tuple[slice, ...]:
        """The axes of each block."""
        return tuple(
            slice(start, min(start + self.block, self.spanned)) for start in range(0, self.spanned, self.block)
        )

    @property
    def rest(self) -> slice:
        """The axes along which the reference does not vary."""
        return slice(self.spanned, None)

    def coordinates(self, features: npt.ArrayLike, name: str = "features") -> Array:
        """Return features (n, d) in these axes, float64 (n, d).

        `name`: what the set is called in an error. Raises `InputError` if it cannot be used, or its d is another.
        """
        values = as_features(features, name)
        require_equal_dims(values, self.axes)
        return values @ self.axes


def reference_axes(reference: npt.ArrayLike, *, block: int = BLOCK) -> ReferenceAxes:
    """Principal axes of a reference, in blocks by falling variance.

    A reference of n <= d images spans n - 1 axes only. The basis that a decomposition gives of the rest is arbitrary,
    and another processor's is another one, so nothing here depends on it: the rest counts as one isotropic block, by
    its means and its total variances. Within a block of the others the basis does not matter either, so that the
    block distance depends on subspaces alone, which rounding hardly moves.

    Raises `InputError` if the reference cannot be used, or spans fewer axes than a block has.

    Parameters
    ----------
    reference : array_like, shape (n, d)
        Features of images that were drawn independently of those to be compared, such as the training photos.
    block : int, optional
        Axes a block, at most d of them; at least 1.
    """
    require_at_least(1, {"block": block})
    values = checked_features(reference, "reference")
    n, d = values.shape
    block = min(block, d)
    if n <= block:
        raise InputError(
            "reference features",
            expected=f"at least {block + 1} images, so that they span the {block} axes of a block",
            found=str(n),
            fix="Give more images, such as all training photos.",
        )
    variances, vectors = np.linalg.eigh(moments(values).covariance)
    spanned = min(n - 1, int(np.count_nonzero(variances > _NO_VARIANCE * variances[-1])))
    if spanned < block:
        raise InputError(
            "reference features",
            expected=f"images that differ along at least the {block} axes of a block",
            found=f"{n} images that differ along {spanned}",
            fix="Give a reference of different images, such as all training photos.",
        )
    return ReferenceAxes(axes=np.ascontiguousarray(vectors[:, ::-1]), spanned=spanned, images=n, block=block)


def block_frechet_distance(real: npt.ArrayLike, fake: npt.ArrayLike, axes: ReferenceAxes) -> FrechetDistance:
    """Sum of the Fréchet distances of two sets in the blocks of a reference's axes (block FID).

    With one block of all axes it is the FID. Otherwise it is a lower bound: the covariance term is the least
    E|x - y|^2 over all couplings of two Gaussians, and what couples the wholes couples the parts. So it misses
    differences in how features of two blocks go together, and in the shape of the rest; see `reference_axes`. Of the
    rest, with the variances a and b, the covariance term is (a^(1/2) - b^(1/2))^2, which bounds its Fréchet
    distance from below too.

    All is in float64, at the n at hand; with finite n it is biased upward, by about c/n from a few times the block on.
    Raises `InputError` if a set cannot be used or its number of features is not that of the axes.

    Parameters
    ----------
    real : array_like, shape (n_r, d)
        Features of the real images, n_r >= 2.
    fake : array_like, shape (n_g, d)
        Features of the generated images, n_g >= 2.
    axes : ReferenceAxes
        From images that are in neither set.

    References
    ----------
    Heusel et al. (2017), eq. 6; Dowson and Landau (1982) for the coupling.
    """
    return distance_in_axes(axes.coordinates(real, "real"), axes.coordinates(fake, "generated"), axes)


def distance_in_axes(real: Array, fake: Array, axes: ReferenceAxes) -> FrechetDistance:
    """Block FID of coordinates (n_r, d) and (n_g, d) in the axes."""
    real_mean, real_rows = centred_rows(real)
    fake_mean, fake_rows = centred_rows(fake)
    trace_sqrt = sum(
        nuclear_norm(_factor(real_rows[:, columns]) @ _factor(fake_rows[:, columns]).T) for columns in axes.blocks
    )
    return assemble_block_distance(real_mean - fake_mean, real_rows, fake_rows, trace_sqrt, axes)


def assemble_block_distance(
    step: Array, real_rows: Array, fake_rows: Array, trace_sqrt: float, axes: ReferenceAxes
) -> FrechetDistance:
    """Put the block FID together from centred rows over sqrt(n - 1) and the sum of the blocks' trace terms."""
    rest = [float(np.vdot(rows[:, axes.rest], rows[:, axes.rest])) for rows in (real_rows, fake_rows)]
    return assemble_distance(
        mean_difference=step,
        trace_real=float(np.vdot(real_rows, real_rows)),
        trace_fake=float(np.vdot(fake_rows, fake_rows)),
        trace_sqrt=trace_sqrt + math.sqrt(rest[0] * rest[1]),
        method="blocks",
    )


def _factor(rows: Array) -> Array:
    """R of rows (n, k) = Q R: R'R is their covariance, so that the trace term is the nuclear norm of R_r R_g'."""
    factor: Any = np.linalg.qr(rows, mode="r")  # which NumPy's stubs take for both factors
    return np.asarray(factor)
