"""`data` as a user types it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.commands.command_line import document_of, error_of, invoke
from tests.editing.faces.celebamask_layout import draw_celebamask


def test_data_validate_of_good_data(scenes: Path) -> None:
    document = document_of(invoke("data", "validate", scenes, "--json", "-"))
    assert document["n_problems"] == 0
    assert {phase["phase"]: phase["n"] for phase in document["phases"]} == {"train": 4, "test": 4}


def test_good_data_is_said_to_be_good(scenes: Path) -> None:
    result = invoke("data", "validate", scenes)
    assert result.exit_code == 0
    assert "All good: 8 samples in 2 phases, and every file of them can be read." in result.stderr


def test_a_number_of_classes_that_contradicts_the_data_set(scenes: Path) -> None:
    result = invoke("data", "validate", scenes, "--label-nc", 35, "--json", "-")
    assert result.exit_code == 2
    contradiction = f"problem: {scenes / 'classes.json'}: it states 12 classes, --label-nc says 35"
    assert contradiction in " ".join(result.stderr.split())
    assert json.loads(result.stdout)["n_problems"] == 1


def test_classes_that_cannot_be_read(scenes: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(scenes, tmp_path / "data"))
    (data / "classes.json").write_text("[]")
    message = error_of(invoke("data", "validate", data))
    assert "classes.json: expected object, found []" in message
    assert "problem:" not in message
    assert "problem:" in error_of(invoke("data", "validate", data, "--label-nc", 12))


def test_a_file_that_cannot_be_written(scenes: Path) -> None:
    message = error_of(invoke("data", "validate", scenes, "--json", "/dev/full"))
    assert "/dev/full: expected to read or write it, found: " in message


def test_celebamask_becomes_a_data_set(tmp_path: Path) -> None:
    source = draw_celebamask(tmp_path / "CelebAMask-HQ")
    result = invoke("data", "celebamask", source, tmp_path / "data", "--size", 16, 16, "--json", "-")
    document = document_of(result)
    assert (document["n"], document["n_missing"]) == ({"train": 1, "val": 1, "test": 1}, 1)
    assert document["classes"][1] == "skin"
    assert "1 train, 1 val, 1 test faces in" in result.stderr
    assert invoke("data", "validate", tmp_path / "data").exit_code == 0
    assert "expected the file of CelebAMask-HQ" in error_of(invoke("data", "celebamask", tmp_path, tmp_path / "other"))
