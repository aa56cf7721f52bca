"""Files: written whole or not at all, known by their hash; and the folder of those that can be made again."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import platformdirs

CACHE_VARIABLE = "P2PHD_EVAL_CACHE"

_PART = ".part"  # the ending of files that are being written


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` that replaces it when the block ends.

    The data reaches the disk (fsync of file and folder) before the rename. If the block or the disk fails,
    the temporary file is removed and `path` is left as it was.

    The file is binary, open for reading and writing, seekable. Raises `OSError` if the file cannot be written; the old
    content survives.

    `path`: the file to write. Missing parent folders are made.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=temporary_prefix(target), suffix=_PART, dir=target.parent)
    try:
        with os.fdopen(descriptor, "w+b") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes files only their owner can read; a finished artefact gets the usual permissions.
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def temporary_prefix(path: Path) -> str:
    """Return how the names of files begin that are written before they replace `path`; a word without dots follows."""
    return f".{path.name}."


def remove_unfinished(folder: Path, of: Path | None = None) -> None:
    """Remove what killed processes left half written in a folder, not in its subfolders.

    `of`: remove what was to become this file alone. Nobody may be writing what is removed.
    """
    prefix = "." if of is None else temporary_prefix(of)
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.endswith(_PART) and not entry.is_dir()]
    for name in names:
        if name.startswith(prefix) and (of is None or "." not in name[len(prefix) : -len(_PART)]):
            (folder / name).unlink(missing_ok=True)


def write_json(path: str | os.PathLike[str], document: Any) -> None:
    """Write `document` atomically as indented JSON; NaN and infinity are refused (they are not JSON)."""
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    with atomic_write(path) as stream:
        stream.write(text.encode())


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's content, hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def cache_folder() -> Path:
    """The folder that ``P2PHD_EVAL_CACHE`` names, else this program's folder in the user's cache; it may be missing."""
    return Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("p2phd-eval")).expanduser()


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    # The rename itself is durable only once the folder is synced. Not every platform can open a folder.
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
