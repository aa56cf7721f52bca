"""Writing an image as PNG."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from p2phd_eval.errors import InputError
from p2phd_eval.files import atomic_write


def write_png(path: str | os.PathLike[str], image: npt.NDArray[Any]) -> None:
    """Write an image atomically as PNG.

    `path`: the file; missing folders are made. `image`: RGB or grey values, uint8 (h, w, 3) or (h, w), or uint16
    (h, w). Raises `InputError` if the array has another shape or dtype.
    """
    colour = image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
    grey = image.ndim == 2 and image.dtype in (np.uint8, np.uint16)
    if not (colour or grey) or image.size == 0:
        raise InputError(
            str(Path(path)),
            expected="an array of uint8 (h, w, 3) or (h, w), or of uint16 (h, w)",
            found=f"{image.dtype} {image.shape}",
        )
    with atomic_write(path) as stream:
        Image.fromarray(np.ascontiguousarray(image)).save(stream, format="PNG")
