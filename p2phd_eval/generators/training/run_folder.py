"""A run folder: begun, found again, and only continued by the configuration that began it."""

import os
import shutil
from pathlib import Path

from p2phd_eval.config import Role, TrainConfig, values_of
from p2phd_eval.errors import InputError
from p2phd_eval.generators.checkpoint import Checkpoint, latest_path, load_checkpoint

# What must not differ between a run and its continuation.
_FIXED = (Role.RECIPE, Role.RUN)


def open_run(out: Path, config: TrainConfig, *, resume: bool) -> Checkpoint | None:
    """Return the checkpoint that a run goes on from; None where it starts.

    Raises `InputError` if the folder holds a run already (without `resume`), one of another configuration, or a
    checkpoint that was converted and has no optimizers (with it).
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
    now = values_of(config.to_dict(), *_FIXED)
    for key, before in values_of(checkpoint.config.to_dict(), *_FIXED).items():
        if now[key] != before:
            raise InputError(
                f"{path}, config key {key!r}",
                expected=f"{before!r} as the run began",
                found=repr(now[key]),
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
