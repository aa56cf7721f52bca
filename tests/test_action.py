"""The action for pull requests: its steps run as GitHub's runner runs them, against an API that keeps comments.

What stands in `action.yml` is read and done here: conditions and expressions, the shell, the files by which steps speak
to each other. Steps that use other actions are only noted; the step that installs is left out, and p2phd-eval is the
one under test.
"""

from __future__ import annotations

import dataclasses
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
import yaml

from action.comment_on_pull_request import comment_text
from p2phd_eval.files import write_json
from tests.gate.gate_documents import comparison

ROOT = Path(__file__).parent.parent
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = ACTION["runs"]["steps"]
TOKEN = "secret"
MARKER = "<!-- p2phd-eval action: p2phd-eval -->"

# --- Expressions

_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|==|!=|&&|\|\||[!()]|[A-Za-z_][\w.-]*)")


def evaluate(expression: str, contexts: dict[str, Any], *, succeeded: bool = True) -> Any:
    """What GitHub makes of an expression, of the little that the action uses."""
    tokens = _TOKEN.findall(expression)
    assert "".join(tokens) == re.sub(r"\s(?=(?:[^']*'[^']*')*[^']*$)", "", expression), expression

    def peek() -> str | None:
        return tokens[0] if tokens else None

    def alternatives() -> Any:
        value = conjunction()
        while peek() == "||":
            tokens.pop(0)
            other = conjunction()
            value = value or other
        return value

    def conjunction() -> Any:
        value = equality()
        while peek() == "&&":
            tokens.pop(0)
            other = equality()
            value = value and other
        return value

    def equality() -> Any:
        value = operand()
        while peek() in ("==", "!="):
            equal = tokens.pop(0) == "=="
            value = (str(value).lower() == str(operand()).lower()) is equal
        return value

    def operand() -> Any:
        token = tokens.pop(0)
        if token == "!":
            return not operand()
        if token == "(":
            value = alternatives()
            assert tokens.pop(0) == ")"
            return value
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if peek() == "(":
            assert [tokens.pop(0), tokens.pop(0)] == ["(", ")"]
            return {"always": True, "success": succeeded}[token]
        found: Any = contexts
        for name in token.split("."):
            found = found.get(name, "") if isinstance(found, dict) else ""
        return found

    value = alternatives()
    assert not tokens, expression
    return value


def filled(value: Any, contexts: dict[str, Any]) -> str:
    return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(evaluate(found[1].strip(), contexts)), str(value))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("inputs.a == 'X' && inputs.b != ''", True),
        ("always() && inputs.none != ''", False),
        ("!(inputs.a == 'y') || inputs.b", True),
        ("inputs.a-b.c", "it's"),
        ("inputs.b == 'it''s'", False),
    ],
)
def test_the_evaluator(expression: str, value: Any) -> None:
    assert evaluate(expression, {"inputs": {"a": "x", "b": "z", "a-b": {"c": "it's"}}}) == value


# --- The API


@dataclasses.dataclass
class Api:
    """What GitHub keeps of one pull request, and what was asked of it."""

    comments: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    requests: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    may_write: bool = True
    url: str = ""

    def add(self, body: str, user: str = "Bot", association: str = "NONE") -> dict[str, Any]:
        number = len(self.comments) + 1
        comment = {"id": number, "body": body, "user": {"type": user}, "author_association": association}
        self.comments.append(comment | {"html_url": f"https://github.example/comment/{number}"})
        return self.comments[-1]

    def answer(self, method: str, path: str, query: dict[str, list[str]], values: dict[str, str]) -> tuple[int, Any]:
        self.requests.append((method, path))
        listed = "/repos/someone/photos/issues/7/comments"
        if method == "GET" and path == listed:
            size, page = int(query["per_page"][0]), int(query["page"][0])
            return 200, self.comments[(page - 1) * size : page * size]
        if not self.may_write:
            return 403, {"message": "Resource not accessible by integration"}
        if method == "POST" and path == listed:
            return 201, self.add(values["body"])
        if method == "PATCH" and (found := re.fullmatch(r"/repos/someone/photos/issues/comments/(\d+)", path)):
            comment = self.comments[int(found[1]) - 1]
            comment["body"] = values["body"]
            return 200, comment
        return 404, {"message": "Not Found"}


@pytest.fixture
def api() -> Iterator[Api]:
    state = Api()

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            address = urlparse(self.path)
            values = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            if self.headers["Authorization"] == f"Bearer {TOKEN}":
                status, answer = state.answer(self.command, address.path, parse_qs(address.query), values)
            else:
                status, answer = 401, {"message": "Bad credentials"}
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = handle_one

        def log_message(self, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield state
        server.shutdown()


# --- The runner


@dataclasses.dataclass
class Job:
    """What became of a job."""

    code: int = 0  # of the step that failed
    log: str = ""
    summary: str = ""
    steps: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    used: list[tuple[str, dict[str, str]]] = dataclasses.field(default_factory=list)  # other actions, with what

    @property
    def outputs(self) -> dict[str, str]:
        return {name: filled(each["value"], {"steps": self.steps}) for name, each in ACTION["outputs"].items()}


@pytest.fixture
def run(tmp_path: Path, api: Api) -> Callable[..., Job]:
    workspace, temp = tmp_path / "workspace", tmp_path / "temp"
    workspace.mkdir()
    temp.mkdir()
    executable = temp / "p2phd-eval"
    executable.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m p2phd_eval "$@"\n')
    executable.chmod(0o755)
    event = tmp_path / "event.json"
    write_json(event, {"pull_request": {"number": 7}})
    write_json(workspace / "verdict.json", comparison({"amp": 0.5}))
    runner = {
        "GITHUB_ACTION_PATH": str(ROOT),
        "GITHUB_API_URL": api.url,
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REPOSITORY": "someone/photos",
        "GITHUB_RUN_ID": "99",
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_WORKSPACE": str(workspace),
        "HOME": str(tmp_path),
        "NO_PROXY": "127.0.0.1",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "RUNNER_TEMP": str(temp),
    }

    def job(event_name: str = "pull_request", **given: str) -> Job:
        given = {name.replace("_", "-"): value for name, value in given.items()}
        assert given.keys() <= ACTION["inputs"].keys()
        github = {"event_name": event_name, "run_id": "99", "run_attempt": "1", "token": TOKEN}
        done = Job()
        contexts = {"github": github, "runner": {"os": "Linux"}, "steps": done.steps}
        contexts["inputs"] = {
            name: given.get(name, filled(each["default"], contexts)) for name, each in ACTION["inputs"].items()
        }
        Path(runner["GITHUB_STEP_SUMMARY"]).write_text("")
        for number, step in enumerate(STEPS):
            condition = step.get("if", "success()")
            if not re.search(r"(always|success)\(\)", condition):
                condition = f"success() && ({condition})"
            if not evaluate(condition, contexts, succeeded=done.code == 0):
                continue
            outputs, code = {}, 0
            if "uses" in step:
                values = {name: filled(value, contexts) for name, value in step["with"].items()}
                done.used.append((step["uses"], values))
                outputs = {"python-path": sys.executable, "cache-primary-key": values.get("key", "")}
            elif step.get("id") == "install":
                outputs = {"executable": str(executable)}
            else:
                assert step["shell"] == "bash"
                script, answers = temp / f"{number}.sh", temp / f"{number}.txt"
                script.write_text(step["run"])
                answers.write_text("")
                environment = {name: filled(value, contexts) for name, value in step.get("env", {}).items()}
                ended = subprocess.run(
                    ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script],
                    cwd=workspace,
                    env=runner | environment | {"GITHUB_OUTPUT": str(answers)},
                    capture_output=True,
                    text=True,
                    check=False,
                )
                done.log += ended.stdout + ended.stderr
                code = ended.returncode
                outputs = dict(line.split("=", 1) for line in answers.read_text().splitlines())
            done.code = done.code or code
            outcome = "failure" if code else "success"
            done.steps[step.get("id", str(number))] = {"outputs": outputs, "outcome": outcome}
        done.summary = Path(runner["GITHUB_STEP_SUMMARY"]).read_text(encoding="utf-8")
        return done

    return job


# --- What is promised


def test_one_comment_is_written_and_then_written_anew(run: Callable[..., Job], api: Api) -> None:
    for number in range(105):
        api.add(f"remark {number}", user="User")
    forged = api.add(f"{MARKER}\nall rules hold", user="User")
    first = run(gate="verdict.json --within 20% --two-sided")
    assert (first.code, first.outputs["holds"]) == (0, "true"), first.log
    ours = api.comments[-1]
    assert ours["body"].startswith(f"{MARKER}\n## p2phd-eval\n")
    assert "### Gate: all rules hold" in ours["body"]
    assert "fails if equal" in ours["body"]
    assert "[The run](https://github.example/someone/photos/actions/runs/99)" in ours["body"]
    assert first.summary.strip() in ours["body"]
    assert Path(first.outputs["summary"]).read_text(encoding="utf-8") == first.summary

    second = run(gate="verdict.json --max-dfid -10", comment="true")
    assert (second.code, second.outputs["holds"]) == (1, "false"), second.log
    assert len(api.comments) == 107
    assert "### Gate: 1 of 1 rules broken" in ours["body"]
    assert forged["body"] == f"{MARKER}\nall rules hold"
    assert [method for method, _ in api.requests if method != "GET"] == ["POST", "PATCH"]


def test_commands_come_before_the_gate_and_a_failed_one_is_told(
    run: Callable[..., Job], api: Api, tmp_path: Path
) -> None:
    commands = ["# first", "", "p2phd-eval gate verdict.json --within 20% --json 'its result.json'"]
    commands += ["gate none --within 2%", "--help"]
    job = run(run="\n".join(commands), gate="verdict.json --within 20%", name="two <!-- words")
    assert (job.code, job.outputs["holds"]) == (2, ""), job.log
    (comment,) = api.comments
    assert comment["body"].startswith("<!-- p2phd-eval action: two ___ words -->\n## two <!-- words\n")
    assert "❌ Command 2 of `run` ended with 2; the log says why." in comment["body"]
    assert "error: none: expected" in job.log
    assert json.loads((tmp_path / "workspace" / "its result.json").read_text())["holds"] is True
    assert [line for line in job.log.splitlines() if line.startswith("$")] == [
        "$ p2phd-eval gate verdict.json --within 20% --json 'its result.json'",
        "$ p2phd-eval gate none --within 2%",
    ]


def test_a_report_is_shown_below_and_caches_are_kept_where_a_rule_is_broken(
    run: Callable[..., Job], api: Api, tmp_path: Path
) -> None:
    (tmp_path / "workspace" / "report.md").write_text("| arm | verdict |\n| --- | --- |\n| amp | within |\n")
    job = run("push", gate="verdict.json --max-dfid -10", report="report.md", study_folder="my study", name="a, b")
    assert (job.code, api.requests) == (1, [])
    assert job.summary.rstrip().endswith("| amp | within |")
    assert job.summary.index("### Gate") < job.summary.index("| amp | within |")
    restored, saved = (
        [values for name, values in job.used if name == f"actions/cache/{do}@v4"] for do in ("restore", "save")
    )
    assert saved[-1] == {"path": "my study", "key": "p2phd-eval-study-a--b-99-1"}
    assert restored[-1]["restore-keys"] == "p2phd-eval-study-a--b-"
    # Of packages and weights a cache is kept only where all went well: it is never written again.
    assert len(saved) == 1
    assert re.fullmatch(r"p2phd-eval-Linux-3\.12-[0-9a-f]{16}-", restored[0]["key"])
    missing = run("push", gate="verdict.json --within 20%", report="none.md", name="a, b")
    assert (missing.code, missing.outputs["holds"]) == (2, "true")
    assert "The file of `report`: FileNotFoundError" in missing.summary


def test_a_token_that_may_only_read_is_a_warning(run: Callable[..., Job], api: Api) -> None:
    api.may_write = False
    job = run(gate="none --within 20%")
    assert job.code == 2
    assert "::warning title=p2phd-eval::No comment on the pull request: HTTPError: HTTP Error 403" in job.log
    assert api.comments == []


@pytest.mark.parametrize(("gate", "words"), [("", "There is nothing to do"), ("'x", "A quote in `run` or `gate`")])
def test_what_cannot_be_run(run: Callable[..., Job], api: Api, gate: str, words: str) -> None:
    job = run(gate=gate, comment="false")
    assert (job.code, api.requests) == (2, [])
    assert words in job.summary


def test_no_shell_reads_what_is_given(run: Callable[..., Job], tmp_path: Path) -> None:
    evil = "$(touch pwned) `touch pwned`; touch pwned"
    job = run("push", gate=f'"{evil}.json" --within 2%', name=f"{evil}\n::error::x", extras=evil)
    assert job.code == 2
    assert f"error: {evil}.json: expected" in job.log
    assert not list(tmp_path.rglob("pwned"))
    assert all("${{" not in step.get("run", "") for step in STEPS)


def test_a_long_summary_is_cut_at_a_line() -> None:
    summary = "\n".join(f"line {number}" for number in range(20_000))
    text = comment_text(MARKER, summary, "[The run](x)")
    assert len(text) <= 65_536
    body, _, end = text.rpartition("\n\n")
    assert end == "The rest stands in the summary of the job. [The run](x)\n"
    assert body.splitlines() == [MARKER, *summary.splitlines()[: len(body.splitlines()) - 1]]
    assert comment_text(MARKER, "short\n", "[The run](x)") == f"{MARKER}\nshort\n\n[The run](x)\n"


def test_workflows_in_the_documents_give_what_the_action_takes() -> None:
    text = (ROOT / "docs" / "pull-requests.md").read_text(encoding="utf-8")
    uses = [
        step
        for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
        for job in yaml.safe_load(block)["jobs"].values()
        for step in job["steps"]
        if "p2phd-eval" in step.get("uses", "")
    ]
    assert len(uses) > 1
    for step in uses:
        assert step["with"].keys() <= ACTION["inputs"].keys()
    for name in ACTION["inputs"]:
        assert f"| `{name}` |" in text
