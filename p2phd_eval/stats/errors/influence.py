"""Influence functions of the Fréchet distance, from which its standard errors come: one decomposition for both."""

import dataclasses

import numpy as np
import numpy.typing as npt
import scipy.linalg
from scipy.linalg.lapack import dsygst

from p2phd_eval.stats.distances.covariance import cholesky_or_none
from p2phd_eval.stats.distances.frechet import FrechetDistance, assemble_distance, centred_rows, sum_of_roots
from p2phd_eval.stats.feature_arrays import as_features, require_equal_dims

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
    T = (L^-1)' W diag(s) W' L^-1. Where rounding would show in that, the rows are written as A = Q R, so that the
    decomposition is of a [d, d] matrix. Memory is three more copies of the features.

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
    real_values, fake_values = as_features(real, "real"), as_features(fake, "fake")
    require_equal_dims(real_values, fake_values)
    real_mean, real_rows = centred_rows(real_values)
    fake_mean, fake_rows = centred_rows(fake_values)
    found = (
        _transport_of_equal_sets(real_rows, fake_rows)
        or _transport_by_eigenvectors(real_rows, fake_rows)
        or _transport_by_singular_vectors(real_rows, fake_rows)
    )
    trace_sqrt, transported = found[0], found[1:]
    step = real_mean - fake_mean
    few = [len(rows) <= rows.shape[1] for rows in (real_rows, fake_rows)]
    distance = assemble_distance(
        mean_difference=step,
        trace_real=float(np.vdot(real_rows, real_rows)),
        trace_fake=float(np.vdot(fake_rows, fake_rows)),
        trace_sqrt=trace_sqrt,
        method="cross-Gram" if all(few) else "mixed" if any(few) else "covariances",
    )
    return assemble_influence(distance, step, (real_rows, fake_rows), transported)


def assemble_influence(
    distance: FrechetDistance,
    step: npt.NDArray[np.float64],
    rows: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
    transported: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
) -> FidInfluence:
    """Put the influences together from m_r - m_g [d], the centred rows over sqrt(n - 1) of both sets and, for each
    row, x'Tx / (n - 1) and y'T^-1 y / (n - 1).
    """
    real_influence, real_terms = _influence_and_terms(rows[0], step, transported[0])
    fake_influence, fake_terms = _influence_and_terms(rows[1], -step, transported[1])
    return FidInfluence(
        distance=distance, real=real_influence, fake=fake_influence, real_terms=real_terms, fake_terms=fake_terms
    )


def _transport_by_singular_vectors(real: Matrix, fake: Matrix) -> _Transport:
    real_basis, real_factor = _basis_and_factor(real)
    fake_basis, fake_factor = _basis_and_factor(fake)
    left, singular_values, right = np.linalg.svd(real_factor @ fake_factor.T, full_matrices=False)
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
    squares: Matrix = np.einsum("ij,ij->i", real, real)
    return float(np.vdot(real, real)), squares, squares


def _transport_by_eigenvectors(real: Matrix, fake: Matrix) -> _Transport | None:
    """The same from L L' = S_r and L' S_g L = W diag(s^2) W', if both n > d and rounding does not show."""
    if min(len(real), len(fake)) <= real.shape[1]:
        return None
    lower = cholesky_or_none(real.T @ real)
    if lower is None:
        return None
    product, _ = dsygst((fake.T @ fake).T, lower, itype=2, lower=1)
    squares, vectors = np.linalg.eigh(product, UPLO="L")
    trace_sqrt = sum_of_roots(squares)
    if trace_sqrt is None:
        return None
    roots = np.sqrt(squares)
    real_along = real @ scipy.linalg.solve_triangular(lower, vectors, lower=True, trans="T", check_finite=False)
    fake_along = fake @ (lower @ vectors)
    for along in (real_along, fake_along):
        np.square(along, out=along)
    return trace_sqrt, real_along @ roots, fake_along @ (1 / roots)


def _influence_and_terms(
    rows: npt.NDArray[np.float64], step: npt.NDArray[np.float64], transported: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    n = len(rows)
    # x'(I - T)x / (n - 1), whose sum over the images is Tr[(I - T) S].
    spread = np.einsum("ij,ij->i", rows, rows) - transported
    along = np.sqrt(n - 1) * (rows @ step)
    return 2 * along + n * spread - spread.sum(), np.column_stack((along + step @ step / 2, n * spread))
