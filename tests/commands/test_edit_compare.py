"""`edit compare` as a user types it."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

from p2phd_eval import compare_edits
from p2phd_eval.commands import edit_compare
from p2phd_eval.evaluation.arms import ArmFolders
from p2phd_eval.files import json_text
from p2phd_eval.report.documents.document import read_document
from p2phd_eval.report.documents.edit_documents import EditCompareDocument, edit_document
from p2phd_eval.report.edit_report import write_edit_report
from tests.commands.command_line import document_of, error_of, invoke

Arms = tuple[ArmFolders, ArmFolders]


def test_the_command_does_what_the_call_does(edited_scenes: Path, trained_arms: Arms, tmp_path: Path) -> None:
    data, script, out = edited_scenes / "data", edited_scenes / "edits.json", tmp_path / "out"
    fp32, amp = trained_arms
    arguments = ("edit", "compare", data, "--script", script, "--out", out, "--device", "cpu", "--json", "-")
    result = invoke(*arguments, "--baseline", f"fp32={fp32.folders[0]}", *fp32.folders[1:], "--candidate", *amp.folders)
    document = document_of(result)
    assert document["schema"] == "p2phd-eval/edit-compare"
    assert document == json.loads((out / "comparison.json").read_text())
    assert read_document(out / "comparison.json", EditCompareDocument).arms[1].name == "amp-bf16"
    assert len(document["edits"]) == 8
    assert "by kind of edit" in result.stderr
    assert "Does editing widen the gap" in (out / "comparison.md").read_text()
    assert (out / "worst.png").is_file()

    again = compare_edits(data, trained_arms, script, out, device="cpu")
    assert json.loads(json_text(edit_document(again, str(data), str(script)).to_builtins())) == document
    below = write_edit_report(again, "data", "edits.json", tmp_path, below=edited_scenes)
    assert [run.folder for run in below.arms[0].runs] == ["runs/fp32-1", "runs/fp32-2", "runs/fp32-3"]


def test_the_command_and_the_call_have_the_same_defaults() -> None:
    options, parameters = (inspect.signature(each).parameters for each in (edit_compare.compare, compare_edits))
    both = {key for key in options.keys() & parameters if key not in ("data", "script", "out")}
    assert {key: options[key].default for key in both} == {key: parameters[key].default for key in both}


def test_both_arms_are_asked_for(edited_scenes: Path, tmp_path: Path) -> None:
    arguments = ("edit", "compare", edited_scenes, "--script", tmp_path / "e.json", "--out", tmp_path / "out")
    assert "--candidate" in invoke(*arguments, "--baseline", tmp_path).stderr
    message = error_of(invoke(*arguments, "--baseline", tmp_path / "a", "--candidate", tmp_path / "b"))
    assert "e.json: expected a script of edits, found nothing there" in message
