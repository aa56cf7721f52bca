"""What is told to whoever shows the curves of a training."""

from collections.abc import Mapping
from enum import Enum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.generators.training.run_log import LogRecord


class Ending(Enum):
    """How a training ended."""

    FINISHED = "finished"
    STOPPED = "stopped"  # by a signal; saved, to be resumed
    FAILED = "failed"


class Tracker(Protocol):
    """Shows a training elsewhere. Steps are counts of finished steps."""

    def on_log(self, record: LogRecord) -> None:
        """Show a line of the log."""

    def on_grid(self, step: int, picture: npt.NDArray[np.uint8]) -> None:
        """Show a picture of shape (H, W, 3), RGB."""

    def on_scores(self, step: int, scores: Mapping[str, float]) -> None:
        """Show the scores of a validation."""

    def close(self, ending: Ending) -> None:
        """Write out what is left, and how the training ended."""


def scalars(record: LogRecord) -> dict[str, float]:
    """Return the numbers of a line of the log by the names under which every tracker shows them; None is left out."""
    groups: dict[str, Mapping[str, float | None]] = {
        "losses": record.losses,
        "loss_scale": record.loss_scale,
        "skipped_steps": record.skipped_steps,
    }
    values = {f"{group}/{name}": value for group, named in groups.items() for name, value in named.items()}
    values |= {
        "learning_rate": record.lr,
        "images_per_second": record.images_per_second,
        "data_wait": record.data_wait,
        "peak_memory_bytes": record.peak_memory_bytes,
    }
    return {name: value for name, value in values.items() if value is not None}


def validation_scalars(scores: Mapping[str, float]) -> dict[str, float]:
    """Return the scores of a validation by the names under which every tracker shows them."""
    return {f"validation/{name}": value for name, value in scores.items()}


def missing_package(name: str, error: ImportError) -> InputError:
    """Return the error of a tracker whose library, the extra of the same name, is not installed."""
    return InputError(
        f"--track {name}",
        expected=f"the package {name}",
        found=str(error),
        fix=f"Install it: pip install 'p2phd-eval[{name}]'.",
    )
