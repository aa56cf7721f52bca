"""What a stranger's file of tensors may not do."""

import io
import zipfile
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.tensor_files import read_tensors


def test_a_pickle_with_an_archive_behind_it_is_looked_at_as_the_pickle_that_torch_loads(tmp_path: Path) -> None:
    # bytearray(2**31 - 1): torch's unpickler of data makes it.
    pickled = b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R."
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("archive/data.pkl", b"\x80\x02N.")
    path = tmp_path / "weights.pt"
    path.write_bytes(pickled + archive.getvalue())
    assert zipfile.is_zipfile(path)
    with pytest.raises(InputError, match="pickled objects other than tensors"):
        read_tensors(path, expected="weights")
