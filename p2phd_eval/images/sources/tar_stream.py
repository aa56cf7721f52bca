"""What a tar archive is read through: it goes forward, and refuses what headers ask for beyond measure.

`tarfile` believes a header: it reads a name of gigabytes into memory, follows headers that follow each other without
end, and takes seconds for a pax header that was made for it. The headers are looked at here before it sees them.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

from p2phd_eval.errors import InputError

# POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; GNU tar's manual, "Basic Tar Format".
_BLOCK = 512
_TYPE, _SPARSE_GOES_ON, _MORE_GOES_ON = 156, 482, 504  # where these flags stand in their blocks
_LONG, _PAX, _GLOBAL = b"LK", b"xX", b"g"

_MOST_NAME = 64 << 10  # bytes of a long name; no system has paths of more than a few thousand
_MOST_PAX = 256 << 10  # bytes of a pax header: extended attributes may stand in it
_USUAL_PAX, _LARGE_PAX_COSTS = 1 << 10, 8  # bytes beyond the usual ones count for more: tarfile is slow to read them
_MOST_GLOBAL = 64 << 10  # bytes of all global pax headers: tarfile copies them for every member
_MOST_IN_A_ROW = 16  # headers that describe one member
# Bytes of headers, by bytes of the file: of a member's headers little more than the name is not zeros or repeated.
_MOST_HEADERS, _HEADERS_A_BYTE = 6 << 20, 12
# Decompressed bytes, by bytes of the file: flat colours shrink to a hundredth or so, zeros to a thousandth and less.
_MOST_UNPACKED, _UNPACKED_A_BYTE = 128 << 20, 200
_MOST_PADDING = 64 << 20  # zeros after the last member; tapes have up to a few MiB

_MANY_DIGITS = re.compile(rb"\d{100}")  # on which tarfile's search for a character set takes the square of their number
_CHUNK = 1 << 20


class TarStream:
    """A file, or what it holds decompressed, as `tarfile` reads one: `tell`, `seek` and `read`.

    Seeking forward and back by one byte is all that takes no time in compressed archives, and all that is needed.

    `stream`: the content. `where`: what errors call the archive. `size`: of the file in bytes. `packed`: whether the
    stream decompresses it. All methods raise `InputError` for an archive that asks for more than any honest one does.
    """

    def __init__(self, stream: BinaryIO, where: str, size: int, *, packed: bool) -> None:
        self._stream, self._where = stream, where
        self._most = _MOST_UNPACKED + _UNPACKED_A_BYTE * size if packed else None
        self._headers_left = _MOST_HEADERS + _HEADERS_A_BYTE * size
        self._global_left = _MOST_GLOBAL
        self._position = self._reached = 0  # where the caller is, and where the stream is
        self._last = b""  # the byte before `_reached`
        self._payload = b""  # the type of a header whose content is read next
        self._in_a_row = 0
        self._sparse = False  # whether the next block goes on with a map of holes

    def tell(self) -> int:
        """Return the position from which is read next."""
        return self._position

    def seek(self, position: int) -> int:
        """Set the position from which is read next."""
        self._require_position(position)
        self._position = position
        return position

    def read(self, size: int) -> bytes:
        """Read as `tarfile` does: a block, the content of a header, or one byte to see whether it is there."""
        if size == 1 and self._last and self._position == self._reached - 1:
            self._position += 1
            return self._last
        if size < 0 or size > _MOST_PAX:
            raise self._refused(f"a header of {size} bytes")
        self._headers_left -= size + _LARGE_PAX_COSTS * max(0, size - _USUAL_PAX)
        if self._headers_left < 0:
            raise self._refused("more bytes of headers than such a file can have")
        block = self._read(size)
        if self._payload:
            self._look_at_payload(block)
        elif size == _BLOCK and len(block) == _BLOCK:
            self._look_at_header(block)
        return block

    def content(self, position: int, size: int) -> Iterator[bytes]:
        """Yield a member's content in parts; they are fewer bytes than `size` if the archive is cut short."""
        self.seek(position)
        while size and (part := self._read(min(size, _CHUNK))):
            size -= len(part)
            yield part

    def padding_ends(self, position: int) -> bool:
        """Return whether there are nothing but zeros from a position on, some padding at most."""
        end = position + _MOST_PADDING
        for part in self.content(position, _MOST_PADDING + 1):
            if part.strip(b"\0"):
                return False
        if self._position > end:
            raise self._refused(f"more than {_MOST_PADDING >> 20} MiB of zeros after its last member")
        return True

    def _look_at_header(self, block: bytes) -> None:
        if self._sparse:
            self._sparse = block[_MORE_GOES_ON] != 0
            return
        kind = block[_TYPE : _TYPE + 1]
        self._sparse = kind == b"S" and block[_SPARSE_GOES_ON] != 0
        if kind and kind in _LONG + _PAX + _GLOBAL:
            self._payload = kind
            self._in_a_row += 1
            if self._in_a_row > _MOST_IN_A_ROW:
                raise self._refused(f"more than {_MOST_IN_A_ROW} headers for one member")
        else:
            self._in_a_row = 0

    def _look_at_payload(self, content: bytes) -> None:
        kind, self._payload = self._payload, b""
        if kind in _LONG:
            if len(content) > _MOST_NAME:
                raise self._refused(f"a name of {len(content)} bytes")
            return
        if kind in _GLOBAL:
            self._global_left -= len(content)
            if self._global_left < 0:
                raise self._refused(f"more than {_MOST_GLOBAL >> 10} KiB of global headers")
        if _MANY_DIGITS.search(content) or not _is_pax(content):
            raise self._refused("a pax header that breaks the rules of its records")

    def _read(self, size: int) -> bytes:
        self._require_position(self._position + size)
        if self._position != self._reached:
            self._stream.seek(self._position)
        block = self._stream.read(size)
        self._position = self._reached = self._position + len(block)
        self._last = block[-1:] or self._last
        return block

    def _require_position(self, position: int) -> None:
        if self._most is not None and position > self._most:
            raise self._refused(f"more than {self._most >> 20} MiB when decompressed")

    def _refused(self, found: str) -> InputError:
        return InputError(
            self._where,
            expected="a tar archive of images",
            found=f"{found}, as in one that is damaged or was made to exhaust memory or time",
            fix="Make it again. If it is what it should be, unpack it and give the folder.",
        )


def _is_pax(content: bytes) -> bool:
    """Whether content is "LENGTH KEYWORD=VALUE\\n" again and again, then zeros."""
    place = 0
    while place < len(content) and content[place]:
        blank = content.find(b" ", place, place + 8)
        length = content[place:blank] if blank > 0 else b""
        if not length.isdigit() or int(length) == 0:
            return False
        end = place + int(length)
        if content[end - 1 : end] != b"\n" or content.find(b"=", blank, end) < 0:
            return False
        place = end
    return True
