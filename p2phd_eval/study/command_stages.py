"""What a run of an arm of commands does: its `train` and `generate` as processes, and what they must leave."""

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.pairing import examples
from p2phd_eval.files import write_json
from p2phd_eval.images.condition_ids import condition_of
from p2phd_eval.images.conditions import read_conditions, require_samples
from p2phd_eval.images.names import is_hidden
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.interrupts import StopRequest
from p2phd_eval.json_files import read_json_or_none
from p2phd_eval.locks import hold_folder
from p2phd_eval.progress import Note, ProgressFactory
from p2phd_eval.report.documents.arm_documents import CommandArm
from p2phd_eval.report.documents.study_documents import Status
from p2phd_eval.study.arm_inputs import PYTHON_CACHE, changed_inputs, find_program
from p2phd_eval.study.artefacts import Artefact, finished, is_whole, record
from p2phd_eval.study.outcome import Outcome, killed, load_outcome
from p2phd_eval.study.placeholders import fill
from p2phd_eval.study.real_images import expected_ids
from p2phd_eval.study.run_files import (
    below,
    images_inputs,
    out_folder,
    run_folder,
    samples_folder,
    stored_at,
    train_inputs,
    trained_path,
)
from p2phd_eval.study.schedule import StudyStopped
from p2phd_eval.study.study_plan import OWN_SAMPLING, PlannedRun, StudyPlan

_GUARD = str(Path(__file__).with_name("command_guard.py").resolve())
_POLL_SECONDS = 0.1
_COUNT_SECONDS = 2.0  # between two looks at how many images there are
_LAST_LINES = 3  # of the log, in the reason of a failure
_FEWEST = 2  # images that can be compared


class CommandFailed(Exception):
    """A command failed, or did not do what it was to do: an outcome of its arm."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.why)
        self.outcome = outcome


@dataclass(frozen=True, kw_only=True)
class _Made:
    """How many images a command has made, of those that it is to make."""

    out: Path
    samples: Path  # where in it they are found
    wanted: int

    def files(self) -> int:
        """Return how many files there are, while it runs; a folder that it removes meanwhile is passed over."""
        return min(self.wanted, sum(len(names) for _, _, names in os.walk(self.out)))

    def images(self) -> int:
        """Return how many images there are, once it has ended."""
        try:
            return min(self.wanted, len(open_source(self.samples)))
        except InputError:
            return 0


class CommandStages:
    """The stages of one run of an arm of commands, each made unless it is finished."""

    def __init__(
        self,
        study: Path,
        plan: StudyPlan,
        run: PlannedRun,
        arm: CommandArm,
        *,
        device: torch.device,
        progress: ProgressFactory,
        note: Note,
    ) -> None:
        self._study, self._plan, self._run, self._arm = study, plan, run, arm
        self._device, self._progress, self._note = device, progress, note

    def train(self) -> Artefact | None:
        """Make what the run generates from: its own training, or that of the arm which it names; None without one.

        Raises `CommandFailed` and `StudyStopped`, and `InputError` if files of the arm were changed since the study was
        planned.
        """
        if self._run.trained_by is None:
            return None
        trainer = self._plan.run(self._run.trained_by)
        assert trainer.command is not None  # as an arms file requires
        if trainer.name != self._run.name:
            self._require_trained(trainer)
        # Whoever comes first trains; the arms that share the training wait for it.
        with hold_folder(run_folder(self._study, trainer) / "training", patience=float("inf"), clean=False):
            return self._trained(trainer, trainer.command)

    def _require_trained(self, trainer: PlannedRun) -> None:
        """Fail where the training that this run shares has failed, instead of trying it once for each arm."""
        outcome, path = load_outcome(run_folder(self._study, trainer)), trained_path(self._study, self._plan, trainer)
        assert path is not None  # it trains
        if outcome is None or not outcome.failed:
            return
        if finished(self._study, f"{trainer.name}/train", train_inputs(self._plan, trainer), path) is None:
            self._fail(f"{trainer.name}, whose training it generates from: {outcome.why}", status=outcome.status)

    def _trained(self, trainer: PlannedRun, arm: CommandArm) -> Artefact:
        folder, name = trained_path(self._study, self._plan, trainer), f"{trainer.name}/train"
        assert folder is not None
        inputs = train_inputs(self._plan, trainer)
        done = finished(self._study, name, inputs, folder)
        if done is not None:
            return done
        # What was begun from the same files may be gone on with, by a command that can.
        begun = folder.parent / "training" / "begun.json"
        self._empty_unless_begun(folder, begun, inputs)
        start, began = time.perf_counter(), time.time()
        log = run_folder(self._study, trainer) / "train.log"
        self._execute("train", trainer, arm, arm.train, {"run": str(folder.resolve())}, log, made=None)
        if not any(path.is_file() for path in folder.rglob("*")):
            self._fail(f"train wrote nothing into {{run}}, {folder}{_elsewhere(arm, began)}")
        # Commands that generate may write beside the weights, as some note their options there.
        return record(self._study, name, inputs, folder, time.perf_counter() - start, files_may_come=True)

    def _empty_unless_begun(self, folder: Path, begun: Path, inputs: Mapping[str, str]) -> None:
        if read_json_or_none(dict[str, str], begun) != dict(inputs):
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(begun, dict(inputs))

    def generate(self, way: str, trained: Artefact | None) -> Artefact:
        """Generate, unless the images are there already, and check what there is."""
        assert way == OWN_SAMPLING
        name, samples = f"{self._run.name}/generate-{way}", samples_folder(self._study, self._run, way)
        inputs = images_inputs(self._plan, self._run, trained)
        done = finished(self._study, name, inputs, stored_at(samples))
        if done is not None:
            return done
        start, began = time.perf_counter(), time.time()
        wanted = expected_ids(self._plan)
        if self._arm.generate:
            out = out_folder(self._study, self._run, way)
            # What a try that was cut short left may be half of an image, or a link in place of the folder.
            if out.is_symlink():
                out.unlink()
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir(parents=True)
            values = {"out": str(out.resolve())}
            path = trained_path(self._study, self._plan, self._run)
            if path is not None:
                values["run"] = str(path.resolve())
            log = run_folder(self._study, self._run) / "generate.log"
            made = None if not wanted else _Made(out=out, samples=samples, wanted=len(wanted))
            self._execute("generate", self._run, self._arm, self._arm.generate, values, log, made=made)
            outside = [path for path in (out, *out.rglob("*")) if path.is_symlink()]
            if outside:
                self._fail(f"it wrote links into {{out}}, such as {min(outside).name}, whose images are not kept there")
            if trained is not None and path is not None and not is_whole(trained, path):
                self._fail(
                    f"generate changed files of {{run}}, {path}, which train has to write again, for all its arms"
                )
        self._require_images(samples, wanted, began)
        return record(self._study, name, inputs, stored_at(samples), time.perf_counter() - start)

    def _require_images(self, samples: Path, wanted: frozenset[str] | None, began: float) -> None:
        try:
            source = open_source(samples)
        except InputError as error:
            what = "it wrote no images" if self._arm.generate else "there are no images"
            self._fail(f"{what}: {error.where}: found {error.found}{_elsewhere(self._arm, began)}")
        if len(source) < _FEWEST:
            self._fail(f"there is one image alone in {samples}, and at least {_FEWEST} are compared")
        if self._plan.conditions is not None:
            try:
                require_samples(read_conditions(self._plan.conditions), source.ids, str(samples))
            except InputError as error:
                self._fail(f"expected {error.expected}, found {error.found}")
        if wanted is None:
            return
        named = {*source.ids, *map(condition_of, source.ids)}  # a label map may have several samples
        missing, others = sorted(wanted - named), sorted(set(source.ids) - wanted)
        if missing and len(missing) < len(wanted):
            self._fail(f"{len(missing)} of {len(wanted)} images are missing, such as {examples(missing)}")
        if missing:
            self._fail(
                f"no image has the name of one of the {len(wanted)} of {self._plan.data}: expected such as "
                f"{examples(missing)}, found {examples(others)}"
            )

    def _execute(
        self,
        stage: str,
        run: PlannedRun,
        arm: CommandArm,
        command: tuple[str, ...],
        places: Mapping[str, str],
        log: Path,
        *,
        made: _Made | None,
    ) -> None:
        """Run a command of an arm to its end; raises `CommandFailed`, `StudyStopped` and `InputError`.

        `places`: what it is told of folders, by their placeholders. `made`: by what its images are counted meanwhile.
        """
        where = f"{run.arm}, {stage}"
        self._require_unchanged(arm, where, "since the study was planned")
        filled, environment = self._filled(where, run, arm, command, places)
        self._note(f"{run.name}: {stage}, prints into {log}")
        log.parent.mkdir(parents=True, exist_ok=True)
        before = _states(self._plan.data, self._study)
        with log.open("ab") as stream, StopRequest() as stop:
            stream.write(f"$ {shlex.join(filled)}\n".encode(errors="replace"))
            stream.flush()
            process = subprocess.Popen(
                # Isolated: a folder where commands run may hold a file named as a module of Python.
                [sys.executable, "-I", _GUARD, str(os.getpid()), *filled],
                cwd=arm.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )
            try:
                late = self._wait(process, arm, stop, run, stage, made)
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()
        if stop.signum is not None:
            raise StudyStopped(stop.signum, f"{run.name}: {stage} was stopped; it begins again.")
        said = _last_lines(log, below(self._study, log))
        if late:
            self._fail(f"{stage} took longer than its {arm.timeout_s:g} s (timeout_s)", status="timed_out")
        if process.returncode < 0:
            self._fail(f"{stage}: {killed(-process.returncode).why}{said}", status="killed")
        if process.returncode:
            self._fail(f"{stage} ended with exit code {process.returncode}{said}")
        self._require_unchanged(arm, where, "while it ran")
        if _states(self._plan.data, self._study) != before:
            raise InputError(
                where,
                expected=f"a command that writes into {{out}} and {{run}}, and leaves {self._plan.data} as it is",
                found="other files there, or files of another size or time, after it ran",
                fix="Restore them, and let the command write elsewhere.",
            )

    def _filled(
        self, where: str, run: PlannedRun, arm: CommandArm, command: tuple[str, ...], places: Mapping[str, str]
    ) -> tuple[list[str], dict[str, str]]:
        """Return a command and its environment with the values of their placeholders."""
        values = {
            "seed": str(run.seed),
            "data": self._plan.data,
            "device": str(self._device),
            "python": sys.executable,
            **({} if self._plan.conditions is None else {"conditions": self._plan.conditions}),
            **places,
        }
        given = {name: fill(value, values) for name, value in arm.environment.items()}
        # A script of Python imports what lies beside it; the command line forbids that to its own processes.
        environment = {**{name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}, **given}
        program = find_program(command[0], Path(arm.folder), arm.environment)
        if program is None:
            raise InputError(where, expected="a program that can be run", found=repr(command[0]))
        return [fill(program, values), *(fill(part, values) for part in command[1:])], environment

    def _wait(
        self,
        process: subprocess.Popen[bytes],
        arm: CommandArm,
        stop: StopRequest,
        run: PlannedRun,
        stage: str,
        made: _Made | None,
    ) -> bool:
        """Wait for the end of a process; return whether it was ended because it took too long."""
        began = counted = time.monotonic()
        with self._progress(f"{stage} {run.name}", "commands" if made is None else "images") as on_progress:
            while process.poll() is None:
                now = time.monotonic()
                if stop.signum is not None or (arm.timeout_s is not None and now - began > arm.timeout_s):
                    process.terminate()
                    process.wait()
                    return stop.signum is None
                if made is not None and now - counted > _COUNT_SECONDS:
                    counted = now
                    on_progress(made.files(), made.wanted)
                time.sleep(_POLL_SECONDS)
            if made is None:
                on_progress(1, 1)
            else:
                on_progress(made.images(), made.wanted)
        return False

    def _require_unchanged(self, arm: CommandArm, where: str, when: str) -> None:
        changed = changed_inputs(Path(arm.folder), arm.inputs)
        if changed:
            raise InputError(
                where,
                expected=f"the files of {arm.folder} as the study was planned",
                found=f"{examples(changed)}, changed {when}",
                fix="Go on with: p2phd-eval study REAL --arms FILE --out STUDY, which makes the arm again; "
                "and leave what a command writes out of its inputs.",
            )

    def _fail(self, why: str, *, status: Status = "failed") -> NoReturn:
        raise CommandFailed(Outcome(status=status, why=why))


def _elsewhere(arm: CommandArm, began: float) -> str:
    """Name files that a command wrote where it runs instead."""
    found = []
    for path in Path(arm.folder).iterdir():
        with contextlib.suppress(FileNotFoundError):  # another run's, which is gone by now
            if path.lstat().st_mtime >= began and not is_hidden(path.name) and path.name != PYTHON_CACHE:
                found.append(path.name)
    return f"; in {arm.folder} there are new {examples(found)}" if found else ""


def _states(data: str, study: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of each file that a command could have changed by mistake; without reading them."""
    if not data:
        return {}
    files = [Path(data)]
    if files[0].is_dir():
        files = []
        for parent, folders, names in os.walk(data):
            # A study may lie in its data set.
            folders[:] = [each for each in folders if Path(parent, each) != study.resolve()]
            files += [Path(parent, name) for name in names]
    states = {}
    for path in files:
        with contextlib.suppress(OSError):  # a link to nothing
            state = path.stat()
            states[path] = (state.st_size, state.st_mtime_ns)
    return states


def _last_lines(log: Path, name: str) -> str:
    with log.open(errors="replace") as stream:
        lines = [line.strip() for line in deque(stream, maxlen=50) if line.strip()]
    # An earlier try printed what stands before the newest command.
    begins = [place for place, line in enumerate(lines) if line.startswith("$ ")]
    said = " | ".join(lines[begins[-1] + 1 if begins else 0 :][-_LAST_LINES:])[-500:]
    return f": {said} (all of it in {name})" if said else f" (it printed nothing into {name})"
