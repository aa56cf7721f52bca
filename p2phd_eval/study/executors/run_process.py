"""The process of one run, which ends together with the process that started it."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack

from p2phd_eval.study.executors.executor import Job

_PARENT_VARIABLE = "P2PHD_EVAL_STUDY_PROCESS"  # process number of what a run was started by
_POLL_SECONDS = 0.1


def start_run(
    job: Job, device: str, *, threads: int, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a run on a device of this machine; `environment`: variables beside those of this process."""
    command = [*job.command, "--device", device]
    # Runs that share a device share the cores: two with all of them each take longer than one after the other.
    shared = {"OMP_NUM_THREADS": str(max(1, threads)), **os.environ, **(environment or {})}
    with ExitStack() as stack:
        log = None
        if job.log is not None:
            job.log.parent.mkdir(parents=True, exist_ok=True)
            log = stack.enter_context(job.log.open("ab"))
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**shared, _PARENT_VARIABLE: str(os.getpid())},
            # A group of its own: Ctrl-C reaches it through its parent alone, once.
            start_new_session=True,
        )


def follow_parent() -> None:
    """End this process as SIGTERM does when what started it is gone, however that ended.

    Without this, the runs of a study that was killed would train on, beside those of the study that goes on.
    """
    parent = os.environ.get(_PARENT_VARIABLE)
    if parent is None:
        return

    def watch() -> None:
        while str(os.getppid()) == parent:
            time.sleep(_POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="follow-parent").start()
