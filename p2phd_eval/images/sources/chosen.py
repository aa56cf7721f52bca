"""Some consecutive images of a source, as a source."""

from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.images.sources.source import ImageSource, LoadedImage


class SpanSource(ImageSource):
    """The images of a source from `rows.start` to `rows.stop`, under its name.

    `source`: what they are taken of. `rows`: consecutive, at least one.
    """

    def __init__(self, source: ImageSource, rows: range) -> None:
        span = slice(rows.start, rows.stop)
        super().__init__(source.name, source.names[span], source.ids[span], source.warnings)
        self._source, self._start = source, rows.start
        self.protocol, self.resized = source.protocol, source.resized
        self.in_process = source.in_process  # type: ignore[misc]  # that of a class elsewhere

    def content_sha256(self, index: int) -> str:
        """Return the SHA-256 of an image's content."""
        return self._source.content_sha256(self._start + index)

    def load(self, index: int) -> LoadedImage:
        """Read an image as RGB."""
        return self._source.load(self._start + index)

    def load_stored(self, index: int) -> npt.NDArray[Any]:
        """Read an image as it is stored."""
        return self._source.load_stored(self._start + index)

    def load_labels(self, index: int) -> npt.NDArray[Any]:
        """Read a label map as it is stored."""
        return self._source.load_labels(self._start + index)

    def require_sizes(self, sizes: npt.NDArray[np.int32], start: int = 0) -> None:
        """Ask the source whether images have the sizes of its protocol."""
        self._source.require_sizes(sizes, self._start + start)

    def describe(self, index: int) -> str:
        """Return what the source calls an image."""
        return self._source.describe(self._start + index)

    def changed(self) -> str | None:
        """Return what changed of the whole source, or None."""
        return self._source.changed()
