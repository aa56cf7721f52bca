"""Number, mean and covariance of a set of features, in float64 and mergeable."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError

# Rows that are widened to float64 at a time: 16 MiB at d = 2048, however many images there are.
_ROWS = 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moments:
    """Sample moments of features."""

    n: int  # number of images
    mean: npt.NDArray[np.float64]  # (d,)
    covariance: npt.NDArray[np.float64]  # (d, d), symmetric, divided by n - ddof
    ddof: int = 1


def as_features(array: npt.ArrayLike, name: str) -> npt.NDArray[np.float64]:
    """Check a set of features and widen it to float64.

    Parameters
    ----------
    array : array_like of real numbers, shape (n, d)
        One row an image, n >= 2 and d >= 1.
    name : str
        What the set is called in an error, such as "real".

    Returns
    -------
    ndarray of float64, shape (n, d)
        The input itself where it is float64 already; never write to it.

    Raises
    ------
    InputError
        If the array is not 2-D, not real, has fewer than two rows, no columns, or a NaN or infinite value.
    """
    return np.asarray(checked_features(array, name), dtype=np.float64)


def checked_features(array: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    """Check a set of features as `as_features` does, but leave its dtype as it is (no copy)."""
    values = np.asarray(array)
    where = f"{name} features"
    if values.ndim != 2 or values.shape[1] < 1 or values.dtype.kind not in "fiu":
        raise InputError(
            where,
            expected="a 2-D array of real numbers, one row an image",
            found=f"shape {values.shape} of {values.dtype}",
        )
    if len(values) < 2:
        raise InputError(
            where,
            expected="at least 2 images",
            found=f"{len(values)} (one image has no covariance)",
            fix="Give more images.",
        )
    for start, rows in _row_blocks(values):
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(bad):
            raise InputError(
                where,
                expected="finite numbers",
                found=f"NaN or infinity in row {start + bad[0]} (rows count from 0)",
                fix="Extract the features again; if it stays, that image or the network's weights are damaged.",
            )
    return values


def require_equal_dims(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> None:
    """Raise InputError unless two arrays have the same number of features (the size of their last axis)."""
    if a.shape[-1] != b.shape[-1]:
        raise InputError(
            "features",
            expected="the same number of features an image in both sets",
            found=f"{a.shape[-1]} and {b.shape[-1]}",
            fix="Extract both sets with the same network and layer.",
        )


def moments(features: npt.ArrayLike) -> Moments:
    """Mean and unbiased covariance of features, by the corrected two-pass algorithm in float64.

    Rows are widened block by block, so memory beyond the input is a few (d, d) and (1024, d) arrays.

    Parameters
    ----------
    features : array_like, shape (n, d)
        One row an image, any real dtype, n >= 2.

    Returns
    -------
    Moments
        With ddof = 1.

    Raises
    ------
    InputError
        If the features cannot be used; see `as_features`.

    References
    ----------
    Chan, Golub and LeVeque (1983), "Algorithms for computing the sample variance", eq. 1.7.
    """
    values = checked_features(features, "the")
    n, d = values.shape
    mean = values.mean(axis=0, dtype=np.float64)
    scatter = np.zeros((d, d))
    residual = np.zeros(d)
    for _, rows in _row_blocks(values):
        centred = rows - mean
        scatter += centred.T @ centred
        residual += centred.sum(axis=0)
    # In exact arithmetic the residual is 0; in floating point this takes the mean's own rounding back out.
    scatter -= np.outer(residual, residual / n)
    return Moments(n=n, mean=mean + residual / n, covariance=scatter / (n - 1))


def merge_moments(a: Moments, b: Moments) -> Moments:
    """Moments of two disjoint sets together, from the moments of each.

    Parameters
    ----------
    a, b : Moments
        Of the same d and ddof.

    Returns
    -------
    Moments
        Of all `a.n + b.n` images.

    Raises
    ------
    InputError
        If d or ddof differ.

    References
    ----------
    Chan, Golub and LeVeque (1979), "Updating formulae and a pairwise algorithm for computing sample
    variances", eq. 2.1.
    """
    require_equal_dims(a.mean, b.mean)
    require_equal_ddof(a, b)
    n = a.n + b.n
    step = b.mean - a.mean
    scatter = (a.n - a.ddof) * a.covariance + (b.n - b.ddof) * b.covariance
    scatter += np.outer(step, step * (a.n * b.n / n))
    return Moments(n=n, mean=a.mean + step * (b.n / n), covariance=scatter / (n - a.ddof), ddof=a.ddof)


def require_equal_ddof(a: Moments, b: Moments) -> None:
    """Raise InputError unless both covariances were divided by n - ddof with the same ddof."""
    if a.ddof != b.ddof:
        raise InputError(
            "moments",
            expected="covariances with the same ddof",
            found=f"ddof {a.ddof} and {b.ddof}",
            fix="Multiply one covariance by (n - its ddof) / (n - the other ddof).",
        )


def _row_blocks(values: npt.NDArray[Any]) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    for start in range(0, len(values), _ROWS):
        yield start, values[start : start + _ROWS]
