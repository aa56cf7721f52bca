"""A source that is held against a protocol: its list is checked, its sizes too, and its photos are resized."""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.images.protocols import PhotoResize, Protocol, Size
from p2phd_eval.images.sources.source import ImageSource, LoadedImage, Mark


class ProtocolSource(ImageSource):
    """The images of another source at a protocol's size.

    The first image says which case it is: images of the protocol's size are taken as they are, and photos of another
    one are resized. All others have to be of the same case, so that no set is a mixture.

    Parameters
    ----------
    source : ImageSource
        Where they are read.
    protocol : Protocol
        What they are held against.
    photos : bool
        Whether they may be photos, which are resized; generated images are not.
    listed : bool
        Whether they have to be the protocol's own images; training photos are not.

    Raises
    ------
    InputError
        If they are other images than the protocol's, are in memory alone, or the first one has a size that is not of
        the protocol.
    """

    def __init__(self, source: ImageSource, protocol: Protocol, *, photos: bool, listed: bool = True) -> None:
        if source.in_process:
            raise InputError(source.name, expected="images in files, for a protocol", found="images in memory")
        if listed:
            protocol.require_ids(source.name, source.ids)
        self._source, self._protocol, self._photos = source, protocol, photos
        size = _size(source.load(0))
        self.protocol = protocol.name
        self.resized: PhotoResize | None = None if size == protocol.size else "bicubic"
        self._expected = size if self.resized is None or protocol.photo_size is not None else None
        if self.resized is not None and not (photos and protocol.photo_size in (None, size)):
            raise self._of_another_size(0, size)
        super().__init__(source.name, source.names, source.ids, (*source.warnings, *self._remarks(listed)))

    def content_sha256(self, index: int) -> str:
        """Return the hash of an image's content, and of what is done to it."""
        return self._sha256(self._source.content_sha256(index))

    def load(self, index: int) -> LoadedImage:
        """Read an image at the protocol's size; raise `InputError`, too, if it was of another than the first's."""
        image = self._source.load(index)
        if self._expected is not None and _size(image) != self._expected:
            raise self._of_another_size(index, _size(image))
        if self.resized is None:
            return image
        from PIL import Image  # here: sets whose features are kept need none

        pixels = np.array(Image.fromarray(image.pixels).resize(self._protocol.size, Image.Resampling.BICUBIC))
        return LoadedImage(
            pixels=pixels, sha256=self._sha256(image.sha256), format=image.format, oddities=image.oddities
        )

    def load_stored(self, index: int) -> npt.NDArray[Any]:
        """Read an image at the protocol's size, as RGB."""
        return self.load(index).pixels

    def require_sizes(self, sizes: npt.NDArray[np.int32], start: int = 0) -> None:
        """Raise InputError unless images have the protocol's size; `sizes`: (k, 2), of those from `start` on."""
        other = np.flatnonzero((sizes != self._protocol.size).any(axis=1))
        if len(other):
            width, height = map(int, sizes[other[0]])
            raise self._of_another_size(start + int(other[0]), (width, height))

    def describe(self, index: int) -> str:
        """Return what the other source calls the image."""
        return self._source.describe(index)

    def changed(self) -> str | None:
        """Return what changed of the other source, or None."""
        return self._source.changed()

    def content_marks(self) -> list[Mark]:
        """Return what is known of the contents without reading them."""
        return self._source.content_marks()

    def _sha256(self, content: str) -> str:
        if self.resized is None:
            return content
        width, height = self._protocol.size
        return hashlib.sha256(f"{self.resized} {width} {height} {content}".encode()).hexdigest()

    def _of_another_size(self, index: int, found: Size) -> InputError:
        protocol = self._protocol
        if index and self._expected is not None:
            expected = f"{_text(self._expected)} pixels (width x height), as {self._source.describe(0)}"
            fix = "Give images of one size: a mixture would be resized in two ways."
        else:
            expected = f"{_text(protocol.size)} pixels (width x height), as {protocol.name} has generated images"
            fix = "Generate at that size: generated images are not resized."
            if self._photos and protocol.photo_size is not None:
                expected += f", or photos of {_text(protocol.photo_size)}"
                fix = "Give the photos as they are published: they are resized here."
        return InputError(self._source.describe(index), expected=expected, found=_text(found), fix=fix)

    def _remarks(self, listed: bool) -> tuple[str, ...]:
        remarks = []
        if listed and self._protocol.ids_sha256 is None:
            remarks.append(f"{self.protocol} knows its images by their number and the form of their names alone")
        if self._photos and self.resized is None and self._protocol.photo_size != self._protocol.size:
            remarks.append(
                f"{self._source.name}: the photos are {_text(self._protocol.size)} already, and how they came to it is "
                f"not known; of the published photos {self.protocol} makes that size by Pillow's bicubic"
            )
        return tuple(remarks)


def _size(image: LoadedImage) -> Size:
    height, width, _ = image.pixels.shape
    return width, height


def _text(size: Size) -> str:
    return f"{size[0]} x {size[1]}"
