"""The Fréchet distance of two sets of features, without a matrix square root."""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from p2phd_eval.stats.distances.covariance import cholesky_or_none, congruent, covariance_factor, require_covariance
from p2phd_eval.stats.distances.moments import Moments, moments, require_equal_ddof
from p2phd_eval.stats.eigenvectors import eigenvalues
from p2phd_eval.stats.feature_arrays import checked_features, require_equal_dims

# Relative error of the trace term up to which the faster way is taken.
_PRECISE = 1e-9


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrechetDistance:
    """The squared Fréchet distance between two Gaussians, and the terms it is made of."""

    value: float  # |m_r - m_g|^2 + Tr S_r + Tr S_g - 2 Tr (S_r S_g)^(1/2), squared feature units, >= 0
    mean_term: float  # |m_r - m_g|^2
    trace_real: float  # Tr S_r, ddof = 1
    trace_fake: float  # Tr S_g, ddof = 1
    trace_sqrt: float  # Tr (S_r S_g)^(1/2)
    method: str  # how the trace term was found: "cross-Gram" (n <= d), "mixed", "covariances" (n > d), or "blocks"
    note: str  # what was done to the value, empty where nothing was


def frechet_distance(real: npt.ArrayLike, fake: npt.ArrayLike) -> FrechetDistance:
    """Fréchet distance (FID where the features are Inception's) of two sets of features.

    For any A'A = S_r and B'B = S_g the trace term is a nuclear norm, Tr (S_r S_g)^(1/2) = ||A B'||_*. A set
    with n <= d gives its centred rows as such a factor, a larger one the Cholesky factor of its covariance,
    so the singular values are those of a [min(n_r, d), min(n_g, d)] matrix. Where rounding does not show in it they
    come faster, as the roots of the eigenvalues of A S_g A'. Everything is in float64.

    The distance of two sets with the same features, in the same order, is exactly 0.

    Parameters
    ----------
    real : array_like, shape (n_r, d)
        Features of the real images, n_r >= 2.
    fake : array_like, shape (n_g, d)
        Features of the generated images, n_g >= 2.

    Returns
    -------
    FrechetDistance
        At these n; with finite n it is biased upward.

    Raises
    ------
    InputError
        If a set cannot be used or the two differ in d.

    References
    ----------
    Heusel et al. (2017), eq. 6; Dowson and Landau (1982); Mathiasen and Hvilshøj (2020), arXiv:2009.14075.
    """
    real_values, fake_values = checked_features(real, "real"), checked_features(fake, "generated")
    require_equal_dims(real_values, fake_values)
    n_real, d = real_values.shape
    if n_real > d and len(fake_values) > d:
        return distance_of_moments(moments(real_values), moments(fake_values), trace_sqrt_of_covariances)
    real_mean, real_factor = _factor_of_features(real_values)
    fake_mean, fake_factor = _factor_of_features(fake_values)
    centred = n_real <= d and len(fake_values) <= d
    return assemble_distance(
        mean_difference=real_mean - fake_mean,
        trace_real=float(np.vdot(real_factor, real_factor)),
        trace_fake=float(np.vdot(fake_factor, fake_factor)),
        trace_sqrt=_trace_sqrt_of_factors(real_factor, fake_factor, centred),
        method="cross-Gram" if centred else "mixed",
    )


def frechet_distance_from_moments(real: Moments, fake: Moments) -> FrechetDistance:
    """Fréchet distance of two Gaussians given by their moments, singular covariances included.

    The distance is exactly 0 for equal moments. Of singular covariances what is rounding counts as 0; see
    `covariance_factor`. Raises `InputError` if d or ddof differ, or a covariance is not square, finite, symmetric and
    positive semi-definite.

    `real` and `fake`: moments with the same d and ddof, for instance from the `mu` and `sigma` of another FID tool.
    """
    require_comparable(real, fake)
    return distance_of_moments(real, fake, trace_sqrt_of_covariances)


def distance_of_moments(
    real: Moments, fake: Moments, trace_sqrt: Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], float]
) -> FrechetDistance:
    """Fréchet distance of moments that are known to be comparable; `trace_sqrt` finds Tr (S_r S_g)^(1/2)."""
    return assemble_distance(
        mean_difference=real.mean - fake.mean,
        trace_real=float(np.trace(real.covariance)),
        trace_fake=float(np.trace(fake.covariance)),
        trace_sqrt=trace_sqrt(real.covariance, fake.covariance),
        method="covariances",
    )


def require_comparable(real: Moments, fake: Moments) -> None:
    """Raise InputError unless these are moments, of the same d and ddof."""
    for name, side in (("real", real), ("generated", fake)):
        require_covariance(side.mean, side.covariance, f"{name} moments")
    require_equal_dims(real.mean, fake.mean)
    require_equal_ddof(real, fake)


def trace_sqrt_of_covariances(real: npt.NDArray[np.float64], fake: npt.NDArray[np.float64]) -> float:
    """Tr (S_r S_g)^(1/2) of two covariances [d, d], singular ones included.

    With the Cholesky factor L L' = S_r it is the sum of the roots of the eigenvalues of L' S_g L.

    Raises `InputError` if a matrix is not positive semi-definite.
    """
    if np.array_equal(real, fake):
        covariance_factor(real, "real covariance")
        return float(np.trace(real))
    lower = cholesky_or_none(real)
    if lower is not None:
        trace = sum_of_roots(eigenvalues(congruent(fake, lower)))
        if trace is not None:
            return trace
    real_factor = covariance_factor(real, "real covariance") if lower is None else lower.T
    return nuclear_norm(real_factor @ covariance_factor(fake, "generated covariance").T)


def sum_of_roots(squares: npt.NDArray[np.float64]) -> float | None:
    """Sum of the square roots of eigenvalues [d], ascending; None where rounding makes it less precise than 1e-9."""
    if squares[0] <= 0:
        return None
    roots = np.sqrt(squares)
    # An eigenvalue is off by about eps * (the largest), its root s by that over 2 s.
    error = np.finfo(np.float64).eps * squares[-1] * (0.5 / roots).sum()
    return float(roots.sum()) if error < _PRECISE * roots.sum() else None


def nuclear_norm(matrix: npt.NDArray[np.float64]) -> float:
    """Return the sum of the singular values.

    They are computed from the matrix itself: the eigenvalues of M'M lose half the digits of the small ones.
    """
    return float(np.linalg.svd(matrix, compute_uv=False).sum())


def nuclear_norm_by_square(matrix: npt.NDArray[np.float64]) -> float:
    """Return the sum of the singular values of a matrix that has its full rank, to 1e-9.

    The eigenvalues of the square cost a third of what singular values do, where rounding spares the small ones.
    """
    if not matrix.size:
        return 0.0
    square = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
    trace = sum_of_roots(eigenvalues(np.asfortranarray(square.T)))
    return nuclear_norm(matrix) if trace is None else trace


def assemble_distance(
    *, mean_difference: npt.NDArray[np.float64], trace_real: float, trace_fake: float, trace_sqrt: float, method: str
) -> FrechetDistance:
    """Put the terms of the distance together; a value that rounding made negative becomes 0, with a note."""
    mean_term = float(mean_difference @ mean_difference)
    value = mean_term + trace_real + trace_fake - 2 * trace_sqrt
    note = ""
    if value < 0:
        note = f"rounding made the distance {value:.3g}; it cannot be negative and was set to 0"
        value = 0.0
    return FrechetDistance(
        value=value,
        mean_term=mean_term,
        trace_real=trace_real,
        trace_fake=trace_fake,
        trace_sqrt=trace_sqrt,
        method=method,
        note=note,
    )


def centred_rows(features: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The mean [d], and the centred rows over sqrt(n - 1) [n, d]: a factor of the covariance."""
    mean = features.mean(axis=0)
    rows = features - mean
    # Once more, for the rounding of the mean itself.
    residual = rows.mean(axis=0)
    rows -= residual
    rows /= np.sqrt(len(features) - 1)
    return mean + residual, rows


def _trace_sqrt_of_factors(real: npt.NDArray[np.float64], fake: npt.NDArray[np.float64], centred: bool) -> float:
    """||A B'||_* of two factors; `centred`: whether both are of rows that add up to 0."""
    if np.array_equal(real, fake):
        return float(np.vdot(real, fake))
    if centred:
        return nuclear_norm_by_square(without_sum(real) @ without_sum(fake).T)
    return nuclear_norm(real @ fake.T)


def without_sum(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """From n rows that add up to 0, n - 1 with the same products X'X, which need not add up to anything.

    They are the others of H X, where the Householder reflection H makes the first one the sum over sqrt(n), which is 0.
    """
    others: npt.NDArray[np.float64] = rows[1:] - rows[0] / (np.sqrt(len(rows)) + 1)
    return others


def _factor_of_features(features: npt.NDArray[np.generic]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    n, d = features.shape
    if n <= d:
        return centred_rows(np.asarray(features, dtype=np.float64))
    summary = moments(features)
    return summary.mean, covariance_factor(summary.covariance)
