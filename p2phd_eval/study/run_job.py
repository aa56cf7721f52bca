"""One run of a study, in one process: train, generate in each precision, compute features."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from p2phd_eval.distributed import SINGLE
from p2phd_eval.errors import DivergenceError, InputError
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.weights.find import find_weights
from p2phd_eval.generators.checkpoint import latest_path
from p2phd_eval.generators.data.triplets import find_triplets
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.generators.training.loop import Watchers, train_networks
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.progress import ProgressFactory
from p2phd_eval.study.artefacts import Artefact, finished, read_record, record, values_sha256
from p2phd_eval.study.outcome import RETRIED, Outcome, load_outcome, save_outcome
from p2phd_eval.study.study_plan import PlannedRun, StudyPlan

_LOCK_SECONDS = 60.0  # a process whose parent was killed finishes its step and saves within


class StudyStopped(Exception):
    """A signal stopped the study; everything finished is on disk, and the same command goes on from there."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by signal {signum}")
        self.signum = signum


def run_folder(study: Path, run: PlannedRun) -> Path:
    """Return the run folder of a run; the repeat's is not below `runs`, since it is no run of its arm's."""
    return study / ("repeat" if run.repeat else "runs") / run.name


def samples_folder(study: Path, run: PlannedRun, precision: str) -> Path:
    """Return where a run's images of one precision of generation are."""
    return run_folder(study, run) / "samples" / precision


def features_path(study: Path, run: PlannedRun, precision: str) -> Path:
    """Return the file of the features of these images."""
    return study / "features" / f"{run.name}@{precision}.npz"


def run_job(
    study: Path,
    plan: StudyPlan,
    run: PlannedRun,
    *,
    device: torch.device,
    weights: Path | None,
    watchers: Watchers,
    progress: ProgressFactory,
) -> Outcome:
    """Make all artefacts of a run that are not finished, and write down how it ended.

    Parameters
    ----------
    study : Path
        The study folder.
    plan : StudyPlan
    run : PlannedRun
    device : torch.device
        Of training, generation and features.
    weights : Path or None
        Inception weights; by default those of the cache, fetched if need be.
    watchers : Watchers
        Told about the training; its progress is told to `progress`.
    progress : ProgressFactory

    Returns
    -------
    Outcome
        Divergence and a lack of memory are outcomes.

    Raises
    ------
    InputError
        For anything else that is wrong with data, disk or weights; a checkpoint that was changed since it was
        recorded; a run that another process works on.
    StudyStopped
        If a signal stopped the training.
    """
    folder = run_folder(study, run)
    lock = FileLock(study / "records" / f"{run.name}.lock")
    lock_path = Path(lock.lock_file)
    lock_path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout as error:
        raise InputError(
            str(folder), expected="one process at a time", found="another one at work", fix="Wait for it, or end it."
        ) from error
    try:
        job = _Job(study, plan, run, device, weights, progress)
        trained = job.train(watchers)
        for precision in run.sampling:
            job.features(precision, job.generate(precision, trained))
        outcome = Outcome(status="finished")
    except DivergenceError as error:
        outcome = Outcome(status="diverged", why=f"{error.where}: {error.found}")
    except (MemoryError, torch.OutOfMemoryError) as error:
        outcome = Outcome(status="out_of_memory", why=str(error).partition("\n")[0] or "out of memory")
    finally:
        lock.release()
    save_outcome(folder, outcome)
    return outcome


def ended(study: Path, plan: StudyPlan, run: PlannedRun, weights_sha256: str) -> bool:
    """Whether nothing is left to do for a run: all its artefacts are whole and up to date, or it diverged.

    Parameters
    ----------
    study : Path
    plan : StudyPlan
    run : PlannedRun
    weights_sha256 : str
        Of the Inception weights.
    """
    folder = run_folder(study, run)
    outcome = load_outcome(folder)
    if outcome is None or outcome.status in RETRIED:
        return False
    if outcome.failed:
        return True
    trained = finished(study, f"{run.name}/train", train_inputs(plan, run), latest_path(folder))
    if trained is None:
        return False
    for precision in run.sampling:
        inputs = images_inputs(plan, trained)
        images = finished(study, f"{run.name}/generate-{precision}", inputs, samples_folder(study, run, precision))
        if images is None:
            return False
        inputs = features_inputs(images, weights_sha256)
        path = features_path(study, run, precision)
        if finished(study, f"{run.name}/features-{precision}", inputs, path) is None:
            return False
    return True


def images_inputs(plan: StudyPlan, trained: Artefact) -> dict[str, str]:
    """Return the hashes of what the images of a run are made from."""
    return {"data": plan.data_sha256, "checkpoint": trained.sha256}


def features_inputs(images: Artefact, weights_sha256: str) -> dict[str, str]:
    """Return the hashes of what features are made from."""
    return {"images": images.sha256, "weights": weights_sha256}


def train_inputs(plan: StudyPlan, run: PlannedRun) -> dict[str, str]:
    """Return the hashes of what the weights of a run are made from."""
    return {"data": plan.data_sha256, "recipe": values_sha256(plan.recipe(run))}


class _Job:
    """The stages of one run."""

    def __init__(
        self,
        study: Path,
        plan: StudyPlan,
        run: PlannedRun,
        device: torch.device,
        weights: Path | None,
        progress: ProgressFactory,
    ) -> None:
        self._study, self._plan, self._run = study, plan, run
        self._device, self._progress = device, progress
        self._data = Path(plan.data)
        # The cheap failure first: without weights, an hour of training would end in an error.
        with progress("fetch Inception weights", "bytes") as on_progress:
            self._weights_sha256 = find_weights(weights, on_progress=on_progress).sha256
        self._extract = FeatureExtractor(FeatureSettings(weights=weights, device=str(device)), progress=progress)

    def train(self, watchers: Watchers) -> Artefact:
        folder = run_folder(self._study, self._run)
        checkpoint, name = latest_path(folder), f"{self._run.name}/train"
        inputs = train_inputs(self._plan, self._run)
        done = finished(self._study, name, inputs, checkpoint)
        if done is not None:
            return done
        before = read_record(self._study, name)
        if before is not None and checkpoint.exists():
            raise InputError(
                str(checkpoint),
                expected="the checkpoint that the study recorded",
                found="another one",
                fix=f"Restore it; or delete {folder}, and the run is made again.",
            )
        start = time.perf_counter()
        with self._progress(f"train {self._run.name}", "steps") as on_progress:
            result = train_networks(
                self._plan.config(self._run),
                self._data,
                folder,
                device=self._device,
                resume=True,
                watchers=replace(watchers, on_progress=on_progress),
            )
        if result.stopped_by is not None:
            raise StudyStopped(result.stopped_by)
        return record(self._study, name, inputs, checkpoint, time.perf_counter() - start)

    def generate(self, precision: str, trained: Artefact) -> Artefact:
        folder, name = samples_folder(self._study, self._run, precision), f"{self._run.name}/generate-{precision}"
        inputs = images_inputs(self._plan, trained)
        done = finished(self._study, name, inputs, folder)
        if done is not None:
            return done
        if read_record(self._study, name) is not None:
            # Whole once, and no longer what was recorded: another checkpoint's, or changed.
            shutil.rmtree(folder, ignore_errors=True)
        start = time.perf_counter()
        generate(
            run_folder(self._study, self._run),
            self._data,
            folder,
            device=self._device,
            ranks=SINGLE,
            precision=precision,
            style=None if self._plan.base.features.kind == "none" else "photo",
            progress=lambda _, unit: self._progress(f"generate {self._run.name} in {precision}", unit),
        )
        self._require_label_maps(folder)
        return record(self._study, name, inputs, folder, time.perf_counter() - start)

    def _require_label_maps(self, folder: Path) -> None:
        # Images that were there before may be another data set's.
        wanted = {triplet.key for triplet in find_triplets(self._data, "test", self._plan.base.data, photos=False)}
        others = sorted(set(open_source(folder).ids) ^ wanted)
        if others:
            raise InputError(
                str(folder),
                expected=f"an image for each of the {len(wanted)} label maps of {self._data}, and no other",
                found=f"{len(others)} that differ: {', '.join(others[:5])}",
                fix="Delete the folder, and it is made again.",
            )

    def features(self, precision: str, images: Artefact) -> Artefact:
        path, name = features_path(self._study, self._run, precision), f"{self._run.name}/features-{precision}"
        inputs = features_inputs(images, self._weights_sha256)
        done = finished(self._study, name, inputs, path)
        if done is not None:
            return done
        start = time.perf_counter()
        folder = samples_folder(self._study, self._run, precision)
        features = self._extract(open_source(folder))
        # A study may be moved.
        stamp = replace(features.stamp, source=folder.relative_to(self._study).as_posix())
        replace(features, stamp=stamp).save(path)
        return record(self._study, name, inputs, path, time.perf_counter() - start)
