"""Decoded and resized images on disk, memory-mapped: a cache for runs that would wait for the decoder."""

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.files import atomic_write
from p2phd_eval.images.names import IMAGE_ENDINGS
from p2phd_eval.targets import require_folder_target

Pixels = npt.NDArray[Any]

# The folders of a data set, of any phase.
_PART = re.compile(r".+_(label|inst|img|feat|A|B)")


class DecodedCache:
    """Arrays by the content of a file and by what was done to it; shared by all processes that use the folder.

    `folder`: made if missing. An image of another content gets another entry, whatever its name, size and time of
    change; an entry that is damaged is made again. Delete the folder to free the space.

    Of a photo of 2048 x 1024 pixels, 3 MB of PNG, a CPU core takes 2 ms to hash the content, and 62 ms to decode and
    halve it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, content_sha256: str, treatment: str, size: tuple[int, int], make: Callable[[], Pixels]) -> Pixels:
        """Return the array made from a file, read-only, from the cache or newly made and stored.

        Parameters
        ----------
        content_sha256 : str
            The hash of the file's content.
        treatment : str
            All that the array depends on besides.
        size : (int, int)
            Width and height that the array has, in pixels.
        make : callable
            Called if there is no entry.
        """
        entry = self._entry(content_sha256, treatment)
        try:
            stored: Pixels = np.lib.format.open_memmap(entry, mode="r")
            if stored.shape[:2] == size[::-1] and stored.dtype in (np.uint8, np.int32):
                return stored
        except Exception:  # each damage of a header has its own
            pass
        # None yet, or another array, or none at all: it is written anew.
        pixels = make()
        with atomic_write(entry) as stream:
            np.save(stream, pixels, allow_pickle=False)
        return pixels

    def _entry(self, content_sha256: str, treatment: str) -> Path:
        name = hashlib.sha256(f"{content_sha256}|{treatment}".encode()).hexdigest()
        return self._folder / name[:2] / f"{name[2:32]}.npy"


def require_cache_folder(folder: Path, data: Path) -> None:
    """Raise InputError if a cache would lie among images: in a data set or its parts, or in a folder that holds some.

    Likewise if nothing can be written there. `folder`: where it is to be; it may be missing. `data`: the data set that
    is read.
    """
    place, root = Path(os.path.realpath(folder)), Path(os.path.realpath(data))
    below = place.relative_to(root).parts if place.is_relative_to(root) else None
    found = None
    if below is not None and (not below or _PART.fullmatch(below[0])):
        found = f"{folder}, {f'in {root / below[0]}' if below else 'the data set itself'}"
    elif place.is_dir():
        with os.scandir(place) as entries:
            image = next((entry.name for entry in entries if entry.name.lower().endswith(IMAGE_ENDINGS)), None)
        found = None if image is None else f"{folder}, which holds images, such as {image}"
    elif place.exists():
        found = f"{folder}, a file"
    if found is not None:
        raise InputError(
            "--decoded-cache", expected="a folder of its own", found=found, fix="Name a new or an empty folder."
        )
    require_folder_target(folder, "--decoded-cache")
