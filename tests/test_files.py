from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import pytest
import torch

from p2phd_eval.errors import InputError
from p2phd_eval.files import (
    atomic_write,
    file_sha256,
    name_bytes,
    page_bytes,
    remove_unfinished,
    temporary_prefix,
    write_json,
)


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


def test_what_is_replaced_hands_on_its_permissions(tmp_path: Path) -> None:
    path, link = tmp_path / "a", tmp_path / "hard"
    path.write_text("old")
    os.link(path, link)
    path.chmod(0o604)
    if os.geteuid() == 0:
        os.chown(path, 12345, 12346)
    before = path.stat()
    write_json(path, 1)
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert (path.read_text(), link.read_text()) == ("1\n", "old")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to every file")
def test_a_file_that_is_protected_stays(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(0o444)
    with pytest.raises(PermissionError):
        write_json(path, 1)
    assert path.read_text() == "old"


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "old").write_text("old")
    inode = (there / "old").stat().st_ino
    for name in ("old", "new", "deep/new"):
        link = tmp_path / f"to {name.replace('/', ' ')}"
        link.symlink_to(Path("there") / name)
        write_json(link, 1)
        assert link.is_symlink()
        assert (there / name).read_text() == "1\n"
        assert not (there / name).is_symlink()
    assert (there / "old").stat().st_ino != inode  # whole or not at all, there too
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(OSError, match="symbolic links"):
        write_json(loop, 1)


@pytest.mark.parametrize("fails", [False, True])
def test_a_pipe_is_written_to_as_a_whole_and_stays(tmp_path: Path, fails: bool) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with contextlib.suppress(ZeroDivisionError), atomic_write(pipe) as stream:
            stream.write(b"-ew")
            stream.seek(0)
            stream.write(b"n")
            assert 1 / (not fails)
        assert os.read(reader, 100) == (b"" if fails else b"new")
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_stream_of_this_process_goes_on_after_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What stands in the file that stdout was sent to is neither replaced nor written over."""
    print("before")
    write_json("/dev/stdout", 1)
    link = tmp_path / "link"
    link.symlink_to("/dev/stdout")
    write_json(link, 2)
    write_json("/dev/null", 3)
    os.write(1, b"after")
    assert capfd.readouterr().out == "before\n1\n2\nafter"
    assert link.is_symlink()
    assert Path("/dev/null").is_char_device()
    read, write = os.pipe()
    os.close(read)
    write_json(f"/dev/fd/{write}", 4)  # its reader has left
    os.close(write)
    with pytest.raises(OSError, match=r"No space left.*'/dev/full'"):
        write_json("/dev/full", 5)


def test_sigterm_in_the_middle_of_a_write_leaves_nothing(tmp_path: Path) -> None:
    """It ends the process all the same; one that handles it goes on to write."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    code = textwrap.dedent("""
        import os, signal, sys
        from p2phd_eval.files import atomic_write

        if len(sys.argv) > 2:
            signal.signal(signal.SIGTERM, lambda *_: print("handled"))
        with atomic_write(sys.argv[1]) as stream:
            stream.write(b"new")
            os.kill(os.getpid(), signal.SIGTERM)
        print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
    """)
    ended = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGTERM, "", "")
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"old", [path])
    handled = subprocess.run([sys.executable, "-c", code, path, "1"], capture_output=True, text=True, check=True)
    assert handled.stdout == "handled\nFalse\n"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("limit", [100, 20_000])
def test_a_full_disk_is_told_with_the_files_name(tmp_path: Path, limit: int) -> None:
    """By torch, too, whose writer says something else; the kernel refuses to let files grow beyond a limit."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    writes: dict[str, Callable[[BinaryIO], object]] = {
        "torch": lambda stream: torch.save([torch.zeros(1000) for _ in range(100)], stream),
        "numpy": lambda stream: np.savez(stream, values=np.zeros(100_000)),
        "bytes": lambda stream: stream.write(bytes(1_000_000)),
    }
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for name, write in writes.items():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        try:
            with pytest.raises(OSError, match="File too large") as refusal, atomic_write(path) as stream:
                write(stream)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert refusal.value.filename == str(path), name
        assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"old", [path]), name


def test_a_folder_is_no_file_to_write(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    for folder in (tmp_path, link):
        with pytest.raises(InputError, match="expected a file to write, found a folder"):
            write_json(folder, 1)
    assert list(tmp_path.iterdir()) == [link]


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127, "a.b" * 30, "\udce9"])
def test_any_name_that_a_file_can_have_will_do(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with atomic_write(path) as stream:
        stream.write(b"x")
        (part,) = tmp_path.iterdir()
        assert part.name.startswith(temporary_prefix(path))
        assert len(os.fsencode(part.name)) < 143
    assert list(tmp_path.iterdir()) == [path]
    (tmp_path / f"{temporary_prefix(path)}12.part").touch()
    remove_unfinished(tmp_path, path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_that_is_not_utf8_is_text_in_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"\udce9": ["😀\ud83d", ("é",), 1.5]})
    text = (tmp_path / "a.json").read_text(encoding="ascii")
    assert msgspec.json.decode(text) == {"\\udce9": ["😀\\ud83d", ["é"], 1.5]}


def test_names_that_are_no_utf8_are_hashed_and_shown() -> None:
    name = os.fsdecode(b"caf\xe9")
    assert name_bytes(name) == b"caf\xe9"
    assert page_bytes(f"<{name}>") == rb"<caf\udce9>"
    assert name_bytes("a\ud800") != name_bytes("a\ud801")  # ids that no file system gives


def test_json_is_strict_and_ends_in_a_newline(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": [1, None]})
    assert (tmp_path / "a.json").read_text().endswith("}\n")
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", float("inf"))


def test_hash_against_hashlib(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000  # more than one block
    (tmp_path / "a").write_bytes(content)
    assert file_sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()
