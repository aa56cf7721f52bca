"""What ended a command: what people are told, and the exit code; what nobody foresaw is a fault of the program."""

import errno
import re
import traceback
from dataclasses import dataclass
from pathlib import Path

from p2phd_eval.errors import InputError
from p2phd_eval.formatting import one_line, printable

#: Input that cannot be used, or a machine that cannot do it.
BAD_INPUT = 2
#: A fault of the program.
FAULT = 3

_PACKAGE = Path(__file__).parent
_KEPT = "Finished work is kept."
_LONGEST = 1000  # characters of what a library says
#: How torch, its libraries and drivers say that memory ran out, where they have no type for it.
MEMORY_RAN_OUT = re.compile(
    r"out of memory|(can't|cannot) allocate memory|not enough memory|[A-Z]_ALLOC_FAILED", re.IGNORECASE
)
_NO_ROOM = re.compile(r"failed to map segment|can't start new thread", re.IGNORECASE)
# In shared memory, and of a process that the system ended.
_WORKERS = re.compile(r"shared memory|DataLoader worker .* killed by signal", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An exception as a command ends with it."""

    message: str  # may be printed as it is; one sentence, and lines on what to do
    exit_code: int


def describe_failure(error: Exception) -> Failure:
    """Say what an exception means for whoever typed the command.

    `InputError` says it itself. A full disk, a folder without permission and too little memory are input too. Anything
    else was foreseen by nobody: it is named with its place in the package, and how to report it.
    """
    if isinstance(error, InputError):
        # A name in it may hold a line break; what to do about it may take several lines.
        sentence = one_line(str(error).removesuffix(f"\n{error.fix}"))
        return Failure(message=f"{sentence}\n{printable(error.fix)}".rstrip("\n"), exit_code=BAD_INPUT)
    said = one_line(str(error))[:_LONGEST]
    if isinstance(error, RuntimeError) and _WORKERS.search(said):
        return Failure(
            message=f"memory shared with worker processes: expected enough of it, found: {said.rstrip('.')}.\n"
            f"{_KEPT} Take fewer with --workers (0: none), or enlarge /dev/shm (docker run --shm-size).",
            exit_code=BAD_INPUT,
        )
    if _is_of_memory(error, said):
        return Failure(
            message=f"memory: expected enough of it, found: {said.rstrip('.') or type(error).__name__}.\n"
            f"{_KEPT} Take less at a time (--batch-size, --workers, smaller images), or a machine that has more.",
            exit_code=BAD_INPUT,
        )
    if isinstance(error, OSError):
        place = one_line(str(error.filename or "a file"))
        reason = one_line(error.strerror or str(error))[:_LONGEST]
        return Failure(message=f"{place}: expected to read or write it, found: {reason}.\n{_KEPT}", exit_code=BAD_INPUT)
    return Failure(
        message=f"p2phd-eval failed with {type(error).__name__}{said and f': {said}'} ({_place(error)}). "
        f"That is a fault of the program. {_KEPT}\n"
        "Please report it as an issue where p2phd-eval is from, with what the same command prints with --debug.",
        exit_code=FAULT,
    )


def traceback_text(error: BaseException) -> str:
    """Return a traceback that may be printed as it is."""
    return printable("".join(traceback.format_exception(error)))


def _is_of_memory(error: Exception, said: str) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    # Without loading torch.
    of_torch = type(error).__name__ == "OutOfMemoryError"
    told = isinstance(error, RuntimeError | ImportError) and (MEMORY_RAN_OUT.search(said) or _NO_ROOM.search(said))
    return of_torch or bool(told)


def _place(error: Exception) -> str:
    """The innermost line of the package that took part."""
    places = [
        f"{Path(frame.f_code.co_filename).relative_to(_PACKAGE)}, line {line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if Path(frame.f_code.co_filename).is_relative_to(_PACKAGE)
    ]
    return places[-1] if places else "outside of its own code"
