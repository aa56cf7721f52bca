from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.locks import filled_whole, hold_file, hold_folder, is_free

_HOLD = """
import sys
from pathlib import Path
from p2phd_eval.locks import hold_file, hold_folder
with (hold_folder if sys.argv[1] == "folder" else hold_file)(Path(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_second_process_is_refused_until_the_first_ends_or_is_killed(tmp_path: Path, kind: str) -> None:
    target, hold = tmp_path / "deep" / "target", hold_folder if kind == "folder" else hold_file
    command = [sys.executable, "-c", _HOLD, kind, str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        found = f"expected one process at a time, found process {process.pid} at work"
        with pytest.raises(InputError, match=found), hold(target):
            pytest.fail("held twice")
        with hold(tmp_path / "deep" / "other"):
            pass  # a target beside it is free
        process.kill()
        process.wait()
        with hold(target):
            pass
    # What the locks made is gone with them, the killed process's too.
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_a_killed_process_left_half_written_goes_and_nothing_else(tmp_path: Path) -> None:
    run, theirs = tmp_path / "run", tmp_path / "run" / "samples"
    for folder in (run / "checkpoints", theirs):
        folder.mkdir(parents=True)
        (folder / ".a.npz.x1_y.part").touch()
        (folder / "a.npz").touch()
    with hold_folder(theirs), hold_folder(run):
        (theirs / ".b.z.part").touch()
    with hold_folder(run):
        assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["a.npz"]
    assert sorted(path.name for path in theirs.iterdir()) == ["a.npz"]


def test_of_a_file_only_its_own_unfinished_ones_go(tmp_path: Path) -> None:
    for name in (".a.x1_y.part", ".a.npz.x1_y.part", "b.part"):
        (tmp_path / name).touch()
    with hold_file(tmp_path / "a"):
        assert sorted(path.name for path in tmp_path.glob("*.part")) == [".a.npz.x1_y.part", "b.part"]


def test_one_process_does_not_hold_a_target_twice(tmp_path: Path) -> None:
    with hold_folder(tmp_path), pytest.raises(InputError, match="found this one at work"), hold_folder(tmp_path):
        pytest.fail("held twice")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(InputError, match="expected a folder to write to, found a file"), hold_folder(tmp_path / "out"):
        pytest.fail("held")


def test_devices_take_what_several_processes_write() -> None:
    with hold_file(os.devnull), hold_file(os.devnull):
        pass


def test_a_folder_is_filled_in_order_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / ".part").mkdir()
    (tmp_path / ".part" / "left").touch()  # by a process that was killed
    with hold_folder(tmp_path):
        with pytest.raises(KeyError), filled_whole(tmp_path, Path.is_file) as part:
            (part / "photos").mkdir()
            raise KeyError
        assert is_free(tmp_path)
        with filled_whole(tmp_path, lambda path: path.name == "record") as part:
            for name in ("record", "photos"):
                (part / name).touch()
        assert not is_free(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "record"]


_KILLED_AT_A_MOVE = """
import os, signal, sys
from pathlib import Path
from p2phd_eval.locks import filled_whole, hold_folder

folder, moves, move = Path(sys.argv[1]), int(sys.argv[2]), Path.replace

def counted(path, target):
    global moves
    if path.parent.name == ".part" and path.name in "abc":
        if not moves:
            os.kill(os.getpid(), signal.SIGKILL)
        moves -= 1
    return move(path, target)

Path.replace = counted
with hold_folder(folder), filled_whole(folder, lambda path: path.name) as part:
    (part / "a").mkdir()
    (part / "a" / "photo").touch()
    (part / "b").touch()
    (part / "c").write_text("new")
"""


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_what_a_killed_process_had_moved_is_taken_back(tmp_path: Path, moves: int) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "c").write_text("of before")  # of an earlier phase, say
    ended = subprocess.run([sys.executable, "-c", _KILLED_AT_A_MOVE, folder, str(moves)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert len([path for path in folder.iterdir() if path.name in ("a", "b")]) == moves
    with hold_folder(folder):
        assert {path.name for path in folder.iterdir()} == {".lock", "c"}
    assert (folder / "c").read_text() == "of before"


def test_what_is_whole_stays_where_its_process_was_killed_after_the_last_move(tmp_path: Path) -> None:
    (tmp_path / ".part").mkdir()
    (tmp_path / ".part" / ".new.json").write_text('["photo"]')
    (tmp_path / "photo").touch()
    with hold_folder(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["photo"]


def test_a_list_of_what_was_moved_that_came_with_a_folder_reaches_nothing_outside(tmp_path: Path) -> None:
    kept, folder = tmp_path / "kept", tmp_path / "folder"
    kept.mkdir()
    (folder / ".part" / "rest").mkdir(parents=True)
    names = ["../kept", str(kept), "..", ".", "", "/", ".part", ".lock"]
    (folder / ".part" / ".new.json").write_text(json.dumps(names))
    (folder / "mine").touch()
    with hold_folder(folder):
        pass
    assert kept.is_dir()
    assert [path.name for path in folder.iterdir()] == ["mine"]
