"""Writes docs/bad-input.md: what is promised for bad input, from the list that is tested. `make bad-input`."""

from __future__ import annotations

import functools
import html
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

from typer.testing import CliRunner  # noqa: E402

from p2phd_eval.cli import app  # noqa: E402
from tests.bad_input.case import Case, inside  # noqa: E402
from tests.bad_input.cases import CASES  # noqa: E402

PAGE = Path(__file__).parent / "bad-input.md"
_HEAD = """# Bad input

What is promised where something is wrong. Every row below is a test; the messages are those that the commands printed.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | a rule was broken that the command was asked to check: `gate`, `compare --fail-on`, `bench` |
| 2 | input that cannot be used, or a machine that cannot do it: where, what was expected and found, what to do |
| 3 | a fault of the program: one sentence, and how to report it; `--debug` prints the traceback |
| 128 + n | ended by signal n, such as 130 for Ctrl-C |

Whatever ends a command, finished work is kept, and nothing is left half written. Names reach terminals and logs with
control characters as escapes (`\\x1b`), so that no file can clear the screen or forge a line. No code of a file is run
but that of a network given with `--feature-network` or `--segmenter` and of the checkout given with `bench --against`.
"""


@functools.cache
def seen(case: Case) -> tuple[int, str]:
    """Type a case's command line in a folder of its own; return the exit code and the message."""
    with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
        case.make()
        result = CliRunner().invoke(app, case.typed.split(), env={"COLUMNS": "200", "TERM": "dumb"})
        return result.exit_code, message_of(result.stderr)


def message_of(printed: str) -> str:
    """The lines from the error on, or problems and warnings; typer's, which are framed, without their frame."""
    if "─ Error ─" in printed:
        inner = re.findall(r"^│ (.*?) *│$", printed, re.MULTILINE)
        return " ".join(line.strip() for line in inner)
    told = [line for line in printed.splitlines() if line.startswith(("problem: ", "warning: "))]
    if told:
        return "\n".join(told)
    return printed[printed.find("error: ") :].rstrip()


def page() -> str:
    """Return docs/bad-input.md."""
    lines = [_HEAD]
    for area in dict.fromkeys(case.area for case in CASES):
        lines += [f"## {area}", "", "| what is wrong | for example | exit code | message |", "|---|---|---|---|"]
        for case in CASES:
            if case.area == area:
                code, message = seen(case)
                lines.append(f"| {_text(case.kind)} | `p2phd-eval {case.typed}` | {code} | {_text(message)} |")
        lines.append("")
    return "\n".join(lines)


def _text(text: str) -> str:
    shown = re.sub(r"([\\`*_{}\[\]|~$])", r"\\\1", html.escape(text, quote=False))
    return "<br>".join(shown.split("\n"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
