from __future__ import annotations

import re
import stat
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.images.sources import zip_archive
from p2phd_eval.images.sources.zip_archive import ZipSource
from tests.images.sources.pack import encoded, write_zip

# Offsets in the headers: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7 and 4.3.12.
CENTRAL, LOCAL = b"PK\1\2", b"PK\3\4"
CENTRAL_FLAGS, CENTRAL_SIZE = 8, 24
LOCAL_HEADER = 30


def _patch_central(path: Path, offset: int, form: str, value: int) -> None:
    content = bytearray(path.read_bytes())
    struct.pack_into(form, content, content.index(CENTRAL) + offset, value)
    path.write_bytes(content)


def _write_damaged(path: Path, name: str, method: int) -> None:
    write_zip(path, [(name, encoded(0))], method)
    content = bytearray(path.read_bytes())
    content[LOCAL_HEADER + len(name) + 60] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "name", ["../a.png", "x/../../a.png", "/etc/a.png", "..\\a.png", "C:\\a.png", "c:/a.png", "../notes.txt"]
)
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    path = write_zip(tmp_path / "x.zip", [("fine.png", encoded(0)), (name, encoded(1))])
    with pytest.raises(InputError, match="absolute path or one with"):
        ZipSource(path)


def test_separators_of_windows_are_folders(tmp_path: Path) -> None:
    source = ZipSource(write_zip(tmp_path / "x.zip", [("photos\\a_leftImg8bit.png", encoded(0))]))
    assert source.names == ("photos/a_leftImg8bit.png",)
    assert source.ids == ("a",)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_flipped_bit_is_noticed_and_the_member_named(tmp_path: Path, method: int) -> None:
    _write_damaged(tmp_path / "x.zip", "a.png", method)
    with pytest.raises(InputError, match=rf"{re.escape(str(tmp_path / 'x.zip'))}:a\.png: expected an undamaged"):
        ZipSource(tmp_path / "x.zip").load(0)


def test_a_member_that_inflates_beyond_its_size_is_not_inflated(tmp_path: Path) -> None:
    huge = 50_000_000
    path = write_zip(tmp_path / "x.zip", [("a.png", bytes(huge))])
    _patch_central(path, CENTRAL_SIZE, "<I", 1000)
    source = ZipSource(path)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="more than 1000 bytes"):
            source.load(0)
        assert tracemalloc.get_traced_memory()[1] < huge / 10
    finally:
        tracemalloc.stop()


def test_a_member_declared_too_large_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", [("a.png", encoded(0))])
    _patch_central(path, CENTRAL_SIZE, "<I", 3 << 30)
    with pytest.raises(InputError, match=rf"a\.png: expected an image of at most 512 MiB, found {3 << 30} bytes"):
        ZipSource(path)


def test_a_member_that_shrank_to_next_to_nothing_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", [("a.png", bytes(1000))])
    _patch_central(path, 24, "<I", 100 << 20)
    with pytest.raises(InputError, match=r"x\.zip:a\.png: .*at most 64 MiB.*found 104857600 bytes in"):
        ZipSource(path)


def test_members_that_share_their_content_are_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", [("a.png", encoded(0)), ("b.png", encoded(1))])
    content = bytearray(path.read_bytes())
    content[-22 - 51 + 42 : -22 - 51 + 46] = bytes(4)  # where the second header of the directory says that b.png lies
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.zip: .*found a\.png and b\.png, which overlap"):
        ZipSource(path)


def test_the_limit_itself_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_zip(tmp_path / "x.zip", [("a.png", encoded(0))], zipfile.ZIP_STORED)
    monkeypatch.setattr(zip_archive, "MAX_IMAGE_BYTES", len(encoded(0)))
    assert ZipSource(path).read(0) == encoded(0)
    monkeypatch.setattr(zip_archive, "MAX_IMAGE_BYTES", len(encoded(0)) - 1)
    with pytest.raises(InputError, match="at most"):
        ZipSource(path)


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", [("a.png", encoded(0))])
    _patch_central(path, CENTRAL_FLAGS, "<H", 1)
    with pytest.raises(InputError, match=r"a\.png: .*found an encrypted one"):
        ZipSource(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_compression_is_refused(tmp_path: Path, method: int) -> None:
    with pytest.raises(InputError, match=f"compression method {method}"):
        ZipSource(write_zip(tmp_path / "x.zip", [("a.png", encoded(0))], method))


def test_links_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        entry = zipfile.ZipInfo("a.png")
        entry.create_system = 3
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "b.png")
    with pytest.raises(InputError, match=r"a\.png: .*symbolic link"):
        ZipSource(tmp_path / "x.zip")


# The module warns of what this test makes.
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning:zipfile")
@pytest.mark.parametrize("second", ["a.png", "./a.png"])
def test_two_members_of_one_name_are_refused(tmp_path: Path, second: str) -> None:
    with pytest.raises(InputError, match=r"1 name \(a\.png\) given more than once"):
        ZipSource(write_zip(tmp_path / "x.zip", [("a.png", encoded(0)), (second, encoded(1))]))


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_truncated_archives_are_refused(tmp_path: Path, kept: float) -> None:
    path = write_zip(tmp_path / "x.zip", [(f"{number}.png", encoded(number)) for number in range(5)])
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])
    with pytest.raises(InputError, match=r"x\.zip: expected a whole zip archive"):
        ZipSource(path)


def test_an_archive_cut_in_its_middle_is_noticed_when_read(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", [("a.png", encoded(0)), ("b.png", encoded(1))])
    source = ZipSource(path)
    path.write_bytes(path.read_bytes()[: LOCAL_HEADER + 50])
    assert "rewritten" in str(source.changed())
    with pytest.raises(InputError, match=r"a\.png: expected an undamaged member"):
        source.load(0)
    with pytest.raises(InputError, match=r"b\.png: expected an undamaged member"):
        source.load(1)
    path.unlink()
    assert "removed" in str(source.changed())
    with pytest.raises(InputError, match="No such file"):
        source.load(0)


def test_a_wrong_place_is_noticed(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", [("a.png", encoded(0))])
    content = bytearray(path.read_bytes())
    content[content.index(LOCAL)] = 0
    path.write_bytes(content)
    with pytest.raises(InputError, match="no header at its place"):
        ZipSource(path).load(0)


@pytest.mark.parametrize("files", [[], [("notes.txt", b"x"), ("__MACOSX/a.png", b""), ("folder.png/", b"")]])
def test_an_archive_without_images_is_refused(tmp_path: Path, files: list[tuple[str, bytes]]) -> None:
    with pytest.raises(InputError, match=r"at least one image \(members ending in \.png"):
        ZipSource(write_zip(tmp_path / "x.zip", files))


def test_damaged_images_are_named(tmp_path: Path) -> None:
    source = ZipSource(write_zip(tmp_path / "x.zip", [("a.png", b""), ("b.png", encoded(0)[:200])]))
    with pytest.raises(InputError, match=r"x\.zip:a\.png: .*empty file"):
        source.load(0)
    with pytest.raises(InputError, match=r"x\.zip:b\.png: .*truncated after 200 bytes"):
        source.load(1)


def test_an_archive_behind_other_data_is_read(tmp_path: Path) -> None:
    """As a self-extracting archive is: its offsets do not count what stands before it."""
    path = write_zip(tmp_path / "x.zip", [("a.png", encoded(0))])
    path.write_bytes(b"#!/bin/sh\n" * 9 + path.read_bytes())
    assert ZipSource(path).read(0) == encoded(0)
