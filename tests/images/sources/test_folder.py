from __future__ import annotations

import os
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.images.sources.folder import FolderSource
from tests.images.sources.pack import encoded, write_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "x", {"a.png": encoded(0), "b.png": encoded(1), "sub/c.png": encoded(2)})


def test_links_are_followed(root: Path, tmp_path: Path) -> None:
    write_folder(tmp_path / "far", {"d.png": encoded(3)})
    (root / "link").symlink_to(tmp_path / "far")
    source = FolderSource(root)
    assert source.names == ("a.png", "b.png", "link/d.png", "sub/c.png")
    assert source.read(2) == encoded(3)


def test_every_change_is_noticed(root: Path) -> None:
    source = FolderSource(root)
    (root / "a.png").unlink()
    (root / "b.png").write_bytes(encoded(9))
    os.utime(root / "b.png", ns=(0, 0))
    write_folder(root, {f"new/{number}.png": b"x" for number in range(4)})
    assert source.changed() == (
        "4 files (new/0.png, new/1.png, new/2.png, ...) added, 1 file (a.png) removed, 1 file (b.png) rewritten"
    )
    with pytest.raises(InputError, match=r"a\.png: .*No such file"):
        source.load(0)


def test_a_time_or_a_size_alone_is_noticed(root: Path) -> None:
    source = FolderSource(root)
    status = (root / "a.png").stat()
    with (root / "a.png").open("ab") as stream:
        stream.write(b"x")
    os.utime(root / "a.png", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert source.changed() == "1 file (a.png) rewritten"
    source = FolderSource(root)
    os.utime(root / "sub/c.png", ns=(1, 1))
    assert source.changed() == "1 file (sub/c.png) rewritten"


def test_other_files_change_nothing(root: Path) -> None:
    source = FolderSource(root)
    write_folder(root, {"notes.txt": b"", ".a.png.part": b"", ".cache/x.png": b""})
    assert source.changed() is None


def test_a_folder_that_goes_is_noticed(root: Path) -> None:
    source = FolderSource(root)
    root.rename(root.with_name("y"))
    assert source.changed() == "nothing there"


@pytest.mark.parametrize(("content", "found"), [(b"", "empty file"), (encoded(0)[:200], "truncated after 200 bytes")])
def test_damaged_images_are_named(root: Path, content: bytes, found: str) -> None:
    (root / "sub/c.png").write_bytes(content)
    with pytest.raises(InputError, match=rf"sub/c\.png: .*{found}"):
        FolderSource(root).load(2)
