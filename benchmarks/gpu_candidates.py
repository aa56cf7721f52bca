"""The stage `candidates` of benchmarks/gpu.py: the training step with each candidate of a switch beside the plain one.

A row is of one preset, precision and candidate. Both steps begin with the same weights and see the same batches; after
the first steps, whose losses are compared, they take turns in one process. "plain again" is no change at all: what it
says of time and losses is what chance says of the others.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import cycle, groupby, islice, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from gpu_record import Record
from gpu_stages import preset_options, row, scenes
from step_candidates import (
    CHANNELS_LAST,
    COMPILED,
    GRAPH_OF_G,
    GRAPH_OF_STEP,
    PADDED,
    REDUCE_OVERHEAD,
    Step,
    candidate_step,
)
from torch.profiler import ProfilerActivity, profile

from p2phd_eval.bench.stage import Stage
from p2phd_eval.config import TrainConfig
from p2phd_eval.generators.data.batch import Batch, collate
from p2phd_eval.generators.data.dataset import training_set
from p2phd_eval.generators.networks.vgg import UNTRAINED
from p2phd_eval.generators.training.precision import backend_flags, find_precision
from p2phd_eval.presets import configure

STAGE = "candidates"

Changes = tuple[str, ...]

#: What begins within seconds.
AT_ONCE: tuple[Changes, ...] = (
    (),
    (PADDED,),
    (CHANNELS_LAST,),
    (CHANNELS_LAST, PADDED),  # tensor cores read channels last, so that padding may only tell there
    (GRAPH_OF_STEP,),
    (GRAPH_OF_G,),
)
#: What is compiled first, for a minute or more.
AFTER_COMPILING: tuple[Changes, ...] = ((CHANNELS_LAST, COMPILED), (REDUCE_OVERHEAD,), (COMPILED,))


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is measured."""

    presets: tuple[str, ...] = ("512p", "1024p")
    precisions: tuple[str, ...] = ("amp-fp16", "amp-bf16", "tf32", "fp32")
    at_once: tuple[Changes, ...] = AT_ONCE
    compiled: tuple[Changes, ...] = AFTER_COMPILING
    backend: str | None = None  # of torch.compile, in the place of inductor
    compared: int = 8  # first steps, whose losses are compared; amp-fp16 skips some of them until its scale fits
    rounds: int = 8  # turns of each
    steps: int = 2  # a turn, after which the device is waited for


FULL = Sizes()
REHEARSAL = Sizes(
    presets=("512p",),
    precisions=("fp32",),
    at_once=((), (PADDED,), (GRAPH_OF_STEP,)),
    # Compiling for a CPU takes a minute, so that only what comes before is rehearsed: Dynamo, and running its graphs.
    # The product's call asks for a compiler all the same.
    compiled=((CHANNELS_LAST, REDUCE_OVERHEAD),) if any(map(shutil.which, ("c++", "g++", "clang++"))) else (),
    backend="eager",
    compared=2,
    rounds=2,
    steps=1,
)


@dataclass(frozen=True)
class Row:
    """A candidate in one preset and precision."""

    preset: str
    precision: str
    changes: Changes

    @property
    def candidate(self) -> str:
        return ", ".join(self.changes) or "plain again"

    @property
    def name(self) -> str:
        return f"{self.preset}, {self.precision}, {self.candidate}"


def candidate_rows(sizes: Sizes) -> Iterator[Row]:
    """What is measured, what is worth the most first."""
    first, rest = sizes.presets[:1], sizes.presets[1:]
    halves = [name for name in sizes.precisions if name.startswith("amp-")]
    others = [name for name in sizes.precisions if name not in halves]
    for presets, precisions, candidates in (
        (first, halves, sizes.at_once),
        (first, halves, sizes.compiled),
        (rest, halves, sizes.at_once),
        (sizes.presets, others, sizes.at_once),
        (rest, halves, sizes.compiled),
        (sizes.presets, others, sizes.compiled),
    ):
        yield from (Row(*each) for each in product(presets, precisions, candidates))


def run_candidates(options: argparse.Namespace, record: Record) -> None:
    sizes, device = REHEARSAL if options.rehearse else FULL, torch.device(options.device)
    # What failed before comes last: it may have ended the stage; see `require_sound`.
    rows = sorted(candidate_rows(sizes), key=lambda each: "traceback" in record.rows(STAGE).get(each.name, {}))
    missing = [each for each in rows if record.is_missing(STAGE, each.name)]
    for (preset, precision), group in groupby(missing, key=lambda each: (each.preset, each.precision)):
        config = config_of(options, preset, precision)
        batches = batches_of(config, scenes(options), device)
        # As `train_networks` has it.
        autotune = config.data.resize != "none"
        with backend_flags(find_precision(precision, device), autotune=autotune):
            run_beside_plain(record, list(group), Runner(config, Stage(config, device), batches, sizes))


def config_of(options: argparse.Namespace, preset: str, precision: str) -> TrainConfig:
    config = configure(Path(), preset, niter_fix_global=0, **preset_options(options, preset))
    if config.objective.vgg != "none":
        config = replace(config, objective=replace(config.objective, vgg=UNTRAINED))  # as `bench` has it
    return replace(config, precision=precision)


def batches_of(config: TrainConfig, data: Path, device: torch.device) -> list[Batch]:
    """A few batches of one sample, which lie on the device."""
    dataset = training_set(config, data)
    return [collate([dataset[1, i]]).to(device) for i in range(min(4, len(dataset)))]


def run_beside_plain(record: Record, rows: list[Row], runner: Runner) -> None:
    """Measure candidates of one preset and precision."""
    preset, precision = rows[0].preset, rows[0].precision
    with ExitStack() as stack:
        name = f"{preset}, {precision}, plain"
        # Measured once more where a call goes on, since it has to stand beside the others.
        with row(record, STAGE, name) as values:
            plain = stack.enter_context(runner.contender(()))
            values.update(preset=preset, precision=precision, candidate="plain", **plain.found)
        if record.is_missing(STAGE, name):
            return  # it failed
        with row(record, STAGE, launches_name(name)) as values:
            values.update(runner.launches(plain.step))
        for each in rows:
            with row(record, STAGE, each.name) as values, runner.contender(each.changes) as other:
                values.update(preset=preset, precision=precision, candidate=each.candidate, **other.found)
                values["loss_differences"] = loss_differences(other.losses, plain.losses)
                values.update(runner.in_turns(plain.step, other.step))
                # A row of its own: a profiler that fails takes no time away that was measured.
                with row(record, STAGE, launches_name(each.name)) as found:
                    found.update(runner.launches(other.step))
            runner.require_sound()


def launches_name(name: str) -> str:
    return f"{name}, launches"


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A step that has taken the first ones."""

    step: Step
    losses: list[dict[str, float]]  # of each of the first steps
    found: dict[str, Any]


@dataclass(frozen=True)
class Runner:
    """Takes training steps and watches them, in one configuration."""

    config: TrainConfig
    stage: Stage
    batches: list[Batch]
    sizes: Sizes

    @contextmanager
    def contender(self, changes: Changes) -> Iterator[Contender]:
        """Build networks and take their first steps, which compile, capture and autotune."""
        stage = self.stage
        stage.clear()
        before = held_bytes(stage.device)
        with candidate_step(changes, self.config, stage.device, self.batches[0], self.sizes.backend) as step:
            losses, first, begun = [], 0.0, time.perf_counter()
            for batch in islice(cycle(self.batches), self.sizes.compared):
                losses.append({name: float(loss) for name, loss in step(batch).items()})
                first = first or time.perf_counter() - begun
            stage.forget_peak()
            step(self.batches[0])
            stage.wait()
            # The peak is that of tensors. What a graph works in is none of them, but is held for it.
            peak, held = stage.peak_bytes(), held_bytes(stage.device)
            found = {
                "first_step_seconds": first,
                "peak_memory_bytes": None if peak is None or before is None else peak - before[0],
                "held_memory_bytes": None if held is None or before is None else held[1] - before[1],
            }
            yield Contender(step=step, losses=losses, found=found)

    def require_sound(self) -> None:
        """Raise, and so end the stage, if a failure left torch or the device useless to this process.

        A capture that fails may do so. Another call then goes on with what has not been tried.
        """
        torch.randn(1, device=self.stage.device)
        self.stage.wait()

    def in_turns(self, plain: Step, other: Step) -> dict[str, Any]:
        """Time both, one after the other: seconds a step, and how many times faster the other one is."""
        taken: dict[Step, list[float]] = {plain: [], other: []}
        for number in range(self.sizes.rounds):
            # Either goes first as often, as the second one may find a warmer device.
            for step in (plain, other) if number % 2 else (other, plain):
                self.stage.wait()
                begun = time.perf_counter()
                for batch in islice(cycle(self.batches), self.sizes.steps):
                    step(batch)
                self.stage.wait()
                taken[step].append((time.perf_counter() - begun) / self.sizes.steps)
        ratios = [a / b for a, b in zip(taken[plain], taken[other], strict=True)]
        low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
        seconds, plain_seconds = statistics.median(taken[other]), statistics.median(taken[plain])
        return {
            "plain_seconds": plain_seconds,
            "seconds": seconds,
            "ratio": plain_seconds / seconds,
            "ratio_quartiles": [low, high],
        }

    def launches(self, step: Step) -> dict[str, int]:
        """Count what a step asks of torch, of CUDA, and of the device."""
        on_cuda = self.stage.device.type == "cuda"
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda else [])]
        with profile(activities=activities) as profiler:
            step(self.batches[0])
            self.stage.wait()
        with TemporaryDirectory() as folder:
            trace = Path(folder) / "trace.json"
            profiler.export_chrome_trace(str(trace))
            events = json.loads(trace.read_text())["traceEvents"]
        kinds = Counter(event.get("cat") for event in events)
        calls = [event["name"] for event in events if event.get("cat") in ("cuda_runtime", "cuda_driver")]
        return {
            "operators": kinds["cpu_op"],
            "launches": sum("Launch" in name for name in calls),  # of kernels, and of graphs of them
            "kernels": kinds["kernel"],
            "copies": kinds["gpu_memcpy"] + kinds["gpu_memset"],
        }


def held_bytes(device: torch.device) -> tuple[int, int] | None:
    """What tensors take on a CUDA device, and what torch holds for them; None elsewhere."""
    if device.type != "cuda":
        return None
    return torch.cuda.memory_allocated(device), torch.cuda.memory_reserved(device)


def loss_differences(found: list[dict[str, float]], plain: list[dict[str, float]]) -> list[float | None]:
    """Of each step the largest relative difference of a loss; None where one is not finite."""
    steps = [[abs(a[name] - b[name]) / abs(b[name]) for name in b] for a, b in zip(found, plain, strict=True)]
    return [max(each) if all(map(math.isfinite, each)) else None for each in steps]
