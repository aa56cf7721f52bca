"""Every other store that fsspec knows: Google's (gcsfs) and the hub of Hugging Face (huggingface_hub)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, BinaryIO, TypeVar

from p2phd_eval.stores.object_store import (
    Broken,
    ObjectState,
    changed_object,
    missing_extra,
    reason,
    refused,
    unreachable,
)

_T = TypeVar("_T")

_BY_SCHEME = {"gs": ("gcsfs", "gs"), "gcs": ("gcsfs", "gs"), "hf": ("huggingface_hub", "hf")}
_CREDENTIALS = {
    "gs": "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS.",
    "hf": "Run `hf auth login`, or set HF_TOKEN.",
}
# How a part is read and no more: the hub's files are read 5 MiB ahead otherwise.
_EXACT = {"hf": {"cache_type": "none"}}
# What tells contents apart, the surest first; each store has some of them.
_VERSIONS = (
    "generation",
    "md5Hash",
    "ETag",
    "etag",
    "blob_id",
    "oid",
    "crc32c",
    "updated",
    "mtime",
    "last_modified",
    "created",
)


class FsspecStore:
    """Objects of a store by fsspec's own methods; a part counts when the version is still the same after its read."""

    def __init__(self) -> None:
        self._files: dict[tuple[int, str], Any] = {}  # by process: connections do not survive a fork

    def state(self, url: str) -> ObjectState | None:
        """Return an object's size and version; None where there is no such object."""

        def ask(files: Any) -> Any:
            files.invalidate_cache(url)  # what is there now is what counts
            return files.info(url)

        try:
            found = self._call(url, ask)
        except FileNotFoundError:
            return None
        return _state(found) if found["type"] == "file" else None

    def objects(self, url: str) -> Iterator[tuple[str, ObjectState]]:
        """List what is below a folder."""

        def ask(files: Any) -> Any:
            files.invalidate_cache()
            return files.find(url, detail=True)

        try:
            found = self._call(url, ask)
        except FileNotFoundError:
            return
        root = f"{self._connected(url)._strip_protocol(url).rstrip('/')}/"
        for name, each in found.items():
            if each["type"] == "file" and name.startswith(root) and not name.endswith("/"):
                yield name[len(root) :], _state(each)

    def read(self, url: str, state: ObjectState, start: int, end: int) -> bytes:
        """Return a part of an object."""
        try:
            # With what is known of it: the state is asked for afterwards.
            exact = _EXACT.get(url.partition("://")[0], {})
            content: bytes = self._call(url, lambda files: files.cat_file(url, start=start, end=end, **exact))
        except FileNotFoundError:
            raise changed_object(url) from None
        if self.state(url) != state:
            raise changed_object(url)
        if len(content) != end - start:
            raise Broken(f"{len(content)} of {end - start} bytes")
        return content

    def stream(self, url: str, state: ObjectState) -> Iterator[bytes]:
        """Yield an object whole."""
        yield self.read(url, state, 0, state.size)

    def require_writable(self, url: str) -> None:
        """Raise InputError if the store cannot be reached."""
        self.state(url)

    def write(self, url: str, content: BinaryIO, size: int) -> None:
        """Put an object there; it is there when all of it has been sent."""

        def write(files: Any) -> None:
            with files.open(url, "wb") as stream:
                shutil.copyfileobj(content, stream, 16 << 20)

        self._call(url, write)

    def _call(self, url: str, work: Callable[[Any], _T]) -> _T:
        scheme = url.partition("://")[0]
        files = self._connected(url)
        try:
            return work(files)
        except FileNotFoundError:
            raise
        except PermissionError as error:
            raise refused(url, reason(error), _CREDENTIALS.get(scheme, "")) from None
        except Exception as error:  # each store's library has its own
            status = getattr(getattr(error, "response", None), "status_code", None) or getattr(error, "code", None)
            if status in (401, 403) or "redential" in type(error).__name__:
                raise refused(url, reason(error), _CREDENTIALS.get(scheme, "")) from None
            if isinstance(error, OSError | TimeoutError):
                raise Broken(reason(error)) from None
            raise unreachable(url, reason(error)) from None

    def _connected(self, url: str) -> Any:
        import fsspec

        scheme = url.partition("://")[0]
        own = (os.getpid(), scheme)
        if own not in self._files:
            try:
                self._files[own] = fsspec.filesystem(scheme, skip_instance_cache=True)
            except ImportError:
                raise missing_extra(url, *_BY_SCHEME[scheme]) from None
        return self._files[own]


def _state(found: dict[str, Any]) -> ObjectState:
    version = next((found[name] for name in _VERSIONS if found.get(name)), "")
    if isinstance(version, datetime):  # which listings may give as a number
        version = version.timestamp()
    lfs = found.get("lfs")  # of the hub: the hash of what a pointer stands for
    return ObjectState(int(found["size"]), getattr(lfs, "sha256", None) or str(version))
