"""Influence functions of the Fréchet distance, from which its standard errors come: one decomposition for both."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.stats.distances.covariance import cholesky_or_none, congruent
from p2phd_eval.stats.distances.frechet import (
    FrechetDistance,
    assemble_distance,
    centred_rows,
    distance_of_moments,
    sum_of_roots,
)
from p2phd_eval.stats.distances.moments import Moments, moments
from p2phd_eval.stats.distances.products import squared_lengths
from p2phd_eval.stats.eigenvectors import eigenvectors
from p2phd_eval.stats.feature_arrays import BLOCK_ROWS, checked_features, require_equal_dims
from p2phd_eval.stats.singular_vectors import singular_vectors
from p2phd_eval.stats.unlocked_lapack import multiply_by_triangle, solve_transposed_triangle

Matrix = npt.NDArray[np.float64]
# Tr (S_r S_g)^(1/2), and x'Tx / (n_r - 1) of each real row (n_r,) and y'T^-1 y / (n_g - 1) of each generated one.
_Transport = tuple[float, Matrix, Matrix]


@dataclasses.dataclass(frozen=True, kw_only=True)
class FidInfluence:
    """How strongly each image pulls on the FID, to first order, and how much of the FID it makes up."""

    distance: FrechetDistance
    real: npt.NDArray[np.float64] = dataclasses.field(repr=False)  # (n_r,), psi_r(x_j), squared feature units, mean 0
    fake: npt.NDArray[np.float64] = dataclasses.field(repr=False)  # (n_g,), psi_g(y_i), squared feature units, mean 0
    # Each image's term in the FID, of the means and of the covariances; the column means of both add up to the FID.
    real_terms: npt.NDArray[np.float64] = dataclasses.field(repr=False)  # (n_r, 2), squared feature units
    fake_terms: npt.NDArray[np.float64] = dataclasses.field(repr=False)  # (n_g, 2), squared feature units


def fid_influence(real: npt.ArrayLike, fake: npt.ArrayLike) -> FidInfluence:
    """FID and the influence function of each image on it.

    With T the optimal transport map between the two Gaussians (T S_r T = S_g), x and y centred at the means:

        psi_r(x) = 2 (m_r - m_g)'x + n_r/(n_r - 1) x'(I - T)x      - Tr[(I - T) S_r]
        psi_g(y) = 2 (m_g - m_r)'y + n_g/(n_g - 1) y'(I - T^-1)y   - Tr[(I - T^-1) S_g]

    T and its inverse are never formed. With the centred rows over sqrt(n - 1) in A and B and A B' = U diag(s) V',
    n/(n - 1) x_j'T x_j = n_r sum_k s_k U_jk^2, and likewise with V. This holds for n < d too. Where both n > d it costs
    half as much to take the Cholesky factor L L' = S_r and the eigenvectors of L' S_g L = W diag(s^2) W', from which
    T = (L^-1)' W diag(s) W' L^-1; the rows are then gone through in blocks, so that memory does not grow with n. Where
    rounding would show in that, the rows are written as A = Q R, so that the decomposition is of a [d, d] matrix.
    There, and where n <= d, memory is some copies of the features in float64.

    The factor n/(n - 1) makes psi the exact derivative of the FID with ddof = 1: moving the weight e from all
    images onto image j changes the FID by e psi_j.

    The FID is also a sum over images, exactly and at any n, since Tr(T S_r) = Tr(T^-1 S_g) = Tr (S_r S_g)^(1/2).
    With c = (m_r + m_g)/2 and x, y not centred, the terms of real image x and generated image y are

        (m_r - m_g)'(x - c)   and   n_r/(n_r - 1) (x - m_r)'(I - T)(x - m_r)
        (m_g - m_r)'(y - c)   and   n_g/(n_g - 1) (y - m_g)'(I - T^-1)(y - m_g),

    whose means over the images add up to |m_r - m_g|^2 and to Tr S_r + Tr S_g - 2 Tr (S_r S_g)^(1/2). An influence is
    twice the first term plus the second, each less its mean.

    The result holds the distance too, which comes out of the same decomposition. Raises `InputError` if a set cannot be
    used or the two differ in d.

    Parameters
    ----------
    real : array_like, shape (n_r, d)
        Features of the real images, n_r >= 2.
    fake : array_like, shape (n_g, d)
        Features of the generated images, n_g >= 2.

    References
    ----------
    Rippl, Munk and Sturm (2016), "Limit laws of the empirical Wasserstein distance: Gaussian distributions".
    """
    real_values, fake_values = checked_features(real, "real"), checked_features(fake, "generated")
    require_equal_dims(real_values, fake_values)
    few = [len(values) <= values.shape[1] for values in (real_values, fake_values)]
    if not any(few):
        influence = influence_by_eigenvectors(real_values, fake_values, (moments(real_values), moments(fake_values)))
        if influence is not None:
            return influence
    real_mean, real_rows = centred_rows(np.asarray(real_values, dtype=np.float64))
    fake_mean, fake_rows = centred_rows(np.asarray(fake_values, dtype=np.float64))
    trace_sqrt, *transported = _transport_of_equal_sets(real_rows, fake_rows) or _transport_by_singular_vectors(
        real_rows, fake_rows
    )
    step = real_mean - fake_mean
    distance = assemble_distance(
        mean_difference=step,
        trace_real=float(np.vdot(real_rows, real_rows)),
        trace_fake=float(np.vdot(fake_rows, fake_rows)),
        trace_sqrt=trace_sqrt,
        method="cross-Gram" if all(few) else "mixed" if any(few) else "covariances",
    )
    return assemble_influence(distance, step, (real_rows, fake_rows), (transported[0], transported[1]))


def assemble_influence(
    distance: FrechetDistance, step: Matrix, rows: tuple[Matrix, Matrix], transported: tuple[Matrix, Matrix]
) -> FidInfluence:
    """Put the influences together from m_r - m_g [d], the centred rows over sqrt(n - 1) of both sets and, for each
    row, x'Tx / (n - 1) and y'T^-1 y / (n - 1).
    """
    squares = [squared_lengths(each) for each in rows]
    return influence_of_pulls(
        distance,
        Pull(squares=squares[0], along=rows[0] @ step, transported=transported[0]),
        Pull(squares=squares[1], along=rows[1] @ step, transported=transported[1]),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pull:
    """What the influences of a set's images x are made of, with x centred at the mean and over sqrt(n - 1); (n,)."""

    squares: Matrix  # |x|^2
    along: Matrix  # (m_r - m_g)'x
    transported: Matrix  # x'Tx, or x'T^-1 x of generated images


def influence_of_pulls(distance: FrechetDistance, real: Pull, fake: Pull) -> FidInfluence:
    """Put the influences together from what both sets' images are made of."""
    real_influence, real_terms = _influence_and_terms(real, distance.mean_term, 1)
    fake_influence, fake_terms = _influence_and_terms(fake, distance.mean_term, -1)
    return FidInfluence(
        distance=distance, real=real_influence, fake=fake_influence, real_terms=real_terms, fake_terms=fake_terms
    )


def _transport_by_singular_vectors(real: Matrix, fake: Matrix) -> _Transport:
    real_basis, real_factor = _basis_and_factor(real)
    fake_basis, fake_factor = _basis_and_factor(fake)
    left, singular_values, right = singular_vectors(real_factor @ fake_factor.T)
    left = left if real_basis is None else real_basis @ left
    right = right.T if fake_basis is None else fake_basis @ right.T
    return float(singular_values.sum()), np.square(left) @ singular_values, np.square(right) @ singular_values


def _basis_and_factor(rows: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64] | None, npt.NDArray[np.float64]]:
    """Rows [n, d] as Q R with Q [n, d] orthonormal and R [d, d]; n <= d needs no Q (None)."""
    n, d = rows.shape
    if n <= d:
        return None, rows
    basis, factor = np.linalg.qr(rows)
    return basis, factor


def _transport_of_equal_sets(real: Matrix, fake: Matrix) -> _Transport | None:
    """The identity, so that the distance and all influences are exactly 0; None for sets that differ."""
    if not np.array_equal(real, fake):
        return None
    squares = squared_lengths(real)
    return float(np.vdot(real, real)), squares, squares


def influence_by_eigenvectors(
    real: npt.NDArray[Any], fake: npt.NDArray[Any], summaries: tuple[Moments, Moments]
) -> FidInfluence | None:
    """The influences of sets with n > d, from their moments; None if rounding would show in the FID.

    Of features that are float32 the x'Tx are taken in float32 too, which moves each by some 1e-6 of it and their sum
    by nothing: that is known. The FID is in float64 all the same.
    """
    narrow = real.dtype == fake.dtype == np.float32
    dtype = np.dtype(np.float32 if narrow else np.float64)
    found = _transport_by_eigenvectors(summaries[0].covariance, summaries[1].covariance, dtype)
    if found is None:
        return None
    trace_sqrt, unit, real_map, fake_map = found
    step = summaries[0].mean - summaries[1].mean
    return influence_of_pulls(
        distance_of_moments(*summaries, lambda *_: trace_sqrt),
        _pull_in_blocks(real, summaries[0], step, real_map, unit, trace_sqrt),
        _pull_in_blocks(fake, summaries[1], step, fake_map, unit, trace_sqrt),
    )


def _transport_by_eigenvectors(
    real: Matrix, fake: Matrix, dtype: np.dtype[Any]
) -> tuple[float, float, npt.NDArray[Any] | None, npt.NDArray[Any] | None] | None:
    """Tr (S_r S_g)^(1/2) of two covariances [d, d], the size of a feature, and factors F F' = T and G G' = T^-1.

    From L L' = S_r and L' S_g L = W diag(s^2) W'; None if S_r is singular, or nearly. The factors are of that dtype,
    and None for the identity.
    """
    if np.array_equal(real, fake):
        # The distance and all influences are then exactly 0.
        return float(np.trace(real)), 1.0, None, None
    lower = cholesky_or_none(real)
    if lower is None:
        return None
    squares, vectors = eigenvectors(congruent(fake, lower), dtype)
    trace_sqrt = sum_of_roots(squares)
    if trace_sqrt is None:
        return None
    fourth_roots = np.sqrt(np.sqrt(squares))
    # The maps have no unit: with everything in that of the largest root nothing leaves the range of float32.
    unit = float(fourth_roots[-1])
    lower = np.divide(lower, unit, out=lower).astype(dtype)
    fourth_roots /= unit
    fourth_roots = fourth_roots.astype(dtype)
    fake_map = vectors / fourth_roots
    multiply_by_triangle(lower, fake_map)
    vectors *= fourth_roots
    solve_transposed_triangle(lower, vectors)
    return trace_sqrt, unit, vectors, fake_map


def _pull_in_blocks(
    values: npt.NDArray[Any],
    summary: Moments,
    step: Matrix,
    factor: npt.NDArray[Any] | None,
    unit: float,
    trace_sqrt: float,
) -> Pull:
    """Go through rows (n, d) a block at a time.

    `factor` [d, d]: F of the map F F', None for the identity; of its dtype are the products. `unit`: what rows are
    divided by for them, a number near their size. `trace_sqrt`: what all x'Tx / (n - 1) add up to.
    """
    n = len(values)
    squares, along, transported = np.empty((3, n))
    for start in range(0, n, BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        rows = values[block] - summary.mean
        rows /= np.sqrt(n - 1)
        squares[block] = squared_lengths(rows)
        along[block] = rows @ step
        if factor is not None:
            rows *= np.sqrt(n - 1) / unit
            moved = rows.astype(factor.dtype, copy=False) @ factor
            transported[block] = squared_lengths(moved)
    if factor is not None:
        transported *= trace_sqrt / transported.sum()
    return Pull(squares=squares, along=along, transported=squares if factor is None else transported)


def _influence_and_terms(pull: Pull, mean_term: float, sign: int) -> tuple[Matrix, Matrix]:
    n = len(pull.squares)
    # x'(I - T)x / (n - 1), whose sum over the images is Tr[(I - T) S].
    spread = pull.squares - pull.transported
    along = sign * np.sqrt(n - 1) * pull.along
    return 2 * along + n * spread - spread.sum(), np.column_stack((along + mean_term / 2, n * spread))
