"""Runs of a study, in order: which comes next, which is tried again, and what a signal or an error does to the rest."""

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import p2phd_eval
from p2phd_eval.interrupts import CaughtSignals
from p2phd_eval.progress import Note, unheard
from p2phd_eval.study.executors.executor import Ended, Executor, Job
from p2phd_eval.study.metric_weights import USUAL_WEIGHTS, MetricWeights

_POLL_SECONDS = 0.1
_PROGRAM = str(Path(p2phd_eval.__file__).with_name("__main__.py").resolve())


class StudyStopped(Exception):
    """A signal stopped the study; everything finished is on disk, and the same command or call goes on from there."""

    def __init__(self, signum: int, message: str) -> None:
        super().__init__(message)
        self.signum = signum


class RunFailed(Exception):
    """A run could not be made, for a reason that is no result of its arm; what is finished is kept."""

    def __init__(self, returncode: int, message: str) -> None:
        super().__init__(message)
        self.returncode = returncode  # its process's


def run_jobs(
    jobs: Sequence[Job],
    executor: Executor,
    *,
    on_start: Callable[[Job], None],
    on_end: Callable[[int], None] = lambda ended: None,
    note: Note = unheard,
) -> tuple[list[Ended], int | None]:
    """Run jobs by an executor, as many at a time as it has room for.

    A job that ends with an error other than a signal's is the last one to start: what is wrong with data or disk is
    wrong for all. One that a signal, or the end of its node, ends is tried again where the executor says so. SIGINT and
    SIGTERM are passed on, and those at work are waited for: they save.

    `on_start`: called with a job that begins, or joins the executor's queue. `on_end`: called with how many have ended.
    `note`: told what is tried again.

    Returns
    -------
    ended : list of Ended
        In the order of their ends.
    signum : int or None
        The signal that stopped all.
    """
    waiting, at_work, ended, tries = list(jobs), dict[str, Job](), list[Ended](), Counter[str]()
    stopping, passed_on = False, 0
    with CaughtSignals() as caught:
        while True:
            for each in executor.ended():
                job = at_work.pop(each.name)
                tries[job.name] += 1
                if each.returncode < 0 and not stopping and not caught.signals and tries[job.name] < executor.tries:
                    where = "" if each.node is None else f" on {each.node}"
                    how = signal.Signals(-each.returncode).name
                    note(f"{job.name} was ended by {how}{where}; try {tries[job.name] + 1} of {executor.tries}")
                    waiting.insert(0, job)
                else:
                    ended.append(each)
                    on_end(len(ended))
            if not stopping and (caught.signals or any(each.returncode > 0 for each in ended)):
                stopping = True
                waiting.clear()
                executor.withdraw()
            unfinished = {job.name for job in (*waiting, *at_work.values())}
            ready = [job for job in waiting if job.after not in unfinished][: executor.room()]
            for job in ready:
                waiting.remove(job)
                at_work[job.name] = job
                if not tries[job.name]:
                    on_start(job)
            if ready:
                executor.submit(ready)
            for signum in caught.signals[passed_on:]:
                executor.pass_on(signum)
                passed_on += 1
            if not at_work:
                return ended, caught.signals[-1] if caught.signals else None
            time.sleep(_POLL_SECONDS)


def study_command(study: Path, weights: MetricWeights = USUAL_WEIGHTS, *, track: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the command that goes on with a study; "--run" and a name may follow."""
    given = [*weights.resolved().options, *(text for name in track for text in ("--track", name))]
    # By its file: with -m Python would search the current folder for every module first.
    return (sys.executable, _PROGRAM, "study", "--out", str(study.resolve()), *given)
