"""`data` as a user types it."""

from __future__ import annotations

from pathlib import Path

from tests.commands.command_line import document_of, error_of, invoke


def test_data_validate_of_good_data(scenes: Path) -> None:
    document = document_of(invoke("data", "validate", scenes, "--json", "-"))
    assert document["n_problems"] == 0
    assert {phase["phase"]: phase["n"] for phase in document["phases"]} == {"train": 4, "test": 4}


def test_a_file_that_cannot_be_written(scenes: Path) -> None:
    message = error_of(invoke("data", "validate", scenes, "--json", "/dev/null/result.json"))
    assert "/dev/null: expected to read or write it, found: " in message
