"""Documents that cannot be used are told apart, each with what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.files import write_json
from p2phd_eval.report.documents import SCHEMA_VERSION, document, read_document


def test_what_was_written_is_read_to_the_last_bit(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    written = document("report", name="ä", values=[0.1 + 0.2, 5e-324, -0.0, 1e308, 12345678901234567890, None])
    write_json(path, written)
    read = read_document(path, ("compare", "report"))
    assert read == written
    assert [repr(value) for value in read["values"]] == [repr(value) for value in written["values"]]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "Expecting value"),
        ('{"schema": "p2phd-eval/report", "schema_ver', "Unterminated string"),
        ("[1, 2]", "a list"),
        ('"report"', "a str"),
        ("null", "a NoneType"),
        ("{}", "schema None"),
        ('{"schema": 3}', "schema 3"),
        ('{"schema": "report", "schema_version": 2}', "schema 'report'"),
        ('{"schema": "p2phd-eval/fid", "schema_version": 2}', "schema 'p2phd-eval/fid'"),
        ('{"schema": "p2phd-eval/report", "schema_version": 2, "a": NaN}', "NaN"),
        ('{"schema": "p2phd-eval/report", "schema_version": 2, "a": [-Infinity]}', "-Infinity"),
        ('{"schema": "p2phd-eval/report", "schema_version": 2, "a": 1e999}', "1e999"),
        ("[" * 100_000, "recursion"),
        (b"\xff\xfe\x00", "codec can't decode"),
        (b"\x89PNG\r\n\x1a\n", "codec can't decode"),
    ],
)
def test_what_is_no_such_document(tmp_path: Path, content: str | bytes, found: str) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError) as caught:
        read_document(path, ("report",))
    assert found in caught.value.found
    assert caught.value.where == str(path)
    assert "p2phd-eval report STUDY" in caught.value.fix


@pytest.mark.parametrize(
    ("kind", "again"),
    [
        ("report", "p2phd-eval report STUDY"),
        ("compare", "p2phd-eval compare ... --json FILE"),
        ("study", "p2phd-eval study DATA --out STUDY"),
        ("study-quality", "Delete it, and p2phd-eval study makes it again"),
    ],
)
@pytest.mark.parametrize("version", [1, 0, None, "2", True, SCHEMA_VERSION + 0.5, 99])
def test_another_version_names_the_command_that_makes_a_new_document(
    tmp_path: Path, kind: str, again: str, version: object
) -> None:
    path = tmp_path / "a.json"
    write_json(path, {**document(kind), "schema_version": version})
    with pytest.raises(InputError, match=f"schema_version: expected {SCHEMA_VERSION}, found {version!r}") as caught:
        read_document(path, ("report", "compare", "study", "study-quality"))
    assert again.lower() in caught.value.fix.lower()
    assert ("Update p2phd-eval" in caught.value.fix) == (version == 99)


def test_a_document_without_version(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"schema": "p2phd-eval/report"}))
    with pytest.raises(InputError, match="schema_version: expected 2, found None"):
        read_document(path, ("report",))


def test_nothing_there_and_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found nothing there"):
        read_document(tmp_path / "none.json", ("report",))
    with pytest.raises(InputError, match=r"found a folder") as caught:
        read_document(tmp_path, ("report",))
    assert "p2phd-eval report STUDY" in caught.value.fix
    write_json(tmp_path / "report.json", document("report"))
    with pytest.raises(InputError, match=r"Give .*report\.json"):
        read_document(tmp_path, ("report", "compare"))
