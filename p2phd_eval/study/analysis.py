"""From the samples of all runs to the comparisons and the per-image quality of a study."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from msgspec import structs

from p2phd_eval.bench.machine import describe_machine
from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.cluster_rules import parse_rule
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.weights.find import find_weights
from p2phd_eval.files import file_sha256, write_json
from p2phd_eval.generators.checkpoint import latest_path
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.images.sources.repeated import photos_for
from p2phd_eval.progress import ProgressFactory
from p2phd_eval.quality.distance_weights import weights_sha256
from p2phd_eval.quality.lpips_weights import find_lpips_weights
from p2phd_eval.quality.run_quality import QualityRun, quality_of_runs
from p2phd_eval.report.documents.document import SCHEMA_VERSION, Document
from p2phd_eval.report.documents.study_documents import ComparisonsDocument, QualityDocument, quality_part
from p2phd_eval.study.artefacts import content_sha256, finished, read_record, record, values_sha256
from p2phd_eval.study.comparisons import compare_study
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.real_images import real_path
from p2phd_eval.study.run_files import features_path, samples_folder, stored_at
from p2phd_eval.study.study_edits import arms_of_edits, edits_of_study
from p2phd_eval.study.study_floor import floor_of_study, samples_of_floor
from p2phd_eval.study.study_plan import PlannedRun, StudyPlan
from p2phd_eval.study.study_segmentation import open_segmenter, runs_of_segmentation, segmentation_of_study
from p2phd_eval.study.training_photos import reference_features, usable_reference


def analyse(
    study: Path,
    plan: StudyPlan,
    outcomes: Mapping[str, Outcome],
    *,
    device: torch.device,
    weights: Path | None,
    lpips_weights: Path | None,
    distance_weights: Mapping[str, Path],
    progress: ProgressFactory,
) -> None:
    """Write `analysis/comparisons.json`, `quality.json` and, where asked for, those of edits, segmentation and floor.

    What is there of these runs stays.

    `study`: a study folder whose runs have ended. `outcomes`: how each run ended, by name. `device`: where the photos'
    features and the distances of images are computed. `weights` and `lpips_weights`: Inception's, and those of LPIPS's
    AlexNet; by default those of the cache, fetched if need be. `distance_weights`: see `quality_of_runs`. Raises
    `InputError` as `FeatureExtractor`, `compare_study` and `quality_of_runs` do.
    """
    rules = values_sha256(
        {
            "schema": SCHEMA_VERSION,  # an analysis of an earlier version is made again, of what was trained then
            "judge": plan.judge,
            "arms": plan.arms,
            "seeds": plan.seeds,
            "outcomes": {name: outcome.status for name, outcome in outcomes.items()},
            "margin": plan.margin,
            "cluster_by": plan.cluster_by,
            "confidence": plan.confidence,
            **({"benign": plan.benign, "retrained": plan.retrained} if plan.made_by else {}),
        }
    )
    if not plan.precisions:
        # Of others the measurement of their training steps says it.
        write_json(study / "analysis" / "machine.json", asdict(describe_machine(device)))
    real, photos = _photo_features(study, plan, device, weights, progress)
    compared = {"rules": rules}
    for name, features in (("real", real), ("reference", photos)):
        compared[name] = "none" if features is None else file_sha256(study / "features" / f"{name}.npz")
    rulers = {"rules": rules, "data": plan.data_sha256, "lpips": _lpips_identity(lpips_weights)}
    rulers |= {name: weights_sha256(path) for name, path in distance_weights.items()}
    viewed = dict(rulers)
    for run in plan.runs:
        if not outcomes[run.name].failed:
            viewed[run.name] = _samples_sha256(study, run)
            for precision in run.sampling:
                compared[f"{run.name}@{precision}"] = file_sha256(features_path(study, run, precision))

    def comparisons() -> ComparisonsDocument:
        reference, about = (None, None) if real is None else usable_reference(plan, photos, real)
        found = compare_study(study, plan, outcomes, real, reference, progress=progress)
        return found if about is None else structs.replace(found, notes=(about,))

    def quality() -> QualityDocument:
        runs = [
            QualityRun(
                name=run.name,
                arm=run.arm,
                seed=run.seed,
                repeat=run.repeat,
                source=open_source(samples_folder(study, run, run.sampling[0])),
            )
            for run in plan.runs
            if not outcomes[run.name].failed
        ]
        path = real_path(plan)
        if path is None:
            return QualityDocument(quality=None)
        photos = photos_for(open_source(path, generated=False), [run.source for run in runs])
        shared = set(photos.ids).intersection(*(run.source.ids for run in runs))
        # Real images of other names have nothing to say of a sample.
        if len(shared) < 2 or not any(run.arm == plan.arms[0] and not run.repeat for run in runs):
            return QualityDocument(quality=None)
        measured = quality_of_runs(
            photos,
            runs,
            baseline=plan.arms[0],
            lpips_weights=lpips_weights,
            distance_weights=distance_weights,
            device=device,
            cluster_by=None if plan.cluster_by is None else parse_rule(plan.cluster_by),
            confidence=plan.confidence,
            progress=progress,
        )
        return QualityDocument(quality=quality_part(measured))

    stages: list[tuple[str, dict[str, str], Callable[[], Document]]] = [
        ("comparisons", compared, comparisons),
        ("quality", viewed, quality),
    ]
    arms = arms_of_edits(study, plan, outcomes)
    if plan.edits is not None and arms:
        edited = {
            "rules": rules,
            "data": plan.data_sha256,
            "script": file_sha256(plan.edits),
            "lpips": _lpips_identity(lpips_weights),
        }
        edited |= {path.name: file_sha256(latest_path(Path(path))) for arm in arms for path in arm.folders}
        stages.append(
            ("edits", edited, lambda: edits_of_study(study, plan, arms, lpips_weights, device, progress=progress))
        )
    scored = runs_of_segmentation(plan, outcomes)
    if plan.segmenter is not None and scored:
        segmenter, class_map = open_segmenter(plan, device)
        names = [run.name for runs in scored.values() for run in runs]
        seen = {"rules": rules, "data": plan.data_sha256, "segmenter": segmenter.identity, "classes": class_map.sha256}
        seen |= {name: viewed[name] for name in names}
        segmented = partial(segmentation_of_study, study, plan, segmenter, scored, device=device, progress=progress)
        stages.append(("segmentation", seen, segmented))
    floor = samples_of_floor(plan, outcomes)
    if floor is not None:
        sampled = [f"{run.name}@{way}" for part in floor.by_arm.values() for run, way in part]
        moved = {**rulers, **{name: compared[name] for name in ("real", *sampled)}}
        of_floor = partial(
            floor_of_study,
            study,
            plan,
            floor,
            real,
            device=device,
            lpips_weights=lpips_weights,
            distance_weights=distance_weights,
            progress=progress,
        )
        stages.append(("floor", moved, of_floor))
    for name, inputs, make in stages:
        path = study / "analysis" / f"{name}.json"
        if finished(study, name, inputs, path) is None:
            start = time.perf_counter()
            write_json(path, make().to_builtins())
            record(study, name, inputs, path, time.perf_counter() - start)


def _samples_sha256(study: Path, run: PlannedRun) -> str:
    """The hash of a run's images, which another run's command may have written over."""
    path = stored_at(samples_folder(study, run, run.sampling[0]))
    found, recorded = content_sha256(path), read_record(study, f"{run.name}/generate-{run.sampling[0]}")
    if recorded is not None and found != recorded.sha256:
        raise InputError(
            str(path),
            expected=f"the images that {run.name} made",
            found="others, written since: by another arm's command, or by hand",
            fix=f"A command writes into {{out}} alone. Make them again: p2phd-eval study --out {study}",
        )
    return found


def _lpips_identity(given: Path | None) -> str:
    try:
        return find_lpips_weights(given).sha256
    except InputError:
        if given is not None:
            raise
        return "none"  # left out; tried again by the next call


def _photo_features(
    study: Path, plan: StudyPlan, device: torch.device, weights: Path | None, progress: ProgressFactory
) -> tuple[FeatureSet | None, FeatureSet | None]:
    """The features of the test photos, and those of the training photos where they are enough for a reference."""
    with progress("fetch Inception weights", "bytes") as on_progress:
        inputs = {"data": plan.data_sha256, "weights": find_weights(weights, on_progress=on_progress).sha256}

    def extractor(photos: str) -> FeatureExtractor:
        settings = FeatureSettings(weights=weights, device=str(device))
        return FeatureExtractor(settings, progress=lambda _, unit: progress(f"features of the {photos}", unit))

    photos, path = real_path(plan), study / "features" / "real.npz"
    if photos is None:
        return None, None
    if finished(study, "real", inputs, path) is None:
        start = time.perf_counter()
        extractor("real images" if plan.base is None else "test photos")(open_source(photos, generated=False)).save(
            path
        )
        record(study, "real", inputs, path, time.perf_counter() - start)
    return FeatureSet.load(path), reference_features(study, plan, extractor("training photos"), inputs)
