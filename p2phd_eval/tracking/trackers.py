"""The trackers of a training, none of which can end it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.training.run_log import LogRecord
from p2phd_eval.progress import Note
from p2phd_eval.tracking.tracker import Ending, Tracker

_TRACKERS = ("tensorboard", "mlflow")
_REST_SECONDS = 300.0  # for which a tracker that failed is left alone: each try may cost seconds


def tracker_names(names: str | Sequence[str]) -> tuple[str, ...]:
    """Return the names of trackers, each once; raises InputError if one is unknown."""
    found = tuple(dict.fromkeys([names] if isinstance(names, str) else names))
    unknown = next((name for name in found if name not in _TRACKERS), None)
    if unknown is not None:
        raise InputError("--track", expected=" or ".join(_TRACKERS), found=repr(unknown))
    return found


def open_trackers(names: Sequence[str], run: Path, config: TrainConfig, *, experiment: str, note: Note) -> Trackers:
    """Open trackers by name.

    Raises `InputError` if a name is unknown, a library is missing or a server does not answer.

    Parameters
    ----------
    names : str or sequence of str
        "tensorboard", "mlflow".
    run : Path
        The run folder.
    config : TrainConfig
        The run's.
    experiment : str
        What the run belongs to, such as the data set's name, where a tracker groups runs and its settings name no
        group.
    note : callable
        Told once about a tracker that fails later on.
    """
    from p2phd_eval.tracking.mlflow import MLflow
    from p2phd_eval.tracking.tensorboard import TensorBoard

    openers: dict[str, Callable[[], Tracker]] = {
        "tensorboard": lambda: TensorBoard(run),
        "mlflow": lambda: MLflow(run, config, experiment),
    }
    return Trackers({name: openers[name]() for name in tracker_names(names)}, note)


class Trackers:
    """Tells all trackers; one that fails is noted once, rests, and is told again later.

    A context: `end` says how the training ended; left without it, it finished, or failed where an exception goes
    through.
    """

    def __init__(self, trackers: Mapping[str, Tracker], note: Note) -> None:
        self._trackers, self._note = trackers, note
        self._rests_until: dict[str, float] = {}
        self._ended = False

    def __enter__(self) -> Trackers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._ended:
            self.end(Ending.FINISHED if kind is None else Ending.FAILED)

    def on_log(self, record: LogRecord) -> None:
        """Show a line of the log."""
        self._tell(lambda tracker: tracker.on_log(record))

    def on_grid(self, step: int, picture: npt.NDArray[np.uint8]) -> None:
        """Show a picture of shape (H, W, 3)."""
        self._tell(lambda tracker: tracker.on_grid(step, picture))

    def on_scores(self, step: int, scores: Mapping[str, float]) -> None:
        """Show the scores of a validation."""
        self._tell(lambda tracker: tracker.on_scores(step, scores))

    def end(self, ending: Ending) -> None:
        """Write out what is left, and how the training ended."""
        self._ended = True
        self._rests_until = dict.fromkeys(self._rests_until, -math.inf)
        self._tell(lambda tracker: tracker.close(ending))

    def _tell(self, act: Callable[[Tracker], None]) -> None:
        for name, tracker in self._trackers.items():
            if time.monotonic() < self._rests_until.get(name, -math.inf):
                continue
            try:
                act(tracker)
            except Exception as error:  # whatever a library raises: no curve is worth a training of days
                if name not in self._rests_until:
                    text = " ".join(str(error).split())
                    self._note(
                        f"--track {name} failed: {type(error).__name__}: {text}. The training goes on, log.jsonl has "
                        f"everything, and {name} is tried again every {_REST_SECONDS / 60:.0f} minutes."
                    )
                self._rests_until[name] = time.monotonic() + _REST_SECONDS
