"""What a table looks like on a terminal of some width."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from rich.text import Text

from p2phd_eval.report.console import Output, ResultTable


def shown(table: ResultTable, width: int, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that it takes, without colours; none is longer than the terminal is wide."""
    patch.setenv("FORCE_COLOR", "1")
    patch.setenv("COLUMNS", str(width))
    Output().table(table)
    lines = Text.from_ansi(capsys.readouterr().out).plain.splitlines()
    assert max(map(cell_len, lines)) <= width
    return [line.rstrip() for line in lines]
