"""A short measurement before a study: what it will take, and the speed and memory that its report tells."""

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from p2phd_eval.bench.clock import Timing, time_settings
from p2phd_eval.bench.machine import describe_machine
from p2phd_eval.bench.speed import settings
from p2phd_eval.devices import describe_device
from p2phd_eval.files import write_json
from p2phd_eval.generators.data.dataset import training_set
from p2phd_eval.generators.data.triplets import find_triplets
from p2phd_eval.generators.training.estimate import estimate
from p2phd_eval.progress import Note, ProgressFactory
from p2phd_eval.report.documents.bench_documents import BenchDocument, TimedData, bench_document
from p2phd_eval.report.documents.document import read_document
from p2phd_eval.study.artefacts import finished, record, values_sha256
from p2phd_eval.study.study_plan import StudyPlan

# Enough for a plan and for a median; `bench` measures thoroughly.
_TIMING = {"cuda": Timing(warm_up=5, steps=10, repeats=3), "cpu": Timing(warm_up=1, steps=3, repeats=2)}
# After which a start takes no more steps. On a CPU those of networks for a GPU take half a minute each, from the first
# one on; on a GPU the first ones take longer than the others.
_ENOUGH_SECONDS = {"cuda": math.inf, "cpu": 5.0}
_FEATURE_BYTES = 4 * 2048  # what an image's features take
_PNG_BYTES = 2.0  # a pixel, about


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What a study takes; the time is that of training alone, which is nearly all of it."""

    steps: int  # how many one run takes
    seconds: dict[str, float | None]  # how long a run of each arm trains; None where it does not fit into memory
    disk: int  # bytes of all runs

    def total_seconds(self, plan: StudyPlan, at_once: int) -> float | None:
        """Return the time of all runs with so many side by side; None where an arm does not fit."""
        each = [self.seconds[run.arm] for run in plan.runs]
        known = [seconds for seconds in each if seconds is not None]
        return sum(known) / at_once if len(known) == len(each) else None


def measure(
    study: Path, plan: StudyPlan, *, device: torch.device, keep: bool, progress: ProgressFactory, note: Note
) -> BenchDocument:
    """Time a few training steps of each arm, once for a configuration and a device.

    `study`: its folder; a measurement that was kept in `analysis/bench.json` is used again. `keep`: measure what the
    report tells, also at twice the plan's batch size, as `speed` compares, and keep it; otherwise each arm alone, which
    is enough for a plan. `note`: told what is measured, where that may take a while. Raises `InputError` if the data
    cannot be used, or the device cannot run an arm.
    """
    path = study / "analysis" / "bench.json"
    asked = {"config": plan.base.to_dict(), "arms": list(plan.arms), "device": describe_device(device)}
    inputs = {"data": plan.data_sha256, "asked": values_sha256(asked)}
    if finished(study, "bench", inputs, path) is not None:
        return read_document(path, BenchDocument)
    start = time.perf_counter()
    kind = "cuda" if device.type == "cuda" else "cpu"
    timing = _TIMING[kind] if keep else replace(_TIMING[kind], repeats=1)
    batch = plan.base.batch_size
    rows = settings(plan.arms, (batch, 2 * batch) if keep else (batch,), (), against=False)
    if device.type == "cpu":
        number = len(rows) * timing.repeats
        note(
            f"First a few training steps are timed, in {number} measurements: seconds each with small networks, half a "
            "minute or more with those made for a GPU."
        )
    with progress(f"time training steps of {', '.join(plan.arms)}", "measurements") as on_progress:
        result = time_settings(
            plan.base,
            Path(plan.data),
            rows,
            device=device,
            timing=timing,
            enough_seconds=_ENOUGH_SECONDS[kind],
            on_progress=on_progress,
        )
    data = TimedData(folder=plan.data)
    measured = bench_document(result, describe_machine(device), config=asked["config"], data=data)
    if keep:
        write_json(path, measured.to_builtins())
        record(study, "bench", inputs, path, time.perf_counter() - start)
    return measured


def effort(plan: StudyPlan, measured: BenchDocument) -> Effort:
    """Return what a study takes, from a measurement.

    `measured`: from `measure`.
    """
    data, base = Path(plan.data), plan.base
    steps = len(training_set(base, data)) // base.batch_size * base.total_epochs
    width, height = measured.input.width, measured.input.height
    seconds = {}
    for arm in plan.arms:
        row = next(row for row in measured.rows if (row.precision, row.batch_size) == (arm, base.batch_size))
        seconds[arm] = None if row.seconds_median is None else steps * row.seconds_median
    memory = estimate(base, (width, height))
    n_images = len(find_triplets(data, "test", base.data, photos=False))
    image = round(width * height * _PNG_BYTES) + _FEATURE_BYTES
    checkpoint = memory.weights + memory.optimizer
    images = sum(len(run.sampling) for run in plan.runs) * n_images
    return Effort(steps=steps, seconds=seconds, disk=len(plan.runs) * checkpoint + images * image)
