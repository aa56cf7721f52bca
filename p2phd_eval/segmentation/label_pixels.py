"""Label maps as numbers, and predictions at their size."""

from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.images.sources.source import ImageSource

# How far the shape of a photo may be from its label map's, as a share: generators round sides to multiples of 32.
_MOST_SHAPE_CHANGE = 0.05


def label_numbers(labels: ImageSource, index: int) -> npt.NDArray[np.integer]:
    """Read a label map as integers (h, w); one that is grey in three channels has these numbers too.

    Raises `InputError` if it cannot be read, was compressed with loss, or holds colours.
    """
    stored: npt.NDArray[Any] = labels.load_labels(index)
    if stored.ndim == 2:
        return stored
    if bool((stored == stored[..., :1]).all()):
        first: npt.NDArray[np.integer] = stored[..., 0]
        return first
    raise InputError(
        labels.describe(index),
        expected="a label map: class numbers in one channel",
        found="colours in three",
        fix="Save the number of each pixel's class as a grey PNG, not its colour.",
    )


def require_one_shape(photo: tuple[int, int], label: tuple[int, int], where: str) -> None:
    """Raise `InputError` unless a photo shows all of its label map: both have one shape, if not one size.

    `photo`, `label`: width and height. `where`: what errors call the photo.
    """
    if abs(photo[0] * label[1] / (photo[1] * label[0]) - 1) > _MOST_SHAPE_CHANGE:
        raise InputError(
            where,
            expected=f"the shape of its label map, {label[0]} x {label[1]} pixels, at any size",
            found=f"{photo[0]} x {photo[1]} pixels",
            fix="Give the label maps that the photos were made from; for photos that were cropped, maps cropped alike.",
        )


def at_size(classes: npt.NDArray[np.int64], size: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Return a class map (h, w) at a size, width and height: each pixel is the nearest one's."""
    height, width = classes.shape
    if (width, height) == size:
        return classes
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.int64), old - 1)
        for old, new in ((height, size[1]), (width, size[0]))
    )
    found: npt.NDArray[np.int64] = classes[rows[:, np.newaxis], columns]
    return found
