from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from rich.text import Text

from p2phd_eval.evaluation.arms import short_names
from p2phd_eval.report.console import Output, ResultTable
from p2phd_eval.report.documents.document import SCHEMA_VERSION, Document
from tests.report.terminal import shown

TABLE = ResultTable(
    title="A title", columns=("what", "value"), rows=(("x", "1"), ("y [z]", "2")), notes=("a note",), styles=("", "red")
)


class Made(Document, frozen=True, kw_only=True, tag="p2phd-eval/made"):
    a: float | None


MADE = {"schema": "p2phd-eval/made", "schema_version": SCHEMA_VERSION}


def test_in_a_pipe_a_table_is_tab_separated_lines(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(TABLE)
    assert capsys.readouterr().out.splitlines() == ["# A title", "what\tvalue", "x\t1", "y [z]\t2", "a note"]


def test_json_on_stdout_is_alone_there(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output("-")
    output.table(TABLE)
    output.note("a word")
    output.document(Made(a=1))
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {**MADE, "a": 1}
    assert "x\t1" in captured.err
    assert "a word" in captured.err


def test_json_in_a_file_is_strict(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "result.json"
    Output(str(target)).document(Made(a=None))
    assert json.loads(target.read_text()) == {**MADE, "a": None}
    with pytest.raises(ValueError, match="JSON"):
        Output(str(target)).document(Made(a=float("nan")))
    assert json.loads(target.read_text()) == {**MADE, "a": None}


def test_progress_in_a_pipe_ends_with_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Output().progress("count", "sheep") as on_progress:
        for done in range(1, 4):
            on_progress(done, 3)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("count: 3/3 sheep")


def test_bytes_are_shown_in_megabytes(capsys: pytest.CaptureFixture[str]) -> None:
    with Output().progress("fetch", "bytes") as on_progress:
        on_progress(0, 81_040_647)
        for _ in range(2):
            on_progress(81_040_647, 81_040_647)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("fetch: 81/81 MB")


def test_on_a_terminal_there_are_boxes_and_bars() -> None:
    """A real pseudo-terminal: what a person sees."""
    code = textwrap.dedent("""
        from p2phd_eval.report.console import Output, ResultTable
        output = Output()
        with output.progress("nothing to do", "bytes"):
            pass
        with output.progress("count", "sheep") as on_progress:
            for done in range(1, 4):
                on_progress(done, 3)
        output.table(ResultTable(title="A title", columns=("what", "value"), rows=(("y [z]", "2"),)))
    """)
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    with subprocess.Popen([sys.executable, "-c", code], stdout=child, stderr=child, env=environment) as process:
        os.close(child)
        seen = b""
        while True:
            try:
                chunk = os.read(parent, 65536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            seen += chunk
        assert process.wait() == 0
    os.close(parent)
    text = seen.decode()
    assert "3/3" in text
    assert "nothing to do" not in text
    assert "━" in text
    assert "y [z]" in text  # brackets are text, not markup


HOSTILE = "\x1b]0;owned\x07\x1b[2J\t::error::\nall is well\r\u202e\udce9 [red]x"
SHOWN = r"\x1b]0;owned\x07\x1b[2J\t::error::\nall is well\r\u202e\udce9 [red]x"


def say_hostile(output: Output) -> None:
    output.table(ResultTable(title=HOSTILE, columns=("what", HOSTILE), rows=((HOSTILE, "1"),), notes=(HOSTILE,)))
    output.note(HOSTILE)
    with output.progress(HOSTILE, "sheep") as on_progress:
        on_progress(1, 1)


def test_a_name_in_a_pipe_stays_in_its_cell(capsys: pytest.CaptureFixture[str]) -> None:
    say_hostile(Output())
    out, err = capsys.readouterr()
    assert out.split("\n") == [f"# {SHOWN}", f"what\t{SHOWN}", f"{SHOWN}\t1", SHOWN, ""]
    note, progress, end = err.split("\n")
    assert note == SHOWN
    assert progress.startswith(f"{SHOWN}: 1/1 sheep")
    assert end == ""


def test_a_name_on_a_terminal_neither_moves_the_cursor_nor_is_markup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "300")
    say_hostile(Output())
    captured = capsys.readouterr()
    for text, times in ((captured.out, 4), (captured.err, 2)):
        assert "\x1b]" not in text
        assert "\x1b[2J" not in text
        assert Text.from_ansi(text).plain.count(SHOWN) >= times


WIDE = ResultTable(
    title="Wide",
    columns=("arm", "verdict", "FID@500", "interval", "judged", "from"),
    rows=(
        ("fp32", "baseline", "101.123 (sd 2.345 of 3 seeds)", "-", "-", "-"),
        ("amp-bf16", "within the error range", "101.321 (sd 1.234 of 3 seeds)", "(-1.234, +1.567)", "dFID@500", "[x]"),
    ),
    notes=("A sentence that is longer than a line of 80 characters, and is therefore wrapped at one of its words.",),
    styles=("", "green"),
)


def test_a_table_that_fits_stands_in_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(WIDE, 200, monkeypatch, capsys)
    (row,) = (line for line in lines if "amp-bf16" in line)
    assert all(cell in row for cell in WIDE.rows[1])


def test_a_table_that_is_too_wide_is_stacked_and_nothing_is_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(WIDE, 80, monkeypatch, capsys)
    assert [line.split(maxsplit=1) for line in lines[1:10]] == [
        ["arm", "fp32"],
        ["verdict:", "baseline"],
        ["FID@500:", "101.123 (sd 2.345 of 3 seeds)"],
        ["arm", "amp-bf16"],
        ["verdict:", "within the error range"],
        ["FID@500:", "101.321 (sd 1.234 of 3 seeds)"],
        ["interval:", "(-1.234, +1.567)"],
        ["judged:", "dFID@500"],
        ["from:", "[x]"],
    ]


@pytest.mark.parametrize("width", [80, 200])
def test_one_long_cell_is_wrapped_in_its_column(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"word{i}" for i in range(30)]
    table = ResultTable(title="T", columns=("what", "value", "note"), rows=(("x", "1", " ".join(words)),))
    lines = shown(table, width, monkeypatch, capsys)
    assert any(line.startswith("┃ what") for line in lines)
    assert " ".join(line.rstrip("│ ").rpartition("│ ")[2].strip() for line in lines if "word" in line).split() == words


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["runs/fp32/samples", "runs/amp/samples"], ["fp32", "amp"]),
        (["a/fp32", "b/amp"], ["a/fp32", "b/amp"]),
        (["fp32", "amp/samples"], ["fp32", "amp/samples"]),
        (["runs/x", "runs/x/y"], ["runs/x", "runs/x/y"]),
    ],
)
def test_folders_are_named_by_what_differs(folders: list[str], names: list[str]) -> None:
    assert short_names([Path(folder) for folder in folders]) == names
