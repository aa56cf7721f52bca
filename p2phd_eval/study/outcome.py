"""How the training of a run ended: a failure is a result of its arm, not the end of the study."""

import signal
from dataclasses import asdict, dataclass
from pathlib import Path

from p2phd_eval.files import write_json
from p2phd_eval.json_files import read_json_or_none
from p2phd_eval.report.documents.study_documents import Status

#: What another try may change: memory that others took, a machine that went down, what a command found missing.
RETRIED: tuple[Status, ...] = ("out_of_memory", "killed", "failed", "timed_out")


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
