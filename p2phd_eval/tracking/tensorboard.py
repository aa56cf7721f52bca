"""A run as TensorBoard shows it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.generators.training.run_log import LogRecord
from p2phd_eval.tracking.tracker import Ending, missing_package, scalars, validation_scalars

_FLUSH_SECONDS = 20


class TensorBoard:
    """Writes the log, the grids and scores of a run to `<run>/tensorboard`.

    The file is begun with the first event, and everything that an interrupted run wrote from that step on is declared
    void: a resumed run shows no step twice.

    Raises `InputError` if the package tensorboard is missing.
    """

    def __init__(self, run: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise missing_package("tensorboard", error) from error
        self._open = SummaryWriter
        self._folder = run / "tensorboard"
        self._writer: Any = None

    def on_log(self, record: LogRecord) -> None:
        """Write a line of the log: one scalar a number, none where there is no number."""
        self._write(record.step, scalars(record))

    def on_grid(self, step: int, picture: npt.NDArray[np.uint8]) -> None:
        """Write a picture of shape (H, W, 3)."""
        self._at(step).add_image("samples", picture, step, dataformats="HWC")

    def on_scores(self, step: int, scores: Mapping[str, float]) -> None:
        """Write the scores of a validation."""
        self._write(step, validation_scalars(scores))

    def close(self, ending: Ending) -> None:
        """Write out what is left; TensorBoard knows no ending."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, step: int, values: Mapping[str, float]) -> None:
        writer = self._at(step)
        for name, value in values.items():
            writer.add_scalar(name, value, step)

    def _at(self, step: int) -> Any:
        if self._writer is None:
            self._writer = self._open(str(self._folder), purge_step=step, flush_secs=_FLUSH_SECONDS)
        return self._writer
