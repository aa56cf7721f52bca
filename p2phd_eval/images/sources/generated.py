"""Images that a generator makes of label maps while they are read."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.images.sources.arrays import array_image, rgb_images
from p2phd_eval.images.sources.source import ImageSource, LoadedImage, Mark

#: A label map, uint8 or uint16 (h, w), or a photo, uint8 (h, w, 3), to the generated image, uint8 (h', w', 3).
Generator = Callable[[npt.NDArray[Any]], npt.NDArray[np.uint8]]


class GeneratedSource(ImageSource):
    """The images that a generator makes, one of each input image, under its name and key.

    Nothing is kept: an image is generated whenever it is read, in the process that made the source.

    Parameters
    ----------
    labels : ImageSource
        The inputs, given to the generator as they are stored: class numbers are not scaled.
    generator : callable
        Takes one input, uint8 or uint16 (h, w) or uint8 (h, w, 3), and returns its image, uint8 (h', w', 3) in
        [0, 255]. For the same input it must return the same image.
    """

    in_process = True

    def __init__(self, labels: ImageSource, generator: Generator) -> None:
        super().__init__(f"generated from {labels.name}", labels.names, labels.ids, labels.warnings)
        self._labels, self._generator = labels, generator

    def content_sha256(self, index: int) -> str:
        """Generate an image and return the SHA-256 of its dtype, shape and values, hexadecimal."""
        return self.load(index).sha256

    def load(self, index: int) -> LoadedImage:
        """Generate an image.

        Raises
        ------
        InputError
            If the input cannot be read, or the generator returns something else than an image.
        """
        made = self._generator(self._labels.load_stored(index))
        if not isinstance(made, np.ndarray):
            raise InputError(
                self.describe(index), expected="a NumPy array of uint8 (h, w, 3)", found=type(made).__name__
            )
        pixels = np.array(rgb_images(made[np.newaxis], "NHWC", self.describe(index))[0], order="C")
        return array_image(pixels)

    def load_stored(self, index: int) -> npt.NDArray[Any]:
        """Generate an image, uint8 (h, w, 3)."""
        return self.load(index).pixels

    def describe(self, index: int) -> str:
        """Return from which input an image is generated."""
        return f"image generated from {self._labels.describe(index)}"

    def changed(self) -> str | None:
        """Return what changed of the inputs, or None."""
        return self._labels.changed()

    def content_marks(self) -> list[Mark]:
        """Return what is known of the contents without reading them."""
        return self._labels.content_marks()
