"""Real processes side by side, and what becomes of them when something ends early."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from p2phd_eval.cores import usable_cores
from p2phd_eval.study.executors.executor import Job
from p2phd_eval.study.executors.local_processes import LocalProcesses
from p2phd_eval.study.schedule import run_jobs
from tests.waiting import wait_for


def job(folder: Path, name: str, code: str) -> Job:
    """A process that finds its device in sys.argv[2]."""
    return Job(name=name, command=(sys.executable, "-c", code), log=folder / f"{name}.log")


@pytest.mark.parametrize("devices", [("cuda:0", "cuda:1"), ("cpu", "cpu")])
def test_one_job_a_device_at_a_time_and_all_of_them(
    devices: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two jobs that wait for each other's file can only end side by side; on one device they share the cores."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    meet = (
        "import os, pathlib, sys, time\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "(folder / {own!r}).write_text(sys.argv[2] + os.environ['OMP_NUM_THREADS']); print('here')\n"
        "while not (folder / {other!r}).exists(): time.sleep(0.01)\n"
    )
    jobs = [job(tmp_path, own, meet.format(own=own, other=other)) for own, other in (("a", "b"), ("b", "a"))]
    jobs.append(job(tmp_path, "c", "pass"))
    started: list[str] = []
    ended, signum = run_jobs(jobs, LocalProcesses(devices), on_start=lambda job: started.append(job.name))
    assert signum is None
    assert {(each.name, each.returncode) for each in ended} == {("a", 0), ("b", 0), ("c", 0)}
    assert started == ["a", "b", "c"]
    threads = max(1, usable_cores() // devices.count(devices[0]))
    assert [(tmp_path / name).read_text() for name in "ab"] == [f"{device}{threads}" for device in devices]
    assert (tmp_path / "a.log").read_text() == "here\n"  # not into the terminal, where lines would mix


def test_an_error_is_the_last_start_and_a_signal_is_not(tmp_path: Path) -> None:
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    jobs = [
        job(tmp_path, "killed", kill),
        job(tmp_path, "wrong", "raise SystemExit(2)"),
        job(tmp_path, "never", "pass"),
    ]
    ended, signum = run_jobs(jobs, LocalProcesses(["cpu"]), on_start=lambda job: None)
    assert signum is None
    assert [(each.name, each.returncode) for each in ended] == [("killed", -signal.SIGKILL), ("wrong", 2)]


_CHILD = """
import pathlib, signal, sys, time
from p2phd_eval.study.executors.run_process import follow_parent
folder = pathlib.Path(sys.argv[1])
def end(signum, frame):
    (folder / "ended").write_text(str(signum))
    raise SystemExit(128 + signum)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
follow_parent()
(folder / "started").write_text("")
time.sleep(120)
"""
_PARENT = """
import pathlib, sys
from p2phd_eval.study.executors.executor import Job
from p2phd_eval.study.executors.local_processes import LocalProcesses
from p2phd_eval.study.schedule import run_jobs
folder = pathlib.Path(sys.argv[1])
command = (sys.executable, str(folder / "child.py"), str(folder))
children = [Job(name=name, command=command, log=folder / "log") for name in ("child", "next")]
print(run_jobs(children, LocalProcesses(["cpu"]), on_start=lambda job: None))
"""


def parent(folder: Path) -> subprocess.Popen[str]:
    (folder / "child.py").write_text(_CHILD)
    (folder / "parent.py").write_text(_PARENT)
    command = [sys.executable, str(folder / "parent.py"), str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    wait_for(folder / "started")
    return process


def test_a_signal_goes_on_to_those_at_work_and_they_are_waited_for(tmp_path: Path) -> None:
    process = parent(tmp_path)
    process.send_signal(signal.SIGTERM)
    stdout, _ = process.communicate(timeout=60)
    assert (tmp_path / "ended").read_text() == str(int(signal.SIGTERM))
    assert stdout == f"([Ended(name='child', returncode={128 + signal.SIGTERM}, node=None)], {int(signal.SIGTERM)})\n"


def test_a_killed_study_leaves_no_training_behind(tmp_path: Path) -> None:
    process = parent(tmp_path)
    process.kill()
    process.communicate(timeout=60)
    wait_for(tmp_path / "ended")
    assert (tmp_path / "ended").read_text() == str(int(signal.SIGTERM))
