"""What a stranger's file of tensors may not do."""

import io
import zipfile
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.tensor_files import read_tensors

# bytearray(2**31 - 1): torch's unpickler of data makes it.
BOMB = b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R."
NOTHING = b"\x80\x02N."


def archive_of(pickled: bytes, name: str = "archive/data.pkl") -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as stream:
        stream.writestr(name, pickled)
        stream.writestr("archive/version", "3\n")
    return content.getvalue()


def test_a_pickle_with_an_archive_behind_it_is_looked_at_as_the_pickle_that_torch_loads(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(BOMB + archive_of(NOTHING))
    assert zipfile.is_zipfile(path)
    with pytest.raises(InputError, match="pickled objects other than tensors"):
        read_tensors(path, expected="weights")


def test_a_pickle_is_found_under_every_name_that_torch_finds_it_by(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(archive_of(NOTHING, "archive/DATA.PKL"))
    assert read_tensors(path, expected="weights") is None
    path.write_bytes(archive_of(BOMB, "archive/DATA.PKL"))
    with pytest.raises(InputError, match="pickled objects other than tensors"):
        read_tensors(path, expected="weights")


def test_an_archive_of_which_torch_and_zipfile_read_two_directories_is_refused(tmp_path: Path) -> None:
    first, second = archive_of(BOMB), archive_of(NOTHING.ljust(len(BOMB)))
    end = first.index(b"PK\5\6")
    path = tmp_path / "weights.pt"
    # torch reads the directory at the place that the last record tells, zipfile the one that lies before the record.
    path.write_bytes(first[:end] + second[:end] + first[end:])
    with zipfile.ZipFile(path) as archive:
        assert archive.read("archive/data.pkl").startswith(NOTHING)
    with pytest.raises(InputError, match="an archive that does not end with its directory"):
        read_tensors(path, expected="weights")
