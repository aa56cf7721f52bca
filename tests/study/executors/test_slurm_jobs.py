"""What Slurm is asked for, and what is refused before it is asked."""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import closing
from pathlib import Path

import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.study.executors import slurm_jobs
from p2phd_eval.study.executors.executor import Job
from p2phd_eval.study.executors.slurm_jobs import SlurmJobs
from p2phd_eval.study.schedule import run_jobs
from tests.study.executors.slurm_stand_in import install
from tests.waiting import wait_for


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-in for Slurm keeps what it was given."""
    for name, value in install(tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path / "slurm-state"


def job(folder: Path, name: str, after: str | None = None) -> Job:
    code = f"import pathlib; open({str(folder / 'order')!r}, 'a').write({name!r} + ' ')"
    return Job(name=name, command=(sys.executable, "-c", code), log=folder / f"{name}.log", after=after)


def asked(script: Path) -> dict[str, str]:
    return dict(re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", script.read_text(), re.MULTILINE))


def test_options_become_those_of_sbatch_and_the_last_job_comes_after_all(state: Path, tmp_path: Path) -> None:
    """Runs that share a training come after all that train; nothing waits for them here."""
    study = tmp_path / "a study"
    options = {"partition": "gpu", "time": "1-12", "gpus": "2", "cpus": "8", "mem": "1.5G", "at_once": "3"}
    slurm = SlurmJobs(study, {**options, "requeues": "7", "save_seconds": "300"})
    jobs = [job(tmp_path, "a"), job(tmp_path, "b"), job(tmp_path, "shares", after="a")]
    numbers = slurm.submit_all(jobs, job(tmp_path, "last"))
    assert numbers == ["1_0", "1_1", "2", "3"]
    assert json.loads((study / "slurm" / "jobs.json").read_text()) == {
        **{"a": "1_0", "b": "1_1", "shares": "2"},
        "last": "3",
    }
    wait_for(study / "slurm" / "endings" / "last.json")
    order = (tmp_path / "order").read_text().split()
    assert (set(order[:2]), order[2:]) == ({"a", "b"}, ["shares", "last"])
    found = asked(state / "1.sbatch")
    assert {name: found[name] for name in ("partition", "time", "gpus-per-node", "cpus-per-task", "mem", "array")} == {
        **{"partition": "gpu", "time": "2160", "gpus-per-node": "2", "cpus-per-task": "8", "mem": "1536M"},
        "array": "0-1%2",
    }
    assert (found["signal"], found["requeue"], "wckey" in found) == ("USR2@300", "", False)
    assert asked(state / "3.sbatch")["dependency"] == "afterany:1:2"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gpu": "1"}, r"--executor-option gpu=1: expected partition \| account .*found 'gpu'"),
        ({"time": "soon"}, "--executor-option time: expected a time as sbatch takes it"),
        ({"mem": "0G"}, "--executor-option mem: expected memory, such as 32G"),
        ({"partition": "a b"}, "--executor-option partition: expected a word"),
        ({"tries": "0"}, "--executor-option tries: expected a whole number from 1 on"),
    ],
)
def test_an_option_that_there_is_not_is_named(options: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        SlurmJobs(tmp_path, options)


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "a\\b", "100%j", "it's", "$(touch RAN)", "caf\udce9"])
def test_a_folder_that_slurm_cannot_write_to_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a path that Slurm can write its logs to"):
        SlurmJobs(tmp_path / name, {})


def test_what_sbatch_says_is_told(state: Path, tmp_path: Path) -> None:
    slurm = SlurmJobs(tmp_path, {"partition": "nowhere"})
    with pytest.raises(InputError, match="found sbatch: error: invalid partition specified: nowhere"):
        slurm.submit([job(tmp_path, "a")])


def test_jobs_that_never_begin_are_not_taken_for_killed_runs(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a node that does not see the study, a job ends before it has written anything that is seen here."""
    for name, seconds in {"_PATIENCE_SECONDS": 0.0, "_LOOK_SECONDS": 0.05, "_ASK_SECONDS": (0.05, 0.05)}.items():
        monkeypatch.setattr(slurm_jobs, name, seconds)
    (tmp_path / "slurm-bin" / "srun").write_text("#!/bin/sh\nexit 1\n")
    study, notes = tmp_path / "study", list[str]()
    message = rf"Slurm's job 2, which was to make a on n1: expected it to begin its run in {study}, found that it left"
    with closing(SlurmJobs(study, {"tries": "2"})) as slurm, pytest.raises(InputError, match=message):
        run_jobs([job(tmp_path, "a")], slurm, on_start=lambda job: None, note=notes.append)
    assert notes == ["a was ended by SIGKILL on n1; try 2 of 2"]


def test_without_slurm_a_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(InputError, match=r"--executor slurm: expected Slurm's programs, .* found no sbatch"):
        SlurmJobs(tmp_path, {})


def test_without_submitit_a_sentence_says_what_to_install(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(InputError, match=r'Install it: pip install "p2phd-eval\[slurm\]"'):
        SlurmJobs(tmp_path, {})
