"""What makes runs: the one interface of local processes, Slurm and Ray."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

#: Exit codes of a run that was told to stop, and saved.
_STOPPED = {128 + number: number for number in (signal.SIGINT, signal.SIGTERM)}


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run of a study as a process."""

    name: str
    command: tuple[str, ...]  # without the device
    log: Path | None  # where it prints; None: where this process does
    after: str | None = None  # a job that has to end before this one starts, where it is one of them
    needs: tuple[Path, ...] = ()  # what has to be there where it runs


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a process ended."""

    name: str
    returncode: int  # negative: the number of the signal that ended it
    node: str | None = None  # where it was, of several; None also where nobody knows


class Executor(Protocol):
    """Makes runs, several at a time.

    It decides neither which run comes next nor whether one is tried again: `run_jobs` does, for all executors alike.
    """

    tries: int  # how often in all a run is begun that a signal, or its node, ends

    def room(self) -> int:
        """Return how many more jobs may be handed over now."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Begin jobs, or let them wait in the engine's queue; one that was killed on a node goes to another."""

    def ended(self) -> list[Ended]:
        """Return the jobs that have ended since the last call."""

    def withdraw(self) -> None:
        """Take back the jobs that wait in the engine's queue; they end as if by SIGTERM."""

    def pass_on(self, signum: int) -> None:
        """Send a signal to the jobs at work, which save and end."""

    def close(self) -> None:
        """End what is still at work, and leave the engine."""


def absolute(job: Job) -> Job:
    """Return a job that prints into the same log from whatever folder it is started in."""
    return job if job.log is None else replace(job, log=job.log.resolve())


def cut_short(returncode: int) -> int:
    """Return the exit code of a run as that of a process which a signal ended, where it was told to stop and saved.

    On a cluster that is how preemption looks: no fault of the run's, and no result.
    """
    return -_STOPPED[returncode] if returncode in _STOPPED else returncode
