"""One run of a study, in one process: train, generate in each precision, compute features."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from p2phd_eval.devices import describe_device, find_device
from p2phd_eval.errors import DivergenceError, InputError, MemoryShortage
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.weights.find import find_weights
from p2phd_eval.files import remove_unfinished
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.locks import hold_folder
from p2phd_eval.memory import is_shortage
from p2phd_eval.progress import Note, ProgressFactory, silent, unheard
from p2phd_eval.study.artefacts import Artefact, finished, record, remove_unfinished_records
from p2phd_eval.study.command_stages import CommandFailed, CommandStages
from p2phd_eval.study.executors.run_process import follow_parent
from p2phd_eval.study.outcome import Outcome, save_outcome
from p2phd_eval.study.run_files import below, features_inputs, features_path, run_folder, samples_folder
from p2phd_eval.study.schedule import StudyStopped
from p2phd_eval.study.study_plan import PlannedRun, load_plan
from p2phd_eval.study.training_stages import TrainingStages
from p2phd_eval.tracking.tracker import Ending
from p2phd_eval.tracking.trackers import open_trackers

_LOCK_SECONDS = 60.0  # a process whose parent was killed finishes its step and saves within


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
        Divergence, a lack of memory and a command that fails are outcomes.

    Raises
    ------
    InputError
        For anything else that is wrong with data, disk or weights; a checkpoint that was changed since it was
        recorded; a run that another process works on.
    StudyStopped
        If a signal stopped the training, or a command.
    """
    follow_parent()
    folder = Path(study)
    plan, torch_device = load_plan(folder), find_device(device)
    run = plan.run(name)
    note(f"{name} on {describe_device(torch_device)}")
    out = run_folder(folder, run)
    with hold_folder(out, patience=_LOCK_SECONDS):
        _remove_unfinished(folder, run)
        job = _Job(folder, run, torch_device, feature_weights, progress)
        heard: dict[str, Any] = {"device": torch_device, "progress": progress, "note": note}
        if run.command is not None:
            outcome = job.outcome(CommandStages(folder, plan, run, run.command, **heard))
            save_outcome(out, outcome)
        else:
            assert plan.base is not None  # or else loading the plan failed
            with open_trackers(track, out, plan.config(run), experiment=Path(plan.data).name, note=note) as trackers:
                heard |= {"weights": feature_weights, "trackers": trackers}
                try:
                    outcome = job.outcome(TrainingStages(folder, plan, run, plan.base, **heard))
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


class _Job:
    """What all runs have in common: the order of their stages, features, and what a failure is."""

    def __init__(
        self, study: Path, run: PlannedRun, device: torch.device, weights: Path | None, progress: ProgressFactory
    ) -> None:
        self._study, self._run = study, run
        # The cheap failure first: without weights, an hour of training would end in an error.
        with progress("fetch Inception weights", "bytes") as on_progress:
            self._weights_sha256 = find_weights(weights, on_progress=on_progress).sha256
        self._extract = FeatureExtractor(FeatureSettings(weights=weights, device=str(device)), progress=progress)

    def outcome(self, stages: TrainingStages | CommandStages) -> Outcome:
        """Make what is not finished; a failure that is a result of the arm is returned as one."""
        try:
            trained = stages.train()
            for way in self._run.sampling:
                images = stages.generate(way, trained)
                try:
                    self._features(way, images)
                except InputError as error:
                    if self._run.command is None:
                        raise
                    # What somebody else's command wrote cannot be read: that is how its run ended.
                    return Outcome(status="failed", why=str(error))
        except DivergenceError as error:
            return Outcome(status="diverged", why=f"{error.where}: {error.found}")
        except CommandFailed as failure:
            return failure.outcome
        except Exception as error:
            if not is_shortage(error):
                raise
            why = error.found if isinstance(error, MemoryShortage) else str(error).partition("\n")[0]
            return Outcome(status="out_of_memory", why=why or "out of memory")
        return Outcome(status="finished")

    def _features(self, way: str, images: Artefact) -> Artefact:
        path, name = features_path(self._study, self._run, way), f"{self._run.name}/features-{way}"
        inputs = features_inputs(images, self._weights_sha256)
        done = finished(self._study, name, inputs, path)
        if done is not None:
            return done
        start = time.perf_counter()
        samples = samples_folder(self._study, self._run, way)
        features = self._extract(open_source(samples))
        # A study may be moved.
        stamp = replace(features.stamp, source=below(self._study, samples))
        replace(features, stamp=stamp).save(path)
        return record(self._study, name, inputs, path, time.perf_counter() - start)
