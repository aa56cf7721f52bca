"""How the training of a run ended: a failure is a result of its arm, not the end of the study."""

import signal
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from scipy import stats

from p2phd_eval.files import write_json
from p2phd_eval.json_files import read_json_or_none

Status = Literal["finished", "diverged", "out_of_memory", "killed"]

#: What another try may change: memory that others took, a machine that went down.
RETRIED: tuple[Status, ...] = ("out_of_memory", "killed")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one run ended."""

    status: Status
    why: str | None = None  # the reason of a failure

    @property
    def failed(self) -> bool:
        """Whether there are no samples to compare."""
        return self.status != "finished"


def save_outcome(run: Path, outcome: Outcome) -> None:
    """Write the outcome into the run's folder."""
    write_json(run / "outcome.json", asdict(outcome))


def load_outcome(run: Path) -> Outcome | None:
    """Read the outcome of a run; None for one that has not ended."""
    return read_json_or_none(Outcome, run / "outcome.json")


def killed(signum: int) -> Outcome:
    """The outcome of a process that a signal ended."""
    name = signal.Signals(signum).name
    hint = " (the system ends processes this way where memory is short)" if signum == signal.SIGKILL else ""
    return Outcome(status="killed", why=f"the process was ended by {name}{hint}")


def failures_p(baseline: Sequence[Outcome], candidate: Sequence[Outcome]) -> float:
    """Return the one-sided p-value of no more failures in the candidate's recipe than in the baseline's.

    Fisher's exact test. With three runs an arm even 3 against 0 gives 0.05, so failures alone rarely prove anything.

    References
    ----------
    Fisher (1935), "The Design of Experiments".
    """
    table = [[sum(each.failed for each in arm), sum(not each.failed for each in arm)] for arm in (candidate, baseline)]
    return float(stats.fisher_exact(table, alternative="greater")[1])
