"""Files from the web, whole and with the content that they should have, or not at all."""

import hashlib
import http.client
import urllib.request
from pathlib import Path

from p2phd_eval.files import atomic_write
from p2phd_eval.progress import OnProgress, unwatched

_TIMEOUT = 10.0  # seconds without an answer
_MOST = 1 << 30  # bytes of a file whose size is not known; of those that are fetched the largest has a quarter of it


class DownloadError(Exception):
    """A file that cannot be fetched; the message says why."""


def download(url: str, target: Path, sha256: str, *, size: int = 0, on_progress: OnProgress = unwatched) -> None:
    """Fetch a file atomically and check it.

    `target`: replaced, if it is there. `sha256`: what the content must hash to, hexadecimal. `size`: its length in
    bytes, where it is known: no more are taken. Raises `DownloadError` if the server cannot be reached or breaks off,
    or gives other content.
    """
    digest = hashlib.sha256()
    done = 0
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response, atomic_write(target) as stream:
            while block := response.read(1 << 20):
                stream.write(block)
                digest.update(block)
                done += len(block)
                if done > (size or _MOST):
                    raise DownloadError(f"more than the {size or _MOST} bytes that it can have")
                on_progress(done, max(done, size))
            if digest.hexdigest() != sha256:
                raise DownloadError(f"{done} bytes with the wrong SHA-256 {digest.hexdigest()}")
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(str(error)) from error
