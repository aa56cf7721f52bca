"""A run folder: begun, found again, and only continued by the configuration that began it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.checkpoint import Checkpoint, latest_path, load_checkpoint

# What may differ between a run and its continuation: the length of the schedule, how often things are written, and how
# steps are computed.
_MAY_CHANGE = (
    *("epochs", "epochs_decay", "log_every", "grid_every", "checkpoint_every", "keep_every", "validate_every"),
    "execution",
)


def open_run(out: Path, config: TrainConfig, *, resume: bool) -> Checkpoint | None:
    """Return the checkpoint that a run goes on from; None where it starts.

    Raises
    ------
    InputError
        If the folder holds a run already (without `resume`), one of another configuration, or a checkpoint that was
        converted and has no optimizers (with it).
    """
    path = latest_path(out)
    if not resume:
        if (out / "config.json").exists() or path.exists():
            raise InputError(
                str(out),
                expected="a new run folder",
                found="a run in it",
                fix="Continue it with --resume, or choose another --out.",
            )
        return None
    if not path.exists():
        return None
    checkpoint = load_checkpoint(path)
    if not checkpoint.optimizers:
        raise InputError(
            str(path),
            expected="a checkpoint with the state of its optimizers",
            found="a converted one, which has networks alone",
            fix=f"Start a new run from it: --load-pretrain {out} and another --out.",
        )
    changed = _first_difference(checkpoint.config.to_dict(), config.to_dict())
    if changed is not None:
        key, before, now = changed
        raise InputError(
            f"{path}, config key {key!r}",
            expected=f"{before!r} as the run began",
            found=repr(now),
            fix="Repeat the run's own options with --resume, or choose another --out.",
        )
    return checkpoint


def require_samples(checkpoint: Checkpoint, n: int, data: Path) -> None:
    """Raise InputError if the training set has another size than when the run began: order and epochs would change."""
    if checkpoint.n_samples not in (None, n):
        raise InputError(
            str(data),
            expected=f"{checkpoint.n_samples} training samples as when the run began",
            found=str(n),
            fix="Restore the data set, or start another run with --load-pretrain.",
        )


def keep_checkpoint(out: Path, epoch: int) -> None:
    """Keep the newest checkpoint as that of the epoch's end."""
    latest = latest_path(out)
    kept = latest.with_name(f"epoch_{epoch:04d}.pt")
    kept.unlink(missing_ok=True)
    try:
        # The newest checkpoint is replaced, never written to, so both names may share its content.
        os.link(latest, kept)
    except OSError:
        shutil.copyfile(latest, kept)


def _first_difference(
    before: dict[str, Any], now: dict[str, Any], prefix: str = ""
) -> tuple[str, object, object] | None:
    for key, value in before.items():
        if key in _MAY_CHANGE:
            continue
        if isinstance(value, dict):
            nested = _first_difference(value, now[key], f"{prefix}{key}.")
            if nested is not None:
                return nested
        elif value != now[key]:
            return f"{prefix}{key}", value, now[key]
    return None
