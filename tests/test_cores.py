from __future__ import annotations

import os

import pytest

from p2phd_eval.cores import usable_cores, useful_processes


def test_cores_are_those_of_this_machine() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
def test_cores_are_those_this_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert usable_cores() == len(allowed)


def test_no_more_processes_are_started_than_cores_can_use() -> None:
    assert [useful_processes(wished) for wished in (0, 1, 4)] == [0, 1, 4]
    assert 4 <= useful_processes(1_000_000) == 4 * usable_cores()
