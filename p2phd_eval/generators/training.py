"""The training loop: one for all precisions, resumable to the bit on a CPU."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.files import write_json
from p2phd_eval.generators.checkpoint import Checkpoint, latest_path, load_checkpoint, load_network, save_checkpoint
from p2phd_eval.generators.dataset import Batch, TripletDataset, epoch_batches, load_batches, photo_array
from p2phd_eval.generators.interrupts import StopRequest
from p2phd_eval.generators.pix2pixhd import Losses, Pix2PixHD
from p2phd_eval.generators.precision import find_precision, tensor_core_flags
from p2phd_eval.generators.run_log import LogRecord, RunLog, finite_or_none
from p2phd_eval.images import write_png
from p2phd_eval.pictures import label_colours, picture_grid

# What may differ between a run and its continuation: the length of the schedule and how often things are written.
_MAY_CHANGE = ("epochs", "epochs_decay", "log_every", "grid_every", "checkpoint_every")
_GRID_ROWS = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainResult:
    """How a call of `train` ended."""

    run: Path
    checkpoint: Path
    step: int  # finished steps
    total_steps: int
    stopped_by: int | None  # number of the signal that stopped it early
    skipped_steps: dict[str, int]  # of G and D
    last_record: LogRecord | None  # the newest line of the log


def learning_rate(config: TrainConfig, epoch: int) -> float:
    """Return the rate of an epoch counted from 1: constant, then falling linearly, as in the original."""
    if epoch <= config.epochs + 1:
        return config.lr
    return config.lr * (1.0 - (epoch - 1 - config.epochs) / config.epochs_decay)


def train(
    config: TrainConfig,
    data: Path,
    out: Path,
    *,
    device: torch.device,
    resume: bool = False,
    on_log: Callable[[LogRecord], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> TrainResult:
    """Train on `<data>/train_*` and write a run folder.

    Parameters
    ----------
    config : TrainConfig
    data : Path
        A data set in pix2pixHD's layout.
    out : Path
        The run folder: `config.json`, `log.jsonl`, `checkpoints/latest.pt`, `grids/*.png`.
    device : torch.device
    resume : bool
        Continue from the folder's checkpoint; without one, start.
    on_log : callable, optional
        Called with each logged record.
    on_progress : callable, optional
        Called with (finished steps, all steps).

    Returns
    -------
    TrainResult
        `stopped_by` is set where SIGINT or SIGTERM ended it early, the state saved.

    Raises
    ------
    InputError
        For unusable data; a folder that holds a run already (without `resume`) or a run of another configuration
        (with it); a loss that is not finite although nothing scales it; a full disk.
    """
    checkpoint = _open_run(out, config, resume)
    dataset = TripletDataset(
        data, "train", config.data, size_multiple=config.generator.size_multiple, photos=True, augment_seed=config.seed
    )
    if len(dataset) < config.batch_size:
        raise InputError(
            str(data), expected=f"at least one batch of {config.batch_size} samples", found=f"{len(dataset)} samples"
        )
    with tensor_core_flags(find_precision(config.precision, device)):
        model = Pix2PixHD(config, device)
        step = _restore(model, checkpoint, str(latest_path(out))) if checkpoint else 0
        write_json(out / "config.json", config.to_dict())
        return _run(model, dataset, out, step, on_log, on_progress)


def _run(
    model: Pix2PixHD,
    dataset: TripletDataset,
    out: Path,
    step: int,
    on_log: Callable[[LogRecord], None] | None,
    on_progress: Callable[[int, int], None] | None,
) -> TrainResult:
    config = model.config
    steps_per_epoch = len(dataset) // config.batch_size
    total = steps_per_epoch * config.total_epochs
    log = RunLog(out / "log.jsonl", step)
    saved = step
    losses: Losses = {}

    def save() -> None:
        nonlocal saved
        if saved != step:
            _refuse_divergence(model, step, losses)
            save_checkpoint(latest_path(out), config=config, step=step, state=model.state_dict())
            saved = step

    with StopRequest() as stop:
        for epoch in range(step // steps_per_epoch + 1, config.total_epochs + 1):
            model.set_learning_rate(learning_rate(config, epoch))
            batches = epoch_batches(len(dataset), config.batch_size, config.seed, epoch)
            for batch in load_batches(dataset, batches[step % steps_per_epoch :], model.device):
                # Drawn from (seed, step) alone, so that a resumed run draws what an uninterrupted one would.
                torch.manual_seed(int(np.random.SeedSequence([config.seed, step]).generate_state(1, np.uint64)[0] >> 1))
                losses, fake = model.train_step(batch)
                step += 1
                log.count(config.batch_size)
                if step % config.log_every == 0 or step in (1, total):
                    record = _record(log, model, step, epoch, losses)
                    log.write(record)
                    if on_log:
                        on_log(record)
                if step % config.grid_every == 0 or step == total:
                    write_png(out / "grids" / f"step_{step:08d}.png", _sample_grid(batch, fake, config))
                if on_progress:
                    on_progress(step, total)
                if step % config.checkpoint_every == 0 or step == total:
                    save()
                if stop.signum is not None:
                    break
            if stop.signum is not None:
                break
        save()
    skipped = {"G": model.generator_optimizer.skipped, "D": model.discriminator_optimizer.skipped}
    return TrainResult(
        run=out,
        checkpoint=latest_path(out),
        step=step,
        total_steps=total,
        stopped_by=stop.signum if step < total else None,
        skipped_steps=skipped,
        last_record=log.last,
    )


def _open_run(out: Path, config: TrainConfig, resume: bool) -> Checkpoint | None:
    if not resume:
        if (out / "config.json").exists():
            raise InputError(
                str(out),
                expected="a new run folder",
                found="a run in it",
                fix="Continue it with --resume, or choose another --out.",
            )
        return None
    path = latest_path(out)
    if not path.exists():
        return None
    checkpoint = load_checkpoint(path)
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


def _first_difference(
    before: dict[str, Any], now: dict[str, Any], prefix: str = ""
) -> tuple[str, object, object] | None:
    for key, value in before.items():
        if isinstance(value, dict):
            nested = _first_difference(value, now[key], f"{prefix}{key}.")
            if nested is not None:
                return nested
        elif value != now[key] and key not in _MAY_CHANGE:
            return f"{prefix}{key}", value, now[key]
    return None


def _restore(model: Pix2PixHD, checkpoint: Checkpoint, where: str) -> int:
    load_network(model.generator, checkpoint.networks["G"], f"{where}, G")
    load_network(model.discriminator, checkpoint.networks["D"], f"{where}, D")
    model.generator_optimizer.load_state_dict(checkpoint.optimizers["G"])
    model.discriminator_optimizer.load_state_dict(checkpoint.optimizers["D"])
    torch.set_rng_state(checkpoint.rng["torch"])
    if "cuda" in checkpoint.rng and torch.cuda.is_available():
        torch.cuda.set_rng_state(checkpoint.rng["cuda"])
    return checkpoint.step


def _record(log: RunLog, model: Pix2PixHD, step: int, epoch: int, losses: Losses) -> LogRecord:
    _refuse_divergence(model, step, losses)
    scaled = {"G": model.generator_optimizer, "D": model.discriminator_optimizer}
    on_cuda = model.device.type == "cuda"
    return LogRecord(
        step=step,
        epoch=epoch,
        losses={name: finite_or_none(loss.item()) for name, loss in losses.items()},
        lr=scaled["G"].optimizer.param_groups[0]["lr"],
        loss_scale={name: optimizer.scale for name, optimizer in scaled.items()},
        skipped_steps={name: optimizer.skipped for name, optimizer in scaled.items()},
        images_per_second=log.images_per_second(),
        peak_memory_bytes=torch.cuda.max_memory_allocated(model.device) if on_cuda else None,
    )


def _refuse_divergence(model: Pix2PixHD, step: int, losses: Losses) -> None:
    # With loss scaling an overflow is part of the method: its step is skipped and counted.
    if model.precision.scales_loss:
        return
    for name, loss in losses.items():
        if not math.isfinite(loss.item()):
            raise InputError(
                f"loss {name} at step {step}",
                expected="a finite number",
                found=str(loss.item()),
                fix="The last checkpoint is from before. Try a lower --lr or another --precision.",
            )


def _sample_grid(batch: Batch, fake: torch.Tensor, config: TrainConfig) -> npt.NDArray[np.uint8]:
    assert batch.photo is not None
    rows = []
    for label, photo, sample in list(zip(batch.label, batch.photo, fake, strict=True))[:_GRID_ROWS]:
        nc = config.data.label_nc
        condition = label_colours(label[0].cpu().numpy(), nc) if nc else photo_array(label)
        rows.append([condition, photo_array(photo), photo_array(sample)])
    return picture_grid(rows, ("input", "photo", config.precision))
