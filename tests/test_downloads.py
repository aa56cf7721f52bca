"""Files come whole and with the right content, or not at all."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest

from p2phd_eval.downloads import DownloadError, download
from tests.web_server import serving

CONTENT = bytes(range(256)) * 10_000  # a few blocks
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_a_file_comes_whole_and_says_how_far_it_is(tmp_path: Path) -> None:
    target, seen = tmp_path / "new" / "file.bin", []
    with serving(CONTENT) as address:
        download(
            f"{address}/file.bin",
            target,
            SHA256,
            size=len(CONTENT),
            on_progress=lambda done, total: seen.append((done, total)),
        )
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["file.bin"]
    assert [total for _, total in seen] == [len(CONTENT)] * len(seen)
    done = [done for done, _ in seen]
    assert len(done) > 1
    assert done == sorted(done)
    assert done[-1] == len(CONTENT)


def test_others_may_read_it_as_they_may_what_is_written_otherwise(tmp_path: Path) -> None:
    """A cache that several people share."""
    (tmp_path / "written").touch()
    with serving(CONTENT) as address:
        download(address, tmp_path / "fetched", SHA256)
    assert (tmp_path / "fetched").stat().st_mode == (tmp_path / "written").stat().st_mode


def test_what_went_wrong_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    target.write_bytes(b"before")
    for content, answer, message in (
        (b"not the file", {}, f"12 bytes with the wrong SHA-256 {hashlib.sha256(b'not the file').hexdigest()}"),
        (CONTENT[:100], {"length": len(CONTENT)}, "100 bytes with the wrong SHA-256"),
        (b"", {"status": 404}, "HTTP Error 404: Not Found"),
    ):
        with serving(content, **answer) as address, pytest.raises(DownloadError, match=message):
            download(address, target, SHA256)
    with serving(CONTENT) as address, pytest.raises(DownloadError, match="more than the 99 bytes that it can have"):
        download(address, target, SHA256, size=99)  # however long the server goes on
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(DownloadError, match="Connection refused"):
            download(f"http://127.0.0.1:{closed.getsockname()[1]}/file.bin", target, SHA256)
    assert [path.name for path in tmp_path.iterdir()] == ["file.bin"]
    assert target.read_bytes() == b"before"
