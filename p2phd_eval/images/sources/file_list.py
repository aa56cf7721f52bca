"""The images that a text file lists."""

import os
from collections import Counter
from pathlib import Path

from p2phd_eval.errors import InputError, found_instead
from p2phd_eval.images.encoded_files import read_encoded
from p2phd_eval.images.result_kinds import KIND_MARK, take_images
from p2phd_eval.images.sources.disk_state import DiskState, describe_change, disk_state, few, marks_of
from p2phd_eval.images.sources.encoded import EncodedSource
from p2phd_eval.images.sources.source import Mark
from p2phd_eval.stores.find_store import address_of
from p2phd_eval.stores.object_store import redacted
from p2phd_eval.stores.store_path import AnyPath, StorePath, all_pinned, as_path, pinned, unpinned


class ListSource(EncodedSource):
    """The image files that a text file lists, one path a line, sorted.

    Paths are relative to the list's folder or absolute, or addresses of stores such as ``s3://b/a.png``.
    Blank lines and lines that begin with ``#`` are left out. The text is UTF-8, with or without byte order mark, with
    line ends of any system. Whatever is listed counts as an image, whichever its ending. A line that begins with ``#``
    is an image too if there is a file of that name.

    `kind` and `generated`: which images of results are taken, see `p2phd_eval.images.result_kinds.take_images`. Raises
    `InputError` if the file is not such a text, lists nothing, lists a file twice, or lists files that are missing, and
    as `take_images`.
    """

    def __init__(self, path: str | os.PathLike[str], *, kind: str | None = None, generated: bool = True) -> None:
        self._path = unpinned(as_path(path))
        lines = _read_lines(pinned(self._path))
        names = sorted(lines)
        # Those in stores, as they are now: each is asked for by itself, several at a time.
        files = {name: _file(self._path, line) for name, line in lines.items()}
        stored = [name for name in names if isinstance(files[name], StorePath)]
        self._stored = dict(zip(stored, all_pinned(files[name] for name in stored), strict=True))
        taken = take_images(str(path), names, kind=kind, generated=generated)
        super().__init__(
            str(self._path) if kind is None else f"{self._path}{KIND_MARK}{kind}",
            [names[place] for place in taken.places],
            taken.ids,
            taken.warnings,
        )
        missing = [name for name in names if not _is_file(self._stored.get(name, files[name]))]
        if missing:
            raise InputError(
                str(self._path),
                expected=f"paths of files that exist, relative to {self._path.parent} or absolute, one a line",
                found=f"{few(missing, 'line')} of {len(names)} that lead to no file",
                fix="Correct the paths, or remove the lines.",
            )
        self._state = self._now()

    def read(self, index: int) -> bytes:
        """Return the content of a file."""
        return read_encoded(self._file(self.names[index]))

    def describe(self, index: int) -> str:
        """Return the path of a file."""
        return str(self._file(self.names[index]))

    def changed(self) -> str | None:
        """Return which files were removed or rewritten, the list among them, or None."""
        return describe_change(self._state, self._now())

    def content_marks(self) -> list[Mark]:
        """Return what is known of the contents without reading them."""
        return marks_of(self._state)

    def _file(self, name: str) -> AnyPath:
        return self._stored[name] if name in self._stored else _file(self._path, name)

    def _now(self) -> DiskState:
        files = ((name, unpinned(self._file(name))) for name in self.names)
        return {**disk_state([(str(self._path), self._path)]), **disk_state(files)}


def _file(path: AnyPath, line: str) -> AnyPath:
    """The file that a line of the list at a path means."""
    if (address := address_of(line)) is not None:
        return StorePath(address)
    above, below = path.parent, line
    while isinstance(above, StorePath) and below.startswith("../"):
        above, below = above.parent, below[3:]
    return above / below


def _read_lines(path: AnyPath) -> dict[str, str]:
    """Return the lines that name files, in normal form, by what each file is called."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _not_a_list(path, found_instead(error)) from error
    bad = None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad = error  # unless it is what `find` wrote of files whose names are no UTF-8
        text = content.decode("utf-8-sig", "surrogateescape")
    if bad is None and "\0" in text:
        raise _not_a_list(path, "binary data, or text in UTF-16")
    # Not splitlines: it also breaks lines at characters that may stand in a file's name.
    lines = [line.strip() for line in text.replace("\r", "\n").split("\n")]
    listed = [_normal(line) for line in lines if line and (not line.startswith("#") or _is_file(path.parent / line))]
    names = [line if address_of(line) is None else redacted(line).removesuffix("?...") for line in listed]
    if bad is not None and not all(name.isprintable() or _is_file(path.parent / name) for name in names):
        raise _not_a_list(path, f"bytes that are no UTF-8 text at byte {bad.start}") from bad
    if not names:
        raise _not_a_list(path, "no lines but blank ones and comments")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(
            str(path),
            expected="each file once",
            found=f"{few(twice, 'file')} listed more than once",
            fix="Remove the lines that repeat others: an image that counts twice changes the result.",
        )
    return dict(zip(names, listed, strict=True))


def _normal(line: str) -> str:
    # "./a.png" and "a.png" are the same file.
    return Path(os.path.normpath(line)).as_posix() if (address := address_of(line)) is None else address


def _is_file(path: AnyPath) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a line that is longer than any name, or has zeros in it
        return False


def _not_a_list(path: AnyPath, found: str) -> InputError:
    return InputError(
        str(path),
        expected="a text file in UTF-8 that lists image files, one path a line",
        found=found,
        fix="Write the list again, for example: find photos -name '*.png' > list.txt",
    )
