"""The Fréchet distance of two sets of features, without a matrix square root."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.stats.moments import (
    Moments,
    checked_features,
    moments,
    require_equal_ddof,
    require_equal_dims,
)

# Eigenvalues more negative than this share of the largest are no rounding, not even of float32 statistics.
_NOT_ROUNDING = 1e-3

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
    method: str  # how the trace term was found: "cross-Gram" (n <= d), "covariances" (n > d) or "mixed"
    note: str  # what was done to the value, empty where nothing was


def frechet_distance(real: npt.ArrayLike, fake: npt.ArrayLike) -> FrechetDistance:
    """Fréchet distance (FID where the features are Inception's) of two sets of features.

    For any A'A = S_r and B'B = S_g the trace term is a nuclear norm, Tr (S_r S_g)^(1/2) = ||A B'||_*. A set
    with n <= d gives its centred rows as such a factor, a larger one the Cholesky factor of its covariance,
    so the singular values are those of a [min(n_r, d), min(n_g, d)] matrix. Where both have n > d they come
    faster, as the roots of the eigenvalues of A S_g A'. Everything is in float64.

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
    real_values, fake_values = checked_features(real, "real"), checked_features(fake, "fake")
    require_equal_dims(real_values, fake_values)
    n_real, d = real_values.shape
    if n_real > d and len(fake_values) > d:
        return frechet_distance_from_moments(moments(real_values), moments(fake_values))
    real_mean, real_factor = _factor_of_features(real_values)
    fake_mean, fake_factor = _factor_of_features(fake_values)
    return assemble_distance(
        mean_difference=real_mean - fake_mean,
        trace_real=float(np.vdot(real_factor, real_factor)),
        trace_fake=float(np.vdot(fake_factor, fake_factor)),
        trace_sqrt=nuclear_norm(real_factor @ fake_factor.T),
        method="cross-Gram" if n_real <= d and len(fake_values) <= d else "mixed",
    )


def frechet_distance_from_moments(real: Moments, fake: Moments) -> FrechetDistance:
    """Fréchet distance of two Gaussians given by their moments, singular covariances included.

    Parameters
    ----------
    real, fake : Moments
        Of the same d and ddof, for instance from the `mu` and `sigma` of another FID tool.

    Returns
    -------
    FrechetDistance
        Where a covariance is singular, its eigenvalues below d * eps * (the largest) count as 0: they are
        rounding, of which the square root would make something visible.

    Raises
    ------
    InputError
        If d or ddof differ, or a covariance is not square, finite, symmetric and positive semi-definite.
    """
    require_equal_dims(real.mean, fake.mean)
    require_equal_ddof(real, fake)
    for name, side in (("real", real), ("fake", fake)):
        _require_covariance(side, name)
    return assemble_distance(
        mean_difference=real.mean - fake.mean,
        trace_real=float(np.trace(real.covariance)),
        trace_fake=float(np.trace(fake.covariance)),
        trace_sqrt=trace_sqrt_of_covariances(real.covariance, fake.covariance),
        method="covariances",
    )


def covariance_factor(covariance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A factor F [k, d] with F'F = `covariance` [d, d]; k is d, or the rank where that is lower.

    Raises
    ------
    InputError
        If the matrix is not positive semi-definite.
    """
    factor: npt.NDArray[np.float64]
    try:
        factor = np.linalg.cholesky(covariance).T
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        if values[0] < -_NOT_ROUNDING * abs(values[-1]):
            raise InputError(
                "covariance",
                expected="a positive semi-definite matrix",
                found=f"eigenvalues from {values[0]:.3g} to {values[-1]:.3g}",
            ) from None
        kept = values > len(values) * np.finfo(np.float64).eps * values[-1]
        factor = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    return factor


def trace_sqrt_of_covariances(real: npt.NDArray[np.float64], fake: npt.NDArray[np.float64]) -> float:
    """Tr (S_r S_g)^(1/2) of two covariances [d, d], singular ones included.

    Raises
    ------
    InputError
        If a matrix is not positive semi-definite.
    """
    factor = covariance_factor(real)
    squares = np.linalg.eigvalsh(factor @ fake @ factor.T)
    if len(squares) and squares[0] > 0:
        roots = np.sqrt(squares)
        # An eigenvalue is off by about eps * (the largest), its root s by that over 2 s.
        error = np.finfo(np.float64).eps * squares[-1] * (0.5 / roots).sum()
        if error < _PRECISE * roots.sum():
            return float(roots.sum())
    return nuclear_norm(factor @ covariance_factor(fake).T)


def nuclear_norm(matrix: npt.NDArray[np.float64]) -> float:
    """Sum of the singular values.

    Of the matrix itself: the eigenvalues of M'M lose half the digits of the small ones.
    """
    return float(np.linalg.svd(matrix, compute_uv=False).sum())


def assemble_distance(
    *,
    mean_difference: npt.NDArray[np.float64],
    trace_real: float,
    trace_fake: float,
    trace_sqrt: float,
    method: str,
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


def centred_rows(
    features: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The mean [d], and the centred rows over sqrt(n - 1) [n, d]: a factor of the covariance."""
    mean = features.mean(axis=0)
    rows = features - mean
    # Once more, for the rounding of the mean itself.
    residual = rows.mean(axis=0)
    rows -= residual
    rows /= np.sqrt(len(features) - 1)
    return mean + residual, rows


def _factor_of_features(
    features: npt.NDArray[np.generic],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    n, d = features.shape
    if n <= d:
        return centred_rows(np.asarray(features, dtype=np.float64))
    summary = moments(features)
    return summary.mean, covariance_factor(summary.covariance)


def _require_covariance(side: Moments, name: str) -> None:
    d = len(side.mean)
    covariance = side.covariance
    if covariance.shape != (d, d) or not (np.isfinite(side.mean).all() and np.isfinite(covariance).all()):
        raise InputError(
            f"{name} moments",
            expected=f"finite numbers: a mean of {d} and a covariance of shape ({d}, {d})",
            found=f"a covariance of shape {covariance.shape}, or NaN or infinity",
        )
    asymmetry = np.abs(covariance - covariance.T).max()
    if asymmetry > _NOT_ROUNDING * np.abs(covariance).max():
        raise InputError(
            f"{name} moments",
            expected="a symmetric covariance",
            found=f"entries that differ from their mirror image by {asymmetry:.3g}",
        )
