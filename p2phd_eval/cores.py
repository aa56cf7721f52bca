"""How many cores a process may use, and how many processes are worth starting on them."""

import os

_PROCESSES_A_CORE = 4  # that wait for disks rather than compute


def usable_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def useful_processes(wished: int) -> int:
    """Return how many of the wished processes are started: no more than the cores can make use of."""
    return min(wished, _PROCESSES_A_CORE * usable_cores())
