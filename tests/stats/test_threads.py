"""Work on several cores: order, progress, errors and BLAS threads."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from p2phd_eval.cores import usable_cores
from p2phd_eval.stats.threads import map_in_threads

EITHER = pytest.mark.parametrize("parallel", [True, False])


def blas_threads():
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]


@EITHER
def test_results_come_in_the_order_of_the_jobs(parallel):
    matrices = [np.random.default_rng(k).normal(size=(3 + k % 40, 20)) for k in range(60)]
    values = map_in_threads(lambda rows: np.linalg.svd(rows, compute_uv=False), matrices, parallel)
    for rows, value in zip(matrices, values, strict=True):
        # Threads of BLAS may sum in another order.
        np.testing.assert_allclose(value, np.linalg.svd(rows, compute_uv=False), rtol=1e-12)


@EITHER
def test_progress_comes_in_the_callers_thread(parallel):
    seen = []

    def on_progress(done, total):
        seen.append((done, total, threading.get_ident()))

    map_in_threads(abs, [-1, -2, -3], parallel, on_progress)
    assert seen == [(k, 3, threading.get_ident()) for k in (1, 2, 3)]


@EITHER
def test_no_jobs(parallel):
    assert map_in_threads(abs, [], parallel) == []


def test_small_jobs_run_with_one_blas_thread_each_and_leave_the_setting_as_it_was():
    before = blas_threads()
    assert before, "NumPy's BLAS is not one that threadpoolctl knows"
    during = map_in_threads(lambda _: blas_threads(), range(4), parallel=True)
    assert all(set(each) == {1} for each in during)
    assert map_in_threads(lambda _: blas_threads(), range(2), parallel=False) == [before] * 2
    assert blas_threads() == before


@pytest.mark.skipif(usable_cores() < 2, reason="needs two cores")
def test_small_jobs_run_at_the_same_time():
    both = threading.Barrier(2, timeout=30)  # breaks unless two jobs wait at it at once
    assert sorted(map_in_threads(lambda _: both.wait(), range(2), parallel=True)) == [0, 1]


def test_large_jobs_run_one_at_a_time():
    running, most = [], []

    def work(k):
        running.append(k)
        most.append(len(running))
        np.linalg.svd(np.ones((60, 60)))
        running.remove(k)

    map_in_threads(work, range(20), parallel=False)
    assert max(most) == 1


@EITHER
def test_an_error_ends_what_has_not_begun(parallel):
    before, begun = blas_threads(), []
    failed = threading.Event()

    def work(k):
        begun.append(k)
        if k == 0:
            failed.set()
            raise ValueError("job 0")
        failed.wait(30)
        np.linalg.svd(np.random.default_rng(k).normal(size=(150, 150)))

    with pytest.raises(ValueError, match="job 0"):
        map_in_threads(work, range(500), parallel)
    assert len(begun) < 500
    assert blas_threads() == before


@EITHER
def test_an_interrupt_in_the_progress_ends_it_too(parallel):
    begun = []

    def work(k):
        begun.append(k)
        np.linalg.svd(np.random.default_rng(k).normal(size=(150, 150)))

    def on_progress(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        map_in_threads(work, range(500), parallel, on_progress)
    assert len(begun) < 500
