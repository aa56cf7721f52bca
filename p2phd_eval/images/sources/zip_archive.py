"""The images of a zip archive, which is not unpacked."""

import itertools
import os
import stat
import struct
import zipfile
import zlib
from functools import partial
from typing import NamedTuple

from p2phd_eval.errors import InputError
from p2phd_eval.images.encoded_files import MAX_IMAGE_BYTES, too_many_bytes
from p2phd_eval.images.names import HEAD, unread_warnings
from p2phd_eval.images.result_kinds import KIND_MARK, take_images
from p2phd_eval.images.sources.disk_state import describe_change, disk_state
from p2phd_eval.images.sources.encoded import EncodedSource
from p2phd_eval.images.sources.members import image_name, not_a_plain_file, require_images
from p2phd_eval.images.sources.source import Mark
from p2phd_eval.stores.store_path import AnyPath, as_path, pinned, unpinned

# PKWARE's APPNOTE.TXT 6.3.10, section 4.3.7: the local file header has 30 bytes; the lengths of the name and of the
# extra field that follow it stand at 26 and 28.
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_LOCAL_MAGIC = b"PK\3\4"

_MUCH, _MUCH_A_BYTE = 64 << 20, 200  # bytes of an inflated image, by its bytes in the archive


class _Member(NamedTuple):
    name: str
    header: int  # offset of the local header in the file
    packed: int  # bytes in the file
    size: int  # bytes when inflated
    crc: int  # CRC-32 of the inflated content
    deflated: bool


class ZipSource(EncodedSource):
    """The images of a zip archive, sorted by name.

    Each is read by itself from its place in the file, and inflated no further than the archive says it is long.

    `path`: the archive; its members are stored or deflated, as is usual. `kind` and `generated`: which images of
    results are taken, see `p2phd_eval.images.result_kinds.take_images`. Raises `InputError` if the file is not a whole
    zip archive, has no image, or two of one name; or if members overlap, or one is encrypted, a link, larger than
    `images.encoded_files.MAX_IMAGE_BYTES`, packed in an unusual way, or has a name that leads out of the archive.
    """

    def __init__(self, path: str | os.PathLike[str], *, kind: str | None = None, generated: bool = True) -> None:
        self._path = unpinned(as_path(path))
        self._file = pinned(as_path(path))
        self._state = disk_state([(str(self._path), self._file)])
        unread: list[str] = []
        members = sorted(_list_members(self._file, unread))
        names = [member.name for member in members]
        require_images(str(self._path), names)
        taken = take_images(str(self._path), names, kind=kind, generated=generated)
        self._members = [members[place] for place in taken.places]
        super().__init__(
            str(self._path) if kind is None else f"{self._path}{KIND_MARK}{kind}",
            [member.name for member in self._members],
            taken.ids,
            (*taken.warnings, *unread_warnings(str(self._path), unread)),
        )

    def read(self, index: int) -> bytes:
        """Return the inflated content of a member, after a check of its size and CRC."""
        member = self._members[index]
        try:
            with self._file.open("rb") as stream:
                stream.seek(member.header)
                magic, name, extra = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
                stream.seek(name + extra, os.SEEK_CUR)
                packed = stream.read(member.packed)
            # One byte more than there should be tells a member that inflates beyond its declared size.
            content = zlib.decompressobj(-15).decompress(packed, member.size + 1) if member.deflated else packed
        except (OSError, ValueError, struct.error, zlib.error) as error:
            raise self._damaged(index, str(error)) from error
        if magic != _LOCAL_MAGIC:
            raise self._damaged(index, "no header at its place")
        if len(content) != member.size:
            length = f"more than {member.size}" if len(content) > member.size else str(len(content))
            raise self._damaged(index, f"{length} bytes where the archive says {member.size}")
        if zlib.crc32(content) != member.crc:
            raise self._damaged(index, "its CRC-32 is another than the archive says")
        return content

    def describe(self, index: int) -> str:
        """Return the archive and the member's name."""
        return f"{self._path}:{self.names[index]}"

    def changed(self) -> str | None:
        """Return that the archive was removed or rewritten, or None."""
        return describe_change(self._state, disk_state([(str(self._path), self._path)]))

    def content_marks(self) -> list[Mark]:
        """Return what is known of the contents without reading them."""
        return [f"{member.size} {member.crc:08x}" for member in self._members]

    def _damaged(self, index: int, found: str) -> InputError:
        return InputError(
            self.describe(index),
            expected="an undamaged member",
            found=found,
            fix="Make, copy or download the archive again.",
        )


def _list_members(path: AnyPath, unread: list[str]) -> list[_Member]:
    """List the images of an archive, and add the names of those of other formats to `unread`."""
    found = []
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            for entry in archive.infolist():
                # Some packers of Windows write their own separator, against APPNOTE 4.4.17.
                name = image_name(str(path), entry.filename.replace("\\", "/"), partial(_head, archive, entry), unread)
                if name is not None and not entry.is_dir():
                    found.append((name, entry))
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, struct.error) as error:
        raise InputError(
            str(path),
            expected="a whole zip archive",
            found=f"one that is damaged or truncated ({error})",
            fix="Make, copy or download the archive again.",
        ) from error
    members = [_member(str(path), name, entry) for name, entry in found]
    _require_apart(str(path), members)
    return members


def _require_apart(archive: str, members: list[_Member]) -> None:
    # Bombs let thousands of members share one content: David Fifield, "A better zip bomb", USENIX WOOT 2019.
    in_order = sorted(members, key=lambda member: member.header)
    for member, following in itertools.pairwise(in_order):
        if following.header < member.header + _LOCAL_HEADER.size + member.packed:
            raise InputError(
                archive,
                expected="a place of its own for each member",
                found=f"{member.name} and {following.name}, which overlap",
                fix="Do not trust this archive: it was made to exhaust disk, memory or time.",
            )


def _member(archive: str, name: str, entry: zipfile.ZipInfo) -> _Member:
    _require_plain(archive, name, entry)
    deflated = entry.compress_type == zipfile.ZIP_DEFLATED
    return _Member(name, entry.header_offset, entry.compress_size, entry.file_size, entry.CRC, deflated)


def _head(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(entry) as stream:
            return stream.read(HEAD)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError):
        return b""  # whatever it is, it is no image that could be taken


def _require_plain(archive: str, name: str, entry: zipfile.ZipInfo) -> None:
    mode = entry.external_attr >> 16  # the Unix mode, where the packer gave one
    if stat.S_ISLNK(mode):
        raise not_a_plain_file(archive, name, "a symbolic link")
    if entry.flag_bits & 1:
        raise InputError(
            f"{archive}:{name}",
            expected="a member without encryption",
            found="an encrypted one",
            fix="Pack the archive again without a password.",
        )
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(
            f"{archive}:{name}",
            expected="a member that is stored or deflated",
            found=f"compression method {entry.compress_type}",
            fix="Pack the archive again with the usual compression, or with none: images hardly shrink.",
        )
    if max(entry.file_size, entry.compress_size) > MAX_IMAGE_BYTES:
        raise too_many_bytes(f"{archive}:{name}", max(entry.file_size, entry.compress_size))
    if entry.file_size > _MUCH + _MUCH_A_BYTE * entry.compress_size:
        raise InputError(
            f"{archive}:{name}",
            expected=f"an image of at most {_MUCH >> 20} MiB, or one that shrank to a {_MUCH_A_BYTE}th at the most",
            found=f"{entry.file_size} bytes in {entry.compress_size}",
            fix="It is no usual image, perhaps made to exhaust memory. Unpack it if it is what it should be.",
        )
