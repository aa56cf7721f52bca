"""What runs on a node of a Ray cluster: a run of a study as an actor's process, and a look at what the node sees."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import p2phd_eval
from p2phd_eval.errors import InputError
from p2phd_eval.study.executors.executor import Job
from p2phd_eval.study.executors.run_process import start_run

_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 10.0  # until a network's file system shows what another machine has written


@dataclass(frozen=True, kw_only=True)
class NodeName:
    """What a node is called."""

    host: str
    key: str  # Ray's name for it


@dataclass(frozen=True, kw_only=True)
class Needed:
    """What every node has to see as the driver does."""

    token: Path  # a file that the driver wrote
    content: str  # what it wrote there
    version: str  # of p2phd-eval


def require_seen(needed: Needed, files: Sequence[Path]) -> None:
    """Raise `InputError` where this node does not see the study folder, the data, or the program as the driver does."""
    where = f"node {socket.gethostname()}"
    begun = time.monotonic()
    while not _holds(needed.token, needed.content):
        if time.monotonic() - begun > _PATIENCE_SECONDS:
            raise InputError(
                where,
                expected=f"the study folder {needed.token.parent} as the driver sees it",
                found="another one, or none",
                fix="Put the study onto a file system that all nodes mount at the same path.",
            )
        time.sleep(_POLL_SECONDS)
    missing = [path for path in files if not path.exists()]
    if missing:
        raise InputError(
            where,
            expected=f"{missing[0]}, as the driver sees it",
            found="nothing there",
            fix="Put data, weights and the Python environment where all nodes see them at the same path.",
        )
    if p2phd_eval.__version__ != needed.version:
        raise InputError(where, expected=f"p2phd-eval {needed.version}, as here", found=p2phd_eval.__version__)


class RayRun:
    """One run's process on this node; it ends when this actor's process is gone, however that ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._signals: list[int] = []  # that came before it
        self._lock = threading.Lock()

    def start(self, job: Job, device: str, threads: int, environment: Mapping[str, str], needed: Needed) -> NodeName:
        """Start the run and return where it is; raises `InputError` as `require_seen`."""
        import ray

        require_seen(needed, job.needs)
        with self._lock:
            self._process = start_run(job, device, threads=threads, environment=environment)
            for signum in self._signals:
                self._process.send_signal(signum)
        return NodeName(host=socket.gethostname(), key=ray.get_runtime_context().get_node_id())

    def wait(self, seconds: float) -> int | None:
        """Wait for the run's end, for some seconds at most, and return its exit code; None if it goes on."""
        assert self._process is not None  # since it was started
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def pass_on(self, signum: int) -> None:
        """Send a signal to the run, as soon as it is there."""
        with self._lock:
            if self._process is None:
                self._signals.append(signum)
            else:
                self._process.send_signal(signum)


def forwarded() -> dict[str, str]:
    """Return what a run takes from the driver's environment: where packages are, and what this program reads."""
    return {name: value for name, value in os.environ.items() if name == "PYTHONPATH" or name.startswith("P2PHD_EVAL_")}


def _holds(path: Path, content: str) -> bool:
    try:
        return path.read_text() == content
    except OSError:
        return False
