from __future__ import annotations

import gc
import gzip
import io
import tarfile
import tempfile
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.images.sources import tar_archive
from p2phd_eval.images.sources.tar_archive import TarSource
from tests.images.sources.pack import encoded, write_tar

BLOCK = 512  # POSIX.1-2017, pax, "ustar Interchange Format"
IMAGES = [(f"{number}.png", encoded(number)) for number in range(4)]


def _special(path: Path, kind: bytes, target: str = "", first: str = "a.png") -> Path:
    """An archive of an image and of another member of a special kind, `b.png`."""
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo(first)
        entry.size = len(encoded(0))
        archive.addfile(entry, io.BytesIO(encoded(0)))
        other = tarfile.TarInfo("b.png")
        other.type, other.linkname = kind, target
        archive.addfile(other)
    return path


@pytest.mark.parametrize("name", ["../a.png", "x/../../a.png", "/etc/a.png", "../notes.txt"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="absolute path or one with"):
        TarSource(write_tar(tmp_path / "x.tar", [("fine.png", encoded(0)), (name, encoded(1))]))


@pytest.mark.parametrize("target", ["a.png", "/etc/passwd"])
def test_symbolic_links_are_refused(tmp_path: Path, target: str) -> None:
    with pytest.raises(InputError, match=r"b\.png: .*symbolic link.\n.*--dereference"):
        TarSource(_special(tmp_path / "x.tar", tarfile.SYMTYPE, target))


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(InputError, match=r"b\.png: .*no regular file"):
        TarSource(_special(tmp_path / "x.tar", kind))


@pytest.mark.parametrize("first", ["a.png", "./a.png"])
def test_a_hard_link_is_the_file_it_names(tmp_path: Path, first: str) -> None:
    source = TarSource(_special(tmp_path / "x.tar", tarfile.LNKTYPE, first, first))
    assert source.names == ("a.png", "b.png")
    assert source.read(0) == source.read(1) == encoded(0)


def test_tar_of_a_folder_with_hard_links_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x/a.png").write_bytes(encoded(0))
    (tmp_path / "x/b.png").hardlink_to(tmp_path / "x/a.png")
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "x", arcname=".")
        assert any(member.islnk() for member in archive.getmembers())
    source = TarSource(tmp_path / "x.tar.gz")
    assert source.read(0) == source.read(1) == encoded(0)


def test_a_hard_link_out_of_the_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"b\.png: .*hard link"):
        TarSource(_special(tmp_path / "x.tar", tarfile.LNKTYPE, "/etc/passwd"))


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 name \(0\.png\) given more than once"):
        TarSource(write_tar(tmp_path / "x.tar", [*IMAGES, ("./0.png", encoded(9))]))


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("kept", [0, 100, 0.2, 0.37])
def test_truncated_archives_are_refused(tmp_path: Path, mode: str, kept: float) -> None:
    path = write_tar(tmp_path / "x.tar", IMAGES, mode)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])
    with pytest.raises(InputError, match=r"x\.tar: expected a whole tar archive"):
        TarSource(path)


def test_an_archive_cut_between_members_is_refused(tmp_path: Path) -> None:
    """tarfile reads it without a word, with fewer images."""
    path = write_tar(tmp_path / "x.tar", IMAGES)
    with tarfile.open(path) as archive:
        end = archive.getmembers()[2].offset
    path.write_bytes(path.read_bytes()[:end])
    with tarfile.open(path) as archive:
        assert len(archive.getmembers()) == 2
    with pytest.raises(InputError, match="no end mark after 2 members: the file is cut short"):
        TarSource(path)


def test_a_damaged_header_is_noticed(tmp_path: Path) -> None:
    """tarfile takes it for the end."""
    path = write_tar(tmp_path / "x.tar", IMAGES)
    with tarfile.open(path) as archive:
        at = archive.getmembers()[2].offset
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a damaged header, .* after 2 members"):
        TarSource(path)


def test_joined_archives_are_refused(tmp_path: Path) -> None:
    first = write_tar(tmp_path / "a.tar", IMAGES[:2]).read_bytes()
    second = write_tar(tmp_path / "b.tar", IMAGES[2:]).read_bytes()
    (tmp_path / "x.tar").write_bytes(first + second)
    with pytest.raises(InputError, match="another archive joined to this one, after 2 members"):
        TarSource(tmp_path / "x.tar")


def test_a_damaged_compression_is_noticed(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar.gz", IMAGES, "w:gz")
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # RFC 1952 section 2.3.1: the CRC-32 takes the last 8 bytes but 4
    path.write_bytes(content)
    with pytest.raises(InputError, match="CRC check failed"):
        TarSource(path)


@pytest.mark.parametrize("mode", ["w:", "w:gz"])
def test_a_member_larger_than_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    path = write_tar(tmp_path / "x.tar", [("a.png", encoded(0))], mode)
    monkeypatch.setattr(tar_archive, "MAX_IMAGE_BYTES", len(encoded(0)))
    assert TarSource(path).read(0) == encoded(0)
    monkeypatch.setattr(tar_archive, "MAX_IMAGE_BYTES", len(encoded(0)) - 1)
    with pytest.raises(InputError, match=rf"x\.tar:a\.png: expected an image of at most .* found {len(encoded(0))}"):
        TarSource(path)


def test_a_member_declared_as_huge_is_refused_before_it_is_decompressed(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("a.png")
    entry.size = 1 << 40
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(entry.tobuf() + bytes(100 * BLOCK)))
    with pytest.raises(InputError, match=f"found {1 << 40} bytes"):
        TarSource(tmp_path / "x.tar.gz")


def test_an_archive_without_images_and_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one image"):
        TarSource(write_tar(tmp_path / "x.tar", [("notes.txt", b"x"), ("._a.png", b"")]))
    (tmp_path / "y.tar").write_bytes(encoded(0))
    with pytest.raises(InputError, match=r"y\.tar: expected a whole tar archive"):
        TarSource(tmp_path / "y.tar")
    with pytest.raises(InputError, match="No such file"):
        TarSource(tmp_path / "z.tar")


def test_damaged_images_are_named(tmp_path: Path) -> None:
    source = TarSource(write_tar(tmp_path / "x.tar", [("a.png", b""), ("b.png", encoded(0)[:200])]))
    with pytest.raises(InputError, match=r"x\.tar:a\.png: .*empty file"):
        source.load(0)
    with pytest.raises(InputError, match=r"x\.tar:b\.png: .*truncated after 200 bytes"):
        source.load(1)


def test_an_archive_cut_later_is_noticed(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", IMAGES)
    source = TarSource(path)
    path.write_bytes(path.read_bytes()[:BLOCK])
    assert "rewritten" in str(source.changed())
    with pytest.raises(InputError, match=rf"0 of {len(encoded(0))} bytes of 0\.png"):
        source.load(0)
    path.unlink()
    assert "removed" in str(source.changed())
    with pytest.raises(InputError, match="No such file"):
        source.load(0)


def test_the_decompressed_images_go_with_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    path = write_tar(tmp_path / "x.tar.gz", [*IMAGES, ("large.bin", bytes(100_000))], "w:gz")
    source = TarSource(path)
    (spool,) = (tmp_path / "temporary").iterdir()
    assert spool.stat().st_size == sum(len(content) for _, content in IMAGES)  # other members are not kept
    del source
    gc.collect()
    assert not list((tmp_path / "temporary").iterdir())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError):
        TarSource(path)
    gc.collect()
    assert not list((tmp_path / "temporary").iterdir())


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource", reason="the largest size of a file cannot be set on this system")
    large = [("a.png", encoded(0, size=(300, 300)))]
    path = write_tar(tmp_path / "x.tar.gz", large, "w:gz")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(InputError, match=r"space in .*found File too large"):
            TarSource(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
