"""Some images of a source, as a source."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.images.sources.source import ImageSource, LoadedImage, Mark


class ChosenSource(ImageSource):
    """Images of another source under its name: a part of them, or some of them more than once.

    `source`: where they are read. `places`: which of its images each one is. `ids`: one for each place; by default
    those that the images have there.
    """

    def __init__(self, source: ImageSource, places: Sequence[int], ids: Sequence[str] | None = None) -> None:
        own = [source.ids[place] for place in places] if ids is None else ids
        super().__init__(source.name, [source.names[place] for place in places], own, source.warnings)
        self._source, self._places = source, places
        self.protocol, self.resized = source.protocol, source.resized
        self.in_process = source.in_process  # type: ignore[misc]  # that of a class elsewhere

    def content_sha256(self, index: int) -> str:
        """Return the SHA-256 of an image's content."""
        return self._source.content_sha256(self._places[index])

    def load(self, index: int) -> LoadedImage:
        """Read an image as RGB."""
        return self._source.load(self._places[index])

    def load_stored(self, index: int) -> npt.NDArray[Any]:
        """Read an image as it is stored."""
        return self._source.load_stored(self._places[index])

    def load_labels(self, index: int) -> npt.NDArray[Any]:
        """Read a label map as it is stored."""
        return self._source.load_labels(self._places[index])

    def require_sizes(self, sizes: npt.NDArray[np.int32], start: int = 0) -> None:
        """Ask the source whether images have the sizes of its protocol."""
        if self.protocol is not None:
            for size, place in zip(sizes, self._places[start:], strict=False):
                self._source.require_sizes(size[None], place)

    def describe(self, index: int) -> str:
        """Return what the source calls an image."""
        return self._source.describe(self._places[index])

    def changed(self) -> str | None:
        """Return what changed of the whole source, or None."""
        return self._source.changed()

    def content_marks(self) -> list[Mark]:
        """Return what is known of the contents of the whole source without reading them."""
        return self._source.content_marks()
