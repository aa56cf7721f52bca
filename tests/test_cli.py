"""What all commands have in common: help with an example, `--debug`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.commands.command_line import all_commands, error_of, invoke

PAGE = Path(__file__).parent.parent / "docs" / "commands.md"
COMMANDS = all_commands()
#: A page that is open until it is ended; docs/commands.md says so.
_WITHOUT_JSON = {"edit serve"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = invoke(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"p2phd-eval {command}" in result.output
    assert not re.search(r"<[a-z]", result.output)  # values are named in words, not by types of Python


def test_the_page_of_commands_says_which_of_them_write_no_json() -> None:
    options = {name: {option for each in command.params for option in each.opts} for name, command in COMMANDS.items()}
    assert {name for name, own in options.items() if "--json" not in own} == _WITHOUT_JSON
    said = re.search(r"all but (.*?), a page that .*?, have `--json FILE", PAGE.read_text(), re.DOTALL)
    assert said is not None
    assert {f"`{name}`" for name in _WITHOUT_JSON} == {said[1]}


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("train DATA --out RUN --epochs x", "'--epochs': expected a whole number, found 'x'."),
        ("plan --power x", "'--power': expected a number, found 'x'."),
        ("fid REAL FAKE --workers -1", "'--workers': expected a whole number of 0 or more, found '-1'."),
        ("gate REPORT --require withn", "'--require': expected within | not-worse | within-floor, found 'withn'."),
        ("fid", "Missing argument 'REAL'."),
        ("weights verify --json", "Option '--json' requires an argument."),
        ("features a", "Missing option '--out'. For example: p2phd-eval features photos/ --out photos.npz"),
        (
            "compare --baseline a b c",
            "Write it before --baseline, which takes all that follows, up to the next option.",
        ),
    ],
)
def test_a_wrong_value_is_answered_with_what_was_expected(typed: str, message: str) -> None:
    assert message in error_of(invoke(*typed.split())).replace("│ │ ", "")


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
