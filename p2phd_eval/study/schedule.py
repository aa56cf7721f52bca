"""Runs of a study as processes: side by side on the devices there are, ended together with their parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import p2phd_eval
from p2phd_eval.cores import usable_cores
from p2phd_eval.quality.distance_weights import NO_WEIGHTS

_PARENT_VARIABLE = "P2PHD_EVAL_STUDY_PROCESS"  # process number of the study that a run belongs to
_POLL_SECONDS = 0.1
_PROGRAM = str(Path(p2phd_eval.__file__).with_name("__main__.py").resolve())


class StudyStopped(Exception):
    """A signal stopped the study; everything finished is on disk, and the same command or call goes on from there."""

    def __init__(self, signum: int, message: str) -> None:
        super().__init__(message)
        self.signum = signum


class RunFailed(Exception):
    """A run could not be made, for a reason that is no result of its arm; what is finished is kept."""

    def __init__(self, returncode: int, message: str) -> None:
        super().__init__(message)
        self.returncode = returncode  # its process's


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run of a study as a process."""

    name: str
    command: tuple[str, ...]  # without the device
    log: Path | None  # where it prints; None: where this process does
    after: str | None = None  # a job that has to end before this one starts, where it is one of them


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a process ended."""

    name: str
    returncode: int  # negative: the number of the signal that ended it


def run_processes(
    jobs: Sequence[Job],
    devices: Sequence[str],
    *,
    on_start: Callable[[Job, str], None],
    on_end: Callable[[int], None] = lambda ended: None,
) -> tuple[list[Ended], int | None]:
    """Run jobs, at most one at a time on each device, and on one that is named several times as many.

    A job that ends with an error other than a signal's is the last one to start: what is wrong with data or disk is
    wrong for all. SIGINT and SIGTERM are passed on, and those at work are waited for: they save.

    `on_start`: called with a job and its device. `on_end`: called with how many have ended.

    Returns
    -------
    ended : list of Ended
        In the order of their ends.
    signum : int or None
        The signal that stopped all.
    """
    waiting, ended = list(jobs), list[Ended]()
    at_work: dict[int, tuple[Job, subprocess.Popen[bytes]]] = {}  # by the place of the device
    stop = _PassedOn(lambda: [process for _, process in at_work.values()])
    with stop:
        try:
            while True:
                for place, (job, process) in list(at_work.items()):
                    if process.poll() is not None:
                        del at_work[place]
                        ended.append(Ended(name=job.name, returncode=process.returncode))
                        on_end(len(ended))
                if stop.signum is not None or any(each.returncode > 0 for each in ended):
                    waiting.clear()
                for place, device in enumerate(devices):
                    unfinished = {job.name for job in (*waiting, *(job for job, _ in at_work.values()))}
                    ready = next((each for each in waiting if each.after not in unfinished), None)
                    if ready is not None and place not in at_work:
                        waiting.remove(ready)
                        on_start(ready, device)
                        at_work[place] = (ready, _start(ready, device, threads=usable_cores() // devices.count(device)))
                        if stop.signum is not None:  # it came while the process was being started
                            at_work[place][1].send_signal(stop.signum)
                if not at_work:
                    return ended, stop.signum
                time.sleep(_POLL_SECONDS)
        finally:
            for _, process in at_work.values():  # an error came in between
                process.terminate()
                process.wait()


def study_command(
    study: Path,
    *,
    feature_weights: Path | None,
    lpips_weights: Path | None,
    distance_weights: Mapping[str, Path] = NO_WEIGHTS,
    track: Sequence[str],
) -> tuple[str, ...]:
    """Return the command that goes on with a study; "--run" and a name may follow."""
    files = {"--feature-weights": feature_weights, "--lpips-weights": lpips_weights}
    given = [text for option, path in files.items() if path is not None for text in (option, str(path.resolve()))]
    given += [
        text for name, path in distance_weights.items() for text in ("--distance-weights", f"{name}={path.resolve()}")
    ]
    given += [text for name in track for text in ("--track", name)]
    # By its file: with -m Python would search the current folder for every module first.
    return (sys.executable, _PROGRAM, "study", "--out", str(study.resolve()), *given)


def follow_parent() -> None:
    """End this process as SIGTERM does when the study that started it is gone, however that ended.

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


def _start(job: Job, device: str, *, threads: int) -> subprocess.Popen[bytes]:
    command = [*job.command, "--device", device]
    # Runs that share a device share the cores: two with all of them each take longer than one after the other.
    environment = {"OMP_NUM_THREADS": str(max(1, threads)), **os.environ, _PARENT_VARIABLE: str(os.getpid())}
    with ExitStack() as stack:
        log = None
        if job.log is not None:
            job.log.parent.mkdir(parents=True, exist_ok=True)
            log = stack.enter_context(job.log.open("ab"))
        # A group of its own: Ctrl-C reaches it through its parent alone, once.
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )


class _PassedOn:
    """Context in which SIGINT and SIGTERM go on to other processes instead of ending this one."""

    def __init__(self, processes: Callable[[], Sequence[subprocess.Popen[bytes]]]) -> None:
        self.signum: int | None = None
        self._processes = processes
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> None:
        # Elsewhere Python allows no handlers: in a thread of a program that handles signals itself.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._receive)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, signum: int, frame: FrameType | None) -> None:
        self.signum = signum
        for process in self._processes():
            process.send_signal(signum)
