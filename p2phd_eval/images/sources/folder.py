"""The images of a folder and its subfolders."""

import os
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from p2phd_eval.errors import InputError
from p2phd_eval.images.encoded_files import read_encoded
from p2phd_eval.images.image_folder import MANIFEST
from p2phd_eval.images.names import list_images, list_stored_images, unread_warnings
from p2phd_eval.images.result_kinds import KIND_MARK, take_images
from p2phd_eval.images.sources.disk_state import describe_change, disk_state, few, marks_of
from p2phd_eval.images.sources.encoded import EncodedSource
from p2phd_eval.images.sources.source import Mark
from p2phd_eval.stores.store_path import AnyPath, StorePath, as_path, pinned, unpinned


class FolderSource(EncodedSource):
    """The images of a folder and its subfolders, sorted by relative POSIX path; see `list_images`.

    A folder of a store is listed once, and what it has then is what is read.

    `kind` and `generated`: which images of results are taken, see `p2phd_eval.images.result_kinds.take_images`. Raises
    `InputError` as `p2phd_eval.images.names.list_images` and `take_images`.
    """

    def __init__(self, root: str | os.PathLike[str], *, kind: str | None = None, generated: bool = True) -> None:
        self._root = pinned(as_path(root))
        names, unread, paths = _list(self._root)
        taken = take_images(str(self._root), names, kind=kind, generated=generated, own=_is_own(self._root))
        _require_one_generator(self._root, names, taken.ids)
        super().__init__(
            str(self._root) if kind is None else f"{self._root}{KIND_MARK}{kind}",
            [names[place] for place in taken.places],
            taken.ids,
            (*taken.warnings, *unread_warnings(str(self._root), unread)),
        )
        self._state = disk_state(zip(names, paths, strict=True))

    def read(self, index: int) -> bytes:
        """Return the content of a file."""
        return read_encoded(self._root / self.names[index])

    def describe(self, index: int) -> str:
        """Return the path of a file."""
        return str(self._root / self.names[index])

    def changed(self) -> str | None:
        """Return which files were added, removed or rewritten, or None."""
        try:
            names, _, paths = _list(pinned(unpinned(self._root)))
            return describe_change(self._state, disk_state(zip(names, paths, strict=True)))
        except InputError as error:
            return error.found

    def content_marks(self) -> list[Mark]:
        """Return what is known of the contents without reading them."""
        return marks_of(self._state)


def _require_one_generator(root: AnyPath, names: Sequence[str], ids: Sequence[str]) -> None:
    """Refuse image folders of `generate` side by side that hold the same names, such as a run's of each precision."""
    if not any("/" in each for each in ids):
        return
    folders = {
        folder for parent in {PurePosixPath(name).parent for name in names} for folder in (parent, *parent.parents)
    }
    made = sorted(str(folder) for folder in folders if (root / folder / MANIFEST).is_file())
    if len(made) > 1:
        raise InputError(
            str(root),
            expected="images of one generator",
            found=f"{few(made, 'image folder')} with the same names",
            fix=f"Give one of them, such as {root / made[0]}.",
        )


def _is_own(root: AnyPath) -> bool:
    """Whether a folder is what `generate` writes, or a part of a data set, whose names mean nothing but their keys."""
    folder = root if isinstance(root, StorePath) else root.resolve()
    phase, _, part = folder.name.rpartition("_")
    parts = {"label", "inst", "img", "A", "B"}
    return (root / MANIFEST).is_file() or (
        part in parts and any((folder.parent / f"{phase}_{other}").is_dir() for other in parts - {part})
    )


def _list(root: AnyPath) -> tuple[Sequence[str], Sequence[str], Iterable[AnyPath]]:
    """The names of the images, of those that are not read, and where the images are."""
    if isinstance(root, StorePath):
        names, unread = list_stored_images(root)
        return names, unread, map(root.__truediv__, names)
    images = list_images(root)
    return images.names, images.unread, images.paths
