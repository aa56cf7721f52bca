"""What all executors promise, with real processes: on this machine, by Slurm's programs, and on a Ray cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from p2phd_eval.study.executors.executor import Executor, Job
from p2phd_eval.study.executors.find_executor import find_cluster
from p2phd_eval.study.executors.local_processes import LocalProcesses
from p2phd_eval.study.schedule import run_jobs
from tests.study.executors.slurm_stand_in import install

#: Set it to 1, and the Slurm that is there is used instead of the stand-in.
REAL_SLURM = "P2PHD_EVAL_TEST_SLURM"


@pytest.fixture(params=["local", "slurm", "ray"])
def executor(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Executor]:
    """Two jobs at a time, on cores."""
    made: Any
    if request.param == "local":
        made = LocalProcesses(["cpu", "cpu"])
    elif request.param == "slurm":
        if os.environ.get(REAL_SLURM) != "1":
            for name, value in install(tmp_path).items():
                monkeypatch.setenv(name, value)
        made = find_cluster("slurm", tmp_path, {"gpus": "0", "time": "5"})
    else:
        address = request.getfixturevalue("ray_cluster").address
        made = find_cluster("ray", tmp_path, {"address": address})
    with closing(made):
        yield made


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    """Makes a job of some code, which prints into a log; it finds `folder`, where the test is."""

    def make(name: str, code: str, after: str | None = None) -> Job:
        code = f"import os, pathlib, signal, sys, time\nfolder = pathlib.Path({str(tmp_path)!r})\n{code}"
        return Job(name=name, command=(sys.executable, "-c", code), log=tmp_path / f"{name}.log", after=after)

    return make


def run(executor: Executor, *jobs: Job, **heard: Any) -> tuple[dict[str, int], int | None]:
    ended, signum = run_jobs(jobs, executor, **{"on_start": lambda job: None, **heard})
    return {each.name: each.returncode for each in ended}, signum


def test_jobs_side_by_side_and_one_after_another(executor: Executor, job: Callable[..., Job], tmp_path: Path) -> None:
    """Two that wait for each other's file can only end side by side; the third comes after the first, on its device."""
    meet = (
        "(folder / {own!r}).touch()\n"
        "print('here', sys.argv[1:], flush=True)\n"
        "while not (folder / {other!r}).exists(): time.sleep(0.01)\n"
    )
    last = job("c", "sys.exit(0 if (folder / 'b').exists() else 7)", after="a")
    ended, signum = run(
        executor, job("a", meet.format(own="a", other="b")), last, job("b", meet.format(own="b", other="a"))
    )
    assert (ended, signum) == ({"a": 0, "b": 0, "c": 0}, None)
    assert (tmp_path / "a.log").read_text() == "here ['--device', 'cpu']\n"


def test_a_killed_run_is_tried_again_on_a_cluster(executor: Executor, job: Callable[..., Job], tmp_path: Path) -> None:
    """Here the reason is still here: it is the next call that tries it again."""
    notes: list[str] = []
    code = (
        "first = not (folder / 'tried').exists()\n(folder / 'tried').touch()\n"
        "if first: os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended, _ = run(executor, job("a", code), note=notes.append)
    if executor.tries == 1:
        assert (ended, notes) == ({"a": -signal.SIGKILL}, [])
    else:
        assert ended == {"a": 0}
        (note,) = notes
        assert note.startswith("a was ended by SIGKILL on ") and note.endswith("; try 2 of 3")


def test_an_error_is_the_last_start(executor: Executor, job: Callable[..., Job], tmp_path: Path) -> None:
    ended, signum = run(
        executor, job("wrong", "sys.exit(2)"), job("never", "(folder / 'never').touch()", after="wrong")
    )
    assert (ended, signum) == ({"wrong": 2}, None)
    assert not (tmp_path / "never").exists()


def test_a_signal_is_passed_on_and_the_runs_save(executor: Executor, job: Callable[..., Job], tmp_path: Path) -> None:
    code = (
        "def stop(*_): (folder / 'saved').touch(); sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, stop)\n(folder / 'begun').touch()\ntime.sleep(120)"
    )

    jobs = [job("a", code), job("b", "pass", after="a")]
    # From another process, as a shell does.
    watch = f"while [ ! -e {tmp_path}/begun ]; do sleep 0.05; done; kill -TERM {os.getpid()}"
    with subprocess.Popen(["sh", "-c", watch]):
        ended, signum = run_jobs(jobs, executor, on_start=lambda job: None)
    assert signum == signal.SIGTERM
    assert [each.name for each in ended] == ["a"]
    assert (tmp_path / "saved").exists()
