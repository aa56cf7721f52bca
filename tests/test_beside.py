"""Calls beside their maker: order, bounds, and what becomes of failures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

import pytest

from p2phd_eval.beside import run_beside

T = TypeVar("T")


def results_of(calls: Iterable[Callable[[], T]]) -> list[T]:
    results: list[T] = []
    run_beside(calls, results.append)
    return results


def test_results_come_in_order_whatever_takes_longer() -> None:
    def call(i: int) -> int:
        time.sleep(0.01 * (i % 3 == 0))
        return i

    assert results_of(partial(call, i) for i in range(30)) == list(range(30))


def test_calls_run_in_other_threads_and_are_made_in_the_callers() -> None:
    makers, runners = set(), set()

    def calls() -> Iterator[Callable[[], None]]:
        for _ in range(5):
            makers.add(threading.current_thread())
            yield lambda: runners.add(threading.current_thread())

    assert len(results_of(calls())) == 5
    assert makers == {threading.current_thread()}
    assert not makers & runners


def test_no_more_is_made_than_can_soon_be_run() -> None:
    gate, made = threading.Event(), []

    def calls() -> Iterator[Callable[[], bool]]:
        for i in range(100):
            made.append(i)
            yield partial(gate.wait, 60)

    opener = threading.Timer(0.5, lambda: (at_the_gate.append(len(made)), gate.set()))
    at_the_gate: list[int] = []
    opener.start()
    assert results_of(calls()) == [True] * 100
    assert at_the_gate[0] <= 9


def test_the_first_failure_is_raised_and_later_calls_are_dropped() -> None:
    begun = []

    def call(i: int) -> int:
        begun.append(i)
        if i >= 3:
            raise OSError(28, "No space left on device", f"{i}.png")
        return i

    done: list[int] = []
    with pytest.raises(OSError, match=r"3\.png"):
        run_beside((partial(call, i) for i in range(1000)), done.append)
    assert done == [0, 1, 2]
    assert len(begun) < 1000


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_what_was_made_before_the_maker_fails_is_finished(failure: type[BaseException]) -> None:
    done = []

    def call(i: int) -> None:
        time.sleep(0.02)
        done.append(i)

    def calls() -> Iterator[Callable[[], None]]:
        for i in range(4):
            yield partial(call, i)
        raise failure

    with pytest.raises(failure):
        results_of(calls())
    assert sorted(done) == [0, 1, 2, 3]


def test_nothing_runs_any_more_when_the_listener_stops_it() -> None:
    running = set()

    def call(i: int) -> int:
        running.add(i)
        time.sleep(0.02)
        running.remove(i)
        return i

    def stop(i: int) -> None:
        if i == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_beside((partial(call, i) for i in range(1000)), stop)
    assert not running
