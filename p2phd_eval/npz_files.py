"""The door for `.npz` files, whoever wrote them: plain arrays alone, and no more of them than their file can hold."""

import math
import os
import sys
import warnings
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError, found_instead
from p2phd_eval.stores.store_path import as_path, pinned

# Unpacked, a file may have this many times its own bytes: features compress to two thirds, names to a tenth.
_LARGEST_RATIO = 16
_ALWAYS = 64 << 20  # bytes that even a small one may have
_MOST_MEMBERS = 4096
_CHUNK = 1 << 20
_ENCRYPTED = 1  # a bit of a zip member's flags


def npz_names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the names of the arrays in a file; none where it is no archive that can be read."""
    try:
        with as_path(path).open("rb") as stream, zipfile.ZipFile(stream) as archive:
            return tuple(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))
    except InputError:  # of a store
        raise
    except Exception:  # zipfile raises a different type for each way in which a file is wrong
        return ()


def read_npz(
    path: str | os.PathLike[str],
    names: Sequence[str] | None = None,
    *,
    optional: Sequence[str] = (),
    expected: str,
    fix: str = "",
) -> dict[str, npt.NDArray[Any]]:
    """Read arrays that `np.savez` or `np.savez_compressed` wrote; nothing is unpickled.

    What the archive and the header of each array promise is checked before memory is taken for it: in all at most 16
    times the file's bytes, or 64 MiB.

    Parameters
    ----------
    path : path-like
    names : sequence of str, optional
        Arrays that are needed; by default all that there are.
    optional : sequence of str
        Others, that may be missing.
    expected, fix : str
        What the file should be, and what to do if it is not, for errors.

    Returns
    -------
    dict of ndarray
        Numbers of any kind, texts, bytes, dates or bits: never objects, never records.

    Raises
    ------
    InputError
        If the file is missing or damaged, lacks an array, or holds another thing than arrays in one's place.
    """
    file = pinned(as_path(path))
    try:
        with file.open("rb") as stream, zipfile.ZipFile(stream) as archive, warnings.catch_warnings():
            size = stream.seek(0, os.SEEK_END)
            warnings.simplefilter("ignore")  # about headers of old versions, and about what the error says better
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            wanted = [*(members if names is None else names), *(name for name in optional if name in members)]
            if missing := [name for name in wanted if name not in members]:
                raise ValueError(f"no array {missing[0]!r}")
            if len(wanted) > _MOST_MEMBERS:
                raise ValueError(f"{len(wanted)} arrays")
            unpacked = sum(members[name].file_size for name in wanted)
            if unpacked > largest_content(size):
                raise ValueError(f"{size} bytes that unpack to {unpacked}, more than arrays of numbers compress")
            return {name: _read_member(archive, members[name], name) for name in wanted}
    except FileNotFoundError:
        raise InputError(str(file), expected=expected, found="no such file", fix=fix) from None
    except InputError:  # of a store
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise a different type for each way in which a file is wrong
        raise InputError(str(file), expected=expected, found=_reason(error), fix=fix) from error


def largest_content(size: int) -> int:
    """How many bytes of arrays a file of a size can be believed to hold."""
    return max(_ALWAYS, _LARGEST_RATIO * size)


def text_of(array: npt.NDArray[Any]) -> str:
    """Return the text that an array of no dimensions holds; raise `ValueError` where it is another."""
    if array.shape != () or array.dtype.kind != "U":
        raise ValueError(f"an array of {array.dtype} {array.shape} where a text belongs")
    return str(array)


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> npt.NDArray[Any]:
    if member.flag_bits & _ENCRYPTED:
        raise ValueError(f"{name!r} encrypted")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others need memory of their own
        raise ValueError(f"{name!r} compressed by method {member.compress_type}, which NumPy never uses")
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in readers:  # the third is of records, for the names of their fields
            raise ValueError(f"{name!r} in version {version} of NumPy's format")
        shape, fortran_order, dtype = readers[version](stream)
        if dtype.hasobject:
            raise ValueError(f"pickled objects in {name!r}, which could run code when loaded (nothing was run)")
        if dtype.names is not None or dtype.subdtype is not None or dtype.itemsize == 0:
            raise ValueError(f"{name!r} of {dtype}")
        count = math.prod(shape)
        expected, found = count * dtype.itemsize, member.file_size - stream.tell()
        if min(shape, default=0) < 0 or expected != found:
            raise ValueError(f"{name!r} of {dtype} {shape}, which is {expected} bytes, in {found}")
        flat = np.empty(count, dtype=dtype)
        rest: memoryview = flat.view(np.uint8).data if count else memoryview(b"")
        while len(rest):
            chunk = stream.read(min(len(rest), _CHUNK))
            if not chunk:
                raise EOFError(f"{name!r} cut short")
            rest[: len(chunk)] = chunk
            rest = rest[len(chunk) :]
    if dtype.kind == "U" and count:
        codes = flat.view(np.dtype(np.uint32).newbyteorder(dtype.byteorder))
        if codes.max() > sys.maxunicode:  # Python makes no text of them
            raise ValueError(f"{name!r} with text that is none")
    array: npt.NDArray[Any] = flat.reshape(shape[::-1]).T if fortran_order else flat.reshape(shape)
    return array


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return found_instead(error)
    if isinstance(error, zipfile.BadZipFile | EOFError):
        return f"no .npz archive, or a damaged one ({error})"
    return f"{error}" if type(error) is ValueError else f"{type(error).__name__}: {error}"
