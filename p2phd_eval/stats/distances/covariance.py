"""Covariance matrices: whether a matrix is one, and its factors."""

from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.stats.feature_arrays import LARGEST, within_reach
from p2phd_eval.stats.unlocked_lapack import replace_by_cholesky_factor, replace_by_congruent

# Asymmetry, or eigenvalues below 0, beyond this share of the largest are no rounding, not even of float32 statistics.
_NOT_ROUNDING = 1e-3


def require_covariance(mean: npt.NDArray[np.float64], covariance: npt.NDArray[np.float64], where: str) -> None:
    """Raise InputError, naming `where`, unless a mean [d] and a covariance [d, d] are finite, and that is symmetric.

    Whether it is positive semi-definite shows once it is factored; see `covariance_factor`.
    """
    if mean.ndim != 1 or not len(mean) or covariance.shape != (len(mean), len(mean)):
        raise InputError(
            where,
            expected="a mean of shape (d,) and a covariance of shape (d, d)",
            found=f"shapes {mean.shape} and {covariance.shape}",
        )
    for name, values, largest in (("mean", mean, LARGEST), ("covariance", covariance, LARGEST**2)):
        if not within_reach(values, largest):
            finite = bool(np.isfinite(values).all())
            raise InputError(
                where,
                expected=f"numbers of at most {largest:g} in size" if finite else "finite numbers",
                found=f"{np.abs(values).max():.3g} in the {name}" if finite else f"NaN or infinity in the {name}",
                fix="Compute the statistics again; if it stays, an image or the network's weights are damaged.",
            )
    asymmetry = np.abs(covariance - covariance.T).max()
    if asymmetry > _NOT_ROUNDING * np.abs(covariance).max():
        raise InputError(
            where,
            expected="a symmetric covariance",
            found=f"entries that differ from their mirror image by {asymmetry:.3g}",
        )


def require_semidefinite(eigenvalues: npt.NDArray[np.floating[Any]], where: str) -> None:
    """Raise InputError, naming `where`, if eigenvalues [d], ascending, are below 0 by more than rounding."""
    if eigenvalues[0] < -_NOT_ROUNDING * abs(eigenvalues[-1]):
        raise InputError(
            where,
            expected="a positive semi-definite covariance",
            found=f"eigenvalues from {eigenvalues[0]:.3g} to {eigenvalues[-1]:.3g}",
        )


def cholesky_or_none(covariance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """The lower Cholesky factor L [d, d], in columns, with L L' = `covariance`; None where that is singular."""
    # A symmetric matrix's upper triangle in rows is its lower one in columns, as LAPACK wants it.
    factor = np.asfortranarray(np.triu(covariance).T, dtype=np.float64)
    return factor if replace_by_cholesky_factor(factor) else None


def congruent(covariance: npt.NDArray[np.float64], lower: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """L' S L [d, d] of a covariance S and a lower triangle L, in columns; of the result the lower triangle alone."""
    product = np.array(covariance.T, dtype=np.float64, order="F")
    replace_by_congruent(product, lower)
    return product


def covariance_factor(covariance: npt.NDArray[np.float64], where: str = "covariance") -> npt.NDArray[np.float64]:
    """A factor F [k, d] with F'F = `covariance` [d, d]; k is d, or the rank where that is lower.

    Eigenvalues below d * eps * (the largest) count as 0: they are rounding, of which the square root would make
    something visible.

    Raises
    ------
    InputError
        Naming `where`, if the matrix is not positive semi-definite.
    """
    lower = cholesky_or_none(covariance)
    if lower is not None:
        return np.asarray(lower.T)
    values: npt.NDArray[np.float64]
    values, vectors = np.linalg.eigh(covariance)
    require_semidefinite(values, where)
    kept = values > len(values) * np.finfo(np.float64).eps * values[-1]
    return np.asarray(np.sqrt(values[kept])[:, None] * vectors[:, kept].T)
