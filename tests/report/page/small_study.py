"""A small study that takes a second: real scenes, comparisons and measurements, but noise in place of a training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from p2phd_eval.bench.speed import BenchResult, Measurement, Setting
from p2phd_eval.config import TrainConfig
from p2phd_eval.evaluation.class_shares import label_class_shares
from p2phd_eval.evaluation.comparison import FeatureArm, compare_feature_sets, explain
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.images.sources.arrays import ArraySource
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.quality.run_quality import QualityRun
from p2phd_eval.report.documents import document
from p2phd_eval.report.tables.bench_tables import bench_document
from p2phd_eval.report.tables.comparison_tables import comparison_document
from p2phd_eval.report.tables.explanation_tables import explanation_document
from p2phd_eval.report.tables.quality_tables import measure_quality
from p2phd_eval.scenes.data_set import CLASSES, write_dataset
from p2phd_eval.stats.verdicts.margins import parse_margin
from p2phd_eval.stats.verdicts.scope import Scope
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.study_plan import PlannedRun, StudyPlan
from p2phd_eval.study.verdicts import verdict_documents
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

    def compare(arms: Sequence[tuple[str, Sequence[Images]]], scope: Scope | None = None) -> dict[str, Any]:
        result = compare_feature_sets(
            real,
            [FeatureArm(name=name, runs=tuple(map(features, runs))) for name, runs in arms],
            margin=parse_margin("10%"),
            scope=scope,
            replicates=100,
        )
        folders = [[Path("runs") / name / str(k) for k in range(len(runs))] for name, runs in arms]
        written = comparison_document(result, "photos", folders)
        for k, entry in enumerate(written["candidates"]):
            entry["explanation"] = explanation_document(explain(result, k, shares))
        return written

    def of_arm(arm: str) -> list[Images]:
        return [samples[run.name] for run in done if run.arm == arm and not run.repeat]

    training = compare([(arm, of_arm(arm)) for arm in ARMS])
    fids = {arm["name"]: [run["fid"] for run in arm["runs"]] for arm in (training["baseline"], *training["candidates"])}
    sampling = []
    for arm in ("fp32", "amp-bf16"):
        rounded = [(images // 4 * 4).astype(np.uint8) for images in of_arm(arm)]
        pair = [(f"{arm}, generated in fp32", of_arm(arm)), (f"{arm}, generated in amp-bf16", rounded)]
        sampling.append({"arm": arm, "document": compare(pair, Scope.CHECKPOINTS)})
    repeat = [(name, [samples[name]]) for name in ("fp32-s0", "fp32-s0-repeat")]
    quality = measure_quality(
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
    report = document(
        "report",
        name="scenes",
        verdicts=verdict_documents(plan, outcomes, training),
        comparisons={"training": training, "sampling": sampling, "repeat": compare(repeat, Scope.CHECKPOINTS)},
        runs=[_run(run, outcomes[run.name], fids) for run in plan.runs],
        quality=quality,
        curves={run.name: _curves(run, outcomes[run.name]) for run in plan.runs},
        pictures={"labels": str(data / "test_label"), "photos": str(data / "test_img"), "label_nc": len(CLASSES)},
        what_was_run={
            "data": plan.data,
            "data_sha256": plan.data_sha256,
            "n_train": 1,
            "n_test": N,
            "config": plan.base.to_dict(),
            "arms": [{"name": arm, "precision": arm} for arm in plan.arms],
            "seeds": list(plan.seeds),
            "device": "NVIDIA V100",
            "machine": {"processor": "some processor", "cores": 2, "threads": 1},
            "versions": {"p2phd-eval": "0.1.0", "torch": "2.6.0"},
            "weights": training["stamp"],
            "command": plan.command,
        },
        notes=list(training["warnings"]),
        speed={
            "made_at": "2026-01-01T00:00:00+00:00",
            "runs": {run.name: _speed(run, outcomes[run.name]) for run in plan.runs},
            "bench": _bench(),
        },
    )
    return json.loads(json.dumps(report, allow_nan=False))  # type: ignore[no-any-return]


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


def _run(run: PlannedRun, outcome: Outcome, fids: dict[str, list[float]]) -> dict[str, Any]:
    fid = fids[run.arm][run.seed] if not outcome.failed else None
    folder = f"runs/{run.name}"
    return {
        "name": run.name,
        "arm": run.arm,
        "seed": run.seed,
        "repeat": run.repeat,
        "precision": run.precision,
        "status": outcome.status,
        "why": outcome.why,
        "folder": folder,
        "samples": {} if outcome.failed else {each: f"{folder}/samples/{each}" for each in run.sampling},
        "checkpoint_sha256": None if outcome.failed else f"{run.seed}" * 64,
        "steps": 7 if outcome.failed else 40,
        "skipped_steps": {"G": 2, "D": 1} if run.arm == "amp-fp16" else {"G": 0, "D": 0},
        "fid": fid,
    }


def _curves(run: PlannedRun, outcome: Outcome) -> dict[str, Any]:
    rng = np.random.default_rng([7, run.seed])
    steps = [1, 5, 7] if outcome.failed else [1, 10, 20, 30, 40]
    losses = {
        name: [float(value) for value in 3 / np.sqrt(steps) + rng.uniform(0.5, 1, size=len(steps))]
        for name in ("G_GAN", "G_GAN_Feat", "D_real", "D_fake")
    }
    scaled = run.arm == "amp-fp16"
    scales = {name: [2.0 ** (16 - k // 2) if scaled else None for k in range(len(steps))] for name in ("G", "D")}
    skipped = {name: [k // 2 if scaled else 0 for k in range(len(steps))] for name in ("G", "D")}
    if outcome.failed:
        losses["G_GAN"][-1] = None  # type: ignore[call-overload]
    return {"step": steps, "losses": losses, "loss_scale": scales, "skipped_steps": skipped}


def _speed(run: PlannedRun, outcome: Outcome) -> dict[str, Any]:
    rate = {"fp32": 5.0, "amp-fp16": 9.0, "amp-bf16": 8.0}[run.arm] + run.seed / 10
    return {
        "images_per_second": None if outcome.failed else rate,
        "peak_memory_bytes": None if outcome.failed else int(rate * 2**28),
        "seconds": {"train": None if outcome.failed else 4000 / rate, "generate": 3.0, "features": 2.0},
    }


def _bench() -> dict[str, Any]:
    steps = {("fp32", 1): 0.4, ("amp-fp16", 1): 0.25, ("amp-fp16", 2): 0.4, ("amp-bf16", 1): 0.3, ("amp-bf16", 2): 0.5}
    rows = [
        Measurement(
            setting=Setting(precision=precision, batch_size=size),
            seconds=(seconds, 1.02 * seconds, 1.05 * seconds),
            waited=(0.0, 0.0, 0.0),
        )
        for (precision, size), seconds in steps.items()
    ]
    return bench_document(BenchResult(measurements=tuple(rows), largest=(), width=64, height=32), {"cores": 2})
