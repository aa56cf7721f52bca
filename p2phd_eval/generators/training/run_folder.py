"""A run folder: begun, found again, and only continued by the configuration that began it."""

import os
import shutil
from pathlib import Path

from p2phd_eval.config import Role, TrainConfig, values_of
from p2phd_eval.errors import InputError
from p2phd_eval.files import atomic_write
from p2phd_eval.generators.checkpoint import Checkpoint, latest_path, load_checkpoint
from p2phd_eval.generators.training.run_log import last_step
from p2phd_eval.generators.training.training_data import load_training_data
from p2phd_eval.progress import Note, unheard

# What must not differ between a run and its continuation.
_FIXED = (Role.RECIPE, Role.RUN)
_ARITHMETIC = "execution.arithmetic"  # left open, it is what the run began with
# What a training writes. Where there is more, the folder is not to be deleted: it may be a data set.
_OWN = frozenset(
    {
        "checkpoints",
        "clusters.npz",
        "config.json",
        "data.json",
        "grids",
        "log.jsonl",
        "outcome.json",
        "samples",
        "validation",
        "validation.jsonl",
    }
)


def open_run(out: Path, config: TrainConfig, *, resume: bool, note: Note = unheard) -> Checkpoint | None:
    """Return the checkpoint that a run goes on from; None where it starts.

    `note`: told where a run that had saved no checkpoint yet starts again. Raises `InputError` if the folder holds a
    run already (without `resume`), one of another configuration, one whose checkpoint is lost, or a checkpoint that
    was converted and has no optimizers (with it).
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
        _require_nothing_lost(out, note)
        return None
    try:
        checkpoint = load_checkpoint(path)
    except InputError as error:
        fix = _way_on(out, "Use the version of p2phd-eval that wrote it" if "version" in error.expected else "")
        raise InputError(error.where, expected=error.expected, found=error.found, fix=fix) from error
    if not checkpoint.optimizers:
        raise InputError(
            str(path),
            expected="a checkpoint with the state of its optimizers",
            found="a converted one, which has networks alone",
            fix=f"Start a new run from it: --load-pretrain {out} and another --out.",
        )
    now = values_of(config.to_dict(), *_FIXED)
    for key, before in values_of(checkpoint.config.to_dict(), *_FIXED).items():
        if now[key] != before and not (key == _ARITHMETIC and now[key] is None):
            raise InputError(
                f"{path}, config key {key!r}",
                expected=f"{before!r} as the run began",
                found=repr(now[key]),
                fix="Repeat the run's own options with --resume, or choose another --out.",
            )
    return checkpoint


def _require_nothing_lost(out: Path, note: Note) -> None:
    """Raise InputError if a run without a checkpoint had one: to begin again would take its place in silence."""
    logged, record = last_step(out / "log.jsonl"), load_training_data(out)
    if logged == 0 if record is None else not record.saved:
        if logged:
            note(f"The run in {out} had saved no checkpoint yet: it starts from the first step.")
        return
    raise InputError(
        str(latest_path(out)),
        expected=f"the checkpoint of a run whose log reaches step {logged}",
        found="nothing there",
        fix=_way_on(out, "Restore it"),
    )


def _way_on(out: Path, otherwise: str) -> str:
    """Say what to do about a run whose newest checkpoint is lost or damaged; `otherwise`: if no other one is whole."""
    latest = latest_path(out)
    kept = next((path for path in sorted(latest.parent.glob("epoch_*.pt"), reverse=True) if _is_whole(path)), None)
    way = otherwise if kept is None else f"Copy {kept} to {latest}, and the run goes on from there"
    known = all(path.name in _OWN or path.name[0] == "." for path in out.iterdir())
    anew = f"start anew: {f'delete {out}, or ' if known else ''}choose another --out."
    return f"{way}; or {anew}" if way else anew[0].upper() + anew[1:]


def _is_whole(path: Path) -> bool:
    try:
        return bool(load_checkpoint(path).optimizers)
    except InputError:
        return False


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
        with atomic_write(kept) as stream, latest.open("rb") as content:
            shutil.copyfileobj(content, stream)
