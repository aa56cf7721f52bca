"""An object as a file that is open: read by parts, several at a time, and each from the store once."""

from __future__ import annotations

import errno
import io
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from p2phd_eval.errors import InputError
from p2phd_eval.stores.find_store import store_of
from p2phd_eval.stores.object_cache import (
    BLOCK,
    LIMIT_VARIABLE,
    get_part,
    has_part,
    limit_bytes,
    object_digest,
    only_one,
    put_part,
)
from p2phd_eval.stores.object_store import AT_ONCE, Broken, ObjectState, changed_object, redacted, unreachable

_T = TypeVar("_T")

_ATTEMPTS = 5
_FIRST_WAIT = 0.4  # seconds; doubled from one attempt to the next
_AHEAD = 16  # parts at most that are fetched before they are asked for
_RECENT = 8  # parts that each thread keeps in memory: of an archive whose images are read in order

_recent = threading.local()


class StoredObject(NamedTuple):
    """One version of one object."""

    url: str
    state: ObjectState
    unversioned: str = ""  # see `object_digest`

    @property
    def digest(self) -> str:
        """The name under which its parts are kept."""
        return object_digest(self.url, self.state, self.unversioned)

    @property
    def parts(self) -> int:
        """How many parts it has."""
        return -(-self.state.size // BLOCK)

    @property
    def is_here(self) -> bool:
        """Whether its first part is on this machine."""
        return has_part(self.digest, 0)

    def part_size(self, number: int) -> int:
        """Return the bytes of a part."""
        return min(BLOCK, self.state.size - number * BLOCK)


class ObjectFile(io.RawIOBase):
    """A file of which every byte is one of the version that it was opened for.

    `stored`: the object. `others`: asked, when something has to be fetched, for objects that will be wanted next.
    Reading raises `InputError` if the store cannot be reached, breaks off again and again, or has another version now.
    """

    def __init__(self, stored: StoredObject, others: Callable[[], Sequence[StoredObject]] = tuple) -> None:
        self._stored, self._others = stored, others
        self._digest = stored.digest
        self._position = 0
        self._held: dict[int, bytes] = {}
        self._following, self._window = 0, 1  # the part after the last that was read, and how many to fetch

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that any place can be read."""
        return True

    def tell(self) -> int:
        """Return the position from which is read next."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position from which is read next."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._stored.state.size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))  # as of a file: zipfile takes it for too short
        self._position = start + offset
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer as far as the part goes that the position lies in."""
        if self._position >= self._stored.state.size:
            return 0
        number, place = divmod(self._position, BLOCK)
        found = self._part(number)[place : place + len(buffer)]
        buffer[: len(found)] = found
        self._position += len(found)
        return len(found)

    def _part(self, number: int) -> bytes:
        if number in self._held:
            return self._held[number]
        recent: dict[tuple[str, int], bytes] = _recent.__dict__.setdefault("parts", {})
        known = (self._digest, number)
        content = recent.get(known) or get_part(self._digest, number, self._stored.part_size(number))
        if content is None:
            self._window = min(_AHEAD, 2 * self._window) if number == self._following else 1
            self._held = _fetch_parts(self._stored, number, self._window, self._others)
            content = self._held[number]
        recent[known] = content
        if len(recent) > _RECENT:
            del recent[next(iter(recent))]
        self._following = number + len(self._held) if number in self._held else number + 1
        return content


def in_threads(work: Callable[..., _T], given: Sequence[tuple[object, ...]]) -> list[_T]:
    """Return what a function returns for each of some arguments, asking for several at once; in order."""
    if len(given) <= 1:
        return [work(*each) for each in given]
    with ThreadPoolExecutor(max_workers=AT_ONCE) as threads:
        return list(threads.map(lambda each: work(*each), given))


def attempted(url: str, work: Callable[[], _T]) -> _T:
    """Return what a request returns; it is repeated, after longer and longer waits, while it breaks.

    Raises `InputError` if it broke every time.
    """
    wait = _FIRST_WAIT
    for left in reversed(range(_ATTEMPTS)):
        try:
            return work()
        except Broken as error:
            if not left:
                raise unreachable(url, f"{error}, {_ATTEMPTS} times in a row") from None
            time.sleep(wait)
            wait *= 2
    raise AssertionError


def _fetch_parts(
    stored: StoredObject, number: int, window: int, others: Callable[[], Sequence[StoredObject]]
) -> dict[int, bytes]:
    """Fetch a part, those after it, and the objects that follow; return those of the object by number."""
    if not stored.state.ranged:
        return {number: _fetch_whole(stored, number)}
    digest = stored.digest
    ahead = range(number + 1, min(stored.parts, number + window))
    numbers = [number, *(each for each in ahead if not has_part(digest, each))]
    following = others() if limit_bytes() else ()
    if not following:
        return dict(zip(numbers, in_threads(_fetch, [(stored, each) for each in numbers]), strict=True))
    with only_one(following[0].digest):
        here = get_part(digest, number, stored.part_size(number))
        if here is not None:  # another process fetched them meanwhile
            return {number: here}
        contents = [_fetch(stored, number)]
        if has_part(digest, number):  # else nothing can be kept here
            wanted = [(stored, each) for each in numbers[1:]]
            wanted += [
                (other, part)
                for other in following
                for part in range(other.parts)
                if other != stored and not has_part(other.digest, part)
            ]
            contents += in_threads(_fetch, wanted)
    return dict(zip(numbers, contents, strict=False))


def _fetch(stored: StoredObject, number: int) -> bytes:
    start = number * BLOCK
    store, end = store_of(stored.url), start + stored.part_size(number)
    try:
        content = attempted(stored.url, lambda: store.read(stored.url, stored.state, start, end))
    except FileNotFoundError:
        raise changed_object(stored.url) from None
    put_part(stored.digest, number, content)
    return content


def _fetch_whole(stored: StoredObject, number: int) -> bytes:
    """Fetch an object of a server that gives no parts, from its beginning, and keep all of it."""
    if stored.state.size > limit_bytes():
        raise InputError(
            redacted(stored.url),
            expected="a server that sends parts of files, or room to keep this one",
            found=f"one that does not, and {limit_bytes() / 1e9:g} GB for {stored.state.size / 1e9:.3g}",
            fix=f"Set {LIMIT_VARIABLE} higher, or download the file.",
        )
    digest = stored.digest
    with only_one(digest):
        if (here := get_part(digest, number, stored.part_size(number))) is not None:
            return here
        return attempted(stored.url, lambda: _keep_stream(stored, number))


def _keep_stream(stored: StoredObject, wanted: int) -> bytes:
    digest, found = stored.digest, b""
    waiting, number = bytearray(), 0
    for piece in store_of(stored.url).stream(stored.url, stored.state):
        waiting += piece
        while number < stored.parts and len(waiting) >= (size := stored.part_size(number)):
            part = bytes(waiting[:size])
            del waiting[:size]
            put_part(digest, number, part)
            found = part if number == wanted else found
            number += 1
    if number != stored.parts or waiting:
        raise Broken("fewer bytes than it should have")
    return found
