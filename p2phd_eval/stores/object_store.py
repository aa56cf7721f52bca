"""What is asked of every store: how long an object is, which version it is, its bytes, and which others there are."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, Protocol

from p2phd_eval.errors import InputError

# What people type is not always an address: a password may have a slash or an @ in it, and pathlib takes a slash away.
# Where nobody can tell what belongs to the password, all is hidden up to the last @. In `host.org:8080/a@b` it is a
# port, as in `localhost:8080/a@b`; in `me:8080/a@b` it may be half of a password.
_HOST_AND_PORT = r"(?:localhost|\[[^\s\]]*\]|[^\s/?#:@]*\.[^\s/?#:@]*):\d{1,5}(?:[/?#\s]|$)"
_USER = r"\b([a-z][a-z0-9+.-]*:/{1,2})" rf"(?!{_HOST_AND_PORT})(?:(?=[^\s/?#]*@)|[^\s/?#:@]*:)"
_USER_IN_TEXT = re.compile(rf"{_USER}\S*@", re.IGNORECASE)
_USER_OF_ADDRESS = re.compile(rf"{_USER}.*@", re.IGNORECASE | re.DOTALL)  # a password may have a blank, too

#: Requests at a time: an answer takes tens of milliseconds, however small the object.
AT_ONCE = 16


class ObjectState(NamedTuple):
    """An object as its store describes it, without reading it."""

    size: int  # bytes
    version: str  # ETag, hash, generation, or time of modification: whatever tells one content from another
    ranged: bool = True  # whether parts of it can be read


class ObjectStore(Protocol):
    """One kind of store. Locations are whole addresses, such as ``s3://bucket/key``; all methods block.

    All raise `InputError`, in one sentence and without a secret, where the store refuses or cannot be reached.
    """

    def state(self, url: str) -> ObjectState | None:
        """Return an object's state; None where there is no such object."""

    def objects(self, url: str) -> Iterator[tuple[str, ObjectState]]:
        """List the objects below a folder, at any depth and in any order: name below the folder, and state."""

    def read(self, url: str, state: ObjectState, start: int, end: int) -> bytes:
        """Return bytes `start` to `end`, exclusive, of the object in that state; not fewer, and of no other version."""

    def stream(self, url: str, state: ObjectState) -> Iterator[bytes]:
        """Yield an object from its beginning, for stores that do not read parts."""

    def require_writable(self, url: str) -> None:
        """Raise `InputError` where it is clear before the work that nothing can be put there."""

    def write(self, url: str, content: BinaryIO, size: int) -> None:
        """Put an object there, whole or not at all, in place of what there is."""


def redacted(url: str) -> str:
    """Return an address as it may be shown: without user and password, and without the query, which may be signed."""
    found = _USER_OF_ADDRESS.search(url)  # also behind NAME=
    hidden = url if found is None else f"{url[: found.end(1)]}***@{url[found.end() :]}"
    if not hidden.lower().startswith(("http:/", "https:/")):  # elsewhere a question mark is a letter of a key
        return hidden
    if found is not None and "?" in found[0]:  # what follows the @ may be of a query
        return f"{found[1]}***@..."
    address = hidden.partition("#")[0]
    plain, mark, _ = address.partition("?")
    return f"{plain}?..." if mark else plain


def user_of(url: str) -> str | None:
    """Return what stands before the last @ of an address where a user may; None where there is none.

    With one of / ? # or a blank in it, nobody can tell where a password ends.
    """
    found = _USER_OF_ADDRESS.match(url)
    return None if found is None else found[0][len(found[1]) : -1]


def without_users(text: str) -> str:
    """Return a text without the users and passwords of the addresses in it."""
    return _USER_IN_TEXT.sub(r"\1***@", text)


class Broken(Exception):
    """A request that failed for a reason that may pass: a connection that broke, a server that is busy."""


def changed_object(url: str) -> InputError:
    """Return the error of an object that was replaced or removed since its state was asked for."""
    return InputError(
        redacted(url),
        expected="the same object from the first to the last read",
        found="another version of it",
        fix="Run the command again when nothing writes there any more.",
    )


def missing_extra(url: str, module: str, extra: str) -> InputError:
    """Return the error of a store whose library is not installed."""
    scheme = url.partition("://")[0]
    return InputError(
        redacted(url),
        expected=f"{module}, to reach {scheme}://",
        found="that it is not installed",
        fix=f"Install it: pip install 'p2phd-eval[{extra}]'.",
    )


def unreachable(url: str, found: str) -> InputError:
    """Return the error of a store that does not answer as it should."""
    return InputError(
        redacted(url),
        expected="an answer of the store",
        found=found,
        fix="Check the network, proxies, and the address of the store.",
    )


def refused(url: str, found: str, fix: str) -> InputError:
    """Return the error of a store that does not let one in."""
    return InputError(redacted(url), expected="access to the store", found=found, fix=fix)


def reason(error: BaseException) -> str:
    """Return what an error of a library says, on one line, without any address in it, which may be signed."""
    if isinstance(error, OSError) and error.strerror and error.errno not in (None, errno.EIO):
        return error.strerror.splitlines()[0].rstrip(".")
    text = (str(error).splitlines() or [""])[0].strip().rstrip(".")
    return re.sub(r"[a-z][a-z0-9+.-]*://\S+", lambda found: redacted(found[0]), text) or type(error).__name__
