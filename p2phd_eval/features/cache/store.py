"""Features kept between runs, shared by the processes of a machine, and read without torch."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from p2phd_eval.features.cache.entry import (
    CacheEntry,
    FeatureKey,
    describe_entry,
    folder_bytes,
    mark_used,
    read_entry,
    write_entry,
)
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.progress import Note, unheard
from p2phd_eval.user_folders import cache_folder

if TYPE_CHECKING:
    from filelock import BaseFileLock

# An entry is called by its key's digest, its lock .<digest>.lock, what is on its way in or out .<digest>.<word>.part.
_NAME = re.compile(r"\.?([0-9a-f]{64})(?:\.lock|\.\w+\.part)?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cleared:
    """What `FeatureCache.clear` did."""

    removed: int  # entries, damaged and unfinished ones among them
    freed: int  # bytes
    in_use: int  # entries that stay, since a process holds their lock


class FeatureCache:
    """Feature sets in a folder, one subfolder an entry.

    An entry appears whole, by a rename, and is verified by its hashes whenever it is read. The cache never stands in
    the way: what cannot be read is computed again, what cannot be written is not kept, and a note says so.

    `folder`: by default ``features`` in the program's cache folder; it may be missing. `note`: called with a sentence
    when an entry is damaged, another process holds the lock, or nothing can be written.
    """

    def __init__(self, folder: Path | None = None, *, note: Note = unheard) -> None:
        self.folder = cache_folder() / "features" if folder is None else folder
        self._note = note

    def get(self, key: FeatureKey) -> FeatureSet | None:
        """Return the features of a key, or None if they are not there or damaged; a damaged entry is removed.

        The values are mapped into memory, read-only; they stay readable if the entry is removed meanwhile.
        """
        entry = self.folder / key.digest
        try:
            features = read_entry(entry, key)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Exception as error:  # each damage has its own
            self._note(f"The cache entry {entry} was damaged ({_reason(error)}); its features are computed again.")
            self.discard(key)  # if it can be: the cache may be another user's
            return None
        with contextlib.suppress(OSError):
            mark_used(entry)
        return features

    def put(self, key: FeatureKey, features: FeatureSet) -> FeatureSet:
        """Keep the features of a key; call it under `locked`.

        They come back as `get` returns them, or as they were given if they could not be written.
        """
        part = self._part(key.digest)
        entry = self.folder / key.digest
        try:
            part.mkdir(parents=True)
            write_entry(part, key, features)
            if entry.exists():  # a folder that holds files cannot be replaced by a rename
                self._remove(key.digest)
            part.rename(entry)
        except OSError as error:
            shutil.rmtree(part, ignore_errors=True)
            self._note(f"The features are not kept: {self.folder} cannot be written ({_reason(error)}).")
            return features
        return self.get(key) or features

    def discard(self, key: FeatureKey) -> None:
        """Remove the entry of a key, if it is there and can be removed."""
        with contextlib.suppress(OSError):
            self._remove(key.digest)

    @contextlib.contextmanager
    def locked(self, key: FeatureKey) -> Iterator[None]:
        """Let one process at a time compute the features of a key; the others wait, and then find them.

        The lock ends with its process, however that ends. Where the file system offers none, two processes may compute
        the same features, and the last one's stay.
        """
        with contextlib.ExitStack() as stack:
            try:
                lock = self._lock(key.digest)
                if not _acquire(lock):
                    self._note("Another process computes these features; waiting for it.")
                    lock.acquire()
            except (OSError, NotImplementedError):
                pass  # if nothing can be written, `put` says so
            else:
                stack.callback(lock.release)
                for part in self._parts(key.digest):  # left by a process that was killed
                    shutil.rmtree(part, ignore_errors=True)
            yield

    def entries(self) -> tuple[CacheEntry, ...]:
        """List the entries, the last used first; damaged ones are left out."""
        found = []
        for digest in self._digests():
            with contextlib.suppress(Exception):  # each damage has its own
                found.append(describe_entry(self.folder / digest))
        return tuple(sorted(found, key=lambda entry: (-entry.last_used, entry.digest)))

    def clear(self) -> Cleared:
        """Remove all entries, damaged and unfinished ones too, but for those whose lock a process holds.

        Raises `OSError` if an entry cannot be removed.
        """
        removed = freed = in_use = 0
        for digest in self._digests():
            lock = self._lock(digest)
            if not _acquire(lock):
                in_use += 1
                continue
            try:
                if (self.folder / digest).exists():
                    self._withdraw(digest)
                parts = self._parts(digest)
                removed += bool(parts)
                for part in parts:
                    freed += folder_bytes(part)
                    shutil.rmtree(part)
                # Whoever waits for it opens it anew.
                with contextlib.suppress(PermissionError):  # Windows keeps a file that is open
                    Path(lock.lock_file).unlink(missing_ok=True)
            finally:
                lock.release()
        return Cleared(removed=removed, freed=freed, in_use=in_use)

    def _digests(self) -> list[str]:
        """Return the names of all entries: whole, unfinished, or only locked."""
        if not self.folder.is_dir():
            return []
        names = (_NAME.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted({name[1] for name in names if name is not None})

    def _part(self, digest: str) -> Path:
        return self.folder / f".{digest}.{secrets.token_hex(4)}.part"

    def _parts(self, digest: str) -> list[Path]:
        return list(self.folder.glob(f".{digest}.*.part"))

    def _withdraw(self, digest: str) -> Path:
        # An entry disappears at once, so that nobody reads half of it.
        return (self.folder / digest).rename(self._part(digest))

    def _remove(self, digest: str) -> None:
        shutil.rmtree(self._withdraw(digest))

    def _lock(self, digest: str) -> BaseFileLock:
        # Imported here, since that takes longer than to read a small entry.
        from filelock import FileLock

        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / f".{digest}.lock")


def _acquire(lock: BaseFileLock) -> bool:
    from filelock import Timeout

    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text.splitlines() or [type(error).__name__])[0].rstrip(".")
