"""The gate as a call."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2phd_eval import check_gate
from p2phd_eval.errors import InputError
from p2phd_eval.files import write_json
from tests.gate.gate_documents import comparison, read


def test_a_file_and_its_document_are_the_same_gate(tmp_path: Path) -> None:
    document, path = comparison({"worse": 1.0}, margin="1"), tmp_path / "verdict.json"
    write_json(path, document)
    of_file, of_document = (
        check_gate(path, require="not-worse"),
        check_gate(read(document, tmp_path), require="not-worse"),
    )
    assert of_file.results == of_document.results
    assert repr(of_file).startswith("GateResult: 1 of 1 rules broken\nworse, require not-worse: ")
    assert (of_file.holds, of_file.source, of_document.source) == (False, str(path), "the report")


def test_a_requirement_that_is_none() -> None:
    with pytest.raises(InputError, match=r"--require: expected within \| not-worse \| within-floor, found 'better'"):
        check_gate("report.json", require="better")
