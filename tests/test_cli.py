"""What all commands have in common: help with an example, `--debug`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.commands.command_line import error_of, invoke

COMMANDS = [
    *(("train",), ("generate",), ("convert",), ("fid",), ("compare",), ("bench",), ("demo",)),
    *(("metrics",), ("features",), ("features", "merge"), ("plan",), ("floor",), ("gate",), ("blind-test",)),
    ("segment", "score"),
    *(("cache", name) for name in ("list", "clear")),
    *(("weights", name) for name in ("list", "fetch", "verify")),
    *(("data", name) for name in ("synthesize", "celebamask", "validate")),
    ("edit", "faces"),
    *(("encode", name) for name in ("cluster", "precompute")),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(command: tuple[str, ...]) -> None:
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"p2phd-eval {' '.join(command)}" in result.output
    assert "--json" in result.output


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("train DATA --out RUN --epochs x", "'--epochs': expected a whole number, found 'x'."),
        ("plan --power x", "'--power': expected a number, found 'x'."),
        ("fid REAL FAKE --workers -1", "'--workers': expected a whole number of 0 or more, found '-1'."),
        ("gate REPORT --require withn", "'--require': expected within | not-worse | within-floor, found 'withn'."),
        ("fid", "Missing argument 'REAL'."),
    ],
)
def test_a_wrong_value_is_answered_with_what_was_expected(typed: str, message: str) -> None:
    assert message in error_of(invoke(*typed.split())).replace("│ │ ", "")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_names_values_in_words(command: tuple[str, ...]) -> None:
    assert not re.search(r"<[a-z]", invoke(*command, "--help").output)


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    result = invoke("--debug", "fid", tmp_path / "\x1b[2J", tmp_path)
    assert result.exit_code == 2
    assert "\nTraceback (most recent call last)" in f"\n{result.stderr}"
    assert "\x1b" not in result.output


@pytest.mark.parametrize(
    "typed",
    [
        ("\x1b[2J",),
        ("fid", "--\x1b[2J"),
        ("plan", "--power", "\x1b[2J"),
        ("gate", "x", "--require", "\n::error::\x1b[2J"),
    ],
)
def test_what_was_typed_is_repeated_so_that_it_shows(typed: tuple[str, ...]) -> None:
    result = invoke(*typed)
    assert result.exit_code == 2
    assert r"\x1b[2J" in result.stderr
    assert "\x1b" not in result.output
