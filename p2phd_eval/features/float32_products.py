"""Keeps torch from computing float32 products in fewer bits, whatever the process has allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def float32_products(*, tf32: bool = False) -> Iterator[None]:
    """Compute convolutions and products of matrices in full float32, by fixed algorithms, and restore the settings.

    TensorFloat-32, a surrounding bfloat16 setting or a search for the fastest kernel would change features by more than
    the differences that are to be measured, or differently from run to run.

    Parameters
    ----------
    tf32 : bool
        Allow TensorFloat-32 on CUDA: for who asks for it.
    """
    cudnn = torch.backends.cudnn
    algorithms = cudnn.benchmark, cudnn.deterministic
    restore = _set_precisions(tf32)
    cudnn.benchmark, cudnn.deterministic = False, True
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.deterministic = algorithms
        restore()


def _set_precisions(tf32: bool) -> Callable[[], None]:
    """Set what products are computed in; return what sets it back."""
    mkldnn: Any = torch.backends.mkldnn
    cudnn: Any = torch.backends.cudnn
    matmul = torch.backends.cuda.matmul
    # oneDNN's convolutions have one way alone to set this, from torch 2.9 on.
    places: list[tuple[Any, str, Any]] = []
    if hasattr(mkldnn, "conv"):
        places.append((mkldnn.conv, "fp32_precision", "ieee"))
    try:
        # The older way, which most programs use. To mix the two makes torch refuse to read the older settings.
        before = cudnn.allow_tf32, torch.get_float32_matmul_precision()
    except RuntimeError:
        places += [
            (cudnn.conv, "fp32_precision", "tf32" if tf32 else "ieee"),
            (matmul, "fp32_precision", "tf32" if tf32 else "ieee"),
            (mkldnn.matmul, "fp32_precision", "ieee"),
        ]
        return _set_all(places)
    restore = _set_all([*places, (cudnn, "allow_tf32", tf32)])
    # The older setter also fills in the newer settings, which may have been open ("none") before.
    newer: list[Any] = [each for each in (matmul, getattr(mkldnn, "matmul", None)) if hasattr(each, "fp32_precision")]
    filled_in = _set_all([(each, "fp32_precision", each.fp32_precision) for each in newer])
    torch.set_float32_matmul_precision("high" if tf32 else "highest")

    def restore_all() -> None:
        torch.set_float32_matmul_precision(before[1])
        filled_in()
        restore()

    return restore_all


def _set_all(places: list[tuple[Any, str, Any]]) -> Callable[[], None]:
    before = [getattr(place, name) for place, name, _ in places]

    def put(values: Iterable[Any]) -> None:
        for (place, name, _), value in zip(places, values, strict=True):
            if getattr(place, name) != value:
                setattr(place, name, value)

    put(value for _, _, value in places)

    def restore() -> None:
        put(before)

    return restore
