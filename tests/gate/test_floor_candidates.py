"""The gate of a noise floor, by itself and as a part of a study's report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from p2phd_eval import check_gate
from p2phd_eval.errors import InputError
from p2phd_eval.files import write_json
from p2phd_eval.gate.outputs import gate_document
from p2phd_eval.quality.floor_of_arms import floor_of_arms
from p2phd_eval.quality.image_distance import SSIM
from p2phd_eval.report.documents.document import read_document
from p2phd_eval.report.documents.floor_documents import FloorDocument, floor_document
from p2phd_eval.report.documents.study_documents import ReportDocument
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.floor_ratio import FloorVerdict
from tests.commands.command_line import document_of, invoke
from tests.gate.gate_documents import comparison, read_back, report
from tests.quality.floor_arms import arm
from tests.quality.pictures import scenes

NEAR, FAR = "tf32", "fp16"  # a study's arms are precisions


@pytest.fixture(scope="module")
def floor() -> FloorDocument:
    found = floor_of_arms(
        arm("fp32", scenes(30)),
        [arm(NEAR, scenes(30, amount=3, seed=2)), arm(FAR, scenes(30, amount=20, seed=3))],
        [arm("compiled", scenes(30, amount=4, seed=1))],
        distances=(SSIM,),
        tolerance=2.0,
    )
    return floor_document(found, {})


def with_verdict(floor: FloorDocument, verdict: FloorVerdict) -> FloorDocument:
    candidate = structs.replace(floor.candidates[0], verdict=verdict)
    return structs.replace(floor, candidates=(candidate,))


def as_report(folder: Path, floor: FloorDocument | None, **changes: Any) -> ReportDocument:
    values = report(comparison({NEAR: 0.5, FAR: 0.5}, margin="1"), [NEAR, FAR], **changes)
    path = folder / "report.json"
    path.write_text(json.dumps(values | ({} if floor is None else {"floor": read_back(floor)})))
    return read_document(path, ReportDocument)


def test_a_file_and_its_document_are_the_same_gate(floor: FloorDocument, tmp_path: Path) -> None:
    path = tmp_path / "floor.json"
    write_json(path, floor.to_builtins())
    gate = check_gate(floor, require="within-floor")
    assert [row.holds for row in gate.results] == [True, False]
    assert check_gate(path, require="within-floor").results == gate.results
    assert gate.results[0].reason == floor.candidates[0].sentence
    assert gate.results[0].floor is FloorVerdict.INSIDE
    result = invoke("gate", path, "--require", "within-floor", "--json", "-")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == read_back(gate_document(check_gate(path, require="within-floor")))
    alone = tmp_path / "near.json"
    write_json(alone, structs.replace(floor, candidates=floor.candidates[:1]).to_builtins())
    assert document_of(invoke("gate", alone, "--require", "within-floor", "--json", "-"))["holds"]


@pytest.mark.parametrize(
    ("verdict", "within_floor", "within"),
    [
        (FloorVerdict.INSIDE, True, True),
        (FloorVerdict.QUALITY_WITHIN, False, True),
        (FloorVerdict.QUALITY_WORSE, False, False),
        (FloorVerdict.QUALITY_UNKNOWN, False, False),
        (FloorVerdict.UNDECIDED, False, False),
    ],
)
def test_what_each_verdict_meets(floor: FloorDocument, verdict: FloorVerdict, within_floor: bool, within: bool) -> None:
    document = with_verdict(floor, verdict)
    expected = {"within-floor": within_floor, "within": within, "not-worse": within}
    assert {rule: check_gate(document, require=rule).holds for rule in expected} == expected


def test_without_photos_no_bound_of_a_fid_holds(floor: FloorDocument) -> None:
    rules: list[dict[str, Any]] = [{"max_dfid": 1e6}, {"max_dkid": 1.0}, {"within": "2%"}]
    for rule in rules:
        assert not check_gate(with_verdict(floor, FloorVerdict.INSIDE), **rule).holds


def test_a_study_with_a_noise_floor(floor: FloorDocument, tmp_path: Path) -> None:
    gate = check_gate(as_report(tmp_path, floor), require="within-floor")
    assert [(row.arm, row.holds) for row in gate.results] == [(NEAR, True), (FAR, False)]
    assert gate.results[1].reason == floor.candidates[1].sentence
    verdicts = check_gate(as_report(tmp_path, floor), require="within").results
    assert all(row.verdict is not Verdict.NOT_JUDGED for row in verdicts)
    assert all("noise floor" not in row.reason for row in verdicts)


def test_a_run_that_failed_breaks_the_rule_and_an_arm_without_any_too(floor: FloorDocument, tmp_path: Path) -> None:
    failed = as_report(tmp_path, floor, failed={NEAR: 1})
    first = check_gate(failed, require="within-floor").results[0]
    assert (first.holds, "One training of tf32 failed" in first.reason) == (False, True)
    gone = structs.replace(floor, candidates=floor.candidates[:1])
    second = check_gate(as_report(tmp_path, gone), require="within-floor").results[1]
    assert (second.holds, "is not held against the noise floor" in second.reason) == (False, True)


def test_documents_without_a_noise_floor(tmp_path: Path) -> None:
    path = tmp_path / "compared.json"
    path.write_text(json.dumps(comparison({NEAR: 0.5}, margin="1")))
    for document, found in ((path, "a comparison of FIDs"), (as_report(tmp_path, None), "a report without any")):
        with pytest.raises(InputError, match=f"a noise floor, for --require within-floor, found {found}"):
            check_gate(document, require="within-floor")
