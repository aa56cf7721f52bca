"""What a study takes: time by its stages, and disk, from a short measurement."""

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from p2phd_eval.bench.clock import Timing, time_settings
from p2phd_eval.bench.machine import describe_machine
from p2phd_eval.bench.speed import settings
from p2phd_eval.config import TrainConfig
from p2phd_eval.devices import describe_device
from p2phd_eval.files import write_json
from p2phd_eval.generators.data.dataset import training_set
from p2phd_eval.generators.data.triplets import find_triplets
from p2phd_eval.generators.training.estimate import estimate
from p2phd_eval.generators.training.run_log import read_log
from p2phd_eval.progress import Note, ProgressFactory
from p2phd_eval.report.documents.bench_documents import BenchDocument, TimedData, bench_document
from p2phd_eval.report.documents.document import read_document
from p2phd_eval.report.documents.study_documents import COMMON_SAMPLING, PaceDocument
from p2phd_eval.study.artefacts import finished, read_record, record, values_sha256
from p2phd_eval.study.run_files import run_folder
from p2phd_eval.study.study_plan import OWN_SAMPLING, PlannedRun, StudyPlan
from p2phd_eval.study.training_photos import reference_photos

# Enough for a plan and for a median; `bench` measures thoroughly.
_TIMING = {"cuda": Timing(warm_up=5, steps=10, repeats=3), "cpu": Timing(warm_up=1, steps=3, repeats=2)}
# After which a start takes no more steps. On a CPU those of networks for a GPU take half a minute each, from the first
# one on; on a GPU the first ones take longer than the others.
_ENOUGH_SECONDS = {"cuda": math.inf, "cpu": 5.0}
_FEATURE_BYTES = 4 * 2048  # what an image's features take
_PNG_BYTES = 2.0  # a pixel, about


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What a study takes."""

    steps: int  # how many one run of pix2pixHD trains
    train: dict[str, float | None]  # seconds that a run of each of its arms trains; None where it does not fit
    commands: dict[str, float | None]  # seconds that a run of each arm of commands takes; None before its first run
    seconds: dict[str, float] | None  # by stage, of all that is left to do; None where an arm does not fit
    disk: int  # bytes of all runs
    one_by_one: float | None = None  # seconds of all runs that are left, one after the other; None as above
    memory: int | None = None  # bytes of a training step of pix2pixHD, in the precision of the base


def measure(
    study: Path, plan: StudyPlan, *, device: torch.device, keep: bool, progress: ProgressFactory, note: Note
) -> BenchDocument | None:
    """Time a few training steps of each arm of pix2pixHD, once for a configuration and a device; None without one.

    `study`: its folder; a measurement that was kept in `analysis/bench.json` is used again. `keep`: measure what the
    report tells, also at twice the plan's batch size, as `speed` compares, and keep it; otherwise each arm alone, which
    is enough for a plan. `note`: told what is measured, where that may take a while. Raises `InputError` if the data
    cannot be used, or the device cannot run an arm.
    """
    if plan.base is None or not plan.precisions:
        return None
    path, precisions = study / "analysis" / "bench.json", tuple(dict.fromkeys(plan.precisions.values()))
    asked = {"config": plan.base.to_dict(), "arms": list(precisions), "device": describe_device(device)}
    inputs = {"data": plan.data_sha256, "asked": values_sha256(asked)}
    if finished(study, "bench", inputs, path) is not None:
        return read_document(path, BenchDocument)
    start = time.perf_counter()
    kind = "cuda" if device.type == "cuda" else "cpu"
    timing = _TIMING[kind] if keep else replace(_TIMING[kind], repeats=1)
    batch = plan.base.batch_size
    rows = settings(precisions, (batch, 2 * batch) if keep else (batch,), (), against=False)
    if device.type == "cpu":
        number = len(rows) * timing.repeats
        note(
            f"First a few training steps are timed, in {number} measurements: seconds each with small networks, half a "
            "minute or more with those made for a GPU."
        )
    with progress(f"time training steps of {', '.join(precisions)}", "measurements") as on_progress:
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


def step_seconds(plan: StudyPlan, measured: BenchDocument | None) -> dict[str, float | None]:
    """Return how long a training step of each arm of pix2pixHD takes; None where it does not fit into memory."""
    if plan.base is None or measured is None:
        return {}
    rows = {row.precision: row for row in measured.rows if row.batch_size == plan.base.batch_size}
    return {arm: rows[precision].seconds_median for arm, precision in plan.precisions.items()}


def effort(
    study: Path,
    plan: StudyPlan,
    measured: BenchDocument | None,
    pace: PaceDocument | None,
    *,
    left: Sequence[PlannedRun],
    at_once: int,
) -> Effort:
    """Return what a study takes.

    `measured`: from `measure`. `left`: the runs that have not ended. `pace`: from `measure_pace`; None where there are
    none, or an arm does not fit into memory. `at_once`: how many go side by side.
    """
    commands = {arm: _command_seconds(study, plan, arm) for arm in plan.arms if arm not in plan.precisions}
    waiting = [run.arm for run in left if run.command is not None]
    data, base = Path(plan.data), plan.base
    if base is None or measured is None:
        known = sum(commands[arm] or 0.0 for arm in waiting)
        seconds = {"commands": known / at_once} if left else {}
        unknown = any(commands[arm] is None for arm in waiting)
        return Effort(
            steps=0, train={}, commands=commands, seconds=seconds, disk=0, one_by_one=None if unknown else known
        )
    n_train = len(training_set(base, data))
    n_test = len(find_triplets(data, "test", base.data, photos=False))
    steps = n_train // base.batch_size * base.total_epochs
    train = {arm: None if each is None else steps * each for arm, each in step_seconds(plan, measured).items()}
    width, height = measured.input.width, measured.input.height
    memory = estimate(base, (width, height))
    image = round(width * height * _PNG_BYTES) + _FEATURE_BYTES
    checkpoint = memory.weights + memory.optimizer
    own = [run for run in plan.runs if run.command is None]
    generated = sum(len(run.sampling) for run in own) * n_test
    stage_seconds: dict[str, float] | None = None if left else {}
    one_by_one = None
    if pace is not None:
        each = [
            _seconds_of(study, base, run, train, steps, pace, n_test)
            if run.command is None
            else {"commands": commands[run.arm] or 0.0}
            for run in left
        ]
        stages = dict.fromkeys(stage for of in each for stage in of)
        together = {stage: sum(of.get(stage, 0.0) for of in each) for stage in stages}
        longest = max(sum(of.values()) for of in each)
        # As if shared evenly, but the longest run takes its time.
        share = max(1 / at_once, longest / (sum(together.values()) or 1.0))
        stage_seconds = {stage: share * value for stage, value in together.items()}
        stage_seconds["comparison and report"] = _seconds_after(study, plan, pace, n_test)
        one_by_one = sum(together.values())
    return Effort(
        steps=steps,
        train=train,
        commands=commands,
        seconds=stage_seconds,
        disk=len(own) * checkpoint + generated * image,
        one_by_one=one_by_one,
        memory=memory.total,
    )


def _command_seconds(study: Path, plan: StudyPlan, arm: str) -> float | None:
    """How long a run of an arm of commands took, of those that are there."""
    taken = []
    for run in plan.runs:
        if run.arm == arm:
            records = [read_record(study, f"{run.name}/{stage}") for stage in ("train", f"generate-{OWN_SAMPLING}")]
            if records[1] is not None:
                taken.append(sum(each.seconds for each in records if each is not None))
    return statistics.median(taken) if taken else None


def _seconds_of(
    study: Path,
    base: TrainConfig,
    run: PlannedRun,
    train: Mapping[str, float | None],
    steps: int,
    pace: PaceDocument,
    n_test: int,
) -> dict[str, float]:
    """How long a run takes, by stage."""
    log = read_log(run_folder(study, run) / "log.jsonl")
    left = 1 - log[-1].step / steps if log else 1.0
    every = base.validate_every
    validations = left * (base.total_epochs // every) if every else 0.0
    return {
        "training": left * (train[run.arm] or 0.0),
        "FID over epochs": validations * n_test * (pace.generate[COMMON_SAMPLING] + pace.features),
        "generation": n_test * sum(pace.generate[precision] for precision in run.sampling),
        "features": n_test * len(run.sampling) * pace.features,
        "starting": pace.start,
    }


def _seconds_after(study: Path, plan: StudyPlan, pace: PaceDocument, n_test: int) -> float:
    """How long it takes to compare all runs, after the last of them."""
    arms, seeds, repeat = len(plan.arms), len(plan.seeds), int(plan.repeat)
    needed = {"real.npz": n_test, "reference.npz": reference_photos(plan)}
    photos = sum(n for name, n in needed.items() if not (study / "features" / name).exists())
    sets = arms * seeds + sum(len(run.sampling) for run in plan.runs if len(run.sampling) > 1) + 2 * repeat
    pairs = len(plan.runs) + seeds * (seeds - 1) // 2 + (arms - 1) * seeds + repeat
    return pace.start + photos * pace.features + sets * pace.comparison + n_test * pairs * pace.quality
