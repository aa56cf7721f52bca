"""What all commands have in common: help with an example, `--debug`."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from tests.commands.command_line import invoke

COMMANDS = [
    *(("train",), ("generate",), ("convert",), ("fid",), ("compare",), ("bench",), ("demo",)),
    *(("metrics",), ("features",), ("plan",)),
    *(("cache", name) for name in ("list", "clear")),
    *(("weights", name) for name in ("list", "fetch", "verify")),
    *(("data", name) for name in ("synthesize", "validate")),
    *(("encode", name) for name in ("cluster", "precompute")),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(command: tuple[str, ...]) -> None:
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"p2phd-eval {' '.join(command)}" in result.output
    assert "--json" in result.output


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    result = invoke("--debug", "fid", tmp_path, tmp_path)
    assert isinstance(result.exception, InputError)
