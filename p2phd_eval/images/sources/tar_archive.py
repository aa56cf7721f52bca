"""The images of a tar archive, plain or compressed, and where in it they lie."""

import bz2
import gzip
import io
import lzma
import os
import shutil
import tarfile
import tempfile
import weakref
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from p2phd_eval.errors import InputError
from p2phd_eval.images.encoded_files import MAX_IMAGE_BYTES, too_many_bytes
from p2phd_eval.images.names import HEAD, unread_warnings
from p2phd_eval.images.result_kinds import KIND_MARK, take_images
from p2phd_eval.images.sources.disk_state import describe_change, disk_state, marks_of
from p2phd_eval.images.sources.encoded import EncodedSource
from p2phd_eval.images.sources.members import image_name, not_a_plain_file, require_images
from p2phd_eval.images.sources.source import Mark
from p2phd_eval.images.sources.tar_stream import TarStream
from p2phd_eval.stores.store_path import AnyPath, StorePath, as_path, pinned, unpinned

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

_BLOCK = 512  # POSIX.1-2017, pax, "ustar Interchange Format": an archive ends with two blocks of zeros
_ROOM = 0.9  # share of the free space on the disk that decompressed images may take
# The first bytes of compressed files: RFC 1952 section 2.3.1, the bzip2 and the xz file format (section 2.1.1.1).
_OPENERS: dict[bytes, Callable[[BinaryIO], io.BufferedIOBase]] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_ERRORS = (tarfile.TarError, OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)


class TarMember(NamedTuple):
    """One image of an archive."""

    name: str  # in the archive, normalised
    offset: int  # where its content begins in the file it is read from
    size: int  # bytes


class TarImages:
    """The images of one tar archive, sorted by name.

    In a plain archive, each is read from its place in the file. A compressed one can only be read from its beginning,
    so its images are decompressed once, into a temporary file that goes when this object does.

    `path`: the archive: plain, or compressed with gzip, bzip2 or xz. Raises `InputError` if the file is not a whole tar
    archive, has no image, or two of one name; or if an image is a symbolic link, larger than
    `p2phd_eval.images.encoded_files.MAX_IMAGE_BYTES`, or has a name that leads out of the archive; or if it asks for
    more than any honest archive does (see `p2phd_eval.images.sources.tar_stream`).

    `unread`: names of images of formats that are not read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = unpinned(as_path(path))
        self._file = pinned(as_path(path))  # from which images are read
        self._state = disk_state([(str(self.path), self._file)])
        try:
            with self._file.open("rb") as stream:
                head = stream.read(8)
                size = stream.seek(0, os.SEEK_END)
            opener = next((opener for magic, opener in _OPENERS.items() if head.startswith(magic)), None)
            if opener is None:
                with self._file.open("rb") as stream:
                    members, self.unread = _index(self.path, stream, None, size)
            else:
                members, self.unread = self._decompress(opener, size)
        except _ERRORS as error:
            raise _damaged(self.path, str(error)) from error
        require_images(str(self.path), [member.name for member in members])
        self.members = tuple(sorted(members))

    def read(self, member: TarMember) -> bytes:
        """Return the content of an image; raises InputError if the archive is gone or was cut short since."""
        try:
            with self._file.open("rb") as stream:
                stream.seek(member.offset)
                content = stream.read(member.size)
        except OSError as error:
            raise _damaged(self.path, error.strerror or str(error)) from error
        if len(content) != member.size:
            raise _damaged(self.path, f"{len(content)} of {member.size} bytes of {member.name}")
        return content

    def changed(self) -> str | None:
        """Return that the archive was removed or rewritten, or None."""
        return describe_change(self._state, disk_state([(str(self.path), self.path)]))

    def content_marks(self) -> list[Mark]:
        """Return the images' sizes, and the version of an archive in a store."""
        own = marks_of(self._state) if isinstance(self.path, StorePath) else []
        return [*own, *(member.size for member in self.members)]

    def _decompress(
        self, opener: Callable[[BinaryIO], io.BufferedIOBase], size: int
    ) -> tuple[list[TarMember], tuple[str, ...]]:
        descriptor, name = tempfile.mkstemp(prefix="p2phd-eval-", suffix=".images")
        packed, self._file = self._file, Path(name)
        # Copies of this object in other processes, forked or spawned, read the file and leave it.
        weakref.finalize(self, _remove, Path(name), os.getpid())
        with os.fdopen(descriptor, "wb") as spool, packed.open("rb") as source, opener(source) as stream:
            return _index(self.path, cast(BinaryIO, stream), spool, size)


class TarSource(EncodedSource):
    """The images of a tar archive, sorted by name; see `TarImages`, also for what is refused.

    `kind` and `generated`: which images of results are taken, see `p2phd_eval.images.result_kinds.take_images`.
    """

    def __init__(self, path: str | os.PathLike[str], *, kind: str | None = None, generated: bool = True) -> None:
        self._images = TarImages(path)
        where = str(as_path(path))
        members = self._images.members
        taken = take_images(where, [member.name for member in members], kind=kind, generated=generated)
        self._members = [members[place] for place in taken.places]
        super().__init__(
            where if kind is None else f"{where}{KIND_MARK}{kind}",
            [member.name for member in self._members],
            taken.ids,
            (*taken.warnings, *unread_warnings(where, self._images.unread)),
        )

    def read(self, index: int) -> bytes:
        """Return the content of a member."""
        return self._images.read(self._members[index])

    def describe(self, index: int) -> str:
        """Return the archive and the member's name."""
        return f"{self._images.path}:{self.names[index]}"

    def changed(self) -> str | None:
        """Return that the archive was removed or rewritten, or None."""
        return self._images.changed()

    def content_marks(self) -> list[Mark]:
        """Return what is known of the contents without reading them."""
        return self._images.content_marks()


def _index(
    path: AnyPath, source: BinaryIO, spool: BinaryIO | None, size: int
) -> tuple[list[TarMember], tuple[str, ...]]:
    """List an archive's images, and names of those that are not read; with `spool`, copy the images' content there.

    `size`: bytes of the file.
    """
    files: dict[str, TarMember] = {}  # by the name as written, which hard links refer to
    found: list[TarMember] = []
    unread: list[str] = []
    stream = TarStream(source, str(path), size, packed=spool is not None)
    room = _ROOM * shutil.disk_usage(tempfile.gettempdir()).free if spool is not None else 0
    with tarfile.open(fileobj=cast(BinaryIO, stream), mode="r:") as archive:
        count = 0
        while (entry := archive.next()) is not None:
            # tarfile keeps them all, at several times the memory of their headers.
            archive.members.clear()  # type: ignore[attr-defined]
            count += 1
            if entry.size < 0:
                raise _damaged(path, f"a negative size, of {entry.name}")
            name = image_name(str(path), entry.name, partial(_head, stream, entry), unread)
            if name is None or entry.isdir():
                continue
            if entry.islnk() and entry.linkname in files:
                # tar writes a file of several names once. Its content is in the archive, unlike a symbolic link's.
                member = files[entry.linkname]._replace(name=name)
            elif not entry.isreg() or entry.issparse():
                kind = "a symbolic link" if entry.issym() else "a hard link" if entry.islnk() else "no regular file"
                raise not_a_plain_file(str(path), name, kind)
            elif entry.size > MAX_IMAGE_BYTES:
                raise too_many_bytes(f"{path}:{name}", entry.size)
            else:
                offset = entry.offset_data if spool is None else _copy(path, stream, entry, spool, room)
                member = files[entry.name] = TarMember(name, offset, entry.size)
            found.append(member)
        _require_end(path, stream, archive.offset, count)
    return found, tuple(unread)


def _head(stream: TarStream, entry: tarfile.TarInfo) -> bytes:
    return b"".join(stream.content(entry.offset_data, min(HEAD, entry.size))) if entry.isreg() else b""


def _copy(path: AnyPath, stream: TarStream, entry: tarfile.TarInfo, spool: BinaryIO, room: float) -> int:
    offset = spool.tell()
    if offset + entry.size > room:
        raise _no_space(path, f"{offset + entry.size} bytes or more, which leave too little of it")
    for part in stream.content(entry.offset_data, entry.size):
        try:
            spool.write(part)
        except OSError as error:
            raise _no_space(path, error.strerror or str(error)) from error
    if spool.tell() - offset != entry.size:
        raise _damaged(path, f"{spool.tell() - offset} of {entry.size} bytes of {entry.name}")
    return offset


def _require_end(path: AnyPath, stream: TarStream, offset: int, count: int) -> None:
    # tarfile takes a damaged header, and the end of the file, for the end of the archive: images would go missing
    # without a word.
    end = b"".join(stream.content(offset, _BLOCK))
    if len(end) < _BLOCK:
        raise _damaged(path, f"no end mark after {count} members: the file is cut short")
    if end.strip(b"\0") or not stream.padding_ends(offset + _BLOCK):
        raise _damaged(path, f"a damaged header, or another archive joined to this one, after {count} members")


def _no_space(path: AnyPath, found: str) -> InputError:
    return InputError(
        str(path),
        expected=f"space in {tempfile.gettempdir()} for its decompressed images",
        found=found,
        fix="Set TMPDIR to a folder with more space, or decompress the archive: a plain one is read in its place.",
    )


def _damaged(path: AnyPath, found: str) -> InputError:
    return InputError(
        str(path),
        expected="a whole tar archive, plain or compressed with gzip, bzip2 or xz",
        found=found or "an unreadable one",
        fix="Make, copy or download the archive again.",
    )


def _remove(path: Path, owner: int) -> None:
    if os.getpid() == owner:
        path.unlink(missing_ok=True)
