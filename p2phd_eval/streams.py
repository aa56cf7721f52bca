"""stdin, stdout and stderr as a command can rely on them: open, whoever reads, whatever characters they can show."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import TextIO

# What an encoding without them, such as ASCII, shows in their place.
_TWINS = {"±": "+/-", "×": "x", "–": "-", "−": "-", "…": "...", "✓": "yes", "→": "->", "≤": "<=", "≥": ">="}
_LEGIBLE = "p2phd-eval-legible"


def make_streams_safe() -> None:
    """See to it that printing never ends a command, and that its exit code says what came of it.

    A stream that was closed (`>&-`) leads nowhere from then on, so that no file that is opened takes its place; so does
    one whose reader leaves (`| head -1`). A character that the encoding lacks is printed as its twin, such as +/-, or
    as an escape. What cannot be written to stderr is dropped; to stdout, it is an error.
    """
    codecs.register_error(_LEGIBLE, _legible)
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest number that is free
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = _safe(sys.stdout, 1, BrokenPipeError)
    sys.stderr = _safe(sys.stderr, 2, OSError)


def _safe(stream: TextIO | None, descriptor: int, forgiven: type[OSError]) -> TextIO:
    if stream is None or not isinstance(stream, io.TextIOWrapper):
        return stream or open(descriptor, "w", errors=_LEGIBLE, closefd=False)
    if stream.isatty():
        stream.reconfigure(errors=_LEGIBLE)
        return stream
    stream.flush()
    return _Stream(stream, forgiven)


class _Stream(io.TextIOWrapper):
    """Takes the place of a stream; from the first thing on that it cannot write it leads nowhere.

    Unless the reason is forgiven, that is an `OSError` once.
    """

    def __init__(self, stream: io.TextIOWrapper, forgiven: type[OSError]) -> None:
        super().__init__(
            open(stream.fileno(), "wb", closefd=False),  # noqa: SIM115
            encoding=stream.encoding,
            errors=_LEGIBLE,
            line_buffering=stream.line_buffering or stream.write_through,
        )
        self._forgiven = forgiven

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._lead_nowhere(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._lead_nowhere(error)

    def _lead_nowhere(self, error: OSError) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())  # so does what is still in the buffer
        os.close(nowhere)
        if not isinstance(error, self._forgiven):
            error.filename = "stdout"
            raise error


def _legible(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    shown = "".join(_TWINS.get(each) or each.encode("unicode_escape").decode() for each in lacking)
    return shown, error.end
