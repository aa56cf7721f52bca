"""The images of a tar archive, plain or compressed."""

from __future__ import annotations

import os
from pathlib import Path

from p2phd_eval.images.names import pair_key
from p2phd_eval.images.sources.encoded import EncodedSource
from p2phd_eval.images.sources.tar_index import TarImages

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


class TarSource(EncodedSource):
    """The images of a tar archive, sorted by name; see `TarImages`, also for what is refused.

    Parameters
    ----------
    path : path-like
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._images = TarImages(path)
        names = [member.name for member in self._images.members]
        super().__init__(str(Path(path)), names, [pair_key(Path(name).name) for name in names])

    def read(self, index: int) -> bytes:
        """Return the content of a member."""
        return self._images.read(self._images.members[index])

    def describe(self, index: int) -> str:
        """Return the archive and the member's name."""
        return f"{self.name}:{self.names[index]}"

    def changed(self) -> str | None:
        """Return that the archive was removed or rewritten, or None."""
        return self._images.changed()
