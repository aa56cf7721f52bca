"""Calls that run in threads beside the code that makes them."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from p2phd_eval.cores import usable_cores

_MOST_THREADS = 4
_WAITING = 2  # calls a thread: one runs, and another is ready when it ends

_Result = TypeVar("_Result")


def run_beside(calls: Iterable[Callable[[], _Result]], on_result: Callable[[_Result], object]) -> None:
    """Run calls in threads, while `calls` makes the next ones in the caller's; return when all have ended.

    It is for calls that wait for a disk or compute outside of Python, such as an image's encoding. There are few
    threads, and when two calls a thread wait, the caller waits too, so that what the calls hold stays bounded.
    `on_result`: called in the caller's thread with what each call returned, in order.

    Raises what a call raised, the first in order; later ones that have not begun never do. If `calls` itself raises,
    what it made before is finished first. In any case nothing runs any more afterwards.
    """
    threads = min(_MOST_THREADS, usable_cores())
    pool = ThreadPoolExecutor(max_workers=threads)
    running = deque[Future[_Result]]()
    failure: BaseException | None = None
    try:
        made = iter(calls)
        while True:
            try:
                call = next(made)
            except StopIteration:
                break
            except BaseException as error:  # Ctrl-C too: finished work is kept
                failure = error
                break
            running.append(pool.submit(call))
            while running and (running[0].done() or len(running) > _WAITING * threads):
                on_result(running.popleft().result())
        while running:
            on_result(running.popleft().result())
        if failure is not None:
            raise failure
    finally:
        failure = None  # it holds this frame
        pool.shutdown(cancel_futures=True)
