"""Single files of web servers, by ranges where a server allows them; proxies are those of the environment."""

from __future__ import annotations

import base64
import http.client
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any, BinaryIO

from p2phd_eval.errors import InputError
from p2phd_eval.stores.object_store import Broken, ObjectState, changed_object, reason, redacted, refused, unreachable

_TIMEOUT = 60.0  # seconds without a byte
_CHUNK = 1 << 20
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class HttpStore:
    """Files of web servers, known by their ETag, else by when they were modified."""

    def state(self, url: str) -> ObjectState | None:
        """Return a file's length and version; None where the server knows none.

        It asks for the first byte rather than for nothing (HEAD): signed addresses allow one method alone.
        """
        try:
            with self._open(url, 0, 1) as answer:
                return _state(url, answer)
        except urllib.error.HTTPError as error:
            if error.code in (404, 410):
                return None
            if error.code == 416 and error.headers.get("Content-Range", "").endswith("/0"):
                return ObjectState(0, _version(error.headers))
            raise _told(url, error) from None

    def objects(self, url: str) -> Iterator[tuple[str, ObjectState]]:
        """List nothing: web servers have no folders."""
        return iter(())

    def read(self, url: str, state: ObjectState, start: int, end: int) -> bytes:
        """Return a part of a file."""
        try:
            with self._open(url, start, end, state.version) as answer:
                if _state(url, answer)[:2] != state[:2]:
                    raise changed_object(url)
                ranged = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
                if answer.status != 206 or ranged is None or (int(ranged[1]), int(ranged[2])) != (start, end - 1):
                    raise Broken("another part than was asked for")
                content: bytes = answer.read(end - start)
        except (OSError, http.client.HTTPException) as error:
            raise _told(url, error) from None
        if len(content) != end - start:
            raise Broken(f"{len(content)} of {end - start} bytes")
        return content

    def stream(self, url: str, state: ObjectState) -> Iterator[bytes]:
        """Yield a file from its beginning."""
        try:
            with self._open(url) as answer:
                if _state(url, answer)[:2] != state[:2]:
                    raise changed_object(url)
                done = 0
                # One byte over its length says that it is longer: in chunks, a server may send without end.
                while part := answer.read(min(_CHUNK, state.size + 1 - done)):
                    done += len(part)
                    if done > state.size:
                        raise Broken(f"more than its {state.size} bytes")
                    yield part
        except (OSError, http.client.HTTPException) as error:
            raise _told(url, error) from None
        if done != state.size:
            raise Broken(f"{done} of {state.size} bytes")

    def write(self, url: str, content: BinaryIO, size: int) -> None:
        """Refuse, as `require_writable` does."""
        self.require_writable(url)

    def require_writable(self, url: str) -> None:
        """Refuse: there is no one way to write to web servers."""
        raise InputError(
            redacted(url),
            expected="a file, or an address of s3:// or gs://, to write to",
            found="one of a web server",
            fix="Write a file, and upload it.",
        )

    def _open(self, url: str, start: int | None = None, end: int | None = None, version: str = "") -> Any:
        address, authorization = _without_user(url)
        request = urllib.request.Request(address, headers={"Accept-Encoding": "identity"})
        if start is not None and end is not None:
            request.add_header("Range", f"bytes={start}-{end - 1}")
        if version.startswith('"'):  # a strong ETag: RFC 9110, 13.1.1
            request.add_header("If-Match", version)
        if authorization:  # which no redirection takes to another server
            request.add_unredirected_header("Authorization", authorization)
        try:
            return urllib.request.urlopen(request, timeout=_TIMEOUT)
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _told(url, error) from None


def _without_user(url: str) -> tuple[str, str]:
    """An address without user and password, and the header that says them."""
    parts = urllib.parse.urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    address = urllib.parse.urlunsplit(parts._replace(netloc=host, fragment=""))
    # What people leave as it is in names: blanks and letters of all alphabets.
    address = urllib.parse.quote(address, safe="%/:=&?~#+!$,;'@()*[]-._")
    named = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
    return address, f"Basic {named}" if at else ""


def _state(url: str, answer: Any) -> ObjectState:
    headers = answer.headers
    if answer.status == 206 and (ranged := _RANGE.fullmatch(headers.get("Content-Range", ""))):
        return ObjectState(int(ranged[3]), _version(headers))
    length = headers.get("Content-Length", "")
    if not length.isdigit():
        raise InputError(
            redacted(url),
            expected="a server that says how long a file is",
            found="none that does",
            fix="Download the file, and give that.",
        )
    return ObjectState(int(length), _version(headers), ranged=False)


def _version(headers: Any) -> str:
    return headers.get("ETag") or headers.get("Last-Modified") or ""


def _told(url: str, error: BaseException) -> BaseException:
    if isinstance(error, urllib.error.HTTPError):
        with error:
            pass
        if error.code in (404, 410, 412):
            return changed_object(url)
        if error.code in (401, 403, 407):
            fix = "Give credentials as https://USER:PASSWORD@..., or an address that is signed and has not expired."
            return refused(url, f"the answer {error.code}, {error.reason}", fix)
        if error.code == 429 or error.code >= 500:
            return Broken(f"the answer {error.code}, {error.reason}")
        return unreachable(url, f"{error.code}, {error.reason}")
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        error = error.reason
    if isinstance(error, ssl.SSLCertVerificationError):
        return unreachable(url, f"a certificate that cannot be trusted: {error.verify_message}")
    if isinstance(error, ValueError | http.client.InvalidURL):
        return InputError(redacted(url), expected="an address of a web server", found="one that is broken")
    return Broken(reason(error))
