"""Documents that cannot be used are told apart, each with what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.files import write_json
from p2phd_eval.report.documents.comparison_documents import CompareDocument
from p2phd_eval.report.documents.document import SCHEMA_VERSION, Document, read_document
from p2phd_eval.report.documents.study_documents import QualityDocument, ReportDocument, StudyDocument
from p2phd_eval.study.study_plan import StudyPlan, load_plan, save_plan
from tests.documentation import DOCS
from tests.report.compared import compared

OF_CAMVID = DOCS / "studies" / "camvid" / "report.json"


def test_what_was_written_is_read_to_the_last_bit() -> None:
    """A report of 0.1.0, with a comparison, its explanations and a bench in it, comes out as it went in."""
    report = read_document(OF_CAMVID, ReportDocument)
    assert json.dumps(report.to_builtins(), indent=2, allow_nan=False) + "\n" == OF_CAMVID.read_text()


def test_keys_that_are_not_known_are_left_out_and_those_that_may_lack_have_a_default(tmp_path: Path) -> None:
    values = compared()
    before = json.dumps(values)
    assert "explanation" not in values["candidates"][0]
    values["later"] = values["candidates"][0]["later"] = 1
    write_json(tmp_path / "a.json", values)
    assert json.dumps(read_document(tmp_path / "a.json", CompareDocument).to_builtins()) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margin": None}, "$.candidates[0].margin: expected object, found None"),
        ({"dfid": "1.0"}, "$.candidates[0].dfid: expected float, found '1.0'"),
        ({"dfid": True}, "$.candidates[0].dfid: expected float, found True"),
        ({"replicates": 0.5}, "$.candidates[0].replicates: expected int, found 0.5"),
        ({"judged": "is"}, "$.candidates[0].judged: expected one of the values that there are, found 'is'"),
        ({"verdict": "fine"}, "$.candidates[0].verdict: expected one of the values that there are, found 'fine'"),
        ({"test": {}}, "$.candidates[0].test: expected the key 'estimate', found none"),
        ({"runs": 3}, "$.candidates[0].runs: expected array, found 3"),
    ],
)
def test_a_value_that_does_not_fit_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    write_json(tmp_path / "a.json", compared(**change))
    with pytest.raises(InputError) as caught:
        read_document(tmp_path / "a.json", CompareDocument)
    assert str(caught.value).startswith(f"{tmp_path / 'a.json'}, {message}.\n")
    assert "p2phd-eval compare" in caught.value.fix


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
        ("[" * 100_000, "more than 100 deep"),
        (b"\xff\xfe\x00", "codec can't decode"),
        (b"\x89PNG\r\n\x1a\n", "codec can't decode"),
    ],
)
def test_what_is_no_such_document(tmp_path: Path, content: str | bytes, found: str) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError) as caught:
        read_document(path, ReportDocument)
    assert found in caught.value.found
    assert caught.value.where == str(path)
    assert "p2phd-eval report STUDY" in caught.value.fix


@pytest.mark.parametrize(
    ("kind", "again"),
    [
        (ReportDocument, "p2phd-eval report STUDY"),
        (CompareDocument, "p2phd-eval compare ... --json FILE"),
        (StudyDocument, "p2phd-eval study DATA --out STUDY"),
        (QualityDocument, "Delete it, and p2phd-eval study makes it again"),
    ],
)
@pytest.mark.parametrize("version", [1, 0, None, "2", True, SCHEMA_VERSION + 0.5, 99])
def test_another_version_names_the_command_that_makes_a_new_document(
    tmp_path: Path, kind: type[Document], again: str, version: object
) -> None:
    path = tmp_path / "a.json"
    read = "2 or 3" if kind.oldest == 2 else "3"
    write_json(path, {"schema": kind.__struct_config__.tag, "schema_version": version})
    with pytest.raises(InputError, match=f"schema_version: expected {read}, found {version!r}") as caught:
        read_document(path, kind)
    assert again.lower() in caught.value.fix.lower()
    assert ("Update p2phd-eval" in caught.value.fix) == (version == 99)


def test_a_plan_of_the_version_before_is_read_and_a_report_is_not(tmp_path: Path) -> None:
    """What was trained goes on; what was judged by other rules is made again."""
    plan = StudyPlan(data="d", data_sha256="0", base=TrainConfig(), arms=("fp32", "amp-bf16"), seeds=(0, 1))
    save_plan(tmp_path, plan)
    path = tmp_path / "study.json"
    write_json(path, {**json.loads(path.read_text()), "schema_version": 2})
    assert load_plan(tmp_path) == plan
    report = tmp_path / "report.json"
    write_json(report, {"schema": "p2phd-eval/report", "schema_version": 2})
    with pytest.raises(InputError, match="found 2, of an older p2phd-eval"):
        read_document(report, ReportDocument)


def test_a_document_without_version(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"schema": "p2phd-eval/report"}))
    with pytest.raises(InputError, match="schema_version: expected 3, found None"):
        read_document(path, ReportDocument)


def test_nothing_there_and_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found nothing there"):
        read_document(tmp_path / "none.json", ReportDocument)
    with pytest.raises(InputError, match=r"found a folder") as caught:
        read_document(tmp_path, ReportDocument)
    assert "p2phd-eval report STUDY" in caught.value.fix
    write_json(tmp_path / "report.json", {})
    with pytest.raises(InputError, match=r"Give .*report\.json"):
        read_document(tmp_path, ReportDocument, CompareDocument)
