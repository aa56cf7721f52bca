"""Arrays of features at the door of the statistics: what can be computed with, and what is said of the rest."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError

#: Rows that are widened to float64 and summed at a time: 16 MiB at d = 2048, however many images there are.
BLOCK_ROWS = 1024

#: The largest size of a feature. Twelfth powers, of which the error of a cubic kernel's KID is made, fit into float64.
LARGEST = 1e12


@dataclass(frozen=True, kw_only=True)
class UnusableRows:
    """Rows of features with a value that nothing can be computed with."""

    row: int  # the first, counted from 0
    count: int
    expected: str  # of the value
    found: str


def as_features(array: npt.ArrayLike, name: str) -> npt.NDArray[np.float64]:
    """Check a set of features and widen it to float64.

    The result is float64 (n, d): the input itself where it is float64 already; never write to it. Raises `InputError`
    if the array is not 2-D, not real, has fewer than two rows, no columns, or a value that is NaN, infinite or above
    `LARGEST`.

    Parameters
    ----------
    array : array_like of real numbers, shape (n, d)
        One row an image, n >= 2 and d >= 1.
    name : str
        What the set is called in an error, such as "real".
    """
    return np.asarray(checked_features(array, name), dtype=np.float64)


def checked_features(array: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    """Check a set of features as `as_features` does, but leave its dtype as it is (no copy)."""
    where = f"{name} features"
    values = feature_rows(array, where)
    if len(values) < 2:
        raise too_few(len(values), where)
    require_usable(values, where)
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


def feature_rows(array: npt.ArrayLike, where: str) -> npt.NDArray[Any]:
    """Check that an array is 2-D, of real numbers, with a column or more; rows may be few and values anything."""
    values = np.asarray(array)
    if values.ndim != 2 or values.shape[1] < 1 or values.dtype.kind not in "fiu":
        raise InputError(
            where,
            expected="a 2-D array of real numbers, one row an image",
            found=f"shape {values.shape} of {values.dtype}",
        )
    return values


def require_usable(values: npt.NDArray[Any], where: str, first_row: int = 0) -> None:
    """Raise InputError that names the first row with an unusable value; `first_row` is the number of row 0."""
    if (bad := unusable_rows(values)) is not None:
        raise InputError(
            where,
            expected=bad.expected,
            found=f"{bad.found} in row {first_row + bad.row} (rows count from 0)",
            fix="Extract the features again; if it stays, that image or the network's weights are damaged.",
        )


def unusable_rows(values: npt.NDArray[Any]) -> UnusableRows | None:
    """Find the rows of real numbers, shape (n, d), that are NaN, infinite or above `LARGEST`; None without any."""
    bad: list[int] = []
    for start in range(0, len(values), BLOCK_ROWS):
        block = values[start : start + BLOCK_ROWS]
        if not within_reach(block):
            bad += (start + np.flatnonzero(~(np.abs(block.astype(np.float64)) <= LARGEST).all(axis=1))).tolist()
    if not bad:
        return None
    if not np.isfinite(values[bad[0]]).all():
        return UnusableRows(row=bad[0], count=len(bad), expected="finite numbers", found="NaN or infinity")
    found = f"{np.abs(values[bad[0]].astype(np.float64)).max():.3g}"
    return UnusableRows(row=bad[0], count=len(bad), expected=f"numbers of at most {LARGEST:g} in size", found=found)


def within_reach(values: npt.NDArray[Any], largest: float = LARGEST) -> bool:
    """Whether all of some real numbers are finite and no larger than that."""
    # Of NaN the extremes are NaN, which is within nothing.
    return not values.size or (-largest <= float(values.min()) and float(values.max()) <= largest)


def too_few(n: int, where: str) -> InputError:
    """Return the error of a set of fewer than two images."""
    return InputError(
        where, expected="at least 2 images", found=f"{n} (one image has no covariance)", fix="Give more images."
    )
