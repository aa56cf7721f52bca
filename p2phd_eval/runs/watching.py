"""Who watches a training: whoever reads its notes, trackers and a held-out part of the data."""

from pathlib import Path

from p2phd_eval.formatting import fixed_text
from p2phd_eval.generators.training.loop import Watchers
from p2phd_eval.generators.training.run_log import LogRecord, log_line
from p2phd_eval.progress import Note, OnProgress
from p2phd_eval.runs.held_out import HeldOut
from p2phd_eval.tracking.trackers import Trackers


def watch(
    trackers: Trackers,
    *,
    note: Note,
    on_progress: OnProgress | None = None,
    source: str | None = None,
    held_out: HeldOut | None = None,
) -> Watchers:
    """Tell each of the watchers that there are.

    `trackers`: open ones; whoever opened them says how the training ended. `note`: told each line of the log, and each
    validation. `source`: where the initial weights come from.
    """

    def on_start(fresh: dict[str, tuple[str, ...]]) -> None:
        parts = "; ".join(f"{name}: {', '.join(names)}" for name, names in fresh.items() if names)
        note(f"Weights from {source}; initial ones in {parts}." if parts else f"All weights from {source}.")

    def on_log(record: LogRecord) -> None:
        note(log_line(record))
        trackers.on_log(record)

    def on_validation(epoch: int, step: int, checkpoint: Path) -> None:
        if held_out is None:
            return
        found = held_out(epoch, step, checkpoint)
        note(
            f"epoch {epoch}  held-out FID@{found.n} {found.fid:.3f} (standard error {found.fid_se:.3f}), "
            f"KID {fixed_text(found.kid, 5)} ({found.kid_se:.5f})  best FID so far: epoch {found.best_epoch}"
        )
        trackers.on_scores(step, {"fid": found.fid, "fid_se": found.fid_se, "kid": found.kid, "kid_se": found.kid_se})

    return Watchers(
        on_log=on_log,
        on_grid=trackers.on_grid,
        on_progress=on_progress,
        on_start=on_start,
        on_validation=on_validation,
        on_note=note,
    )
