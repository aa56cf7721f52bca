"""Sources of encoded images: subclasses say where the bytes are."""

import hashlib
from abc import abstractmethod
from typing import Any

import numpy.typing as npt

from p2phd_eval.images.sources.source import ImageSource, LoadedImage


class EncodedSource(ImageSource):
    """A source whose images are encoded, such as PNG or JPEG files.

    Their decoder is loaded with the first that is decoded: where features are kept, none is.
    """

    @abstractmethod
    def read(self, index: int) -> bytes:
        """Return the encoded content of an image.

        Raises `InputError` if it cannot be read, is damaged, or has more than
        `p2phd_eval.images.encoded_files.MAX_IMAGE_BYTES`.
        """

    def content_sha256(self, index: int) -> str:
        """Return the SHA-256 of an image's encoded content, hexadecimal."""
        return hashlib.sha256(self.read(index)).hexdigest()

    def load(self, index: int) -> LoadedImage:
        """Read and decode an image as RGB; see `p2phd_eval.images.decoding.decode_rgb`."""
        from p2phd_eval.images.decoding import decode_rgb

        content = self.read(index)
        pixels, kind, oddities = decode_rgb(content, self.describe(index))
        return LoadedImage(pixels=pixels, sha256=hashlib.sha256(content).hexdigest(), format=kind, oddities=oddities)

    def load_stored(self, index: int) -> npt.NDArray[Any]:
        """Read and decode a label map or photo; see `p2phd_eval.images.decoding.decode_stored`."""
        from p2phd_eval.images.decoding import decode_stored

        return decode_stored(self.read(index), self.describe(index)).pixels

    def load_labels(self, index: int) -> npt.NDArray[Any]:
        """Read and decode a label map; see `p2phd_eval.images.decoding.decode_labels`."""
        from p2phd_eval.images.decoding import decode_labels

        return decode_labels(self.read(index), self.describe(index)).pixels
