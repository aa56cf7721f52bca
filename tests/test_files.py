from __future__ import annotations

import hashlib
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from p2phd_eval.files import atomic_write, file_sha256, write_json


def test_the_old_content_survives_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="half-way"), atomic_write(path) as stream:
        stream.write(b"new")
        raise RuntimeError("half-way")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    with atomic_write(path) as stream:
        stream.write(b"x" * 100)
        assert not path.exists()
    assert path.read_bytes() == b"x" * 100


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import os, sys
        from pathlib import Path
        from p2phd_eval.files import write_json
        os.umask(0o027)
        write_json(sys.argv[1], {})
        print(oct(Path(sys.argv[1]).stat().st_mode & 0o777), oct(os.umask(0)))
    """)
    process = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.json")], capture_output=True, text=True, check=True
    )
    assert process.stdout.split() == ["0o640", "0o27"]


def test_json_is_strict_and_ends_in_a_newline(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": [1, None]})
    assert (tmp_path / "a.json").read_text().endswith("}\n")
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", float("inf"))


def test_hash_against_hashlib(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000  # more than one block
    (tmp_path / "a").write_bytes(content)
    assert file_sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()
