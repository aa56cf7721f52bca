"""Images that are in memory: arrays of NumPy, tensors of torch, and what converts to arrays."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.images.oddities import pixel_oddities
from p2phd_eval.images.sources.source import ImageSource, LoadedImage

Layout = Literal["NHWC", "NCHW"]


class ArraySource(ImageSource):
    """Images in memory, named "000000", "000001" and so on.

    Parameters
    ----------
    images : array, tensor or iterable of them
        uint8 in [0, 255], RGB: one (n, h, w, 3) or (n, 3, h, w), or n of shape (h, w, 3) or (3, h, w), which may
        differ in size, or several of (n, h, w, 3). They are not copied; an iterator is read to its end. Memory-mapped
        arrays stay on disk.
    layout : {"NHWC", "NCHW"}, optional
        Where the channels stand: by default first in torch's tensors and last in everything else.
    ids : sequence of str, optional
        Keys by which sets are paired; by default the names.

    Raises
    ------
    InputError
        If there is no image, or one has another dtype or shape, or labels beside it; or if the number of ids differs.
    """

    def __init__(self, images: Any, *, layout: Layout | None = None, ids: Sequence[str] | None = None) -> None:
        if layout not in (None, "NHWC", "NCHW"):
            raise InputError("layout", expected='"NHWC", "NCHW" or None', found=repr(layout))
        # Rows of a whole array are views, so nothing is copied.
        whole = [images] if hasattr(images, "__array__") else images
        require_images_alone(images)
        if not isinstance(whole, Iterable):
            raise InputError("images", expected="arrays, tensors or an iterable of them", found=type(images).__name__)
        self._images: list[npt.NDArray[np.uint8]] = []
        for item in whole:
            require_images_alone(item)
            array, order = _as_array(item), layout or ("NCHW" if _is_tensor(item) else "NHWC")
            stack = array if whole is not images or array.ndim == 4 else array[np.newaxis]
            where = f"image {len(self._images)}" if whole is images else "images"
            self._images.extend(rgb_images(stack, order, where))
        count = len(self._images)
        if count == 0:
            raise InputError("images", expected="at least one image", found="none")
        if ids is not None and len(ids) != count:
            raise InputError("ids", expected=f"{count}, one for each image", found=str(len(ids)))
        names = [f"{index:0{max(6, len(str(count - 1)))}}" for index in range(count)]
        super().__init__(f"{count} array{'' if count == 1 else 's'}", names, names if ids is None else ids)

    def content_sha256(self, index: int) -> str:
        """Return the SHA-256 of an image's dtype, shape (h, w, 3) and values, hexadecimal."""
        return array_sha256(self._images[index])

    def load(self, index: int) -> LoadedImage:
        """Return a copy of an image."""
        pixels = np.array(self._images[index], order="C")
        return array_image(pixels)

    def load_stored(self, index: int) -> npt.NDArray[Any]:
        """Return a copy of an image, uint8 (h, w, 3)."""
        return self.load(index).pixels

    def describe(self, index: int) -> str:
        """Return the image's number."""
        return f"image {index} of {self.name}"

    def changed(self) -> str | None:
        """Return None: what happens to arrays in memory is the caller's to know."""
        return None


def require_images_alone(given: Any) -> None:
    """Raise InputError if images come with something else, such as labels: what a DataLoader gives as (images, labels).

    The error says which element to take.
    """
    if isinstance(given, Mapping):
        elements, kind = {repr(key): each for key, each in given.items()}, "a mapping"
    elif isinstance(given, list | tuple):
        elements, kind = {str(place): each for place, each in enumerate(given)}, f"a {type(given).__name__}"
    else:
        return
    dims = {place: _dimensions(each) for place, each in elements.items()}
    found = [place for place, ndim in dims.items() if ndim >= 3]
    most = max(dims.values(), default=0)
    # Beside one image a matrix is a wrong image; beside a batch it may be labels, a row each.
    others = any(ndim < (most if most == 4 else 2) for ndim in dims.values())
    if not isinstance(given, Mapping) and not (found and others):
        return
    held = ", ".join(f"{place}: {_description(each)}" for place, each in list(elements.items())[:4])
    place = found[0] if found else next(iter(elements))
    raise InputError(
        "images",
        expected="images alone",
        found=f"{kind} of {len(elements)} elements ({held}), such as images with their labels",
        fix=f"Take the images out of each batch: (batch[{place}] for batch in loader), or batch[{place}] of one.",
    )


def _dimensions(element: Any) -> int:
    is_pillows = hasattr(element, "getbands")
    return 3 if is_pillows else int(getattr(element, "ndim", 0))


def _description(element: Any) -> str:
    shape = getattr(element, "shape", None)
    return type(element).__name__ + (f" of shape {tuple(shape)}" if isinstance(shape, tuple) else "")


def rgb_images(stack: npt.NDArray[Any], layout: str, where: str) -> npt.NDArray[np.uint8]:
    """Return images as (n, h, w, 3), a view.

    `stack`: uint8 (n, h, w, 3) or (n, 3, h, w). `layout`: "NHWC" or "NCHW". `where`: what errors call the images.
    Raises `InputError` if dtype or shape is another.
    """
    if stack.dtype != np.uint8:
        raise InputError(
            where,
            expected="dtype uint8, values 0 to 255",
            found=f"dtype {stack.dtype}{_range_text(stack)}",
            fix=_conversion(stack),
        )
    images = np.moveaxis(stack, 1, -1) if layout == "NCHW" and stack.ndim == 4 else stack
    if images.ndim != 4 or images.shape[-1] != 3 or 0 in images.shape[1:]:
        shape = "(3, h, w)" if layout == "NCHW" else "(h, w, 3)"
        raise InputError(
            where,
            expected=f"images of shape {shape} (layout {layout})",
            found=f"shape {stack.shape[1:]}",
            fix="Say layout='NCHW' where channels come first and 'NHWC' where they come last; repeat grey three times.",
        )
    return images


def _range(stack: npt.NDArray[Any]) -> tuple[float, float] | None:
    """Least and largest value; None where there is none: of text, complex numbers, or NaN."""
    if stack.dtype.kind not in "biuf" or not stack.size:
        return None
    low, high = float(stack.min()), float(stack.max())
    return (low, high) if np.isfinite([low, high]).all() else None


def _range_text(stack: npt.NDArray[Any]) -> str:
    found = _range(stack)
    if found is None:
        return ", not all of them finite numbers" if stack.size and stack.dtype.kind == "f" else ""
    return f", values {found[0]:g} to {found[1]:g}"


def _conversion(stack: npt.NDArray[Any]) -> str:
    """What makes 8 bits of images with such values."""
    if stack.dtype.kind not in "biuf":
        return "Give the values of pixels, as np.asarray(image) has them for an image of Pillow."
    low, high = _range(stack) or (-np.inf, np.inf)
    over = 0.5 if stack.dtype.kind == "f" else 0.0  # what filters overshoot by
    about, scaled = "of which 0 is black and 1 white", "255 * x"
    if low >= 0 and 1 + over < high <= 255:
        about, scaled = "which are those of 8 bits", "x"
    elif low >= 0 and 255 < high <= 65535:
        about, scaled = "which are those of 16 bits", "x / 257"
    elif -1 - over <= low < -over and high <= 1 + over:
        about, scaled = "of which -1 is black and 1 white", "127.5 * (x + 1)"
    elif not -over <= low <= high <= 1 + over:
        return (
            "Undo what normalised them, so that 0 is black and 255 white, then convert them as they would be saved: "
            "np.clip(np.rint(x), 0, 255).astype(np.uint8)."
        )
    text = f"Convert these values, {about}, as they would be saved: np.clip(np.rint({scaled}), 0, 255).astype(np.uint8)"
    return f"{text}, with 127.5 * (x + 1) in place of {scaled} if -1 is black." if scaled == "255 * x" else f"{text}."


def array_image(pixels: npt.NDArray[np.uint8]) -> LoadedImage:
    """Return pixels, uint8 (h, w, 3), as an image that was read from memory."""
    return LoadedImage(pixels=pixels, sha256=array_sha256(pixels), format="array", oddities=pixel_oddities(pixels))


def array_sha256(image: npt.NDArray[Any]) -> str:
    """Return the SHA-256 of an array's dtype, shape and values in C order, hexadecimal."""
    digest = hashlib.sha256(f"{image.dtype.str} {image.shape}".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def _is_tensor(images: Any) -> bool:
    # A torch.Tensor, told without torch, which takes seconds to import.
    return hasattr(images, "detach") and hasattr(images, "__array__")


def _as_array(images: Any) -> npt.NDArray[Any]:
    try:
        return np.asarray(images.detach().cpu() if _is_tensor(images) else images)
    except ValueError as error:
        raise InputError("images", expected="an array", found=f"{type(images).__name__}: {error}") from error
