"""Who watches a training: the terminal, TensorBoard and a held-out part of the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from p2phd_eval.generators.run_log import LogRecord
from p2phd_eval.generators.tensorboard import TensorBoard
from p2phd_eval.generators.training import Watchers
from p2phd_eval.held_out import HeldOut
from p2phd_eval.report.console import OnProgress, Output
from p2phd_eval.report.log_line import log_line


def watch(
    output: Output, on_progress: OnProgress, source: Path | None, board: TensorBoard | None, held_out: HeldOut | None
) -> Watchers:
    """Tell each of the watchers that there are.

    Parameters
    ----------
    output : Output
    on_progress : callable
    source : Path or None
        Where the initial weights come from.
    board : TensorBoard or None
    held_out : HeldOut or None
    """

    def on_start(fresh: dict[str, tuple[str, ...]]) -> None:
        parts = "; ".join(f"{name}: {', '.join(names)}" for name, names in fresh.items() if names)
        output.note(f"Weights from {source}; initial ones in {parts}." if parts else f"All weights from {source}.")

    def on_log(record: LogRecord) -> None:
        output.note(log_line(record))
        if board:
            board.on_log(record)

    def on_grid(step: int, picture: npt.NDArray[np.uint8]) -> None:
        if board:
            board.on_grid(step, picture)

    def on_validation(epoch: int, step: int, checkpoint: Path) -> None:
        if held_out is None:
            return
        found = held_out(epoch, step, checkpoint)
        output.note(
            f"epoch {epoch}  held-out FID@{found.n} {found.fid:.3f} (standard error {found.fid_se:.3f}), "
            f"KID {found.kid:.5f} ({found.kid_se:.5f})  best FID so far: epoch {found.best_epoch}"
        )
        if board:
            board.on_scores(step, {"fid": found.fid, "fid_se": found.fid_se, "kid": found.kid, "kid_se": found.kid_se})

    return Watchers(
        on_log=on_log, on_grid=on_grid, on_progress=on_progress, on_start=on_start, on_validation=on_validation
    )
