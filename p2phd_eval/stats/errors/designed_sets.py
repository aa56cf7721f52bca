"""Checks of feature sets that belong to a sampling design, at the door of everything that takes both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.distances.moments import checked_features, require_equal_dims


def checked_sets(sets: Sequence[npt.ArrayLike], design: SamplingDesign) -> list[npt.NDArray[Any]]:
    """Check that real and generated features can be used and fit each other and the design; dtypes stay (no copy).

    Parameters
    ----------
    sets : sequence of array_like, each of shape (n_k, d)
        The real images first.
    design : SamplingDesign

    Raises
    ------
    InputError
        If a set cannot be used, or numbers of images or features do not fit.
    """
    values = [checked_features(each, f"generated set {k}" if k else "real") for k, each in enumerate(sets)]
    for fake in values[1:]:
        require_equal_dims(values[0], fake)
    sizes = tuple(len(each) for each in values)
    if sizes != design.sizes:
        raise InputError("sets", expected=f"sets of {design.sizes} images, as the design says", found=f"{sizes}")
    return values


def checked_contrasts(contrasts: npt.ArrayLike, sets: int) -> npt.NDArray[np.float64]:
    """Check weights of shape (C, K): C contrasts of K generated sets, all finite."""
    weights = np.asarray(contrasts, dtype=np.float64)
    if weights.ndim != 2 or weights.shape[1] != sets or not np.isfinite(weights).all():
        raise InputError(
            "contrasts",
            expected=f"rows of {sets} finite weights, one for each generated set",
            found=f"shape {weights.shape}" if np.isfinite(weights).all() else "NaN or infinity",
        )
    return weights


def first_equal(values: Sequence[npt.NDArray[Any]], design: SamplingDesign) -> list[int]:
    """For each generated set the first that equals it and was drawn together with it, at the latest itself.

    What is computed for such sets must be computed once: twice, rounding would look like a difference.
    """
    return [next(j for j in range(1, k + 1) if j == k or _same(values, design, j, k)) for k in range(1, len(values))]


def _same(values: Sequence[npt.NDArray[Any]], design: SamplingDesign, j: int, k: int) -> bool:
    return design.drawn_together((j, k)) and bool(np.array_equal(values[j], values[k]))
