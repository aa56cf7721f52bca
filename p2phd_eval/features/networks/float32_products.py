"""Keeps torch from computing float32 products in fewer bits, whatever the process has allowed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def float32_products(*, tf32: bool = False) -> Iterator[None]:
    """Compute convolutions and products of matrices in full float32, by fixed algorithms, and restore the settings.

    TensorFloat-32, a surrounding bfloat16 setting or a search for the fastest kernel would change features by more than
    the differences that are to be measured, or differently from run to run.

    `tf32`: allow TensorFloat-32 on CUDA: for who asks for it.
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
    matmul: Any = torch.backends.cuda.matmul
    newer = [matmul, getattr(mkldnn, "matmul", None), getattr(mkldnn, "conv", None)]  # from torch 2.9 on
    places = [(place, "fp32_precision") for place in newer if hasattr(place, "fp32_precision")]
    try:
        older = torch.get_float32_matmul_precision()
        put_back = _restorer([*places, (cudnn, "allow_tf32")])
    except RuntimeError:
        # The newer way was used, on which torch refuses to read the older settings.
        restore = _restorer([*places, (cudnn.conv, "fp32_precision")])
        cudnn.conv.fp32_precision = matmul.fp32_precision = "tf32" if tf32 else "ieee"
        mkldnn.matmul.fp32_precision = "ieee"
    else:
        cudnn.allow_tf32 = tf32
        torch.set_float32_matmul_precision("high" if tf32 else "highest")

        def restore() -> None:
            torch.set_float32_matmul_precision(older)
            put_back()  # the older setter also filled in newer settings that may have been open ("none")

    if hasattr(mkldnn, "conv"):
        mkldnn.conv.fp32_precision = "ieee"
    return restore


def _restorer(places: Sequence[tuple[Any, str]]) -> Callable[[], None]:
    """Return what sets attributes back to the values that they have now."""
    before = [getattr(place, name) for place, name in places]

    def restore() -> None:
        for (place, name), value in zip(places, before, strict=True):
            if getattr(place, name) != value:
                setattr(place, name, value)

    return restore
