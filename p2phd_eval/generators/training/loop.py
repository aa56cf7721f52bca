"""The training loop: one for all precisions and any number of ranks, resumable to the bit on a CPU."""

import dataclasses
import math
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from p2phd_eval.config import TrainConfig
from p2phd_eval.devices import describe_device
from p2phd_eval.distributed import SINGLE, Ranks
from p2phd_eval.errors import DivergenceError, InputError
from p2phd_eval.files import write_json
from p2phd_eval.generators.checkpoint import Checkpoint, latest_path, save_checkpoint
from p2phd_eval.generators.data.batch import Batch, photo_array
from p2phd_eval.generators.data.contents import read_contents
from p2phd_eval.generators.data.dataset import Place, TripletDataset, epoch_batches, load_batches, training_set
from p2phd_eval.generators.training.least_memory import least_training_bytes
from p2phd_eval.generators.training.precision import backend_flags, find_precision, settle_arithmetic
from p2phd_eval.generators.training.pretrained import read_networks
from p2phd_eval.generators.training.run_folder import keep_checkpoint, open_run, require_samples
from p2phd_eval.generators.training.run_log import LogRecord, RunLog, finite_or_none
from p2phd_eval.generators.training.step import Losses, Pix2PixHD
from p2phd_eval.generators.training.stored_state import restore_random
from p2phd_eval.generators.training.training_data import (
    Contents,
    TrainingData,
    require_own_feature_maps,
    require_same_data,
    require_unchanged,
    save_training_data,
    training_data,
)
from p2phd_eval.images.pictures import label_colours, picture_grid
from p2phd_eval.images.png import write_png
from p2phd_eval.interrupts import StopRequest
from p2phd_eval.memory import memory_for, require_memory
from p2phd_eval.progress import Note, OnProgress, ProgressFactory, silent, unheard

_GRID_ROWS = 4
# A gradient that still overflows float16 then is above 1e12. The scale would be halved on until its inverse is infinite
# in float32, and the next step without an overflow would fill the weights with NaN.
_LEAST_SCALE = 2.0**-24


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainResult:
    """How a training ended."""

    run: Path  # its folder
    config: TrainConfig
    device: str  # as `describe_device` calls it
    checkpoint: Path
    step: int  # finished steps
    total_steps: int
    stopped_by: int | None  # number of the signal that stopped it early
    skipped_steps: dict[str, int]  # for G and D
    last_record: LogRecord | None  # the newest line of the log

    def __str__(self) -> str:
        if self.stopped_by is not None:
            return (
                f"Stopped at step {self.step} of {self.total_steps}; saved. Go on with the same command and --resume."
            )
        skipped = ", ".join(f"{name} {count}" for name, count in self.skipped_steps.items())
        return f"Done: {self.step} steps, checkpoint {self.checkpoint}; steps skipped for overflow: {skipped}."

    def __repr__(self) -> str:
        emulated = ", emulated" if self.config.execution.arithmetic == "emulated" else ""
        return f"TrainResult: {self.config.precision}{emulated} on {self.device}\n{self}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Watchers:
    """Who is told about a run, on the first rank alone."""

    on_log: Callable[[LogRecord], None] | None = None  # each logged record
    on_grid: Callable[[int, npt.NDArray[np.uint8]], None] | None = None  # step, picture (H, W, 3)
    on_progress: OnProgress | None = None  # finished steps, all steps
    on_start: Callable[[dict[str, tuple[str, ...]]], None] | None = None  # gets what `Pix2PixHD.start_from` returns
    on_validation: Callable[[int, int, Path], None] | None = None  # epoch, step, checkpoint
    on_note: Note | None = None  # sentences about what is not as it could be


_NOBODY = Watchers()


_LESS = (
    "Reduce --batch-size or raise --grad-accum; reduce --load-size or --crop-size, --ngf or --ndf; or use --amp. "
    "`p2phd-eval train` with --dry-run says what a step takes."
)


@memory_for("training", _LESS)
def train_networks(
    config: TrainConfig,
    data: Path,
    out: Path,
    *,
    device: torch.device,
    ranks: Ranks = SINGLE,
    resume: bool = False,
    watchers: Watchers = _NOBODY,
    progress: ProgressFactory = silent,
) -> TrainResult:
    """Train on `<data>/<phase>_*` and write a run folder.

    Parameters
    ----------
    config : TrainConfig
    data : Path
        A data set in pix2pixHD's layout.
    out : Path
        The run folder: `config.json`, `data.json`, `log.jsonl`, `checkpoints/latest.pt`, `grids/*.png`.
    device : torch.device
    ranks : Ranks
        The processes that share each batch; the first alone writes.
    resume : bool
        Continue from the folder's checkpoint, on any number of ranks; without one, start.
    watchers : Watchers
    progress : ProgressFactory
        Opened for reading the data, whose contents are hashed.

    Returns
    -------
    TrainResult
        `stopped_by` is set where SIGINT or SIGTERM ended it early, the state saved.

    Raises
    ------
    InputError
        For unusable data; a folder that holds a run already (without `resume`), or a run of another configuration or
        other data, or one whose checkpoint is lost (with it); a file that changes while it trains; a batch that cannot
        be shared; a full disk.
    DivergenceError
        For a loss that is not finite although nothing scales it, or a loss scale that has fallen to nothing.
    """
    note = (watchers.on_note if ranks.is_first else None) or unheard
    if config.execution.arithmetic is not None:
        config = settle_arithmetic(config, device)  # as a run that began with it has it
    checkpoint = open_run(out, config, resume=resume, note=note)
    if checkpoint and config.execution.arithmetic is None:
        stored = checkpoint.config.execution.arithmetic
        config = dataclasses.replace(config, execution=dataclasses.replace(config.execution, arithmetic=stored))
    config = settle_arithmetic(config, device)
    execution = config.execution
    config.samples_at_once(ranks.size)
    if config.objective.pool_size and ranks.size > 1:
        found = str(config.objective.pool_size)
        raise InputError("--pool-size", expected="0 on several ranks, as in the original", found=found)
    dataset = training_set(config, data)
    if len(dataset) < config.batch_size:
        raise InputError(
            str(data),
            expected=f"at least one batch of {config.batch_size} samples"
            + (f" for {ranks.size} ranks" if ranks.size > 1 else ""),
            found=f"{len(dataset)} samples",
        )
    contents: Contents = read_contents(dataset.triplets, progress) if ranks.is_first else {}
    contents = ranks.from_first(contents)  # each rank sees that what it reads is what was hashed
    record = training_data(config, data, dataset.triplets, contents)
    if checkpoint:
        require_same_data(checkpoint, out, data, record, note)
        require_samples(checkpoint, len(dataset), data)
    if config.features.precomputed:
        require_own_feature_maps(data, config.data.phase, dataset.triplets, contents)
    precision = find_precision(config.precision, device, execution.arithmetic)
    if precision.emulated:
        note(f"{precision.name} is emulated: quality as on tensor cores, speed not.")
    at_once = config.samples_at_once(ranks.size)
    needed = least_training_bytes(config, dataset.size_of((1, 0)), precision, at_once)
    require_memory(needed, device, "training", _LESS)
    # Whole images may come in several sizes, each of which would be measured anew.
    autotune = config.data.resize != "none"
    with backend_flags(precision, deterministic=execution.deterministic, autotune=autotune):
        model = Pix2PixHD(config, device, ranks)
        step = 0
        if checkpoint:
            step = _restore(model, checkpoint, len(dataset) // config.batch_size, str(latest_path(out)))
        elif config.load_pretrain is not None:
            source = Path(config.load_pretrain)
            fresh = model.start_from(read_networks(source), str(source))
            if watchers.on_start and ranks.is_first:
                watchers.on_start(fresh)
        ranks.wait()  # no rank writes before all have found the folder as it was
        if ranks.is_first:
            write_json(out / "config.json", config.to_dict())
            save_training_data(out, record, saved=checkpoint is not None)
        return _run(model, dataset, contents, record, out, step, ranks, watchers if ranks.is_first else _NOBODY)


def _run(
    model: Pix2PixHD,
    dataset: TripletDataset,
    contents: Contents,
    record: TrainingData,
    out: Path,
    step: int,
    ranks: Ranks,
    watchers: Watchers,
) -> TrainResult:
    config = model.config
    steps_per_epoch = len(dataset) // config.batch_size
    total = steps_per_epoch * config.total_epochs
    log = _open_log(out / "log.jsonl", step, watchers.on_note or unheard) if ranks.is_first else None
    saved, stopped = step, False
    losses: Losses = {}

    def end_epoch(epoch: int) -> None:
        if _is_due(epoch, config.keep_every) and ranks.is_first:
            keep_checkpoint(out, epoch)
        if _is_due(epoch, config.validate_every) and watchers.on_validation:
            watchers.on_validation(epoch, step, latest_path(out))

    def save() -> None:
        nonlocal saved
        if saved != step:
            _read_losses(model, step, losses, ranks)
            if ranks.is_first:
                state, first = model.state_dict(), not latest_path(out).exists()
                save_checkpoint(
                    latest_path(out),
                    config=config,
                    step=step,
                    state=state,
                    n_samples=len(dataset),
                    data_sha256=record.sha256,
                )
                if first:
                    save_training_data(out, record, saved=True)
            saved = step
        ranks.wait()

    with StopRequest() as stop:
        if step and step % steps_per_epoch == 0:
            end_epoch(step // steps_per_epoch)  # the run may have been killed before it did
        places = _places(len(dataset), config, step, ranks)
        batches = load_batches(dataset, places, model.device, config.execution.workers)
        for batch, waited in _timed(batches):
            require_unchanged(batch, contents)
            epoch = step // steps_per_epoch + 1
            model.set_epoch(epoch)
            # Drawn from (seed, step, rank) alone, so that a resumed run draws what an uninterrupted one would.
            torch.manual_seed(_step_seed(config.seed, step, ranks.rank))
            losses, fake = model.train_step(batch)
            step += 1
            if log:
                log.count(config.batch_size, waited)
            if step % config.log_every == 0 or step in (1, total):
                values = _read_losses(model, step, losses, ranks)
                if log:
                    log.write(_record(log, model, step, epoch, values))
                    if watchers.on_log and log.last:
                        watchers.on_log(log.last)
            if (step % config.grid_every == 0 or step == total) and ranks.is_first:
                grid = _sample_grid(batch, fake, config)
                write_png(out / "grids" / f"step_{step:08d}.png", grid)
                if watchers.on_grid:
                    watchers.on_grid(step, grid)
            if watchers.on_progress:
                watchers.on_progress(step, total)
            if step % config.checkpoint_every == 0 or step == total:
                save()
            if step % steps_per_epoch == 0:
                if any(_is_due(epoch, every) for every in (config.keep_every, config.validate_every)):
                    save()
                end_epoch(epoch)
            stopped = ranks.any(stop.signum is not None)
            if stopped:
                break
        save()
    skipped = {"G": model.generator_optimizer.skipped, "D": model.discriminator_optimizer.skipped}
    return TrainResult(
        run=out,
        config=config,
        device=describe_device(model.device),
        checkpoint=latest_path(out),
        step=step,
        total_steps=total,
        stopped_by=(stop.signum or signal.SIGTERM) if stopped and step < total else None,
        skipped_steps=skipped,
        last_record=log.last if log else None,
    )


def _open_log(path: Path, step: int, note: Note) -> RunLog:
    """Open the log of a run of which some steps are done, and say which of their lines are lost."""
    log = RunLog(path, step)
    # The first step is always logged.
    if step and log.first is None:
        note(f"{path} has no line of the {step} steps that are done: it begins after them.")
    elif log.first is not None and log.first.step > 1:
        note(f"{path} begins at step {log.first.step}: the lines before are lost.")
    return log


def _is_due(epoch: int, every: int) -> bool:
    return every > 0 and epoch % every == 0


def _places(n: int, config: TrainConfig, step: int, ranks: Ranks) -> Iterator[list[Place]]:
    """Yield this rank's share of each batch from `step` to the end of the run."""
    per_epoch, share = n // config.batch_size, config.batch_size // ranks.size
    for epoch in range(step // per_epoch + 1, config.total_epochs + 1):
        done = step % per_epoch if epoch == step // per_epoch + 1 else 0
        for batch in epoch_batches(n, config.batch_size, config.seed, epoch)[done:]:
            yield batch[ranks.rank * share : (ranks.rank + 1) * share]


def _timed(batches: Iterable[Batch]) -> Iterator[tuple[Batch, float]]:
    """Yield each batch with the seconds for which the loop waited for it."""
    iterator = iter(batches)
    while True:
        start = time.perf_counter()
        batch = next(iterator, None)
        if batch is None:
            return
        yield batch, time.perf_counter() - start


def _step_seed(seed: int, step: int, rank: int) -> int:
    entropy = [seed, step, rank] if rank else [seed, step]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1)


def _restore(model: Pix2PixHD, checkpoint: Checkpoint, steps_per_epoch: int, where: str) -> int:
    # The epoch that the last step belonged to: at the end of an epoch the optimizer is still that epoch's.
    model.set_epoch(max(checkpoint.step - 1, 0) // steps_per_epoch + 1)
    parts = ("networks", "optimizers", "pool", "amax_history")
    model.load_state_dict({part: getattr(checkpoint, part) for part in parts}, where)
    restore_random(checkpoint.rng, where)
    return checkpoint.step


def _read_losses(model: Pix2PixHD, step: int, losses: Losses, ranks: Ranks) -> dict[str, float]:
    """Read the losses from the device, as means over the ranks; raise `DivergenceError` if the training is lost."""
    values = ranks.mean(dict(zip(losses, torch.stack(list(losses.values())).tolist(), strict=True)))
    # With loss scaling an overflow is part of the method: its step is skipped and counted, and the scale is halved.
    if not model.precision.scales_loss:
        for name, value in values.items():
            if not math.isfinite(value):
                raise DivergenceError(
                    f"loss {name} at step {step}",
                    expected="a finite number",
                    found=str(value),
                    fix="The last checkpoint is from before. Try a lower --lr or another --precision.",
                )
    for name, scale in _loss_scales(model).items():
        if scale is not None and scale < _LEAST_SCALE:
            raise DivergenceError(
                f"loss scale of {name} at step {step}",
                expected=f"{_LEAST_SCALE:.0e} or more",
                found=f"{scale:.0e}: steps overflow however small it is",
                fix="Try a lower --lr or another --precision; the log shows since when steps are skipped.",
            )
    return values


def _loss_scales(model: Pix2PixHD) -> dict[str, float | None]:
    return {"G": model.generator_optimizer.scale, "D": model.discriminator_optimizer.scale}


def _record(log: RunLog, model: Pix2PixHD, step: int, epoch: int, losses: dict[str, float]) -> LogRecord:
    scaled = {"G": model.generator_optimizer, "D": model.discriminator_optimizer}
    on_cuda = model.device.type == "cuda"
    images_per_second, data_wait = log.rates()
    return LogRecord(
        step=step,
        epoch=epoch,
        losses={name: finite_or_none(value) for name, value in losses.items()},
        lr=scaled["G"].optimizer.param_groups[0]["lr"],
        loss_scale=_loss_scales(model),
        skipped_steps={name: optimizer.skipped for name, optimizer in scaled.items()},
        images_per_second=images_per_second,
        data_wait=data_wait,
        peak_memory_bytes=torch.cuda.max_memory_allocated(model.device) if on_cuda else None,
    )


def _sample_grid(batch: Batch, fake: torch.Tensor, config: TrainConfig) -> npt.NDArray[np.uint8]:
    assert batch.photo is not None
    rows = []
    for label, photo, sample in list(zip(batch.label, batch.photo, fake, strict=True))[:_GRID_ROWS]:
        nc = config.data.label_nc
        condition = label_colours(label[0].cpu().numpy(), nc) if nc else photo_array(label)
        rows.append([condition, photo_array(photo), photo_array(sample)])
    return picture_grid(rows, ("input", "photo", config.precision))
