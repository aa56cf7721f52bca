"""Targets that one process at a time writes to: a second one is refused, and what a killed one left is removed."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p2phd_eval.errors import InputError
from p2phd_eval.files import remove_unfinished, temporary_prefix, write_json
from p2phd_eval.json_files import read_json_or_none
from p2phd_eval.stores.store_path import StorePath, as_path, require_writable

if TYPE_CHECKING:
    from filelock import FileLock

#: The name of a folder's lock.
LOCK = ".lock"
_PART = ".part"  # the folder of what is not whole yet
_NEW = ".new.json"  # in it: the names of what is moved out of it to places where nothing was
_ORPHANS_SECONDS = 10.0  # in which the data workers of a killed process, which share its lock, notice and end
_POLL_SECONDS = 0.1


@contextmanager
def hold_folder(folder: str | os.PathLike[str], *, patience: float = 0.0, clean: bool = True) -> Iterator[None]:
    """Let no other process write to a folder while the block runs; files that a killed one left half written go.

    The lock is a hidden file in the folder, `.lock`, that says who holds it. It ends with its process, however that
    ends. Where the file system knows no locks, the block runs without one.

    Parameters
    ----------
    folder : path-like
        Made if missing, and removed again if it is still empty after the block.
    patience : float
        Seconds to wait for another process before it is refused.
    clean : bool
        Whether unfinished files are removed, those of subfolders too, but for subfolders that have a lock themselves.

    Raises
    ------
    InputError
        If another process, or this one, holds it already; or a file is in its place.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise InputError(str(target), expected="a folder to write to", found="a file", fix="Choose another target.")
    missing = [each for each in (target, *target.parents) if not each.exists()]
    target.mkdir(parents=True, exist_ok=True)
    try:
        with _held(target, target / LOCK, patience):
            if clean:
                _take_back(target)
                _clean(target)
            yield
    finally:
        with contextlib.suppress(OSError):  # something was written there
            for each in missing:
                each.rmdir()


@contextmanager
def hold_file(path: str | os.PathLike[str], *, patience: float = 0.0) -> Iterator[None]:
    """Let no other process write a file while the block runs, as `hold_folder` does; other files beside it are free.

    The lock is a hidden file beside it. Missing folders are made. Raises `InputError` as `hold_folder`.
    """
    given = as_path(path)
    if isinstance(given, StorePath):  # which takes whole objects alone: of two processes the last one's stays
        require_writable(given)
        yield
        return
    # A link's target is what two processes share. Of a link to itself this makes no error: the writer will.
    target = Path(os.path.realpath(given))
    if target.exists() and not target.is_file():
        # A device or a pipe, which takes what several processes write.
        yield
        return
    missing = [each for each in target.parents if not each.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _held(given, target.parent / f"{temporary_prefix(target)}lock", patience):
            remove_unfinished(target.parent, target)
            yield
    finally:
        with contextlib.suppress(OSError):
            for each in missing:
                each.rmdir()


def is_free(folder: Path) -> bool:
    """Whether nothing is in a folder that is held, see `hold_folder`, but its lock."""
    return all(path.name == LOCK for path in folder.iterdir())


@contextmanager
def filled_whole(folder: Path, order: Callable[[Path], Any]) -> Iterator[Path]:
    """Give the block a hidden folder to fill, whose content is moved into `folder` when the block ends; else it goes.

    Of a process that is killed while it moves, the next `hold_folder` takes back what had been moved.

    `folder`: held, see `hold_folder`. `order`: the key by which files and folders are moved one after the other: what
    says that all is there, last.
    """
    part = folder / _PART
    part.mkdir()
    try:
        yield part
        made = sorted(part.iterdir(), key=order)
        write_json(part / _NEW, [path.name for path in made if not (folder / path.name).exists()])
        for path in made:
            path.replace(folder / path.name)
    finally:
        _take_back(folder)


def _take_back(folder: Path) -> None:
    """Remove the hidden folder of `filled_whole`, and what was moved out of it unless that is all there was."""
    part = folder / _PART
    if part.is_symlink() or not part.is_dir():
        return
    if any(path.name != _NEW for path in part.iterdir()):
        names = read_json_or_none(list[str], part / _NEW) or ()
        for path in list(folder.iterdir()):  # never what lies outside, whoever wrote the names
            if path.name not in names or path.name in (LOCK, _PART):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
    shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _held(target: Path, path: Path, patience: float) -> Iterator[None]:
    # Imported here, since commands that hold nothing should not wait for it.
    from filelock import FileLock

    # Not shared between threads either: two of them that write to one target spoil it just the same.
    lock = FileLock(path, thread_local=False)
    if not _acquire(lock, target, path, patience):
        yield
        return
    try:
        with contextlib.suppress(OSError):  # Windows lets nobody write to it
            path.write_text(f"{os.getpid()} {socket.gethostname()}\n")
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows keeps a file that is open
            path.unlink()
        lock.release()


def _acquire(lock: FileLock, target: Path, path: Path, patience: float) -> bool:
    """Take a lock; return False where there are none. Raises InputError if another process holds it for too long."""
    from filelock import Timeout

    start = time.monotonic()
    while True:
        try:
            lock.acquire(timeout=0)
            return True
        except Timeout as error:
            process, host = _holder(path)
            wait = max(patience, _ORPHANS_SECONDS if _is_gone(process, host) else 0.0)
            if time.monotonic() - start >= wait:
                raise _refusal(target, process, host) from error
            time.sleep(_POLL_SECONDS)
        except (OSError, NotImplementedError):
            return False  # no locks here, or nothing can be written, which the writer will say


def _refusal(target: Path, process: int | None, host: str) -> InputError:
    who = "another one"
    if process is not None:
        who = "this one" if _is_this(process, host) else f"process {process}"
        if host != socket.gethostname():
            who += f" on {host}"
    return InputError(
        str(target),
        expected="one process at a time",
        found=f"{who} at work",
        fix="Wait until it has ended, end it, or choose another target.",
    )


def _is_this(process: int, host: str) -> bool:
    return process == os.getpid() and host == socket.gethostname()


def _holder(path: Path) -> tuple[int | None, str]:
    """Return process number and host of who wrote a lock; None where that is not known."""
    try:
        process, host = path.read_text().split()
        return int(process), host
    except (OSError, ValueError):
        return None, ""


def _is_gone(process: int | None, host: str) -> bool:
    if process is None or host != socket.gethostname() or os.name != "posix":
        return False
    try:
        os.kill(process, 0)  # signal 0 asks only whether it is there
    except ProcessLookupError:
        return True
    except OSError:
        pass  # another user's
    return False


def _clean(folder: Path) -> None:
    remove_unfinished(folder)
    with os.scandir(folder) as entries:
        below = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    for each in below:
        # A target of its own, at which another process may be at work.
        if not (each / LOCK).exists():
            _clean(each)
