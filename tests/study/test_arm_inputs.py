"""What the images of an arm are made from is known by its content."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from p2phd_eval.study.arm_inputs import changed_inputs, find_inputs, find_program, input_sha256


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    code = tmp_path / "code"
    (code / "nets").mkdir(parents=True)
    (code / "run.py").write_text("print(1)")
    (code / "nets" / "unet.py").write_text("class UNet: ...")
    return code


def test_a_folder_is_its_files_wherever_it_is(folder: Path, tmp_path: Path) -> None:
    before = input_sha256(folder)
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    # What Python and editors leave behind is no content.
    (moved / "__pycache__").mkdir()
    (moved / "__pycache__" / "run.pyc").write_text("cache")
    (moved / ".run.py.swp").write_text("edited")
    assert input_sha256(moved) == before
    (moved / "nets" / "unet.py").rename(moved / "nets" / "net.py")
    assert input_sha256(moved) != before


def test_what_changed_is_named(folder: Path) -> None:
    inputs = find_inputs(folder, ["nets"], ["run.py", "--seed", "{seed}", "", "x" * 5000], "arms.toml")
    assert list(inputs) == ["nets", "run.py"]
    assert changed_inputs(folder, inputs) == []
    (folder / "nets" / "unet.py").write_text("class UNet: pass")
    assert changed_inputs(folder, inputs) == ["nets"]
    (folder / "run.py").unlink()
    assert changed_inputs(folder, inputs) == ["nets", "run.py"]


def test_programs_are_found_as_the_arm_would(folder: Path) -> None:
    (folder / "tool").write_text("#!/bin/sh\n")
    assert find_program("tool", folder, {}) is None  # the current folder is no place for programs
    assert find_program("./tool", folder, {}) is None
    (folder / "tool").chmod(0o755)
    assert find_program("./tool", folder, {}) == str(folder / "tool")
    assert find_program("tool", folder, {"PATH": str(folder)}) == str(folder / "tool")
    assert find_program("sh", folder, {}) == shutil.which("sh")
