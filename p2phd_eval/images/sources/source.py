"""The contract of an image source: an ordered set of named images that are read one at a time."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from p2phd_eval.images.oddities import Oddity

#: What tells a content from another one, as far as it does.
Mark = int | str


@dataclass(frozen=True, kw_only=True)
class LoadedImage:
    """An image as RGB, with what it was decoded from."""

    pixels: npt.NDArray[np.uint8]  # (h, w, 3), red, green and blue in [0, 255]; writeable
    sha256: str  # hash of the content that the pixels were decoded from, hexadecimal
    format: str  # file format, such as "PNG" or "JPEG"; "array" of images that were in memory
    oddities: tuple[Oddity, ...]  # why it may be another image than it seems


class ImageSource(ABC):
    """An ordered set of images.

    Sources hold no open files, so they can be pickled and used in forked and spawned processes and in threads. An
    index counts from 0 to ``len(source) - 1``.

    `name`: what the user gave: a path as text, or such as "3 arrays". `names`: a distinct name for each image, in the
    order of the set. `ids`: the key of each image, by which sets are paired (see `p2phd_eval.images.names.image_ids`).
    `warnings`: what the reader of a result should know of the choice of the images, a sentence each.
    """

    #: Whether `load` must run in the process that made the source; other sources are read by worker processes.
    in_process: ClassVar[bool] = False
    #: The name of the protocol that the images are held against, and how photos come to its size; see `ProtocolSource`.
    protocol: str | None = None
    resized: str | None = None

    def __init__(self, name: str, names: Sequence[str], ids: Sequence[str], warnings: Sequence[str] = ()) -> None:
        self.name = name
        self.names = tuple(names)
        self.ids = tuple(ids)
        self.warnings = tuple(warnings)

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def content_sha256(self, index: int) -> str:
        """Return the SHA-256 of an image's content as stored, hexadecimal: what `load` gives, without decoding."""

    @abstractmethod
    def load(self, index: int) -> LoadedImage:
        """Read an image as RGB, once: the hash is of the very content that was decoded.

        Raises
        ------
        InputError
            If the image cannot be read; it is named as `describe` does.
        """

    @abstractmethod
    def load_stored(self, index: int) -> npt.NDArray[Any]:
        """Read a label map or photo as it is stored: uint8 or uint16 (h, w) of one channel, else uint8 (h, w, 3).

        Raises `InputError` as `load`.
        """

    def require_sizes(self, sizes: npt.NDArray[np.int32], start: int = 0) -> None:
        """Raise InputError if images are held against a protocol, and have other sizes than that asks for.

        `sizes`: (k, 2), width and height of the images from `start` on.
        """
        assert self.protocol is None  # sources of a protocol know its size

    def load_labels(self, index: int) -> npt.NDArray[Any]:
        """Read a label map as `load_stored` does; raise InputError, too, if it was compressed with loss."""
        return self.load_stored(index)

    @abstractmethod
    def describe(self, index: int) -> str:
        """Return what messages call an image, such as ``archive.zip:member.png``."""

    @abstractmethod
    def changed(self) -> str | None:
        """Return what changed since the source was made, to fill "found ...", or None.

        Looks at names, sizes and times of modification alone.
        """

    def content_marks(self) -> list[Mark]:
        """Return what is known of the contents without reading them, when the source was made; nothing of arrays.

        Files have their size, members of a zip archive also their CRC, objects of a store their version: what is the
        same on all machines, whoever copied it there.
        """
        return []
