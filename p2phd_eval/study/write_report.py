"""The report of a finished study, from the artefacts in its folder: JSON, one page, and a table for a pull request."""

import os
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from shlex import quote
from typing import Any

from msgspec import UNSET

from p2phd_eval.bench.machine import Machine
from p2phd_eval.errors import InputError
from p2phd_eval.files import atomic_write, page_bytes, write_json
from p2phd_eval.generators.data.triplets import find_triplets
from p2phd_eval.generators.training.run_log import LogRecord, read_log
from p2phd_eval.images.image_folder import MANIFEST, Manifest, read_manifest
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.json_files import read_json_as, read_json_or_none
from p2phd_eval.locks import hold_file
from p2phd_eval.progress import ProgressFactory, silent
from p2phd_eval.report.documents.arm_documents import ArmKind, PrecisionArm
from p2phd_eval.report.documents.bench_documents import BenchDocument
from p2phd_eval.report.documents.comparison_documents import Baseline, Candidate, CompareDocument
from p2phd_eval.report.documents.document import from_result, read_document
from p2phd_eval.report.documents.edit_documents import EditCompareDocument
from p2phd_eval.report.documents.floor_documents import FloorDocument
from p2phd_eval.report.documents.segment_documents import SegmentDocument
from p2phd_eval.report.documents.study_documents import (
    Arm,
    Comparisons,
    ComparisonsDocument,
    Curves,
    FidOverEpochs,
    GenerationCost,
    Pictures,
    Processor,
    QualityDocument,
    ReportDocument,
    RunSpeed,
    Speed,
    StageSeconds,
    StudyRun,
    WhatWasRun,
)
from p2phd_eval.report.page.markdown import render_markdown
from p2phd_eval.report.page.report_page import render_page
from p2phd_eval.runs.held_out import read_validations
from p2phd_eval.stores.store_path import as_path
from p2phd_eval.study.artefacts import read_record
from p2phd_eval.study.outcome import Outcome, load_outcome
from p2phd_eval.study.real_images import expected_ids, labels_folder, real_path
from p2phd_eval.study.run_files import below, run_folder, samples_folder
from p2phd_eval.study.study_edits import arms_of_edits
from p2phd_eval.study.study_floor import samples_of_floor
from p2phd_eval.study.study_plan import PlannedRun, StudyPlan, load_plan
from p2phd_eval.study.study_segmentation import runs_of_segmentation
from p2phd_eval.study.unaltered import require_same_data, require_unaltered
from p2phd_eval.study.verdicts import arm_verdicts
from p2phd_eval.targets import require_folder_target

_FILES = ("report.json", "report.html", "report.md")
_AGAIN = "Delete it, and p2phd-eval study makes it again."
_LOCK_SECONDS = 60.0  # another process writes them within; a study must not end in an error because of it


def write_report(
    study: str | os.PathLike[str], out: str | os.PathLike[str] | None = None, *, progress: ProgressFactory = silent
) -> ReportDocument:
    """Write `report.json`, `report.html` and `report.md` from what is in a study's folder, and return the document.

    Parameters
    ----------
    study : path-like
        A study folder whose runs have ended and are compared; nothing is computed again.
    out : path-like, optional
        Another folder to write the three to as well, here or in a store, such as ``s3://bucket/reports``.
    progress : ProgressFactory
        Opened for the data and the artefacts, which are compared with the study's records.

    Raises
    ------
    InputError
        If there is no study, an artefact, an image or a photo of it is missing or cannot be read, a line of a run's log
        is none, or an artefact or a file of the data is not the one that the study recorded.
    """
    folder, copies = Path(study), None if out is None else as_path(out)
    plan = load_plan(folder)
    require_folder_target(folder, "STUDY")
    if copies is not None:
        require_folder_target(copies, "--out")
    # First: as long as the data differ, the study makes nothing again.
    require_same_data(folder, plan, progress=progress)
    require_unaltered(folder, plan, outcomes_of(folder, plan), progress=progress)
    report = write_verified_report(folder)
    if copies is not None:
        for name in _FILES:
            with atomic_write(copies / name) as stream:
                stream.write((folder / name).read_bytes())
    return report


def write_verified_report(folder: Path) -> ReportDocument:
    """Write the report of a study whose artefacts have just been found to be the recorded ones."""
    plan = load_plan(folder)
    with ExitStack() as stack:
        for name in _FILES:
            stack.enter_context(hold_file(folder / name, patience=_LOCK_SECONDS))
        report = report_document(folder, plan)
        write_json(folder / "report.json", report.to_builtins())
        for name, text in (("report.html", render_page(report, folder)), ("report.md", render_markdown(report))):
            with atomic_write(folder / name) as stream:
                stream.write(page_bytes(text))
    return report


def outcomes_of(study: Path, plan: StudyPlan) -> dict[str, Outcome]:
    """Return the outcome of every run of a study; raises InputError if a run has none."""
    found = {}
    for run in plan.runs:
        folder = run_folder(study, run)
        outcome = load_outcome(folder)
        if outcome is None:
            raise InputError(
                str(folder),
                expected="a run that has ended",
                found="no outcome.json in it that can be read" if folder.is_dir() else "no such folder",
                fix=f"Finish the study: p2phd-eval study --out {quote(str(study))}",
            )
        found[run.name] = outcome
    return found


def report_document(study: Path, plan: StudyPlan) -> ReportDocument:
    """Assemble the report; nothing is computed again.

    `study`: a study folder whose runs have ended and are compared. Raises `InputError` if an artefact is missing or
    cannot be read.
    """
    outcomes = outcomes_of(study, plan)
    comparisons = read_document(study / "analysis" / "comparisons.json", ComparisonsDocument)
    quality = read_document(study / "analysis" / "quality.json", QualityDocument)
    bench = read_document(study / "analysis" / "bench.json", BenchDocument) if plan.precisions else None
    training, labels, real = comparisons.training, labels_folder(plan), real_path(plan)
    compared = [*([] if training is None else [training]), *(each.document for each in comparisons.sampling)]
    compared += [] if comparisons.benign is UNSET else [comparisons.benign]
    edits, segmentation, floor = (study / "analysis" / f"{name}.json" for name in ("edits", "segmentation", "floor"))
    logs = {run.name: read_log(run_folder(study, run) / "log.jsonl") for run in plan.runs}
    return ReportDocument(
        name=Path(plan.data or study.resolve()).name,
        verdicts=arm_verdicts(plan, outcomes, comparisons),
        comparisons=from_result(Comparisons, comparisons),
        runs=tuple(_run(study, run, outcomes[run.name], logs[run.name], _fids(comparisons)) for run in plan.runs),
        quality=quality.quality,
        curves={run.name: _curves(logs[run.name], run_folder(study, run)) for run in plan.runs},
        pictures=Pictures(
            labels=None if labels is None else str(labels),
            photos=None if real is None else str(real),
            label_nc=0 if plan.base is None else plan.base.data.label_nc,
        ),
        what_was_run=_what_was_run(study, plan, outcomes, compared, bench),
        # Those of the other comparisons are of the same images, or of images made in the same way.
        notes=(*_emulated(study, plan), *comparisons.notes, *(compared[0].warnings if compared else ())),
        edits=read_document(edits, EditCompareDocument)
        if plan.edits is not None and arms_of_edits(study, plan, outcomes)
        else UNSET,
        segmentation=read_document(segmentation, SegmentDocument)
        if plan.segmenter is not None and runs_of_segmentation(plan, outcomes)
        else UNSET,
        floor=read_document(floor, FloorDocument) if samples_of_floor(plan, outcomes) is not None else UNSET,
        speed=Speed(
            made_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            runs={run.name: _speed(study, plan, run, logs[run.name]) for run in plan.runs},
            bench=bench,
        ),
    )


def _emulated(study: Path, plan: StudyPlan) -> list[str]:
    """Say what was emulated; runs of one arm may have been made on machines of different kinds."""
    found: dict[str, list[str]] = {}
    for run in plan.runs:
        if run.command is not None:
            continue
        found.setdefault(f"training in {run.precision}", []).append(_arithmetic(run_folder(study, run)))
        for precision in run.sampling:
            manifest = read_manifest(samples_folder(study, run, precision))
            if manifest is not None:
                how = manifest.get("sampling_arithmetic")
                found.setdefault(f"generation in {precision}", []).append("emulated" if how == "emulated" else "native")
    parts = [
        f"{what} ({each.count('emulated')} of {len(each)} runs)" if "native" in each else what
        for what, each in found.items()
        if "emulated" in each
    ]
    return [f"Emulated, with quality as on tensor cores and speed not: {', '.join(parts)}."] if parts else []


def _arithmetic(run: Path) -> str:
    config = read_json_or_none(dict[str, Any], run / "config.json") or {}
    execution = config.get("execution")
    return "emulated" if isinstance(execution, dict) and execution.get("arithmetic") == "emulated" else "native"


def _fids(comparisons: ComparisonsDocument) -> dict[str, float]:
    """FID@n by the folder of samples."""
    found = [
        comparisons.training,
        comparisons.repeat,
        comparisons.benign,
        *(each.document for each in comparisons.sampling),
    ]
    arms: list[Baseline | Candidate] = []
    for document in found:
        if document is not None and document is not UNSET:
            arms += [document.baseline, *document.candidates]
    return {run.folder: run.fid for arm in arms for run in arm.runs}


def _run(
    study: Path, run: PlannedRun, outcome: Outcome, log: Sequence[LogRecord], fids: Mapping[str, float]
) -> StudyRun:
    folders = {precision: samples_folder(study, run, precision) for precision in run.sampling}
    trained = read_record(study, f"{run.name}/train")
    return from_result(
        StudyRun,
        run,
        status=outcome.status,
        why=outcome.why,
        arithmetic=_arithmetic(run_folder(study, run)),
        folder=run_folder(study, run).relative_to(study).as_posix(),
        samples={
            precision: below(study, folder)
            for precision, folder in folders.items()
            if (folder / MANIFEST).exists() or (run.command is not None and not outcome.failed)
        },
        checkpoint_sha256=None if trained is None else trained.sha256,
        steps=log[-1].step if log else 0,
        skipped_steps=log[-1].skipped_steps if log else {"G": 0, "D": 0},
        fid=fids.get(below(study, folders[run.sampling[0]])),
    )


def _curves(log: Sequence[LogRecord], folder: Path) -> Curves:
    return Curves(
        step=tuple(line.step for line in log),
        losses={name: tuple(line.losses[name] for line in log) for name in (log[0].losses if log else ())},
        loss_scale={name: tuple(line.loss_scale[name] for line in log) for name in (log[0].loss_scale if log else ())},
        skipped_steps={
            name: tuple(line.skipped_steps[name] for line in log) for name in (log[0].skipped_steps if log else ())
        },
        fid=_fid_over_epochs(folder),
    )


def _fid_over_epochs(folder: Path) -> FidOverEpochs | None:
    lines = read_validations(folder)
    if not lines:
        return None
    columns = {name: tuple(getattr(line, name) for line in lines) for name in ("epoch", "step", "fid", "fid_se")}
    return FidOverEpochs(**columns, n=lines[0].n)


def _speed(study: Path, plan: StudyPlan, run: PlannedRun, log: Sequence[LogRecord]) -> RunSpeed:
    # The first line holds one step alone, in which everything is set up.
    rates = [line.images_per_second for line in log[1:] if line.images_per_second]
    peaks = [line.peak_memory_bytes for line in log if line.peak_memory_bytes is not None]
    images = log[-1].step * plan.base.batch_size if log and plan.base is not None else 0
    rate = statistics.median(rates) if rates else None
    trained = read_record(study, f"{run.name}/train") if run.command is not None else None
    generated, featured = (
        sum(
            record.seconds
            for precision in run.sampling
            if (record := read_record(study, f"{run.name}/{stage}-{precision}")) is not None
        )
        for stage in ("generate", "features")
    )
    return RunSpeed(
        images_per_second=rate,
        peak_memory_bytes=max(peaks, default=None),
        # From the log: a run that was stopped in between counts its steps, not its pauses.
        seconds=StageSeconds(
            train=images / rate if rate is not None else None if trained is None else trained.seconds,
            generate=generated,
            features=featured,
        ),
        generation={
            precision: from_result(GenerationCost, record.cost)
            for precision in run.sampling
            if (record := read_record(study, f"{run.name}/generate-{precision}")) is not None
            and record.cost is not None
        },
    )


def _what_was_run(
    study: Path,
    plan: StudyPlan,
    outcomes: Mapping[str, Outcome],
    compared: Sequence[CompareDocument],
    bench: BenchDocument | None,
) -> WhatWasRun:
    manifests = [
        read_json_as(Manifest, folder / MANIFEST, expected="the manifest of a run's samples", fix=_AGAIN)
        for run in plan.runs
        if not outcomes[run.name].failed
        and (folder := samples_folder(study, run, run.sampling[0])).exists()
        and run.command is None
    ]
    machine: BenchDocument | Machine | None = bench
    if machine is None:
        path = study / "analysis" / "machine.json"
        machine = read_json_as(Machine, path, expected="what the study ran on", fix=_AGAIN)
    return from_result(
        WhatWasRun,
        plan,
        n_train=_n_train(plan),
        n_test=_n_test(study, plan, outcomes),
        config=plan.base.to_dict() if plan.base is not None and plan.precisions else {},
        arms=tuple(_arm(name, plan.arm(name)) for name in plan.arms),
        device=manifests[0].device if manifests else machine.device,
        machine=from_result(Processor, machine),
        versions=manifests[0].versions if manifests else machine.versions,
        weights=compared[0].stamp if compared else None,
    )


def _n_test(study: Path, plan: StudyPlan, outcomes: Mapping[str, Outcome]) -> int:
    """How many images are compared with the real ones, or each other."""
    done = (run for run in plan.runs if not outcomes[run.name].failed)
    first = next(done, None)
    expected, real = expected_ids(plan), real_path(plan)
    if expected is not None:
        return len(expected)
    if first is not None:
        return len(open_source(samples_folder(study, first, first.sampling[0])))
    return 0 if real is None else len(open_source(real, generated=False))


def _n_train(plan: StudyPlan) -> int:
    if plan.base is None or not plan.precisions:
        return 0  # what commands train on is their own
    return len(find_triplets(Path(plan.data), plan.base.data.phase, plan.base.data, photos=False))


def _arm(name: str, made: ArmKind) -> Arm:
    if isinstance(made, PrecisionArm):
        return Arm(name=name, precision=made.precision, benign=made.benign or UNSET)
    return Arm(name=name, precision=None, command=made, benign=made.benign or UNSET)
