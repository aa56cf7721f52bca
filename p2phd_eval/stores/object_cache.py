"""Parts of objects that were read before, on this machine's disk, by the version that they are of."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from p2phd_eval.errors import InputError
from p2phd_eval.stores.object_store import ObjectState
from p2phd_eval.user_folders import cache_folder

LIMIT_VARIABLE = "P2PHD_EVAL_OBJECTS_GB"

#: Bytes of a part: what is asked for at a time.
BLOCK = 1 << 20

_USUAL_GB = 20.0
_DIGEST = 16  # bytes, after the content of each part
_SWEEPS = 20  # how often the limit is looked at while as many bytes are written
_WEB = re.compile("https?://")
_NAME = re.compile(r"[0-9a-f]{62}\.\d+")


@dataclass(frozen=True, kw_only=True)
class CachedParts:
    """What there is of objects on this machine."""

    folder: Path
    parts: int
    size: int  # bytes
    limit: int  # bytes


def object_digest(url: str, state: ObjectState, unversioned: str) -> str:
    """Return the name of one version of one object.

    `unversioned`: stands for the version where the store knows none: drawn anew whenever the object is looked at.
    """
    # Who asks is no part of what an object is; nor is a signature, where an ETag tells contents apart. A time of
    # modification does not: a server may name its files in the query, and pack several in one second.
    signed = _WEB.match(url) and state.version.startswith('"')
    place = re.sub(r"://[^/?#@]*@", "://", url.partition("?")[0] if signed else url)
    text = f"{place}\0{state.size}\0{state.version or unversioned}"
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def get_part(digest: str, number: int, size: int) -> bytes | None:
    """Return a part of an object; None where it is not here, or not what it was."""
    path = _path(digest, number)
    try:
        with path.open("rb") as stream:
            content = stream.read()
        os.utime(path)
    except OSError:
        return None
    found, checked = content[:-_DIGEST], content[-_DIGEST:]
    return found if len(found) == size and _hash(found) == checked else None


def has_part(digest: str, number: int) -> bool:
    """Whether a part of an object is here, without reading it."""
    return _path(digest, number).is_file()


def put_part(digest: str, number: int, content: bytes) -> bool:
    """Keep a part of an object; return whether that was possible."""
    global _written
    limit = limit_bytes()
    if limit < len(content):
        return False
    path = _path(digest, number)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Not down to the disk: what a crash leaves of it fails its check.
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(content)
            stream.write(_hash(content))
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        return False
    _written += len(content)
    if _written > limit / _SWEEPS:
        _written = 0
        _remove_oldest(limit)
    return True


_written = 0  # bytes since the limit was looked at


@contextlib.contextmanager
def only_one(digest: str) -> Iterator[None]:
    """Let one process at a time fetch what goes by a name; where no file can be locked, several do."""
    from filelock import FileLock

    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError, NotImplementedError):
            folder = _folder()
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # One of a few, that need not be cleared away.
            stack.enter_context(FileLock(folder / f".{digest[:2]}.lock"))
        yield


def limit_bytes() -> int:
    """Return how many bytes are kept at most; raise `InputError` where the environment says no number."""
    given = os.environ.get(LIMIT_VARIABLE, "")
    try:
        limit = float(given) if given else _USUAL_GB
    except ValueError:
        limit = -1.0
    if not 0 <= limit < 1e9:
        raise InputError(LIMIT_VARIABLE, expected="a number of gigabytes, or 0 to keep nothing", found=repr(given))
    return int(limit * 1e9)


def cached_parts() -> CachedParts:
    """Return what there is of objects on this machine."""
    files = _files()
    return CachedParts(folder=_folder(), parts=len(files), size=sum(size for _, size, _ in files), limit=limit_bytes())


def clear_parts() -> CachedParts:
    """Remove what there is of objects; return what was removed."""
    before = cached_parts()
    for path, _, _ in _files():
        path.unlink(missing_ok=True)
    return before


def _remove_oldest(limit: int) -> None:
    files = sorted(_files(), key=lambda file: file[2])
    over = sum(size for _, size, _ in files) - limit
    for path, size, _ in files:
        if over <= 0:
            return
        with contextlib.suppress(OSError):
            path.unlink()
        over -= size


def _files() -> list[tuple[Path, int, float]]:
    """Path, bytes and time of the last use of every part, unfinished ones too."""
    found = []
    for folder in _folder().glob("[0-9a-f][0-9a-f]"):
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if _NAME.fullmatch(entry.name) or entry.name.endswith(".part"):
                    status = entry.stat()
                    found.append((Path(entry.path), status.st_size, status.st_mtime))
    return found


def _folder() -> Path:
    return cache_folder() / "objects"


def _path(digest: str, number: int) -> Path:
    return _folder() / digest[:2] / f"{digest[2:]}.{number}"


def _hash(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST).digest()
