"""What a run of pix2pixHD does: train, and generate in each precision."""

import shutil
import time
from pathlib import Path

import torch

from p2phd_eval.config import TrainConfig
from p2phd_eval.distributed import SINGLE
from p2phd_eval.errors import InputError
from p2phd_eval.generators.checkpoint import latest_path
from p2phd_eval.generators.data.triplets import find_triplets
from p2phd_eval.generators.engines.engine_names import GRAPH_ENGINES, ways
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.generators.training.loop import train_networks
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.progress import Note, ProgressFactory
from p2phd_eval.runs.held_out import HeldOut
from p2phd_eval.runs.watching import watch
from p2phd_eval.study.artefacts import Artefact, Cost, finished, read_record, record
from p2phd_eval.study.run_files import images_inputs, run_folder, samples_folder, train_inputs
from p2phd_eval.study.schedule import StudyStopped
from p2phd_eval.study.study_plan import PlannedRun, StudyPlan
from p2phd_eval.tracking.trackers import Trackers


class TrainingStages:
    """The stages of one run of pix2pixHD, each made unless it is finished."""

    def __init__(
        self,
        study: Path,
        plan: StudyPlan,
        run: PlannedRun,
        base: TrainConfig,
        *,
        device: torch.device,
        weights: Path | None,
        trackers: Trackers,
        progress: ProgressFactory,
        note: Note,
    ) -> None:
        self._study, self._plan, self._run, self._base = study, plan, run, base
        self._device, self._weights = device, weights
        self._trackers, self._progress, self._note = trackers, progress, note
        self._data = Path(plan.data)

    def train(self) -> Artefact:
        """Train, or go on with it; raises as `train_networks`, and `StudyStopped` if a signal stopped it."""
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
                watchers=watch(self._trackers, note=self._note, on_progress=on_progress, held_out=held_out),
                progress=self._progress,
            )
        if result.stopped_by is not None:
            raise StudyStopped(result.stopped_by, f"{self._run.name}: stopped and saved.")
        return record(self._study, name, inputs, checkpoint, time.perf_counter() - start)

    def generate(self, way: str, trained: Artefact | None) -> Artefact:
        """Generate in a precision, or by an engine."""
        folder, name = samples_folder(self._study, self._run, way), f"{self._run.name}/generate-{way}"
        inputs = images_inputs(self._plan, self._run, trained)
        done = finished(self._study, name, inputs, folder)
        if done is not None:
            return done
        if read_record(self._study, name) is not None:
            # Whole once, and no longer what was recorded: another checkpoint's, or changed.
            shutil.rmtree(folder, ignore_errors=True)
        how, start = ways()[way], time.perf_counter()
        # What torch allocates; of memory that a graph's engine takes, nobody tells.
        counts_memory = self._device.type == "cuda" and how.engine not in GRAPH_ENGINES
        if counts_memory:
            torch.cuda.reset_peak_memory_stats(self._device)
        made = generate(
            run_folder(self._study, self._run),
            self._data,
            folder,
            device=self._device,
            ranks=SINGLE,
            engine=how.engine,
            precision=how.precision,
            arithmetic=how.arithmetic(self._base.execution.arithmetic),
            style=None if self._base.features.kind == "none" else "photo",
            progress=lambda _, unit: self._progress(f"generate {self._run.name} in {way}", unit),
        )
        self._require_label_maps(folder)
        cost = Cost(
            images_per_second=made.images_per_second,
            peak_memory_bytes=torch.cuda.max_memory_allocated(self._device) if counts_memory else None,
            generator_bytes=made.generator_bytes,
        )
        return record(self._study, name, inputs, folder, time.perf_counter() - start, cost)

    def _require_label_maps(self, folder: Path) -> None:
        # Images that were there before may be another data set's.
        wanted = {triplet.key for triplet in find_triplets(self._data, "test", self._base.data, photos=False)}
        others = sorted(set(open_source(folder).ids) ^ wanted)
        if others:
            raise InputError(
                str(folder),
                expected=f"an image for each of the {len(wanted)} label maps of {self._data}, and no other",
                found=f"{len(others)} that differ: {', '.join(others[:5])}",
                fix="Delete the folder, and it is made again.",
            )
