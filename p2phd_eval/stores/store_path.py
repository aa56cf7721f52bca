"""A place in a store, as `pathlib.Path` is one in a file system, with what of `Path` this program reads through."""

from __future__ import annotations

import bisect
import io
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from p2phd_eval.errors import InputError
from p2phd_eval.stores.find_store import address_of, store_of
from p2phd_eval.stores.object_file import ObjectFile, StoredObject, attempted, in_threads
from p2phd_eval.stores.object_store import ObjectState, redacted

_TOGETHER = 32  # objects of a folder that are fetched when the first of them is read
_TOGETHER_BYTES = 32 << 20  # of them


class Snapshot:
    """What there was at a place of a store, and below it, at one time.

    `objects`: by name below the place; the place itself, if it is an object, is called "".
    """

    def __init__(self, objects: Mapping[str, ObjectState]) -> None:
        self.objects = objects
        self.unversioned = secrets.token_hex(16)

    @cached_property
    def names(self) -> list[str]:
        """The names of all objects, sorted."""
        return sorted(self.objects)

    @cached_property
    def folders(self) -> frozenset[str]:
        """All folders that objects lie in, the place itself too, which is ""."""
        found = set[str]()
        for name in self.objects:
            while name and (name := name.rpartition("/")[0]) not in found:
                found.add(name)
        return frozenset(found)

    def together(self, name: str) -> list[str]:
        """Return the names that are fetched with one: it, and what follows up to the end of its group of 32."""
        place = bisect.bisect_left(self.names, name)
        end = (place // _TOGETHER + 1) * _TOGETHER
        return self.names[place:end]

    def before(self, name: str) -> str | None:
        """Return the name of the object before one in its group; None where it is the first."""
        place = bisect.bisect_left(self.names, name)
        return self.names[place - 1] if place % _TOGETHER else None


@dataclass(frozen=True, repr=False)
class StorePath(os.PathLike[str]):
    """An address in a store, such as ``s3://bucket/folder/image.png``.

    It shows itself without user, password and signature. Asked for what is there, it asks the store each time; one that
    was made by `pinned` knows it already, and is read in no other version.
    """

    url: str
    snapshot: Snapshot | None = field(default=None, compare=False)
    inside: str = field(default="", compare=False)  # name below the place that the snapshot is of

    def __str__(self) -> str:
        return redacted(self.url)

    def __repr__(self) -> str:
        return f"StorePath({str(self)!r})"

    def __fspath__(self) -> str:
        """Return what may be shown; what opens it as a file finds nothing there."""
        return str(self)

    def __lt__(self, other: StorePath) -> bool:
        return self.url < other.url

    def __truediv__(self, name: str | os.PathLike[str]) -> StorePath:
        below = os.fspath(name)  # never an address of its own: a stranger's bucket may have keys that look like one
        address, query = self._parts()
        inside = f"{self.inside}/{below}" if self.inside else below
        return StorePath(f"{address.rstrip('/')}/{below}{query}", self.snapshot, inside)

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self._parts()[0].rstrip("/").rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The ending of the name, with its dot."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> StorePath:
        """The folder that it lies in."""
        address, query = self._parts()
        scheme, _, place = address.rstrip("/").partition("://")
        known = self.snapshot if self.inside else None
        return StorePath(
            f"{scheme}://{place.rpartition('/')[0] or place}{query}", known, self.inside.rpartition("/")[0]
        )

    @property
    def place(self) -> str:
        """The address without its beginning, user and query: ``bucket/folder/image.png``."""
        return self._parts()[0].partition("://")[2].rpartition("@")[2]

    @property
    def parts(self) -> tuple[str, ...]:
        """The beginning of the address, and the folders and the name in it, as `Path.parts`."""
        return (self.url.partition("://")[0] + "://", *PurePosixPath(self.place).parts)

    def resolve(self) -> StorePath:
        """Return itself: there are no links."""
        return self

    def state(self) -> ObjectState | None:
        """Return the size and version of the object; None where there is none."""
        if self.snapshot is not None:
            return self.snapshot.objects.get(self.inside)
        return attempted(self.url, lambda: store_of(self.url).state(self.url))

    def exists(self) -> bool:
        """Whether there is an object, or one below."""
        return self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        """Whether there is an object."""
        return self.state() is not None

    def is_dir(self) -> bool:
        """Whether there is an object below."""
        if self.snapshot is not None:
            return self.inside in self.snapshot.folders and self.inside not in self.snapshot.objects
        return attempted(self.url, lambda: next(store_of(self.url).objects(self.url), None)) is not None

    def objects(self) -> list[str]:
        """Return the names of all objects below, sorted."""
        found = self.snapshot
        if found is None or self.inside:
            found = Snapshot(_listed(self.url))
        return found.names

    def iterdir(self) -> Iterator[StorePath]:
        """Yield what lies in the folder: objects, and folders of some."""
        for name in dict.fromkeys(each.partition("/")[0] for each in self.objects()):
            yield self / name

    def open(self, mode: str = "rb") -> io.BufferedReader:
        """Open the object, to be read as bytes; raises `FileNotFoundError` where there is none."""
        if mode != "rb":
            raise ValueError(f"mode {mode!r}")
        state = self.state()
        if state is None:
            raise FileNotFoundError(2, "No such object", str(self))
        snapshot = self.snapshot or Snapshot({})
        stored = StoredObject(self.url, state, snapshot.unversioned)
        return io.BufferedReader(ObjectFile(stored, self._following))

    def read_bytes(self) -> bytes:
        """Return the object's content."""
        with self.open() as stream:
            return stream.read()

    def _following(self) -> Sequence[StoredObject]:
        """This object and those that follow in its folder, where it is read in order, and they are alike."""
        if self.snapshot is None or not self.inside or self._is_out_of_order(self.snapshot):
            return ()
        found, size = list[StoredObject](), 0
        root = StorePath(self.url.removesuffix(self.inside).rstrip("/"), self.snapshot)
        for name in self.snapshot.together(self.inside):
            state = self.snapshot.objects[name]
            size += state.size
            if found and size > _TOGETHER_BYTES:
                break
            if PurePosixPath(name).suffix == self.suffix:
                found.append(StoredObject((root / name).url, state, self.snapshot.unversioned))
        return found

    def _is_out_of_order(self, snapshot: Snapshot) -> bool:
        before = snapshot.before(self.inside)
        if before is None:
            return False
        url = f"{self.url.removesuffix(self.inside)}{before}"
        return not StoredObject(url, snapshot.objects[before], snapshot.unversioned).is_here

    def _parts(self) -> tuple[str, str]:
        """The address, and the query and fragment, which web servers alone have."""
        if not self.url.startswith("http"):
            return self.url, ""
        cut = min((place for mark in "?#" if (place := self.url.find(mark)) >= 0), default=len(self.url))
        return self.url[:cut], self.url[cut:]


#: A file or folder, or its like in a store.
AnyPath = Path | StorePath


def as_path(given: str | os.PathLike[str]) -> AnyPath:
    """Return the place that a text or a path means: in a store if it is an address, else in the file system.

    Raises `InputError` for an address of no store that is known.
    """
    if isinstance(given, StorePath):
        return given
    address = address_of(os.fspath(given))
    return Path(given) if address is None else StorePath(address)


def pinned(path: AnyPath) -> AnyPath:
    """Return a place as it is now: whatever is there or below is asked for once, and read in this version alone.

    Files on this machine are returned as they are.
    """
    if not isinstance(path, StorePath) or path.snapshot is not None:
        return path
    state = path.state()
    # Some tools mark a folder by an empty object of its name.
    below = {} if state is not None and state.size else _listed(path.url)
    return StorePath(path.url, Snapshot({"": state} if state is not None and not below else below))


def unpinned(path: AnyPath) -> AnyPath:
    """Return a place of which nothing is known yet."""
    return StorePath(path.url) if isinstance(path, StorePath) else path


def all_pinned(paths: Iterable[AnyPath]) -> list[AnyPath]:
    """Return files as they are now, as `pinned` does, several at a time; what is no file is not there."""
    given = list(paths)
    places = [i for i, path in enumerate(given) if isinstance(path, StorePath) and path.snapshot is None]
    states = in_threads(StorePath.state, [(given[i],) for i in places])
    for i, state in zip(places, states, strict=True):
        given[i] = StorePath(cast(StorePath, given[i]).url, Snapshot({} if state is None else {"": state}))
    return given


def require_writable(path: StorePath) -> None:
    """Raise `InputError` where it is clear before the work that nothing can be written to a place of a store."""
    attempted(path.url, lambda: store_of(path.url).require_writable(path.url))


@contextmanager
def written(path: StorePath) -> Iterator[BinaryIO]:
    """Open a temporary file that is put at a place of a store when the block ends; nothing is, if it fails.

    Raises `InputError` if the store does not take it.
    """
    with TemporaryFile() as stream:
        yield cast(BinaryIO, stream)
        size = stream.seek(0, io.SEEK_END)

        def put() -> None:
            stream.seek(0)
            store_of(path.url).write(path.url, cast(BinaryIO, stream), size)

        attempted(path.url, put)
    found = StorePath(path.url).state()
    if found is None or found.size != size:
        raise InputError(
            str(path),
            expected=f"the {size} bytes that were written",
            found="nothing" if found is None else f"{found.size} bytes",
            fix="Something else writes there too, or the store is at fault.",
        )


def _listed(url: str) -> dict[str, ObjectState]:
    return attempted(url, lambda: dict(store_of(url).objects(url)))
