"""One run of a study, in one process: train, generate in each precision, compute features."""

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from p2phd_eval.devices import describe_device, find_device
from p2phd_eval.distributed import SINGLE
from p2phd_eval.errors import DivergenceError, InputError, MemoryShortage
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.weights.find import find_weights
from p2phd_eval.files import remove_unfinished
from p2phd_eval.generators.checkpoint import latest_path
from p2phd_eval.generators.data.triplets import find_triplets
from p2phd_eval.generators.engines.engine_names import ways
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.generators.training.loop import train_networks
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.locks import hold_folder
from p2phd_eval.memory import is_shortage
from p2phd_eval.progress import Note, ProgressFactory, silent, unheard
from p2phd_eval.runs.held_out import HeldOut
from p2phd_eval.runs.watching import watch
from p2phd_eval.study.artefacts import Artefact, finished, read_record, record, remove_unfinished_records, values_sha256
from p2phd_eval.study.outcome import RETRIED, Outcome, load_outcome, save_outcome
from p2phd_eval.study.schedule import StudyStopped, follow_parent
from p2phd_eval.study.study_plan import PlannedRun, StudyPlan, load_plan
from p2phd_eval.tracking.tracker import Ending
from p2phd_eval.tracking.trackers import Trackers, open_trackers

_LOCK_SECONDS = 60.0  # a process whose parent was killed finishes its step and saves within


def run_folder(study: Path, run: PlannedRun) -> Path:
    """Return the run folder of a run; the repeat's is not below `runs`, since it is no run of its arm's."""
    return study / ("repeat" if run.repeat else "runs") / run.name


def samples_folder(study: Path, run: PlannedRun, precision: str) -> Path:
    """Return where a run's images of one precision of generation are."""
    return run_folder(study, run) / "samples" / precision


def features_path(study: Path, run: PlannedRun, precision: str) -> Path:
    """Return the file of the features of these images."""
    return study / "features" / f"{run.name}@{precision}.npz"


def make_run(
    study: str | os.PathLike[str],
    name: str,
    *,
    device: str | torch.device | None = None,
    feature_weights: Path | None = None,
    track: Sequence[str] = (),
    progress: ProgressFactory = silent,
    note: Note = unheard,
) -> Outcome:
    """Make all artefacts of a run that are not finished, and write down how it ended.

    Parameters
    ----------
    study : path-like
        The folder of a study that has a plan.
    name : str
        The run, such as "fp32-s0".
    device : str or torch.device, optional
        Where it trains, generates and computes features; by default cuda, mps or cpu.
    feature_weights : Path, optional
        Inception's weights; by default those of the cache, fetched if need be.
    track : sequence of str
        Trackers, "tensorboard" or "mlflow".
    progress : ProgressFactory
    note : callable
        Told the lines of the log, and how the run ended.

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
    follow_parent()
    folder = Path(study)
    plan, torch_device = load_plan(folder), find_device(device)
    run = plan.run(name)
    note(f"{name} on {describe_device(torch_device)}")
    out = run_folder(folder, run)
    with hold_folder(out, patience=_LOCK_SECONDS):
        _remove_unfinished(folder, run)
        with open_trackers(track, out, plan.config(run), experiment=Path(plan.data).name, note=note) as trackers:
            try:
                outcome = _Job(folder, plan, run, torch_device, feature_weights, progress).outcome(trackers, note)
                save_outcome(out, outcome)
            except StudyStopped:
                trackers.end(Ending.STOPPED)
                raise
            trackers.end(Ending.FAILED if outcome.failed else Ending.FINISHED)
    note(f"{name}: {outcome.status}" + (f", {outcome.why}" if outcome.why else ""))
    return outcome


def _remove_unfinished(study: Path, run: PlannedRun) -> None:
    """Remove what a killed process of this run left half written beside its folder, where other runs write as well."""
    for precision in run.sampling:
        path = features_path(study, run, precision)
        if path.parent.is_dir():
            remove_unfinished(path.parent, path)
    remove_unfinished_records(study, run.name)


def ended(study: Path, plan: StudyPlan, run: PlannedRun, weights_sha256: str) -> bool:
    """Whether nothing is left to do for a run: all its artefacts are whole and up to date, or it diverged."""
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
        self._device, self._weights, self._progress = device, weights, progress
        self._data = Path(plan.data)
        # The cheap failure first: without weights, an hour of training would end in an error.
        with progress("fetch Inception weights", "bytes") as on_progress:
            self._weights_sha256 = find_weights(weights, on_progress=on_progress).sha256
        self._extract = FeatureExtractor(FeatureSettings(weights=weights, device=str(device)), progress=progress)

    def outcome(self, trackers: Trackers, note: Note) -> Outcome:
        """Make what is not finished; a failure that is a result of the arm is returned as one."""
        try:
            trained = self.train(trackers, note)
            for precision in self._run.sampling:
                self.features(precision, self.generate(precision, trained))
        except DivergenceError as error:
            return Outcome(status="diverged", why=f"{error.where}: {error.found}")
        except Exception as error:
            if not is_shortage(error):
                raise
            why = error.found if isinstance(error, MemoryShortage) else str(error).partition("\n")[0]
            return Outcome(status="out_of_memory", why=why or "out of memory")
        return Outcome(status="finished")

    def train(self, trackers: Trackers, note: Note) -> Artefact:
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
        config, held_out = self._plan.config(self._run), None
        if config.validate_every:
            # The images that are compared in the end, so that the last FID is the run's own; none is chosen by it.
            held_out = HeldOut(
                config, self._data, "test", folder, device=self._device, weights=self._weights, progress=self._progress
            )
        with self._progress(f"train {self._run.name}", "steps") as on_progress:
            result = train_networks(
                config,
                self._data,
                folder,
                device=self._device,
                resume=True,
                watchers=watch(trackers, note=note, on_progress=on_progress, held_out=held_out),
                progress=self._progress,
            )
        if result.stopped_by is not None:
            raise StudyStopped(result.stopped_by, f"{self._run.name}: stopped and saved.")
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
        way, start = ways()[precision], time.perf_counter()
        generate(
            run_folder(self._study, self._run),
            self._data,
            folder,
            device=self._device,
            ranks=SINGLE,
            engine=way.engine,
            precision=way.precision,
            arithmetic=way.arithmetic(self._plan.base.execution.arithmetic),
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
