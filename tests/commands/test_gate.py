"""`p2phd-eval gate` as a CI step calls it: exit codes, files, messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from p2phd_eval.files import write_json
from p2phd_eval.formatting import interval_text
from tests.commands.command_line import error_of, invoke
from tests.gate.gate_documents import comparison, report


@pytest.fixture(scope="module")
def training() -> dict[str, Any]:
    return comparison({"amp-fp16": 0.5, "amp-bf16": 1.0}, runs=3, margin="1")


@pytest.fixture(autouse=True)
def _outside_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture
def path(training: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "report.json"
    write_json(path, report(training, ["amp-fp16", "amp-bf16"]))
    return path


def test_one_bad_arm_breaks_the_gate_and_all_files_say_so(
    path: Path, training: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary, junit = tmp_path / "step.md", tmp_path / "out" / "gate.xml"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    result = invoke("gate", path, "--require", "within", "--max-dfid", 1e3, "--junit", junit, "--json", "-")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert (document["schema"], document["holds"]) == ("p2phd-eval/gate", False)
    holds = [(each["arm"], each["rule"], each["holds"]) for each in document["results"]]
    assert holds == [
        ("amp-fp16", "require within", True),
        ("amp-fp16", "max-dfid 1000.0", True),
        ("amp-bf16", "require within", False),
        ("amp-bf16", "max-dfid 1000.0", True),
    ]
    assert ElementTree.parse(junit).getroot().get("failures") == "1"
    assert "1 of 4 rules broken" in summary.read_text(encoding="utf-8")
    assert invoke("gate", path, "--max-dfid", 1e3).exit_code == 0
    assert summary.read_text(encoding="utf-8").count("### Gate: ") == 2
    other = tmp_path / "other.md"
    assert invoke("gate", path, "--max-dfid", 1e3, "--summary", other).exit_code == 0
    assert summary.read_text(encoding="utf-8").count("### Gate: ") == 2
    assert "all rules hold" in other.read_text(encoding="utf-8")


def test_the_gate_reads_comparisons_and_prints_their_numbers(training: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "verdict.json"
    write_json(path, training)
    result = invoke("gate", path, "--require", "not-worse", "--max-dfid", 0.5)
    assert result.exit_code == 1
    for entry in training["candidates"]:
        assert entry["sentence"] in result.stdout
        assert f"dFID@60 {interval_text(entry['test']['interval'])} ends " in result.stdout


def test_no_rule_is_an_error_that_names_them(path: Path) -> None:
    message = error_of(invoke("gate", path))
    for rule in ("--require within", "--require not-worse", "--max-dfid NUMBER", "--max-dkid NUMBER"):
        assert rule in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--max-dfid", "nan"), "--max-dfid: expected a finite number"),
        (("--max-dkid", "-inf"), "--max-dkid: expected a finite number"),
        (("--max-dfid", "much"), "--max-dfid"),
        (("--require", "better"), "--require"),
    ],
)
def test_rules_that_cannot_be_used(path: Path, arguments: tuple[str, str], message: str) -> None:
    assert message in error_of(invoke("gate", path, *arguments))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 1}, "p2phd-eval report STUDY"),
        ({"schema_version": 99}, "Update p2phd-eval"),
        ({"schema": "p2phd-eval/fid"}, "found schema 'p2phd-eval/fid'"),
        ({"verdicts": None}, "$.verdicts: expected array, found None"),
        ({"verdicts": []}, "expected at least one candidate"),
    ],
)
def test_another_document_is_bad_input(path: Path, change: dict[str, Any], message: str) -> None:
    write_json(path, {**json.loads(path.read_text()), **change})
    assert message in error_of(invoke("gate", path, "--require", "within"))


def test_a_truncated_report_is_bad_input(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])
    assert "found text that is not JSON" in error_of(invoke("gate", path, "--require", "within"))


def test_a_junit_file_that_cannot_be_written_is_no_pass(path: Path, tmp_path: Path) -> None:
    for option, target in (("--junit", path / "gate.xml"), ("--summary", tmp_path)):
        assert f"{option} {target}: expected a file to write" in error_of(
            invoke("gate", path, "--max-dfid", 1e3, option, target)
        )
    assert "/dev/full: expected to read or write it" in error_of(
        invoke("gate", path, "--max-dfid", 1e3, "--junit", "/dev/full")
    )
