"""A small study that takes a second: real scenes, comparisons and measurements, but noise in place of a training."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image

from p2phd_eval.bench.machine import Machine
from p2phd_eval.bench.speed import BenchResult, Measurement, Setting
from p2phd_eval.config import TrainConfig
from p2phd_eval.evaluation.class_shares import label_class_shares
from p2phd_eval.evaluation.comparison import FeatureArm, compare_feature_sets, explain
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.images.sources.arrays import ArraySource
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.quality.run_quality import QualityRun, quality_of_runs
from p2phd_eval.report.documents.bench_documents import BenchDocument, TimedData, bench_document
from p2phd_eval.report.documents.comparison_documents import CompareDocument, comparison_document
from p2phd_eval.report.documents.study_documents import (
    Arm,
    Comparisons,
    Curves,
    FidOverEpochs,
    GenerationCost,
    Pictures,
    Processor,
    ReportDocument,
    RunSpeed,
    SampledArm,
    Speed,
    StageSeconds,
    StudyRun,
    WhatWasRun,
    quality_part,
)
from p2phd_eval.scenes.data_set import CLASSES, write_dataset
from p2phd_eval.stats.verdicts.margins import parse_margin
from p2phd_eval.stats.verdicts.scope import Scope
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.study_plan import PlannedRun, StudyPlan
from p2phd_eval.study.verdicts import arm_verdicts
from tests.features.feature_sets import feature_set

Images = npt.NDArray[np.uint8]  # (n, h, w, 3)

N = 30
#: A name that is code in HTML, in an attribute, in Markdown, in a formula and in Python's formats.
HOSTILE = "<script>alert(1)</script>\"'&|`*_$x^2${%s}"
#: What of it a file may be called.
HOSTILE_ID = "<img src=x onerror=alert(1)>\"'&"
ARMS = ("fp32", "amp-fp16", "amp-bf16")
_DARKER = {"fp32": 0.0, "amp-fp16": 9.0, "amp-bf16": 1.0}  # grey values


def write_small_study(folder: Path) -> dict[str, Any]:
    """Write the images of a study of three arms and three seeds, and return its report as it is read from a file.

    One label map is called `HOSTILE_ID`. The last run of amp-fp16 diverged. Of the arms' samples the first run's alone
    are there, as a report needs no others.
    """
    data = folder / "scenes"
    write_dataset(data, n_train=1, n_test=N, width=64, height=32, seed=0)
    for path in sorted(data.glob("test_*/scene_000003.png")):
        path.rename(path.with_name(f"{HOSTILE_ID}.png"))
    source = open_source(data / "test_img")
    photos = np.stack([source.load(index).pixels for index in range(N)])
    plan = StudyPlan(
        data=str(data),
        data_sha256="0123456789abcdef" * 4,
        base=TrainConfig(),
        arms=ARMS,
        seeds=(0, 1, 2),
        margin="10%",
        command=f"p2phd-eval study {data} --arms {','.join(ARMS)} --margin 10%",
    )
    diverged = Outcome(status="diverged", why="loss G_GAN at step 7: nan")
    outcomes = {run.name: diverged if run.name == "amp-fp16-s2" else Outcome(status="finished") for run in plan.runs}
    done = [run for run in plan.runs if not outcomes[run.name].failed]
    samples = {run.name: _samples(photos, run) for run in done}
    for run in done:
        if run.seed == 0 and not run.repeat:
            target = folder / "runs" / run.name / "samples" / "fp32"
            target.mkdir(parents=True)
            for id_, pixels in zip(source.ids, samples[run.name], strict=True):
                Image.fromarray(pixels).save(target / f"{id_}.png")

    def features(images: Images) -> FeatureSet:
        return feature_set(_features(images), ids=source.ids)

    real = features(photos)
    shares = label_class_shares(open_source(data / "test_label"), source.ids, CLASSES)

    def compare(arms: Sequence[tuple[str, Sequence[Images]]], scope: Scope | None = None) -> CompareDocument:
        result = compare_feature_sets(
            real,
            [FeatureArm(name=name, runs=tuple(map(features, runs))) for name, runs in arms],
            margin=parse_margin("10%"),
            scope=scope,
            replicates=100,
        )
        folders = [[Path("runs") / name / str(k) for k in range(len(runs))] for name, runs in arms]
        explanations = tuple(explain(result, k, shares) for k in range(len(result.candidates)))
        return comparison_document(dataclasses.replace(result, explanations=explanations), "photos", folders)

    def of_arm(arm: str) -> list[Images]:
        return [samples[run.name] for run in done if run.arm == arm and not run.repeat]

    training = compare([(arm, of_arm(arm)) for arm in ARMS])
    fids = {"fp32": [run.fid for run in training.baseline.runs]}
    fids |= {arm.name: [run.fid for run in arm.runs] for arm in training.candidates}
    sampling = []
    for arm in ("fp32", "amp-bf16"):
        rounded = [(images // 4 * 4).astype(np.uint8) for images in of_arm(arm)]
        pair = [(f"{arm}, generated in fp32", of_arm(arm)), (f"{arm}, generated in amp-bf16", rounded)]
        sampling.append(SampledArm(arm=arm, document=compare(pair, Scope.CHECKPOINTS)))
    repeat = [(name, [samples[name]]) for name in ("fp32-s0", "fp32-s0-repeat")]
    quality = quality_of_runs(
        ArraySource(photos, ids=source.ids),
        [
            QualityRun(
                name=run.name,
                arm=run.arm,
                seed=run.seed,
                repeat=run.repeat,
                source=ArraySource(samples[run.name], ids=source.ids),
            )
            for run in done
        ],
        baseline="fp32",
        lpips_weights=None,
    )
    comparisons = Comparisons(training=training, sampling=tuple(sampling), repeat=compare(repeat, Scope.CHECKPOINTS))
    report = ReportDocument(
        name="scenes",
        verdicts=arm_verdicts(plan, outcomes, comparisons),
        comparisons=comparisons,
        runs=tuple(_run(run, outcomes[run.name], fids) for run in plan.runs),
        quality=quality_part(quality),
        curves={run.name: _curves(run, outcomes[run.name]) for run in plan.runs},
        pictures=Pictures(labels=str(data / "test_label"), photos=str(data / "test_img"), label_nc=len(CLASSES)),
        what_was_run=WhatWasRun(
            data=plan.data,
            data_sha256=plan.data_sha256,
            n_train=1,
            n_test=N,
            config=plan.base.to_dict(),
            arms=tuple(Arm(name=arm, precision=arm) for arm in plan.arms),
            seeds=plan.seeds,
            device="NVIDIA V100",
            machine=Processor(processor="some processor", cores=2, threads=1),
            versions={"p2phd-eval": "0.1.0", "torch": "2.6.0"},
            weights=training.stamp,
            command=plan.command,
        ),
        notes=training.warnings,
        speed=Speed(
            made_at="2026-01-01T00:00:00+00:00",
            runs={run.name: _speed(run, outcomes[run.name]) for run in plan.runs},
            bench=_bench(),
        ),
    )
    return json.loads(json.dumps(report.to_builtins(), allow_nan=False))  # type: ignore[no-any-return]


def typed(report: dict[str, Any]) -> ReportDocument:
    """The report as it is after it was read and checked."""
    return msgspec.convert(report, ReportDocument)


def renamed(part: Any, old: str, new: str) -> Any:
    """Return a copy of (a part of) a report in which every string that is `old` is `new`."""
    if isinstance(part, dict):
        return {key: renamed(value, old, new) for key, value in part.items()}
    if isinstance(part, list):
        return [renamed(value, old, new) for value in part]
    return new if isinstance(part, str) and part == old else part


def _samples(photos: Images, run: PlannedRun) -> Images:
    rng = np.random.default_rng([ARMS.index(run.arm), run.seed])
    # A seed moves all images alike; a repeat is its run again, but for rounding.
    noise = rng.normal(0, 2) + rng.normal(0, 12, size=photos.shape) + run.repeat * 0.5
    changed: Images = (photos - _DARKER[run.arm] + noise).clip(0, 255).astype(np.uint8)
    return changed


def _features(images: Images) -> npt.NDArray[np.float64]:
    """Mean grey values of the six parts of a picture, two by three."""
    rows = np.array_split(images.mean(axis=3), 2, axis=1)
    parts = [part for row in rows for part in np.array_split(row, 3, axis=2)]
    return np.stack([part.mean(axis=(1, 2)) for part in parts], axis=1) / 8


def _run(run: PlannedRun, outcome: Outcome, fids: dict[str, list[float]]) -> StudyRun:
    fid = fids[run.arm][run.seed] if not outcome.failed else None
    folder = f"runs/{run.name}"
    return StudyRun(
        name=run.name,
        arm=run.arm,
        seed=run.seed,
        repeat=run.repeat,
        precision=run.precision,
        status=outcome.status,
        why=outcome.why,
        folder=folder,
        samples={} if outcome.failed else {each: f"{folder}/samples/{each}" for each in run.sampling},
        checkpoint_sha256=None if outcome.failed else f"{run.seed}" * 64,
        steps=7 if outcome.failed else 40,
        skipped_steps={"G": 2, "D": 1} if run.arm == "amp-fp16" else {"G": 0, "D": 0},
        fid=fid,
    )


def _curves(run: PlannedRun, outcome: Outcome) -> Curves:
    rng = np.random.default_rng([7, run.seed])
    steps = (1, 5, 7) if outcome.failed else (1, 10, 20, 30, 40)
    losses: dict[str, tuple[float | None, ...]] = {
        name: tuple(float(value) for value in 3 / np.sqrt(steps) + rng.uniform(0.5, 1, size=len(steps)))
        for name in ("G_GAN", "G_GAN_Feat", "D_real", "D_fake")
    }
    scaled = run.arm == "amp-fp16"
    scales = tuple(2.0 ** (16 - k // 2) if scaled else None for k in range(len(steps)))
    skipped = tuple(k // 2 if scaled else 0 for k in range(len(steps)))
    if outcome.failed:
        losses["G_GAN"] = (*losses["G_GAN"][:-1], None)
    epochs = (1,) if outcome.failed else (1, 2, 3)
    return Curves(
        step=steps,
        losses=losses,
        loss_scale={"G": scales, "D": scales},
        skipped_steps={"G": skipped, "D": skipped},
        fid=FidOverEpochs(
            epoch=epochs,
            step=steps[: len(epochs)],
            fid=tuple(float(value) for value in 9 / np.array(epochs) + rng.uniform(size=len(epochs))),
            fid_se=(0.2,) * len(epochs),
            n=N,
        ),
    )


def _speed(run: PlannedRun, outcome: Outcome) -> RunSpeed:
    rate = {"fp32": 5.0, "amp-fp16": 9.0, "amp-bf16": 8.0}[run.arm] + run.seed / 10
    return RunSpeed(
        images_per_second=None if outcome.failed else rate,
        peak_memory_bytes=None if outcome.failed else int(rate * 2**28),
        seconds=StageSeconds(train=None if outcome.failed else 4000 / rate, generate=3.0, features=2.0),
        generation={}
        if outcome.failed
        else {
            precision: GenerationCost(
                images_per_second=(20.0 if precision == "fp32" else 50.0) + run.seed,
                peak_memory_bytes=2**30 if precision == "fp32" else 2**29,
                generator_bytes=40_000_000,
            )
            for precision in ("fp32", "amp-bf16")
        },
    )


def _bench() -> BenchDocument:
    steps = {("fp32", 1): 0.4, ("amp-fp16", 1): 0.25, ("amp-fp16", 2): 0.4, ("amp-bf16", 1): 0.3, ("amp-bf16", 2): 0.5}
    rows = [
        Measurement(
            setting=Setting(precision=precision, batch_size=size),
            seconds=(seconds, 1.02 * seconds, 1.05 * seconds),
            waited=(0.0, 0.0, 0.0),
        )
        for (precision, size), seconds in steps.items()
    ]
    machine = Machine(
        date="2026-01-01",
        device="NVIDIA V100",
        processor="some processor",
        cores=2,
        threads=1,
        load=0.5,
        gomp_spincount=None,
        versions={"torch": "2.6.0"},
    )
    result = BenchResult(measurements=tuple(rows), largest=(), width=64, height=32)
    return bench_document(result, machine, config={}, data=TimedData(folder="scenes"))
