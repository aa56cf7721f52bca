"""A process between a run of a study and a command of its arm: it ends the command when the run is gone.

Run as a script, ``command_guard.py PARENT PROGRAM ARGUMENT ...``: the command and all that it starts are one process
group, which is ended on SIGTERM, when the process PARENT is no more (however that ended), and when the command itself
ends. Without it, a command whose study was killed would write on, into the folder of the study that goes on.
"""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from types import FrameType

_POLL_SECONDS = 0.05
_PATIENCE_SECONDS = 10.0  # between SIGTERM and SIGKILL


def main() -> int:
    """Run the command and return its exit code; a signal that ended it ends this process too."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    asked: list[float] = []

    def stop(signum: int, frame: FrameType | None) -> None:
        asked.append(time.monotonic())

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    told = False
    while process.poll() is None:
        if (asked or os.getppid() != parent) and not told:
            asked.append(time.monotonic())
            told = True
            _signal(process.pid, signal.SIGTERM)
        if told and time.monotonic() - asked[0] > _PATIENCE_SECONDS:
            _signal(process.pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
    _signal(process.pid, signal.SIGKILL)  # what it started and left behind
    if process.returncode < 0:
        # As the command ended, so does this; the core, if any, was its own.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        number = signal.Signals(-process.returncode)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        time.sleep(_PATIENCE_SECONDS)  # a signal that does not end a process, such as SIGCONT, ends none
    return process.returncode


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main())
