"""Files: written whole or not at all, and known by their hash."""

import contextlib
import errno
import hashlib
import io
import json
import os
import re
import signal
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

from p2phd_eval.errors import InputError
from p2phd_eval.stores.store_path import StorePath, as_path, written

_READERS = 8  # threads; hashing lets others work
_MANY = 500  # files that take a second or more to read
_PART = ".part"  # the ending of files that are being written
_LONGEST_NAME = 100  # bytes of a name that those of its temporary files show; file systems take 143 or more
# Where Linux shows a process what it has open; /dev/stdout and /dev/fd lead there.
_DESCRIPTORS = re.compile(r"/proc/(\d+)(?:/task/\d+)?/fd")
_MOST_LINKS = 40


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` that replaces it when the block ends.

    The data reaches the disk (fsync of file and folder) before the rename. If the block or the disk fails, or SIGTERM
    ends this process, the temporary file is removed and `path` is left as it was. A file that was there hands on its
    permissions and, where this process may, its owner; its other hard links keep the old content. A symbolic link
    stays: what it leads to is replaced, or made. A device, a pipe or a stream of this process (`/dev/null`,
    `/dev/stdout`, `>(...)`) is written to when the block ends; if its reader has left, that is no error.

    The file is binary, open for reading and writing, seekable. Raises `OSError` if the file cannot be written; the old
    content survives. Raises `InputError` if `path` is a folder or a whole disk.

    `path`: the file to write. Missing parent folders are made. An address of a store, such as ``s3://bucket/key``, is
    written as `p2phd_eval.stores.store_path.written` says.
    """
    given = as_path(path)
    if isinstance(given, StorePath):
        with written(given) as stream:
            yield stream
        return
    descriptor = own_descriptor(given)
    try:
        before = given.stat() if descriptor is None else os.fstat(descriptor)
    except (FileNotFoundError, NotADirectoryError):  # making the folder will say what is wrong
        before = None
    if before is not None and (stat.S_ISDIR(before.st_mode) or stat.S_ISBLK(before.st_mode)):
        found = "a folder" if stat.S_ISDIR(before.st_mode) else "a whole disk"
        raise InputError(str(given), expected="a file to write", found=found, fix="Name another file.")
    if descriptor is not None or (before is not None and not stat.S_ISREG(before.st_mode)):
        content = io.BytesIO()
        yield content
        _write_through(given, descriptor, content)
        return
    target = Path(os.path.realpath(given)) if given.is_symlink() else given
    if before is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(given))
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        number, name = tempfile.mkstemp(prefix=temporary_prefix(target), suffix=_PART, dir=target.parent)
    except OSError as error:
        error.filename = str(given)
        raise
    try:
        with _removed_by_sigterm(Path(name)), os.fdopen(number, "w+b") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        _hand_on(Path(name), before)
        Path(name).replace(target)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        # Torch's writer hides what the disk said behind a RuntimeError of its own.
        refusal = error.__context__ if isinstance(error, RuntimeError) else error
        if isinstance(refusal, OSError) and refusal.filename in (None, name):
            refusal.filename = str(given)
            raise refusal from None
        raise
    _sync_folder(target.parent)


@contextmanager
def _removed_by_sigterm(path: Path) -> Iterator[None]:
    """Remove a file where SIGTERM, as schedulers send it, would end this process at once in the middle of a write."""
    usual = signal.SIG_DFL
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is not usual:
        yield
        return

    def end(signum: int, frame: FrameType | None) -> None:
        path.unlink(missing_ok=True)
        signal.signal(signum, usual)
        os.kill(os.getpid(), signum)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is end:
            signal.signal(signal.SIGTERM, usual)


def temporary_prefix(path: Path) -> str:
    """Return how the names of files begin that are written before they replace `path`; a word without dots follows."""
    name = os.fsencode(path.name)
    return f".{path.name if len(name) <= _LONGEST_NAME else hashlib.sha256(name).hexdigest()[:32]}."


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
    text = json_text(document)
    with atomic_write(path) as stream:
        stream.write(text.encode())


def json_text(document: Any) -> str:
    r"""Return `document` as indented JSON of ASCII characters; NaN and infinity are refused (they are not JSON).

    A half of a surrogate pair, which stands for a byte of a name that is not UTF-8, becomes the text `\udce9`: no
    Unicode text, and so no JSON, can hold it.
    """
    return json.dumps(_unicode(document), indent=2, allow_nan=False) + "\n"


def name_bytes(name: str) -> bytes:
    """Return a name as bytes, to be hashed or listed: those of the file system, of names that are no UTF-8 too."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # no file system's: an id that was given in Python
        return name.encode("utf-8", "surrogatepass")


def page_bytes(text: str) -> bytes:
    r"""Return text as UTF-8, to be read by people; what is no Unicode, as in some names, becomes such as `\udce9`."""
    return text.encode("utf-8", "backslashreplace")


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's content, hexadecimal."""
    digest = hashlib.sha256()
    with as_path(path).open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def hash_files(paths: Iterable[Path], on_progress: Callable[[int, int], None] = lambda done, total: None) -> list[str]:
    """Return the SHA-256 of the content of each file, in order; several are read at once.

    `on_progress`: called with how many are read, and how many there are, unless they are so few that it takes no time.
    """
    given, found = list(paths), list[str]()
    watched = len(given) > _MANY
    with ThreadPoolExecutor(max_workers=_READERS) as readers:
        for sha256 in readers.map(file_sha256, given):
            found.append(sha256)
            if watched:
                on_progress(len(found), len(given))
    return found


def names_sha256(files: Mapping[str, str]) -> str:
    """Return the hash of files' names and of the SHA-256 of their contents, by name, in any order."""
    digest = hashlib.sha256()
    for name, sha256 in sorted(files.items()):
        digest.update(name_bytes(f"{name}\0{sha256}\n"))
    return digest.hexdigest()


def own_descriptor(path: Path) -> int | None:
    """Return the number of the stream of this process that a path means, such as 1 for /dev/stdout; None: no stream."""
    for _ in range(_MOST_LINKS):
        folder = os.path.realpath(path.parent)
        found = _DESCRIPTORS.fullmatch(folder)
        if found and int(found[1]) == os.getpid() and path.name.isdecimal():
            return int(path.name)
        try:
            path = Path(folder) / path.readlink()
        except OSError:  # no link
            return None
    return None


def _write_through(path: Path, descriptor: int | None, content: io.BytesIO) -> None:
    if descriptor is not None:
        sys.stdout.flush()  # what was printed before stands before it
    try:
        # Opening what a descriptor means again would begin at the start of a file, and is not possible for a socket.
        number = os.open(path, os.O_WRONLY) if descriptor is None else os.dup(descriptor)
        with os.fdopen(number, "wb") as stream:
            stream.write(content.getbuffer())
    except BrokenPipeError:
        pass
    except OSError as error:
        error.filename = str(path)
        raise


def _hand_on(new: Path, before: os.stat_result | None) -> None:
    """Give a file that only its owner can read the permissions of the one that it replaces, or else the usual ones."""
    mode = 0o666 & ~_umask()
    if before is not None:
        mode = stat.S_IMODE(before.st_mode) & 0o777
        status = new.stat()
        if (status.st_uid, status.st_gid) != (before.st_uid, before.st_gid):
            with contextlib.suppress(OSError):  # only root gives files away
                os.chown(new, before.st_uid, before.st_gid)
    new.chmod(mode)


def _unicode(value: Any) -> Any:
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", value)
    if isinstance(value, dict):
        return {_unicode(key): _unicode(each) for key, each in value.items()}
    return [_unicode(each) for each in value] if isinstance(value, list | tuple) else value


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
