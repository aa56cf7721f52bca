"""The clock of a bench: every setting in turn, its steps timed one by one."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import torch

from p2phd_eval.bench.largest import largest_batch
from p2phd_eval.bench.peer import require_checkout
from p2phd_eval.bench.speed import BenchResult, Measurement, Setting
from p2phd_eval.bench.stage import Stage
from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import require_whole
from p2phd_eval.generators.data.dataset import Place, TripletDataset, default_workers, load_batches, training_set
from p2phd_eval.generators.networks.vgg import UNTRAINED
from p2phd_eval.generators.training.least_memory import least_training_bytes
from p2phd_eval.generators.training.precision import find_precision
from p2phd_eval.memory import is_shortage, require_memory
from p2phd_eval.progress import OnProgress, unwatched

_SAMPLES = 8  # that the search for the largest batch repeats
_PREFETCHED = 2  # batches that each worker makes ahead
_MOST_STEPS = 1_000_000  # that are timed: more is a slip, which would be noticed after days


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How often each setting is timed; the settings take turns, so that a machine's moods meet all of them."""

    warm_up: int = 5  # steps before those that count, after each start
    steps: int = 10  # that count, after each start
    repeats: int = 3  # starts

    def __post_init__(self) -> None:
        require_whole(1, _MOST_STEPS, {"--warm-up": self.warm_up, "--steps": self.steps, "--repeats": self.repeats})


def time_settings(
    config: TrainConfig,
    data: Path,
    rows: Sequence[Setting],
    *,
    device: torch.device,
    timing: Timing,
    largest_of: Sequence[str] = (),
    against: Path | None = None,
    enough_seconds: float = math.inf,
    on_progress: OnProgress = unwatched,
) -> BenchResult:
    """Time training steps: a batch from files, both updates, and the wait until the device has done them.

    Raises `InputError` for unusable data, a precision that the device cannot run, or a folder that is no checkout.

    Parameters
    ----------
    config : TrainConfig
        Shared by all rows, but for precision, batch size and switches. All weights train from the start, and those
        of a VGG loss are random: they take the same time and memory.
    data : Path
        A data set in pix2pixHD's layout.
    rows : sequence of Setting
        See `speed.settings`.
    largest_of : sequence of str
        Precisions of which the largest batch that fits is searched, and timed too; only on CUDA.
    against : Path, optional
        Checkout of NVIDIA/pix2pixHD, for rows of its own code.
    enough_seconds : float
        A start whose steps have taken so long takes no more of them, and its last one counts in any case. By default
        there is no such limit.
    """
    for name in [*(row.precision for row in rows), *largest_of]:
        find_precision(name, device, config.execution.arithmetic)
    if against is not None:
        require_checkout(against, device)
    if config.objective.vgg != "none":
        config = replace(config, objective=replace(config.objective, vgg=UNTRAINED))
    config = replace(config, epochs_fix_global=0, load_pretrain=None)
    dataset = training_set(config, data)
    samples = [dataset[1, i] for i in range(min(_SAMPLES, len(dataset)))]
    stage = Stage(config, device, against)

    largest = tuple(largest_batch(stage, name, samples) for name in largest_of)
    found = [Setting(precision=row.precision, batch_size=row.batch_size) for row in largest if row.batch_size]
    clock = _Clock(stage, dataset, timing, config, enough_seconds)
    parts: dict[Setting, list[Measurement]] = {row: [] for row in (*rows, *found)}
    if config.execution.cache is not None:
        clock.fill_cache(max(row.batch_size for row in parts))
    for repeat in range(timing.repeats):
        for i, (row, measured) in enumerate(parts.items()):
            if not measured or measured[-1].seconds:
                measured.append(clock.measure(row))
            on_progress(repeat * len(parts) + i + 1, timing.repeats * len(parts))
    height, width = samples[0].label.shape[-2:]
    return BenchResult(
        measurements=tuple(_joined(measured) for measured in parts.values()),
        largest=largest,
        width=width,
        height=height,
    )


def _joined(parts: list[Measurement]) -> Measurement:
    """Join the repeats of one setting; one that did not fit stands for all."""
    last = parts[-1]
    if not last.seconds:
        return last
    peaks = [part.peak_memory_bytes for part in parts if part.peak_memory_bytes is not None]
    return replace(
        last,
        seconds=tuple(seconds for part in parts for seconds in part.seconds),
        waited=tuple(seconds for part in parts for seconds in part.waited),
        peak_memory_bytes=max(peaks, default=None),
        skipped_steps={name: sum(part.skipped_steps[name] for part in parts) for name in last.skipped_steps},
    )


class _Clock:
    """Times settings, each from a fresh start."""

    def __init__(
        self, stage: Stage, dataset: TripletDataset, timing: Timing, config: TrainConfig, enough_seconds: float
    ) -> None:
        self._config, workers = config, config.execution.workers
        self._stage, self._dataset, self._timing, self._enough = stage, dataset, timing, enough_seconds
        # To know how much is prefetched.
        self._workers = default_workers(stage.device) if workers is None else workers

    def _places(self, batch_size: int) -> Iterator[list[Place]]:
        # Round and round: a batch may be larger than the data set.
        indices = (i % len(self._dataset) for i in count())
        while True:
            yield [(1, next(indices)) for _ in range(batch_size)]

    def fill_cache(self, batch_size: int) -> None:
        """Read what batches up to this size will read: steps then see the cache as every epoch but the first does."""
        batches = self._timing.warm_up + self._timing.steps + 2 * _PREFETCHED * self._workers
        for index in range(min(len(self._dataset), batch_size * batches)):
            self._dataset[1, index]

    def measure(self, setting: Setting) -> Measurement:
        """Time the steps of a setting; none where the memory is too small."""
        try:
            return self._measure(setting)
        except Exception as error:
            if not is_shortage(error):
                raise
            return Measurement(setting=setting)
        finally:
            self._stage.clear()

    def _measure(self, setting: Setting) -> Measurement:
        stage, now = self._stage, time.perf_counter
        precision = find_precision(setting.precision, stage.device, self._config.execution.arithmetic)
        needed = least_training_bytes(self._config, self._dataset.size_of((1, 0)), precision, setting.batch_size)
        require_memory(needed, stage.device, str(setting), "Measure smaller batches.")
        seconds, waited = [], []
        places = self._places(setting.batch_size)
        with (
            stage.trainee(setting) as trainee,
            closing(load_batches(self._dataset, places, stage.device, self._workers)) as batches,  # type: ignore[type-var]
        ):
            begun = now()
            skipped_before = dict.fromkeys(trainee.optimizers, 0)
            for number in range(-self._timing.warm_up, self._timing.steps):
                if number == 0:
                    # Batches that lie ready would feed the first steps, however slow the workers are.
                    for _ in range(_PREFETCHED * self._workers):
                        next(batches)
                    stage.forget_peak()  # autotuning tries algorithms that need more
                    skipped_before = {name: optimizer.skipped for name, optimizer in trainee.optimizers.items()}
                start = now()
                batch = next(batches)
                waited.append(now() - start)
                trainee.step(batch)
                stage.wait()
                seconds.append(now() - start)
                if now() - begun > self._enough:
                    break
            timed = max(1, len(seconds) - self._timing.warm_up)
            return Measurement(
                setting=setting,
                seconds=tuple(seconds[-timed:]),
                waited=tuple(waited[-timed:]),
                arithmetic=precision.arithmetic,
                peak_memory_bytes=stage.peak_bytes(),
                loss_scale={name: optimizer.scale for name, optimizer in trainee.optimizers.items()},
                skipped_steps={name: trainee.optimizers[name].skipped - n for name, n in skipped_before.items()},
            )
