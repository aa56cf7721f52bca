"""The images of a folder and its subfolders."""

import os
from pathlib import Path

from p2phd_eval.errors import InputError
from p2phd_eval.images.decoding import read_encoded
from p2phd_eval.images.names import ImageSet, list_images
from p2phd_eval.images.sources.disk_state import DiskState, describe_change, disk_state
from p2phd_eval.images.sources.encoded import EncodedSource


class FolderSource(EncodedSource):
    """The images of a folder and its subfolders, sorted by relative POSIX path; see `list_images`.

    Raises `InputError` as `p2phd_eval.images.names.list_images`.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = Path(root)
        images = list_images(root)
        super().__init__(str(self._root), images.names, images.ids)
        self._state = _state(images)

    def read(self, index: int) -> bytes:
        """Return the content of a file."""
        return read_encoded(self._root / self.names[index])

    def describe(self, index: int) -> str:
        """Return the path of a file."""
        return str(self._root / self.names[index])

    def changed(self) -> str | None:
        """Return which files were added, removed or rewritten, or None."""
        try:
            return describe_change(self._state, _state(list_images(self._root)))
        except InputError as error:
            return error.found


def _state(images: ImageSet) -> DiskState:
    return disk_state(zip(images.names, images.paths, strict=True))
