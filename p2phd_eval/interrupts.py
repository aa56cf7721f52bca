"""Ctrl-C and SIGTERM as a request to finish the step, save and stop."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Context in which the first SIGINT or SIGTERM only sets `signum`; a second one interrupts at once.

    Outside the main thread, where Python allows no handlers, it does nothing.
    """

    def __init__(self) -> None:
        self.signum: int | None = None  # the signal that came
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _receive(self, signum: int, frame: FrameType | None) -> None:
        self.signum = signum
        self._restore()

    def _restore(self) -> None:
        before, self._before = self._before, {}  # a signal may come in the middle of this
        for number, handler in before.items():
            # One that was not set from Python is not known to it.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def leave_interrupts_to_the_parent(_worker: int) -> None:
    """Start a DataLoader's worker so that Ctrl-C, which reaches the whole process group, is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
