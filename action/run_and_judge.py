"""The step of action.yml that runs commands of p2phd-eval and a gate, and writes the summary of the job.

It ends with 0 whatever they end with, so that the steps after it can tell of it; their code is its output `code`. All
that it is given comes through its environment, and no shell reads it.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

_BAD_INPUT = 2


def main() -> None:
    """Run COMMANDS and GATE with EXECUTABLE, and write what they found to the job's summary and to a file."""
    folder = Path(tempfile.mkdtemp(prefix="p2phd-eval-", dir=os.environ["RUNNER_TEMP"]))
    code, holds, sections = run_and_judge(
        os.environ["EXECUTABLE"], os.environ["COMMANDS"], os.environ["GATE"], os.environ["REPORT"], folder
    )
    summary = folder / "summary.md"
    summary.write_text("\n\n".join([f"## {' '.join(os.environ['NAME'].split())}", *sections]) + "\n", encoding="utf-8")
    with Path(os.environ["GITHUB_STEP_SUMMARY"]).open("a", encoding="utf-8") as stream:
        stream.write(summary.read_text(encoding="utf-8"))
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as stream:
        stream.write(f"code={code}\nholds={holds}\nsummary={summary}\n")


def run_and_judge(executable: str, commands: str, gate: str, report: str, folder: Path) -> tuple[int, str, list[str]]:
    """Return the exit code, whether all rules hold ("" where nothing was judged), and sections of Markdown."""
    try:
        lines = [words for line in commands.splitlines() if (words := shlex.split(line, comments=True))]
        rules = shlex.split(gate)
    except ValueError as error:
        return _BAD_INPUT, "", [_failure(f"A quote in `run` or `gate` is not closed: {error}.")]
    if not lines and not rules:
        return _BAD_INPUT, "", [_failure("There is nothing to do: give `run`, `gate` or both.")]
    for number, words in enumerate(lines, start=1):
        code = _call([executable, *(words[1:] if words[0] == "p2phd-eval" else words)])
        if code:
            return code, "", [_failure(f"Command {number} of `run` ended with {code}; the log says why.")]
    code, holds, sections = 0, "", []
    if rules:
        result, markdown = folder / "gate.json", folder / "gate.md"
        code = _call([executable, "gate", *rules, "--json", str(result), "--summary", str(markdown)])
        if not result.exists():
            return code or 1, "", [_failure(f"The gate ended with {code} and judged nothing; the log says why.")]
        holds = "true" if json.loads(result.read_text(encoding="utf-8"))["holds"] else "false"
        sections.append(markdown.read_text(encoding="utf-8").strip())
    if report:
        try:
            sections.append(Path(report).read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as error:
            return code or _BAD_INPUT, holds, [*sections, _failure(f"The file of `report`: {type(error).__name__}.")]
    return code, holds, sections or ["✅ All commands ended well."]


def _call(command: list[str]) -> int:
    print(f"$ {shlex.join(['p2phd-eval', *command[1:]])}", flush=True)
    return subprocess.run(command, check=False).returncode


def _failure(text: str) -> str:
    print(text, file=sys.stderr)
    return f"❌ {text}"


if __name__ == "__main__":
    main()
