"""The memory that there is, and what is said where it is too little."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from p2phd_eval.devices import describe_device
from p2phd_eval.errors import InputError, MemoryShortage
from p2phd_eval.failures import MEMORY_RAN_OUT

# What a container may use, where it is in one.
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory_of(device: torch.device) -> int | None:
    """Return how many bytes a device has in all, used or free; None where that is not known."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    limits = []
    with suppress(OSError, ValueError, AttributeError):  # other systems
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in _LIMITS:
        with suppress(OSError, ValueError):  # not in a container, or "max"
            limits.append(int(path.read_text()))
    return min(limits, default=None)


def require_memory(needed: int, device: torch.device, what: str, fix: str) -> None:
    """Raise `MemoryShortage` if something needs more bytes than a device has in all."""
    there = memory_of(device)
    if there is not None and needed > there:
        raise MemoryShortage(
            what,
            expected=f"at most the {_size(there)} that {describe_device(device)} has",
            found=f"at least {_size(needed)}",
            fix=fix,
        )


@contextmanager
def memory_for(what: str, fix: str) -> Iterator[None]:
    """Turn whatever is raised in the block for want of memory into `MemoryShortage`; `fix`: what to reduce."""
    try:
        yield
    except Exception as error:
        if isinstance(error, InputError) or not is_shortage(error):
            raise
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        found = lines[0].partition(" See ")[0].rstrip(".") if lines else "none left"
        raise MemoryShortage(what, expected="enough memory", found=found[:300], fix=fix) from error


def is_shortage(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, of whatever type it is."""
    if isinstance(error, MemoryError | MemoryShortage | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and MEMORY_RAN_OUT.search(str(error)) is not None


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:,.1f} GB"
