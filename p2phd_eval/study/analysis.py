"""From the samples of all runs to the comparisons and the per-image quality of a study."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from shlex import quote

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
from p2phd_eval.study.metric_weights import MetricWeights
from p2phd_eval.study.outcome import Outcome
from p2phd_eval.study.real_images import real_path
from p2phd_eval.study.run_files import features_path, samples_folder, stored_at
from p2phd_eval.study.study_edits import arms_of_edits, edits_of_study
from p2phd_eval.study.study_floor import floor_of_study, samples_of_floor
from p2phd_eval.study.study_plan import PlannedRun, StudyPlan
from p2phd_eval.study.study_segmentation import open_segmenter, runs_of_segmentation, segmentation_of_study
from p2phd_eval.study.training_photos import reference_features, usable_reference


@dataclass(frozen=True, kw_only=True)
class _Stage:
    """One of the documents of an analysis."""

    name: str
    inputs: dict[str, str]  # hashes of all that it is made from
    make: Callable[[], Document]


class Analysis:
    """The comparisons of a study, its per-image quality and, where asked for, its edits, segmentation and floor.

    `study`: a study folder whose runs have ended. `outcomes`: how each run ended, by name. `device`: where the photos'
    features and the distances of images are computed. Raises `InputError` as `FeatureExtractor`, `compare_study` and
    `quality_of_runs` do.
    """

    def __init__(
        self,
        study: Path,
        plan: StudyPlan,
        outcomes: Mapping[str, Outcome],
        weights: MetricWeights,
        *,
        device: torch.device,
        progress: ProgressFactory,
    ) -> None:
        self._study, self._plan, self._outcomes = study, plan, outcomes
        self._weights, self._device, self._progress = weights, device, progress
        self._rules = _rules_sha256(plan, outcomes)
        self._real, self._reference = _photo_features(study, plan, device, weights.features, progress)
        self._photos_sha256 = {
            name: "none" if features is None else file_sha256(study / "features" / f"{name}.npz")
            for name, features in (("real", self._real), ("reference", self._reference))
        }
        self._lpips = _lpips_identity(weights.lpips)
        #: What distances of images are made from, beside the images.
        self._rulers = {"rules": self._rules, "data": plan.data_sha256, "lpips": self._lpips}
        self._rulers |= {name: weights_sha256(path) for name, path in weights.distances.items()}
        self._finished = [run for run in plan.runs if not outcomes[run.name].failed]
        #: By run, the hash of its samples, and by run and way those of their features.
        self._samples = {run.name: _samples_sha256(study, run) for run in self._finished}
        self._features = {
            f"{run.name}@{way}": file_sha256(features_path(study, run, way))
            for run in self._finished
            for way in run.sampling
        }

    def write(self) -> None:
        """Write `comparisons.json`, `quality.json` and so on into `analysis/`; what is there of these runs stays."""
        folder = self._study / "analysis"
        if not self._plan.precisions:
            # Of others the measurement of their training steps says it.
            write_json(folder / "machine.json", asdict(describe_machine(self._device)))
        found = (
            self._of_comparisons(),
            self._of_quality(),
            self._of_edits(),
            self._of_segmentation(),
            self._of_floor(),
        )
        for stage in (each for each in found if each is not None):
            path = folder / f"{stage.name}.json"
            if finished(self._study, stage.name, stage.inputs, path) is None:
                start = time.perf_counter()
                write_json(path, stage.make().to_builtins())
                record(self._study, stage.name, stage.inputs, path, time.perf_counter() - start)

    def _of_comparisons(self) -> _Stage:
        inputs = {"rules": self._rules, **self._photos_sha256, **self._features}
        return _Stage(name="comparisons", inputs=inputs, make=self._comparisons)

    def _comparisons(self) -> ComparisonsDocument:
        plan, real = self._plan, self._real
        reference, about = (None, None) if real is None else usable_reference(plan, self._reference, real)
        found = compare_study(self._study, plan, self._outcomes, real, reference, progress=self._progress)
        return found if about is None else structs.replace(found, notes=(about,))

    def _of_quality(self) -> _Stage:
        return _Stage(name="quality", inputs={**self._rulers, **self._samples}, make=self._quality)

    def _quality(self) -> QualityDocument:
        plan = self._plan
        runs = [
            QualityRun(
                name=run.name,
                arm=run.arm,
                seed=run.seed,
                repeat=run.repeat,
                source=open_source(samples_folder(self._study, run, run.sampling[0])),
            )
            for run in self._finished
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
            lpips_weights=self._weights.lpips,
            distance_weights=self._weights.distances,
            device=self._device,
            cluster_by=None if plan.cluster_by is None else parse_rule(plan.cluster_by),
            confidence=plan.confidence,
            progress=self._progress,
        )
        return QualityDocument(quality=quality_part(measured))

    def _of_edits(self) -> _Stage | None:
        plan, arms = self._plan, arms_of_edits(self._study, self._plan, self._outcomes)
        if plan.edits is None or not arms:
            return None
        inputs = {
            "rules": self._rules,
            "data": plan.data_sha256,
            "script": file_sha256(plan.edits),
            "lpips": self._lpips,
            **{path.name: file_sha256(latest_path(Path(path))) for arm in arms for path in arm.folders},
        }
        make = partial(
            edits_of_study, self._study, plan, arms, self._weights.lpips, self._device, progress=self._progress
        )
        return _Stage(name="edits", inputs=inputs, make=make)

    def _of_segmentation(self) -> _Stage | None:
        plan, scored = self._plan, runs_of_segmentation(self._plan, self._outcomes)
        if plan.segmenter is None or not scored:
            return None
        segmenter, class_map = open_segmenter(plan, self._device)
        inputs = {
            "rules": self._rules,
            "data": plan.data_sha256,
            "segmenter": segmenter.identity,
            "classes": class_map.sha256,
            **{run.name: self._samples[run.name] for runs in scored.values() for run in runs},
        }
        make = partial(
            segmentation_of_study, self._study, plan, segmenter, scored, device=self._device, progress=self._progress
        )
        return _Stage(name="segmentation", inputs=inputs, make=make)

    def _of_floor(self) -> _Stage | None:
        plan, floor = self._plan, samples_of_floor(self._plan, self._outcomes)
        if floor is None:
            return None
        sampled = [f"{run.name}@{way}" for part in floor.by_arm.values() for run, way in part]
        inputs = {
            **self._rulers,
            "real": self._photos_sha256["real"],
            **{name: self._features[name] for name in sampled},
        }
        make = partial(
            floor_of_study,
            self._study,
            plan,
            floor,
            self._real,
            device=self._device,
            weights=self._weights,
            progress=self._progress,
        )
        return _Stage(name="floor", inputs=inputs, make=make)


def _rules_sha256(plan: StudyPlan, outcomes: Mapping[str, Outcome]) -> str:
    """The hash of what an analysis is asked to do."""
    return values_sha256(
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


def _samples_sha256(study: Path, run: PlannedRun) -> str:
    """The hash of a run's images, which another run's command may have written over."""
    path = stored_at(samples_folder(study, run, run.sampling[0]))
    found, recorded = content_sha256(path), read_record(study, f"{run.name}/generate-{run.sampling[0]}")
    if recorded is not None and found != recorded.sha256:
        raise InputError(
            str(path),
            expected=f"the images that {run.name} made",
            found="others, written since: by another arm's command, or by hand",
            fix=f"A command writes into {{out}} alone. Make them again: p2phd-eval study --out {quote(str(study))}",
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
