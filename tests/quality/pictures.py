"""Small pictures of several arms: smooth scenes that all arms share, each with its own changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.arrays import ArraySource

Pixels = npt.NDArray[np.uint8]


def scenes(
    n: int, *, amount: float = 0.0, blur: float = 0.0, seed: int = 0, size: tuple[int, int] = (40, 48)
) -> Pixels:
    """n pictures (n, height, width, 3), moved by skewed amounts of a pattern of this seed's own."""
    height, width = size
    shared, own = np.random.default_rng(99), np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(shared.normal(size=(n, height, width, 3)), (0, 4, 4, 0))
    moved = ndimage.gaussian_filter(own.normal(size=smooth.shape), (0, 2, 2, 0))
    sizes = amount * np.exp(0.5 * own.normal(size=(n, 1, 1, 1)))
    values = 128 + 50 * smooth / smooth.std() + sizes * moved / moved.std()
    if blur:
        values = ndimage.gaussian_filter(values, (0, blur, blur, 0))
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def names_of(n: int) -> list[str]:
    return [f"s{k:02}" for k in range(n)]


def source(images: Pixels, ids: Sequence[str] | None = None) -> ArraySource:
    return ArraySource(images, ids=names_of(len(images)) if ids is None else list(ids))


def folder(path: Path, images: Pixels, ids: Sequence[str] | None = None) -> Path:
    for name, image in zip(names_of(len(images)) if ids is None else ids, images, strict=True):
        write_png(path / f"{name}.png", image)
    return path
