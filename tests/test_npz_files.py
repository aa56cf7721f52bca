from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.npz_files import npz_names, read_npz

ARRAYS = {
    "matrix": np.arange(6.0).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "text": np.array("an é"),
    "names": np.array(["a", "bc"]),
    "none": np.zeros((0, 4), "f4"),
    "dates": np.zeros(3, "M8[s]"),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_as_numpy_reads_them(tmp_path: Path, save: object) -> None:
    path = tmp_path / "a.npz"
    save(path, **ARRAYS)  # type: ignore[operator]
    assert npz_names(path) == tuple(ARRAYS)
    found = read_npz(path, expected="arrays")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert np.array_equal(found[name], array)
    assert list(read_npz(path, ["none"], optional=["text", "absent"], expected="arrays")) == ["none", "text"]


def _npz(path: Path, member: bytes, compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x.npy", member)


def _npy(header: bytes, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + data


def _header(descr: str, shape: str) -> bytes:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()


@pytest.mark.parametrize(
    ("member", "found"),
    [
        (b"abc", "magic string"),
        (_npy(_header("'<f4'", "(1000000000000, 4)")), "16000000000000 bytes, in 0"),
        (_npy(_header("'<f4'", "(-1, -4)"), bytes(16)), "which is 16 bytes, in 16"),
        (_npy(_header("'<f4'", "(2,)"), bytes(9)), "which is 8 bytes, in 9"),
        (_npy(_header("'<U0'", "(1000000000000,)")), "of <U0"),
        (_npy(_header("[('a', '<f4')]", "(1,)"), bytes(4)), "of "),
        (_npy(_header("'|O'", "()"), b"\x80\4N."), "pickled objects in .*nothing was run"),
        (_npy(b"{'descr': \n"), "TokenError|SyntaxError|Cannot parse"),
        (_npy(b"(" * 9000), "."),
        (_npy(b" " * 60000), "large"),
        (b"\x93NUMPY\7\0" + _npy(_header("'<f4'", "()"), bytes(4))[8:], "version"),
    ],
)
def test_what_is_no_array_is_refused(tmp_path: Path, member: bytes, found: str) -> None:
    path = tmp_path / "a.npz"
    _npz(path, member)
    with pytest.raises(InputError, match=f"expected arrays, found (.|\n)*({found})"):
        read_npz(path, ["x"], expected="arrays")


def test_what_a_small_file_unpacks_to_is_not_read(tmp_path: Path) -> None:
    """65 MiB of zeros, in 65 KiB."""
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(65 << 20, np.uint8))
    with pytest.raises(InputError, match=r"\d{5} bytes that unpack to 68157568"):
        read_npz(tmp_path / "a.npz", expected="arrays")


#: What is changed in the list of members at an archive's end: where, and into what.
_LISTED = {"encrypted": (8, b"\1"), "method": (10, b"\x63\0"), "version": (6, b"\xff\xff"), "not UTF-8": (8, b"\0\x08")}


@pytest.mark.parametrize("kind", _LISTED)
def test_archives_that_are_none_are_refused(tmp_path: Path, kind: str) -> None:
    stream = io.BytesIO()
    np.savez(stream, xx=np.zeros(3))
    content = bytearray(stream.getvalue())
    place, (offset, value) = content.find(b"PK\1\2"), _LISTED[kind]
    content[place + offset : place + offset + len(value)] = value
    (tmp_path / "a.npz").write_bytes(content.replace(b"xx.npy", b"\xffx.npy") if kind == "not UTF-8" else content)
    with pytest.raises(InputError, match="expected arrays"):
        read_npz(tmp_path / "a.npz", ["xx"], expected="arrays")


def test_files_that_are_no_archives_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    for path, found in (
        (tmp_path / "text", "no .npz archive"),
        (tmp_path / "gone", "no such file"),
        (tmp_path, "a folder"),
    ):
        assert npz_names(path) == ()
        with pytest.raises(InputError, match=f"expected arrays, found .*{found}"):
            read_npz(path, expected="arrays")
