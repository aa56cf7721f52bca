"""The process between a run and its command: real ones, ended in every way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from p2phd_eval.study import command_guard
from tests.waiting import wait_for

GUARD = command_guard.__file__
# A command that starts another, which writes on and on.
WRITER = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import sys, time\\n"
    'while True: open(sys.argv[1], "a").write("."); time.sleep(.02)\', sys.argv[1]])\n'
    "time.sleep(float(sys.argv[2]))\n"
)


def start(*command: str, parent: int | None = None) -> subprocess.Popen[bytes]:
    own = os.getpid() if parent is None else parent
    return subprocess.Popen([sys.executable, "-I", GUARD, str(own), *command])


def grows(path: Path) -> bool:
    size = path.stat().st_size
    time.sleep(0.3)
    return path.stat().st_size > size


@pytest.mark.parametrize("code", ["raise SystemExit(0)", "raise SystemExit(7)"])
def test_the_exit_code_is_the_commands(code: str) -> None:
    assert start(sys.executable, "-c", code).wait(60) == (7 if "7" in code else 0)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_signal_that_ended_the_command_is_told(number: signal.Signals) -> None:
    code = f"import os; os.kill(os.getpid(), {int(number)})"
    assert start(sys.executable, "-c", code).wait(60) == -number


def test_nothing_that_it_started_outlives_a_command(tmp_path: Path) -> None:
    log = tmp_path / "log"
    guard = start(sys.executable, "-c", WRITER, str(log), "1")
    wait_for(log)
    assert guard.wait(60) == 0
    assert not grows(log)


def test_terminated_it_ends_all(tmp_path: Path) -> None:
    log = tmp_path / "log"
    guard = start(sys.executable, "-c", WRITER, str(log), "1000")
    wait_for(log)
    guard.terminate()
    assert guard.wait(60) == -signal.SIGTERM
    assert not grows(log)


def test_without_its_parent_it_ends_all(tmp_path: Path) -> None:
    """The parent is killed outright, as by the system where memory is short."""
    log = tmp_path / "log"
    code = (
        "import os, subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-I', sys.argv[1], str(os.getpid()), *sys.argv[2:]])\n"
        "time.sleep(1000)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, GUARD, sys.executable, "-c", WRITER, str(log), "1000"])
    wait_for(log)
    parent.kill()
    parent.wait(60)
    deadline = time.monotonic() + 30
    while grows(log):
        assert time.monotonic() < deadline
