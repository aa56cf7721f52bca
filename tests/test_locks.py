from __future__ import annotations

import os
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
    with pytest.raises(KeyError), filled_whole(tmp_path, Path.is_file) as part:
        (part / "photos").mkdir()
        raise KeyError
    assert is_free(tmp_path)
    with filled_whole(tmp_path, lambda path: path.name == "record") as part:
        for name in ("record", "photos"):
            (part / name).touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "record"]
    assert not is_free(tmp_path)
