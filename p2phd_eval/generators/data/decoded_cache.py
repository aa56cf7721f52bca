"""Decoded and resized images on disk, memory-mapped: a cache for runs that would wait for the decoder."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.files import atomic_write

Pixels = npt.NDArray[Any]


class DecodedCache:
    """Arrays by file and by what was done to it; shared by all processes that use the folder.

    `folder`: made if missing. A changed image gets a new entry; delete the folder to free the space.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, path: Path, treatment: str, make: Callable[[], Pixels]) -> Pixels:
        """Return the array made from `path`, read-only, from the cache or newly made and stored.

        Parameters
        ----------
        path : Path
            The image; its size and time of change are part of the key.
        treatment : str
            All that the array depends on besides the file.
        make : callable
            Called if there is no entry.
        """
        entry = self._entry(path, treatment)
        try:
            stored: Pixels = np.load(entry, mmap_mode="r", allow_pickle=False)
            return stored
        except (FileNotFoundError, ValueError):  # none yet, or not an array: it is written anew
            pass
        pixels = make()
        with atomic_write(entry) as stream:
            np.save(stream, pixels, allow_pickle=False)
        return pixels

    def _entry(self, path: Path, treatment: str) -> Path:
        status = path.stat()
        key = f"{path.resolve()}|{status.st_mtime_ns}|{status.st_size}|{treatment}"
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / f"{name[2:32]}.npy"
