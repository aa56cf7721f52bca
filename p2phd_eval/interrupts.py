"""Ctrl-C and SIGTERM caught: as a request to finish the step, save and stop, or to be passed on."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import TypeVar

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_Caught = TypeVar("_Caught", bound="CaughtSignals")


class CaughtSignals:
    """Context in which SIGINT and SIGTERM are written down instead of ending this process.

    Outside the main thread, where Python allows no handlers, it does nothing.
    """

    def __init__(self) -> None:
        self.signals: list[int] = []  # that came, in their order
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self: _Caught) -> _Caught:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _receive(self, signum: int, frame: FrameType | None) -> None:
        self.signals.append(signum)

    def _restore(self) -> None:
        before, self._before = self._before, {}  # a signal may come in the middle of this
        for number, handler in before.items():
            # One that was not set from Python is not known to it.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


class StopRequest(CaughtSignals):
    """Context in which the first SIGINT or SIGTERM only sets `signum`; a second one interrupts at once."""

    @property
    def signum(self) -> int | None:
        """The signal that came."""
        return self.signals[-1] if self.signals else None

    def _receive(self, signum: int, frame: FrameType | None) -> None:
        super()._receive(signum, frame)
        self._restore()


def leave_interrupts_to_the_parent(_worker: int) -> None:
    """Start a DataLoader's worker so that Ctrl-C, which reaches the whole process group, is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
