"""Files from the web, whole and with the content that they should have, or not at all."""

import hashlib
import http.client
import urllib.request
from pathlib import Path

from p2phd_eval.files import atomic_write
from p2phd_eval.progress import OnProgress, unwatched

_TIMEOUT = 10.0  # seconds without an answer


class DownloadError(Exception):
    """A file that cannot be fetched; the message says why."""


def download(url: str, target: Path, sha256: str, *, size: int = 0, on_progress: OnProgress = unwatched) -> None:
    """Fetch a file atomically and check it.

    `target`: replaced, if it is there. `sha256`: what the content must hash to, hexadecimal. `size`: its length in
    bytes, for the progress. Raises `DownloadError` if the server cannot be reached or breaks off, or gives other
    content.
    """
    digest = hashlib.sha256()
    done = 0
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response, atomic_write(target) as stream:
            while block := response.read(1 << 20):
                stream.write(block)
                digest.update(block)
                done += len(block)
                on_progress(done, max(done, size))
            if digest.hexdigest() != sha256:
                raise DownloadError(f"{done} bytes with the wrong SHA-256 {digest.hexdigest()}")
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(str(error)) from error
