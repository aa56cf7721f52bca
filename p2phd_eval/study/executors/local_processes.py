"""Runs as processes of this machine, one at a time on each device."""

import subprocess
from collections.abc import Sequence

from p2phd_eval.cores import usable_cores
from p2phd_eval.study.executors.executor import Ended, Job
from p2phd_eval.study.executors.run_process import start_run


class LocalProcesses:
    """Runs on the devices of this machine; on one that is named several times as many at a time."""

    tries = 1  # what ended a process here, such as a lack of memory, is still here

    def __init__(self, devices: Sequence[str]) -> None:
        self._devices = tuple(devices)
        self._at_work: dict[int, tuple[Job, subprocess.Popen[bytes]]] = {}  # by the place of the device

    def room(self) -> int:
        """Return how many devices have no run."""
        return len(self._devices) - len(self._at_work)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Start each job on the first device that has none."""
        free = [place for place in range(len(self._devices)) if place not in self._at_work]
        for job, place in zip(jobs, free[: len(jobs)], strict=True):
            device = self._devices[place]
            threads = usable_cores() // self._devices.count(device)
            self._at_work[place] = (job, start_run(job, device, threads=threads))

    def ended(self) -> list[Ended]:
        """Return the processes that have ended since the last call."""
        found = []
        for place, (job, process) in list(self._at_work.items()):
            if process.poll() is not None:
                del self._at_work[place]
                found.append(Ended(name=job.name, returncode=process.returncode))
        return found

    def withdraw(self) -> None:
        """Do nothing: no process waits in a queue."""

    def pass_on(self, signum: int) -> None:
        """Send a signal to all processes."""
        for _, process in self._at_work.values():
            process.send_signal(signum)

    def close(self) -> None:
        """End the processes that are left where an error came in between, and wait until they have saved."""
        for _, process in self._at_work.values():
            process.terminate()
        for _, process in self._at_work.values():
            process.wait()
        self._at_work.clear()
