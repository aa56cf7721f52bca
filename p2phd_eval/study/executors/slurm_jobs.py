"""Runs as jobs of Slurm, through submitit: arrays, limits, and jobs that are requeued go on where they were."""

import getpass
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p2phd_eval.errors import InputError
from p2phd_eval.executor_options import MEMORY, MINUTES, WORD, read_options, whole
from p2phd_eval.files import write_json
from p2phd_eval.json_files import read_json_or_none
from p2phd_eval.study.executors.executor import Ended, Job, absolute, cut_short
from p2phd_eval.study.executors.slurm_task import SlurmTask, TaskEnding, begun_path

#: What `--executor-option` takes.
OPTIONS = {
    "partition": WORD,
    "account": WORD,
    "qos": WORD,
    "constraint": WORD,
    "nodelist": WORD,
    "exclude": WORD,
    "time": MINUTES,
    "gpus": whole(0),
    "cpus": whole(1),
    "mem": MEMORY,
    "at_once": whole(1),
    "tries": whole(1),
    "requeues": whole(0),
    "save_seconds": whole(1),
}
_DEFAULTS = {"time": 24 * 60, "gpus": 1, "at_once": 256, "tries": 3, "requeues": 100, "save_seconds": 120}
_PROGRAMS = ("sbatch", "srun", "squeue", "scancel", "sinfo")
_LONGEST_NAME = 64  # characters of a job's name
_NAMED = 8  # jobs in a message
_LOOK_SECONDS = 1.0  # between two looks for endings
_ASK_SECONDS = (2.0, 30.0)  # between two questions to Slurm: soon after a submission, and later
_PATIENCE_SECONDS = 10.0  # until a file that another node wrote is seen here


@dataclass(frozen=True, kw_only=True)
class _AtWork:
    job: Job
    number: str  # the job's, such as "17_2"


class SlurmJobs:
    """Runs as jobs of Slurm; those of one call are an array.

    Jobs outlive this process where it is killed. Their numbers stand in `slurm/jobs.json` of the study, and the next
    call waits for those that are still in the queue instead of beginning them again.
    """

    def __init__(self, study: Path, options: Mapping[str, str]) -> None:
        given: dict[str, Any] = {**_DEFAULTS, **read_options("slurm", options, OPTIONS)}
        self.tries: int = given["tries"]
        self.at_once: int = given["at_once"]
        self.device = "cuda" if given["gpus"] else "cpu"
        self._folder = _usable_folder(study)
        _require_slurm()
        self._given = given
        # Only a label.
        self._name = re.sub(r"[^A-Za-z0-9._-]+", "_", study.resolve().name)[:_LONGEST_NAME]
        self._at_work: dict[str, _AtWork] = {}
        self._killed_on: defaultdict[str, set[str]] = defaultdict(set)
        self._not_begun = Counter[str]()  # how many jobs of a run left the queue before they had begun
        self._gone: dict[str, float] = {}  # when a job was first seen to have left the queue without an ending
        self._withdrawn, self._signum = False, 0
        self._told: set[str] = set()  # the jobs that have the signal
        self._over: set[str] = set()  # the jobs whose end was told
        self._asked = self._looked = self._submitted = 0.0

    def room(self) -> int:
        """Return more than there are jobs: the queue is Slurm's."""
        return 1 << 30

    def submit(self, jobs: Sequence[Job]) -> None:
        """Submit jobs as one array, but for those that are in the queue from an earlier call.

        Raises `InputError` with what sbatch said if it takes them not.
        """
        recorded = read_json_or_none(dict[str, str], self._jobs_file) or {}
        queued = self._queue() if recorded else {}
        new: defaultdict[tuple[str, ...], list[Job]] = defaultdict(list)
        for job in jobs:
            number = recorded.get(job.name)
            # Slurm lists a job for a while after its run has ended.
            if number is not None and number in (queued or {}) and number not in self._over:
                self._at_work[job.name] = _AtWork(job=job, number=number)
            else:
                new[self._avoided(job)].append(job)
        for avoided, group in new.items():
            for job, number in zip(group, self._submit_array(group, avoid=avoided), strict=True):
                self._at_work[job.name] = _AtWork(job=job, number=number)
                recorded[job.name] = number
        write_json(self._jobs_file, recorded)
        self._submitted, self._asked = time.monotonic(), time.monotonic()

    def require_none_queued(self) -> None:
        """Raise `InputError` if jobs of an earlier call are in the queue, which another call would begin twice."""
        recorded = read_json_or_none(dict[str, str], self._jobs_file) or {}
        queued = self._queue() or {} if recorded else {}
        there = [number for number in recorded.values() if number in queued]
        if there:
            raise InputError(
                "--slurm",
                expected="no jobs of this study in the queue",
                found=f"{len(there)}: {', '.join(there[:_NAMED])}{', ...' if len(there) > _NAMED else ''}",
                fix="Wait for them with --executor slurm, which begins none twice; or cancel them with scancel.",
            )

    def submit_all(self, jobs: Sequence[Job], last: Job) -> list[str]:
        """Submit jobs and one that comes after all of them, and wait for none; return their numbers."""
        recorded: dict[str, str] = {}
        names = {job.name for job in jobs}
        numbers: list[str] = []
        for group in ([job for job in jobs if job.after not in names], [job for job in jobs if job.after in names]):
            if group:
                found = self._submit_array(group, after=numbers)
                recorded |= dict(zip((job.name for job in group), found, strict=True))
                numbers += found
        numbers += self._submit_array([last], after=numbers)
        write_json(self._jobs_file, recorded | {last.name: numbers[-1]})
        return numbers

    def ended(self) -> list[Ended]:
        """Return the jobs whose run has ended, or that left the queue without one.

        Raises `InputError` if all tries of a run left the queue before they had begun.
        """
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return []
        self._looked, found, queued = now, [], None
        shortest, longest = _ASK_SECONDS
        if now - self._asked >= min(longest, max(shortest, (now - self._submitted) / 2)):
            self._asked, queued = now, self._queue()
            self._stop(queued or {})
        for name, at_work in list(self._at_work.items()):
            ending = read_json_or_none(TaskEnding, self._ending(name))
            returncode, node = None, None
            if ending is not None and ending.job == at_work.number:
                returncode, node = cut_short(ending.returncode), ending.node
            in_queue = queued is None or at_work.number in queued
            # A run that was stopped may be preempted, and Slurm starts its job again.
            if returncode is None or (returncode < 0 and ending is not None and ending.returncode > 0):
                if in_queue:
                    if queued is not None:
                        self._gone.pop(name, None)  # it was requeued in between
                    continue
                if returncode is None and not self._withdrawn:
                    if now - self._gone.setdefault(name, now) < _PATIENCE_SECONDS:
                        self._asked = 0.0
                        continue
                    node = self._node_of(at_work.number)
                    self._require_begun(at_work, node)
                returncode = -signal.SIGTERM if self._withdrawn or returncode is not None else -signal.SIGKILL
            del self._at_work[name]
            self._over.add(at_work.number)
            self._gone.pop(name, None)
            if returncode < 0 and node is not None:
                self._killed_on[name].add(node)
            found.append(Ended(name=name, returncode=returncode, node=node))
        return found

    def withdraw(self) -> None:
        """Cancel the jobs that wait in the queue, with the next question to Slurm."""
        self._withdrawn = True
        self._asked, self._submitted = 0.0, time.monotonic()

    def pass_on(self, signum: int) -> None:
        """Send a signal to the jobs at work, once each, with the next question to Slurm."""
        self._signum = signum
        self._told.clear()
        self._asked, self._submitted = 0.0, time.monotonic()

    def close(self) -> None:
        """Cancel what is left where an error came in between; Slurm lets it save."""
        self._cancel([each.number for each in self._at_work.values()])
        self._at_work.clear()

    @property
    def _jobs_file(self) -> Path:
        return self._folder / "jobs.json"

    def _ending(self, name: str) -> Path:
        return self._folder / "endings" / f"{name}.json"

    def _require_begun(self, at_work: _AtWork, node: str | None) -> None:
        name = at_work.job.name
        try:
            if begun_path(self._ending(name)).read_text() == at_work.number:
                return
        except OSError:
            pass
        self._not_begun[name] += 1
        if self._not_begun[name] >= self.tries:
            raise InputError(
                f"Slurm's job {at_work.number}, which was to make {name}" + ("" if node is None else f" on {node}"),
                expected=f"it to begin its run in {self._folder.parent}",
                found=f"that it left the queue before, as all {self.tries} tries",
                fix="Put study, data, weights and the Python environment where all nodes see them at the same path. "
                "The job's own log is in the study's folder slurm/, on its node if that folder is another one there.",
            )

    def _submit_array(self, jobs: Sequence[Job], *, avoid: Sequence[str] = (), after: Sequence[str] = ()) -> list[str]:
        import submitit

        given = self._given
        parameters: dict[str, Any] = {key: given.get(key) for key in ("partition", "account", "qos", "constraint")}
        exclude = [*([given["exclude"]] if "exclude" in given else []), *avoid]
        bases = dict.fromkeys(number.partition("_")[0] for number in after)
        parameters |= {
            "time": given["time"],
            "gpus_per_node": given["gpus"] or None,
            "cpus_per_task": given.get("cpus"),
            "mem": None if "mem" not in given else f"{max(1, round(given['mem'] * 1024))}M",
            "nodelist": given.get("nodelist"),
            "exclude": ",".join(exclude) or None,
            "dependency": f"afterany:{':'.join(bases)}" if bases else None,
            "array_parallelism": given["at_once"],
            "signal_delay_s": given["save_seconds"],
            "job_name": self._name,
            "wckey": None,  # submitit's own name, which a site may not know
            "stderr_to_stdout": True,
            "additional_parameters": {"requeue": True},
        }
        try:
            tasks = [SlurmTask(absolute(job), self.device, self._ending(job.name)) for job in jobs]
            executor = submitit.SlurmExecutor(folder=self._folder, max_num_timeout=given["requeues"])
            executor.update_parameters(**parameters)
            with executor.batch():
                submitted = [executor.submit(task) for task in tasks]
        except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
            said = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise InputError(
                "sbatch",
                expected="it to take the jobs",
                found=(said or ["no reason"])[0],
                fix=f"What it is asked for is set by --executor-option: {' | '.join(OPTIONS)}",
            ) from error
        return [job.job_id for job in submitted]

    def _avoided(self, job: Job) -> tuple[str, ...]:
        """The nodes on which a run was killed, where there are others."""
        killed_on = self._killed_on[job.name]
        if not killed_on:
            return ()
        partition = [] if "partition" not in self._given else [f"--partition={self._given['partition']}"]
        nodes = set((_ask("sinfo", "--noheader", "--Node", "--format=%N", "--responding", *partition) or "").split())
        return tuple(sorted(killed_on)) if nodes - killed_on else ()

    def _queue(self) -> dict[str, str] | None:
        """The states of this user's jobs by number; None where Slurm does not answer."""
        said = _ask("squeue", "--noheader", "--array", f"--user={getpass.getuser()}", "--format=%i|%T")
        if said is None:
            return None
        pairs = (line.strip().partition("|") for line in said.splitlines() if "|" in line)
        finished = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "DEADLINE")
        return {number: state for number, _, state in pairs if state not in finished}

    def _node_of(self, number: str) -> str | None:
        """The node that a job was on last, while Slurm still knows it."""
        said = _ask("scontrol", "show", "job", "--oneliner", number) if shutil.which("scontrol") else None
        found = re.search(r"\bNodeList=([^\s(]+)", said or "")
        return None if found is None or found[1] == "null" else found[1]

    def _stop(self, queued: Mapping[str, str]) -> None:
        """Cancel what waits, and tell what runs, where that was asked for."""
        states = {each.number: queued.get(each.number) for each in self._at_work.values()}
        if self._withdrawn:
            self._cancel([number for number, state in states.items() if state == "PENDING"])
        if self._signum:
            running = [number for number, state in states.items() if state == "RUNNING" and number not in self._told]
            self._cancel(running, f"--signal={signal.Signals(self._signum).name.removeprefix('SIG')}")
            self._told.update(running)

    @staticmethod
    def _cancel(numbers: Sequence[str], *how: str) -> None:
        if numbers:
            _ask("scancel", *how, *numbers)


def _ask(*command: str) -> str | None:
    """What a program of Slurm says; None where it fails, as while its controller is restarted."""
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    return os.fsdecode(done.stdout) if done.returncode == 0 else None


def _require_slurm() -> None:
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        raise InputError(
            "--executor slurm",
            expected=f"Slurm's programs, {', '.join(_PROGRAMS)}, in PATH",
            found=f"no {missing[0]}",
            fix="Start it where jobs are submitted, such as on the login node.",
        )
    try:
        import submitit  # noqa: F401
    except ImportError as error:
        raise InputError(
            "--executor slurm",
            expected="submitit, which hands jobs to Slurm",
            found="no such package",
            fix='Install it: pip install "p2phd-eval[slurm]", or pip install submitit.',
        ) from error


def _usable_folder(study: Path) -> Path:
    """The folder of the jobs' files, by the rules of submitit, of sbatch and of what both replace in a name."""
    folder = (study / "slurm").resolve()
    others = sorted(set(re.findall(r"[^\w /.,:@+=-]", str(folder))))
    if others:
        raise InputError(
            f"--out {study}",
            expected="a path that Slurm can write its logs to: letters, digits, spaces and . , : @ + = - _",
            found=f"{', '.join(map(repr, others))} in it",
            fix="Give the study a folder with another name.",
        )
    return folder
