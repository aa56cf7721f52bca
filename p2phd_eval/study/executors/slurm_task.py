"""What a job of Slurm runs on its node: one run of a study, started again where the job is requeued.

submitit keeps it as a pickle in the study folder and loads it there, on the node, as the user who wrote it.
"""

import os
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from msgspec import Struct, structs

from p2phd_eval.files import atomic_write, write_json
from p2phd_eval.study.executors.executor import Job
from p2phd_eval.study.executors.run_process import start_run

_POLL_SECONDS = 0.1


class TaskEnding(Struct, frozen=True, kw_only=True):
    """How the run of a job of Slurm ended, as a file beside the job's log."""

    job: str  # its number, with that in the array
    returncode: int
    node: str


@dataclass
class SlurmTask:
    """A run as what submitit calls; it passes on the signals of Slurm, so that the run saves."""

    job: Job
    device: str
    ending: Path  # where a `TaskEnding` is written
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _waiting: threading.Thread | None = field(default=None, init=False)

    def __call__(self) -> None:
        """Start the run and write down how it ended; a job that ends without that was killed, or is requeued."""
        self.ending.unlink(missing_ok=True)
        # Where the driver does not find it, this is another folder than the driver's.
        with atomic_write(begun_path(self.ending)) as stream:
            stream.write(job_number().encode())
        threads = int(os.environ.get("SLURM_CPUS_PER_TASK", "1"))
        process = start_run(self.job, self.device, threads=threads)
        # In a thread: a handler that waits for the process, too, would wait for this one's lock.
        waiting = threading.Thread(target=process.wait, daemon=True)
        waiting.start()
        self._process, self._waiting = process, waiting

        def pass_on(signum: int, frame: FrameType | None) -> None:
            if waiting.is_alive():
                os.kill(process.pid, signum)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, pass_on)
        try:
            while waiting.is_alive():
                time.sleep(_POLL_SECONDS)
        finally:
            self._end()
        ending = TaskEnding(job=job_number(), returncode=process.returncode, node=node_name())
        write_json(self.ending, structs.asdict(ending))

    def checkpoint(self) -> Any:
        """Let the run save: called by submitit when the job is about to be preempted, or its time is over.

        Returns
        -------
        submitit.helpers.DelayedSubmission
            The same run, which goes on where it was once Slurm has started the job again.
        """
        from submitit.helpers import DelayedSubmission

        self._end()
        return DelayedSubmission(SlurmTask(self.job, self.device, self.ending))

    def _end(self) -> None:
        if self._process is None or self._waiting is None:
            return
        if self._waiting.is_alive():
            os.kill(self._process.pid, signal.SIGTERM)
        while self._waiting.is_alive():
            time.sleep(_POLL_SECONDS)


def begun_path(ending: Path) -> Path:
    """Return the file that holds the number of a job which has begun, beside the one of its ending."""
    return ending.with_suffix(".begun")


def job_number() -> str:
    """Return the number of the job of Slurm that this process is in, as submitit calls it."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return os.environ.get("SLURM_JOB_ID", "") if array is None else f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"


def node_name() -> str:
    """Return what Slurm calls the node of this process."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()
