"""Many decompositions on all cores: several at a time where they are small, else one at a time on all of them."""

import functools
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import ThreadpoolController

from p2phd_eval.cores import usable_cores
from p2phd_eval.progress import OnProgress, unwatched

T = TypeVar("T")
R = TypeVar("R")


def map_in_threads(
    work: Callable[[T], R],
    jobs: Sequence[T],
    parallel: bool,
    on_progress: OnProgress = unwatched,
    *,
    at_once: int | None = None,
) -> list[R]:
    """Apply a function that spends its time in NumPy to all jobs, in order.

    Many small decompositions gain nothing from BLAS threads, and lose a factor of 20 where another process wants a
    core, since the threads wait for each other at every step: they run one a thread, with one BLAS thread each. The
    result of a job must not depend on the others, so that it does not depend on the number of cores.

    Large ones gain little from BLAS threads: half of an eigendecomposition waits for memory, not for a core. They run
    a few at a time, so that memory does not grow with the cores, and BLAS has the cores that are left.

    `parallel`: whether several run at a time. `on_progress`: called in the caller's thread with (jobs done, jobs).
    `at_once`: how many at most, by default one a core. The result is what `work` returned for each job.
    """
    results = []
    cores = usable_cores()
    workers = min(cores, at_once or cores) if parallel else 1
    with _blas(len(sys.modules)).limit(limits=cores // workers if parallel else None, user_api="blas"):
        pool = ThreadPoolExecutor(max_workers=workers)
        try:
            for done, result in enumerate(pool.map(work, jobs), start=1):
                results.append(result)
                on_progress(done, len(jobs))
        finally:
            # An interrupt must not wait for what has not begun.
            pool.shutdown(wait=True, cancel_futures=True)
    return results


@functools.lru_cache(maxsize=1)
def _blas(modules: int) -> ThreadpoolController:
    """Return what sets the threads of every BLAS that is loaded: each came with a module, whose number tells of others.

    To look for them among all libraries of the process takes longer than small jobs do.
    """
    return ThreadpoolController()
