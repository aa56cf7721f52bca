"""The original's resizing, cropping and mirroring, decided once for all maps of a sample."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from p2phd_eval.config import DataConfig
from p2phd_eval.errors import InputError

Size = tuple[int, int]  # width, height in pixels


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """What happens to every map of one sample; nearest for labels, bicubic for photos."""

    resized: Size
    crop: tuple[int, int, int, int] | None = None  # left, upper, right, lower in pixels of the resized image
    flip: bool = False  # mirrored left to right, after the crop

    @property
    def size(self) -> Size:
        """Width and height of the result in pixels."""
        if self.crop is None:
            return self.resized
        left, upper, right, lower = self.crop
        return right - left, lower - upper

    def resize(self, image: Image.Image, resample: Image.Resampling) -> Image.Image:
        """Return the image at the resized size; `image` is not changed."""
        return image if image.size == self.resized else image.resize(self.resized, resample)

    def cut(self, pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Crop and mirror resized pixels of shape (H, W) or (H, W, channels); returns a view."""
        if self.crop is not None:
            left, upper, right, lower = self.crop
            pixels = pixels[upper:lower, left:right]
        return pixels[:, ::-1] if self.flip else pixels


def resized_size(size: Size, config: DataConfig, multiple: int, *, cropped: bool) -> Size:
    """Return the size after the resize step.

    The original's `scale_width` can give a height that the generator cannot take (it then fails inside the
    network); here it is rounded to the nearest multiple, as the original itself does for "none".

    `size`, (int, int): width and height of the file in pixels. `multiple`: both sides of the generator's input must be
    multiples of it, in pixels. `cropped`: whether a crop follows, which then decides the network's size.
    """
    width, height = size
    if config.resize == "resize_and_crop":
        width = height = config.load_size
    elif config.resize.startswith("scale_width"):
        width, height = config.load_size, config.load_size * height // width
    if cropped:
        return width, height
    return _fit(width, multiple), _fit(height, multiple)


def choose_geometry(
    size: Size, config: DataConfig, multiple: int, rng: np.random.Generator | None, where: str, *, least: int = 0
) -> Geometry:
    """Decide the geometry of one sample.

    An image that is no larger than the crop is taken whole, as by the original. One that is smaller in one direction
    alone is refused: the original fills the rest with black, and with class 0.

    Raises `InputError` if there is too little to crop from, or too little for the networks.

    Parameters
    ----------
    size : (int, int)
        Width and height of the files in pixels.
    multiple : int
        See `resized_size`.
    rng : Generator or None
        For crop and flip while training. None: the whole image, not mirrored, as for sampling.
    where : str
        The file, for the error.
    least : int
        Pixels that the networks need of each side, where they need more than two at their lowest resolution.
    """
    side = config.crop_size
    cropped = rng is not None and "crop" in config.resize
    if cropped and max(resized_size(size, config, multiple, cropped=True)) <= side:
        cropped = False
    resized = resized_size(size, config, multiple, cropped=cropped)
    found = f"{resized[0]} x {resized[1]}" + (f" (file: {size[0]} x {size[1]})" if size != resized else "")
    if not cropped and min(resized) < max(2 * multiple, least):
        raise InputError(
            where,
            expected=f"at least {max(2 * multiple, least)} pixels a side, of which the networks' halvings leave "
            "something",
            found=found,
            fix="Use larger images, a larger --load-size, or a smaller --n-downsample or --num-d.",
        )
    if rng is None:
        return Geometry(resized=resized)
    crop = None
    if cropped:
        if min(resized) < side:
            fits = min(resized) // multiple * multiple
            raise InputError(
                where,
                expected=f"at least {side} x {side} pixels to crop from, or no more in either direction",
                found=found,
                fix=f"Use --crop-size {fits}." if fits else "Use larger images or --resize-or-crop scale_width.",
            )
        left = int(rng.integers(resized[0] - side + 1))
        upper = int(rng.integers(resized[1] - side + 1))
        crop = (left, upper, left + side, upper + side)
    return Geometry(resized=resized, crop=crop, flip=config.flip and bool(rng.random() < 0.5))


def _fit(length: int, multiple: int) -> int:
    return max(multiple, round(length / multiple) * multiple)
