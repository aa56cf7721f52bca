"""Feature statistics that torch-fidelity caches: what `torch.save` wrote of a dict of arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from p2phd_eval.errors import InputError


def read_torch_file(file: Path) -> dict[str, Any]:
    """Read a dict that `torch.save` wrote; its tensors become NumPy arrays.

    Besides tensors and plain containers the unpickler makes arrays of real numbers alone; whatever else a file asks
    for is refused, not run.

    Raises
    ------
    InputError
        If the file is damaged, holds something else, or holds no dict.
    """
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_array_globals()):
            warnings.simplefilter("ignore")  # about what the error says better
            content = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(content, dict):
            raise TypeError(f"a {type(content).__name__}")
        return {name: _as_array(value) for name, value in content.items()}
    except Exception as error:  # torch.load raises a different type for each way in which a file is wrong
        reason = (str(error).splitlines() or [""])[0][:200]
        raise InputError(
            str(file),
            expected="a dict of arrays or tensors mu and sigma, as torch-fidelity caches it",
            found=f"a damaged file, or other objects ({type(error).__name__}: {reason})",
            fix="Compute the statistics again from the images, or give the images themselves.",
        ) from error


def _array_globals() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    # NumPy rebuilds an array by this function, which has had another module in NumPy 1 and in 2; either reads both.
    rebuild: Any = np.zeros(0).__reduce__()[0]
    return [
        (rebuild, "numpy.core.multiarray._reconstruct"),
        (rebuild, "numpy._core.multiarray._reconstruct"),
        np.ndarray,
        np.dtype,
        *(type(np.dtype(name)) for name in ("float16", "float32", "float64", "int32", "int64")),
    ]


def _as_array(value: object) -> object:
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value
