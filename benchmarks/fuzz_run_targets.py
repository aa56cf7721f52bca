"""Runs and what comes of them: checkpoints, logs, styles, samples and studies."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from fuzz_feature_targets import STAMP
from fuzz_target import Case, Target, files_of


@functools.cache
def _tiny() -> Any:
    from p2phd_eval.config import DataConfig, DiscriminatorConfig, FeatureConfig, GeneratorConfig, TrainConfig
    from p2phd_eval.scenes.data_set import CLASSES

    return TrainConfig(
        data=DataConfig(label_nc=len(CLASSES), load_size=64),
        generator=GeneratorConfig(ngf=2, n_downsample=2, n_blocks=1),
        discriminator=DiscriminatorConfig(ndf=2, n_layers=1, n_scales=1),
        features=FeatureConfig(kind="instance", n_features=2, nef=2, n_downsample=2),
        epochs=1,
        epochs_decay=0,
        batch_size=2,
        log_every=1,
        grid_every=100,
        checkpoint_every=100,
    )


def _run(work: Path) -> tuple[Path, Path]:
    """A data set and a finished training on it."""
    from p2phd_eval.runs.training_run import train
    from p2phd_eval.scenes.data_set import write_dataset

    data, run = work / "data", work / "run"
    if not run.exists():
        write_dataset(data, n_train=4, n_test=1, width=64, height=32, seed=0)
        train(data, run, preset=_tiny(), device="cpu", workers=0, vgg="none")
    return data, run


def _checkpoint_seeds(work: Path) -> list[Case]:
    data, run = _run(work)
    small = {f"data/{name}": content for name, content in files_of(data).items()}
    return [{"latest.pt": (run / "checkpoints" / "latest.pt").read_bytes(), **small}]


def _read_checkpoint(folder: Path) -> None:
    from p2phd_eval.generators.sampling.generation import generate

    generate(folder / "latest.pt", folder / "data", folder / "samples", style="photo", device="cpu")


def _run_seeds(work: Path) -> list[Case]:
    data, run = _run(work)
    small = {f"data/{name}": content for name, content in files_of(data).items()}
    return [{**{f"run/{name}": content for name, content in files_of(run).items()}, **small}]


def _read_run(folder: Path) -> None:
    from p2phd_eval.runs.training_run import train

    train(
        folder / "data",
        folder / "run",
        preset=replace(_tiny(), epochs=2),
        device="cpu",
        resume=True,
        workers=0,
        vgg="none",
    )


def _log_seeds(work: Path) -> list[Case]:
    return [{"log.jsonl": (_run(work)[1] / "log.jsonl").read_bytes()}]


def _read_log(folder: Path) -> None:
    from p2phd_eval.generators.training.run_log import log_line, read_log

    for record in read_log(folder / "log.jsonl"):
        log_line(record)


def _continue_log(folder: Path) -> None:
    from p2phd_eval.generators.training.run_log import RunLog, log_line

    log = RunLog(folder / "log.jsonl", 1)
    if log.last is not None:
        log_line(log.last)


def _validation_seeds(work: Path) -> list[Case]:
    from p2phd_eval.runs.held_out import Validation

    line = Validation(
        epoch=1, step=2, fid=1.5, fid_se=0.1, kid=0.1, kid_se=0.01, n=4, stamp={"real": STAMP, "fake": STAMP}
    )
    text = json.dumps(msgspec.to_builtins(line))
    return [{"validation.jsonl": f"{text}\n{text}\n".encode()}]


def _read_validations(folder: Path) -> None:
    from p2phd_eval.runs.held_out import read_validations

    read_validations(folder)


def _original_seeds(work: Path) -> list[Case]:
    from p2phd_eval.generators.original.conversion import convert

    _, run = _run(work)
    if not (work / "original").exists():
        convert(run, work / "original")
    return [files_of(work / "original")]


def _read_original(folder: Path) -> None:
    from p2phd_eval.generators.original.conversion import convert

    convert(folder, folder / "converted")


def _pretrained_seeds(work: Path) -> list[Case]:
    return [{f"before/{name}": content for name, content in case.items()} for case in _original_seeds(work)]


def _read_pretrained(folder: Path) -> None:
    from p2phd_eval.generators.training.pretrained import read_networks

    read_networks(folder / "before")


def _cluster_seeds(work: Path) -> list[Case]:
    from p2phd_eval.generators.sampling.styles import cluster_styles

    data, run = _run(work)
    out, _ = cluster_styles(run, data, n_clusters=2, device="cpu")
    small = {f"data/{name}": content for name, content in files_of(data).items()}
    return [{"run/clusters.npz": out.read_bytes(), **{f"run/{n}": c for n, c in files_of(run).items()}, **small}]


def _read_clusters(folder: Path) -> None:
    from p2phd_eval.generators.sampling.generation import generate

    generate(folder / "run", folder / "data", folder / "samples", style="clusters", device="cpu")


_BESIDE_STYLES = (
    *("run/checkpoints/latest.pt", "run/clusters.npz"),
    *(f"data/test_{kind}/scene_000000.png" for kind in ("label", "inst", "img")),
)


def _styles_seeds(work: Path) -> list[Case]:
    """One of each kind, for the first regions of the only test image."""
    from p2phd_eval.files import file_sha256
    from p2phd_eval.generators.sampling.region_styles import (
        ClusterStyle,
        DataStyles,
        DrawnStyle,
        FileStyle,
        ImageStyles,
        PhotoStyle,
        Style,
        styles_path,
        write_styles,
    )
    from p2phd_eval.images.decoding import open_image

    (case,) = _cluster_seeds(work)
    data = work / "data"
    (label, instance, photo) = (next((data / f"test_{kind}").iterdir()) for kind in ("label", "inst", "img"))
    file, sha256 = photo.relative_to(data).as_posix(), file_sha256(photo)
    regions = np.unique(np.asarray(open_image(instance))).tolist()
    some: list[Style] = [
        ClusterStyle(label=int(np.asarray(open_image(label))[-1, 0]), k=0),
        DrawnStyle(image="another", region=1, label=1),
        PhotoStyle(image=photo.stem, region=regions[0], phase="test"),
        FileStyle(file=file, sha256=sha256, box=(1, 2, 30, 20)),
        FileStyle(file=file, sha256=sha256),
    ]
    styles = dict(zip(regions, some, strict=False))
    write_styles(data, "test", DataStyles(features="instance", images={photo.stem: ImageStyles(regions=styles)}))
    return [{"data/test_styles.json": styles_path(data, "test").read_bytes(), **{n: case[n] for n in _BESIDE_STYLES}}]


def _manifest_seeds(work: Path) -> list[Case]:
    from p2phd_eval.generators.sampling.generation import generate
    from p2phd_eval.images.image_folder import MANIFEST

    data, run = _run(work)
    cases = []
    if not (work / "samples").exists():
        generate(run, data, work / "samples", style="photo", device="cpu")
    manifest = json.loads((work / "samples" / MANIFEST).read_text())
    other = {**manifest, "training_precision": "amp-bf16", "checkpoint_sha256": "1" * 64}
    for first, second in ((manifest, other), (other, manifest)):
        made = zip(("fp32", "amp"), (first, second), strict=True)
        cases.append({f"{name}/{MANIFEST}": json.dumps(each).encode() for name, each in made})
    return cases


def _read_manifests(folder: Path) -> None:
    from p2phd_eval.evaluation.arms import GivenFolders, read_arms
    from p2phd_eval.images.image_folder import read_manifest

    read_manifest(folder / "fp32")
    read_arms((), (), (), [GivenFolders(name=None, folders=(folder / "fp32", folder / "amp"))])


def _plan_seeds(work: Path) -> list[Case]:
    from p2phd_eval.study.plan_study import plan_study
    from p2phd_eval.study.study_plan import PLAN_FILE, save_plan
    from p2phd_eval.study.study_request import StudyRequest

    data, _ = _run(work)
    request = StudyRequest(preset=_tiny(), settings={"vgg": "none"})
    save_plan(work / "study", plan_study(data, work / "study", request))
    return [{PLAN_FILE: (work / "study" / PLAN_FILE).read_bytes()}]


def _read_plan(folder: Path) -> None:
    from p2phd_eval.study.study_plan import load_plan

    plan = load_plan(folder)
    for run in plan.runs:
        plan.config(run)


def _record_seeds(work: Path) -> list[Case]:
    from p2phd_eval.study.artefacts import record
    from p2phd_eval.study.outcome import Outcome, save_outcome

    (work / "content").write_text("text")
    record(work, "train", {"data": "0" * 64}, work / "content", 1.5)
    save_outcome(work, Outcome(status="diverged", why="text"))
    return [{name: content for name, content in files_of(work).items() if name.endswith(".json")}]


def _read_records(folder: Path) -> None:
    from p2phd_eval.study.artefacts import finished, read_record
    from p2phd_eval.study.outcome import load_outcome

    (folder / "content").write_text("text")
    read_record(folder, "train")
    finished(folder, "train", {"data": "0" * 64}, folder / "content")
    outcome = load_outcome(folder)
    if outcome is not None:
        str(outcome.failed)


RUN_TARGETS = (
    Target(name="study-plan", seeds=_plan_seeds, read=_read_plan),
    Target(name="study-records", seeds=_record_seeds, read=_read_records),
    Target(name="manifest", seeds=_manifest_seeds, read=_read_manifests),
    Target(name="log", seeds=_log_seeds, read=_read_log),
    Target(name="log-continued", seeds=_log_seeds, read=_continue_log),
    Target(name="validations", seeds=_validation_seeds, read=_read_validations),
    Target(name="checkpoint", seeds=_checkpoint_seeds, read=_read_checkpoint, kept=("data/classes.json",)),
    Target(name="resume", seeds=_run_seeds, read=_read_run),
    Target(name="original", seeds=_original_seeds, read=_read_original),
    Target(name="pretrained", seeds=_pretrained_seeds, read=_read_pretrained),
    Target(name="clusters", seeds=_cluster_seeds, read=_read_clusters),
    Target(name="styles", seeds=_styles_seeds, read=_read_clusters, kept=_BESIDE_STYLES),
)
