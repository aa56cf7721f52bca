from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from p2phd_eval.report.documents.document import read_document
from p2phd_eval.report.documents.study_documents import ReportDocument
from p2phd_eval.report.tables.study_tables import plan_table, study_table
from p2phd_eval.report.wording import VERDICTS
from tests.report.page.small_study import typed
from tests.report.terminal import shown

SECONDS = {"training": 7200.0, "FID over epochs": 0.0, "generation": 30.0, "comparison and report": 150.0}


@pytest.mark.parametrize("width", [80, 200])
def test_the_verdict_is_never_cut(
    finished_study: Path, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is the second thing that a row says, beside the arm or below it."""
    report = read_document(finished_study / "report.json", ReportDocument)
    (verdict,) = report.verdicts
    lines = shown(study_table(report), width, monkeypatch, capsys)
    words = VERDICTS[verdict.verdict].words
    if width == 80:
        at = [line.split() for line in lines].index(["arm", "amp-bf16"])
        assert lines[at + 1].split(maxsplit=1) == ["verdict:", words]
    else:
        (row,) = (line for line in lines if line.startswith("│ amp-bf16 "))
        assert row.split("│")[2].strip() == words
    text = " ".join(lines)
    assert verdict.interval is not None and verdict.margin is not None and verdict.margin.value is not None
    assert f"FID@{report.what_was_run.n_test}" in text
    assert " ".join(verdict.sentence.split()) in " ".join(text.split())


def test_what_generating_cost_stands_beside_the_verdict(small_report: dict[str, Any]) -> None:
    known = study_table(typed(small_report))
    assert known.columns[-3:] == ("images/s", "peak memory", "size")
    by_arm = {row[0]: row[-3:] for row in known.rows}
    assert by_arm["fp32"] == by_arm["amp-bf16"] == ("21.0", "1.00 GiB", "40.0 MB")
    assert by_arm["fp32, generated in amp-bf16"] == ("51.0", "0.50 GiB", "40.0 MB")
    changed = copy.deepcopy(small_report)
    for run in changed["speed"]["runs"].values():
        for cost in run["generation"].values():
            cost["peak_memory_bytes"] = None  # as on a CPU
    assert study_table(typed(changed)).columns[-3:] == ("margin", "images/s", "size")
    for run in changed["speed"]["runs"].values():
        run["generation"] = {}
    assert study_table(typed(changed)).columns[-1] == "margin"


def test_a_plan_says_how_long_each_stage_takes() -> None:
    rows = [("fp32", 3, 100, 2400.0), ("bf16", 2, 100, 1200.0)]
    time, disk = plan_table(rows, seconds=SECONDS, disk=10**9, devices=2, left=4).notes
    assert time.startswith(
        "About 2 h 03 min in all, 2 runs at a time, 1 of 5 runs have ended: training 2 h 00 min, gen"
    )
    assert "FID over epochs" not in time
    assert disk == "Disk: about 1.0 GB."


def test_the_time_of_a_study_that_does_not_fit_is_unknown() -> None:
    table = plan_table([("fp32", 1, 100, None)], seconds=None, disk=10**9, devices=1, left=1)
    assert table.rows == (("fp32", "1", "100", "does not fit"),)
    assert "unknown, since an arm does not fit into memory (1 run at a time)" in table.notes[0]
