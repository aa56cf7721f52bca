"""A finished study as one JSON document, from the artefacts in its folder; nothing is computed again."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from p2phd_eval.errors import InputError
from p2phd_eval.generators.data.triplets import find_triplets
from p2phd_eval.images.image_folder import MANIFEST
from p2phd_eval.report.documents import document, read_document
from p2phd_eval.study.artefacts import read_record
from p2phd_eval.study.comparisons import labels_folder, photos_folder
from p2phd_eval.study.outcome import Outcome, load_outcome
from p2phd_eval.study.run_job import run_folder, samples_folder
from p2phd_eval.study.study_plan import COMMON_SAMPLING, PlannedRun, StudyPlan
from p2phd_eval.study.verdicts import verdict_documents


def outcomes_of(study: Path, plan: StudyPlan) -> dict[str, Outcome]:
    """Return the outcome of every run of a study.

    Raises
    ------
    InputError
        If a run has none.
    """
    found = {}
    for run in plan.runs:
        folder = run_folder(study, run)
        outcome = load_outcome(folder)
        if outcome is None:
            raise InputError(
                str(folder),
                expected="a run that has ended",
                found="no outcome.json in it" if folder.is_dir() else "no such folder",
                fix=f"Finish the study: p2phd-eval study --out {study}",
            )
        found[run.name] = outcome
    return found


def report_document(study: Path, plan: StudyPlan) -> dict[str, Any]:
    """Assemble `report.json`.

    Parameters
    ----------
    study : Path
        A study folder whose runs have ended and are compared.
    plan : StudyPlan
        Its plan.

    Raises
    ------
    InputError
        If an artefact is missing or cannot be read.
    """
    outcomes = outcomes_of(study, plan)
    comparisons = read_document(study / "analysis" / "comparisons.json", ("study-comparisons",))
    quality = read_document(study / "analysis" / "quality.json", ("study-quality",))
    bench = read_document(study / "analysis" / "bench.json", ("bench",))
    training = comparisons["training"]
    logs = {run.name: _log(run_folder(study, run) / "log.jsonl") for run in plan.runs}
    return document(
        "report",
        name=Path(plan.data).name,
        verdicts=verdict_documents(plan, outcomes, training),
        comparisons={key: comparisons[key] for key in ("training", "sampling", "repeat")},
        runs=[_run(study, run, outcomes[run.name], logs[run.name], _fids(comparisons)) for run in plan.runs],
        quality=quality["quality"],
        curves={name: _curves(lines) for name, lines in logs.items()},
        pictures={
            "labels": str(labels_folder(plan)),
            "photos": str(photos_folder(plan)),
            "label_nc": plan.base.data.label_nc,
        },
        what_was_run=_what_was_run(study, plan, outcomes, training, bench),
        notes=_notes(comparisons),
        speed={
            "made_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "runs": {run.name: _speed(study, plan, run, logs[run.name]) for run in plan.runs},
            "bench": bench,
        },
    )


def _fids(comparisons: Mapping[str, Any]) -> dict[str, float]:
    """FID@n by the folder of samples."""
    documents = [
        comparisons["training"],
        comparisons["repeat"],
        *(each["document"] for each in comparisons["sampling"]),
    ]
    arms = [arm for each in documents if each is not None for arm in (each["baseline"], *each["candidates"])]
    return {run["folder"]: run["fid"] for arm in arms for run in arm["runs"]}


def _run(
    study: Path, run: PlannedRun, outcome: Outcome, log: list[dict[str, Any]], fids: Mapping[str, float]
) -> dict[str, Any]:
    folders = {precision: samples_folder(study, run, precision) for precision in run.sampling}
    trained = read_record(study, f"{run.name}/train")
    last = log[-1] if log else {"step": 0, "skipped_steps": {"G": 0, "D": 0}}
    return {
        "name": run.name,
        "arm": run.arm,
        "seed": run.seed,
        "repeat": run.repeat,
        "precision": run.precision,
        "status": outcome.status,
        "why": outcome.why,
        "folder": run_folder(study, run).relative_to(study).as_posix(),
        "samples": {
            precision: folder.relative_to(study).as_posix()
            for precision, folder in folders.items()
            if (folder / MANIFEST).exists()
        },
        "checkpoint_sha256": None if trained is None else trained.sha256,
        "steps": last["step"],
        "skipped_steps": last["skipped_steps"],
        "fid": fids.get(folders[COMMON_SAMPLING].relative_to(study).as_posix()),
    }


def _log(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text().splitlines()]
    except FileNotFoundError:
        return []  # it failed before its first step
    except ValueError as error:
        raise InputError(
            str(path), expected="lines of JSON", found=str(error), fix="Delete the damaged line."
        ) from error


def _curves(log: list[dict[str, Any]]) -> dict[str, Any]:
    def columns(key: str) -> dict[str, list[Any]]:
        return {name: [line[key][name] for line in log] for name in (log[0][key] if log else ())}

    return {
        "step": [line["step"] for line in log],
        **{key: columns(key) for key in ("losses", "loss_scale", "skipped_steps")},
    }


def _speed(study: Path, plan: StudyPlan, run: PlannedRun, log: list[dict[str, Any]]) -> dict[str, Any]:
    # The first line holds one step alone, in which everything is set up.
    rates = [line["images_per_second"] for line in log[1:] if line["images_per_second"]]
    peaks = [line["peak_memory_bytes"] for line in log if line["peak_memory_bytes"] is not None]
    images = log[-1]["step"] * plan.base.batch_size if log else 0
    rate = statistics.median(rates) if rates else None
    seconds = {
        stage: sum(
            record.seconds
            for precision in run.sampling
            if (record := read_record(study, f"{run.name}/{stage}-{precision}")) is not None
        )
        for stage in ("generate", "features")
    }
    return {
        "images_per_second": rate,
        "peak_memory_bytes": max(peaks, default=None),
        # From the log: a run that was stopped in between counts its steps, not its pauses.
        "seconds": {"train": None if rate is None else images / rate, **seconds},
    }


def _what_was_run(
    study: Path,
    plan: StudyPlan,
    outcomes: Mapping[str, Outcome],
    training: dict[str, Any] | None,
    bench: Mapping[str, Any],
) -> dict[str, Any]:
    data = Path(plan.data)
    manifests = [
        json.loads((folder / MANIFEST).read_text())
        for run in plan.runs
        if not outcomes[run.name].failed and (folder := samples_folder(study, run, COMMON_SAMPLING)).exists()
    ]
    machine = {key: bench[key] for key in ("processor", "cores", "threads")}
    return {
        "data": plan.data,
        "data_sha256": plan.data_sha256,
        "n_train": len(find_triplets(data, plan.base.data.phase, plan.base.data, photos=False)),
        "n_test": len(find_triplets(data, "test", plan.base.data, photos=False)),
        "config": plan.base.to_dict(),
        "arms": [{"name": arm, "precision": arm} for arm in plan.arms],
        "seeds": list(plan.seeds),
        "device": manifests[0]["device"] if manifests else bench["device"],
        "machine": machine,
        "versions": manifests[0]["versions"] if manifests else bench["versions"],
        "weights": None if training is None else training["stamp"],
        "command": plan.command,
    }


def _notes(comparisons: Mapping[str, Any]) -> list[str]:
    # The others are of the same images, or of images made in the same way.
    training = comparisons["training"]
    return [] if training is None else list(training["warnings"])
