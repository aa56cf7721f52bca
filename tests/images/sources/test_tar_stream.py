from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.images.sources import tar_archive, tar_stream
from p2phd_eval.images.sources.tar_archive import TarImages
from p2phd_eval.images.sources.tar_stream import TarStream
from tests.images.sources.pack import encoded, write_tar


def header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, content: bytes = b"") -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.type = size or len(content), kind
    return entry.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


LONG = header("././@LongLink", kind=tarfile.GNUTYPE_LONGNAME, content=b"abc.png\0")


def pax(content: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    return header("pax", kind=kind, content=content)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (LONG * 5000, "more than 16 headers for one member"),
        (header("././@LongLink", 1 << 30, tarfile.GNUTYPE_LONGNAME), "a header of 1073741824 bytes"),
        (header("name", kind=tarfile.GNUTYPE_LONGLINK, content=b"a" * (65 << 10)), "a name of 66560 bytes"),
        (pax(b"2 " * 9000 + b"="), "breaks the rules"),  # tarfile keeps the rest of it as a keyword, 9,000 times
        (pax(b"1" * 9000), "breaks the rules"),  # whose search takes the square of their number
        (pax(b"0 a=b\n"), "breaks the rules"),
        (pax(b"".join(b"9 %05x=\n" % k for k in range(8000)), tarfile.XGLTYPE), "64 KiB of global headers"),
        (header("x.txt", 400 << 30), "more than 128 MiB when decompressed"),
        (header("x.png") + bytes(1 << 20), "MiB of zeros after its last member"),
        (header("x.txt") * 100, "more bytes of headers than such a file can have"),
    ],
)
def test_headers_that_ask_for_too_much_are_refused_before_they_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, headers: bytes, found: str
) -> None:
    # At a hundredth of their usual size the limits of whole archives are reached sooner, and all else in their time.
    monkeypatch.setattr(tar_stream, "_MOST_PADDING", 64 << 10)
    monkeypatch.setattr(tar_stream, "_MOST_HEADERS", 40 << 10 if found.startswith("more bytes") else 8 << 20)
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(headers + header("x.png") + bytes(1024)))
    with pytest.raises(InputError, match=rf"x\.tar\.gz: expected a tar archive of images, found .*{found}"):
        TarImages(path)


def test_usual_long_names_and_pax_headers_are_read(tmp_path: Path) -> None:
    names = ["d" * 60 + f"/{'n' * 200}-\u00fc-{k}.png" for k in range(3)]
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(tmp_path / "x.tar", "w:", format=form, pax_headers={"comment": "ours"}) as archive:
            for k, name in enumerate(names):
                entry = tarfile.TarInfo(name)
                entry.size, entry.pax_headers = len(encoded(k)), {"SCHILY.xattr.user.note": "x" * 3000}
                archive.addfile(entry, io.BytesIO(encoded(k)))
        images = TarImages(tmp_path / "x.tar")
        assert [images.read(member) for member in images.members] == [encoded(k) for k in range(3)]


class Forward(io.BytesIO):
    """What a decompressor is like: to go back is to begin again."""

    def seek(self, position: int, whence: int = 0) -> int:
        assert whence == 0
        assert position >= self.tell()
        return super().seek(position)


def test_a_compressed_archive_is_never_sent_back_to_its_beginning(tmp_path: Path) -> None:
    # Of members of whole blocks tarfile reads the last byte again.
    path = write_tar(tmp_path / "x.tar", [(f"{k}.png", bytes([k]) * 512 * k) for k in range(20)])
    stream = TarStream(Forward(path.read_bytes()), "x.tar", 1000, packed=True)
    with tarfile.open(fileobj=stream, mode="r:") as archive:  # type: ignore[call-overload]
        for k, entry in enumerate(archive):
            assert b"".join(stream.content(entry.offset_data, entry.size)) == bytes([k]) * 512 * k


def test_decompressed_images_leave_some_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tar(tmp_path / "x.tar.gz", [("0.png", encoded(0))], "w:gz")
    monkeypatch.setattr(tar_archive, "_ROOM", 1e-12)
    with pytest.raises(InputError, match=r"x\.tar\.gz: expected space in .* for its decompressed images"):
        TarImages(path)
