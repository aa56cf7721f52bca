"""What `study` does: one run of it, a job array, or all of it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import typer

from p2phd_eval.commands.options.common import Tracker
from p2phd_eval.devices import describe_device
from p2phd_eval.features.weights.find import find_weights
from p2phd_eval.report.console import Output
from p2phd_eval.report.tables.study_tables import plan_table, study_table
from p2phd_eval.runs.watching import watch
from p2phd_eval.study.analysis import analyse
from p2phd_eval.study.document import outcomes_of
from p2phd_eval.study.measurement import effort, measure
from p2phd_eval.study.outcome import killed, save_outcome
from p2phd_eval.study.report_files import write_report
from p2phd_eval.study.run_job import StudyStopped, ended, run_folder, run_job
from p2phd_eval.study.schedule import Ended, Job, follow_parent, run_processes
from p2phd_eval.study.slurm import write_slurm
from p2phd_eval.study.study_plan import StudyPlan, load_plan, save_plan
from p2phd_eval.tracking.tracker import Ending
from p2phd_eval.tracking.trackers import open_trackers


def make_run(
    study: Path, name: str, device: torch.device, weights: Path | None, track: Sequence[Tracker], output: Output
) -> None:
    """Make one run of a study that has a plan, and end with the exit code that tells the study how it went."""
    follow_parent()
    plan = load_plan(study)
    run = plan.run(name)
    output.note(f"{name} on {describe_device(device)}")
    names = [each.value for each in track]
    trackers = open_trackers(
        names, run_folder(study, run), plan.config(run), experiment=Path(plan.data).name, note=output.note
    )
    with trackers:
        watchers = watch(trackers, note=output.note)
        try:
            outcome = run_job(
                study, plan, run, device=device, weights=weights, watchers=watchers, progress=output.progress
            )
        except StudyStopped as stop:
            trackers.end(Ending.STOPPED)
            output.note(f"{name}: stopped and saved.")
            raise typer.Exit(128 + stop.signum) from stop
        trackers.end(Ending.FAILED if outcome.failed else Ending.FINISHED)
    output.note(f"{name}: {outcome.status}" + (f", {outcome.why}" if outcome.why else ""))


def write_jobs(study: Path, plan: StudyPlan, command: Sequence[str], output: Output) -> None:
    """Write the plan and the scripts of a job array."""
    save_plan(study, plan)
    submit = write_slurm(study, Path(plan.data).name, [run.name for run in plan.runs], command)
    output.note(f"{len(plan.runs)} runs and the report after them. Submit with: bash {submit}")


def make_study(
    study: Path,
    plan: StudyPlan,
    command: Sequence[str],
    *,
    device: torch.device,
    every_gpu: bool,
    weights: Path | None,
    lpips_weights: Path | None,
    dry: bool,
    output: Output,
) -> None:
    """Measure, plan, make all runs, compare them and write the report; end with an exit code where that fails.

    Parameters
    ----------
    study : Path
        Its folder.
    plan : StudyPlan
    command : sequence of str
        Goes on with the study; "--run" and a name are added for one run.
    device : torch.device
    every_gpu : bool
        Whether runs may go side by side on all CUDA devices.
    weights, lpips_weights : Path or None
        See `analyse`.
    dry : bool
        Stop after the plan.
    output : Output
    """
    gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if device.type == "cuda" and every_gpu else []
    devices = gpus or [str(device)]
    output.note(f"device: {', '.join(describe_device(torch.device(name)) for name in devices)}")
    if device.type == "cpu":
        output.note("A CPU emulates reduced precision: this study shows quality, not speed.")
    # The cheap failure first: without weights, a night of training would end in an error.
    with output.progress("fetch Inception weights", "bytes") as on_progress:
        weights_sha256 = find_weights(weights, on_progress=on_progress).sha256
    with tempfile.TemporaryDirectory() as nowhere:
        kept = Path(nowhere) if dry else study
        measured = measure(kept, plan, device=torch.device(devices[0]), progress=output.progress)
    _print_plan(plan, measured, len(devices), output)
    if dry:
        return
    save_plan(study, plan)
    waiting = [run.name for run in plan.runs if not ended(study, plan, run, weights_sha256)]
    if waiting:
        _make_runs(study, plan, waiting, command, devices, output)
    outcomes = outcomes_of(study, plan)
    analyse(
        study,
        plan,
        outcomes,
        device=torch.device(devices[0]),
        weights=weights,
        lpips_weights=lpips_weights,
        progress=output.progress,
    )
    report = write_report(study, plan)
    output.table(study_table(report))
    output.document(report)
    output.note(f"Report: {study / 'report.html'}")


def _print_plan(plan: StudyPlan, measured: dict[str, Any], at_once: int, output: Output) -> None:
    expected = effort(plan, measured)
    rows = [(arm, sum(run.arm == arm for run in plan.runs), expected.steps, expected.seconds[arm]) for arm in plan.arms]
    total = expected.total_seconds(plan, at_once)
    output.table(plan_table(rows, total_seconds=total, disk=expected.disk, devices=at_once))


def _make_runs(
    study: Path,
    plan: StudyPlan,
    waiting: Sequence[str],
    command: Sequence[str],
    devices: Sequence[str],
    output: Output,
) -> None:
    jobs = [Job(name=name, command=(*command, "--run", name), log=study / "runs" / f"{name}.log") for name in waiting]
    at_work = {job.name: job for job in jobs}

    def on_start(job: Job, device: str) -> None:
        where = f", prints into {job.log}" if len(devices) > 1 else ""
        output.note(f"run {len(plan.runs) - len(waiting) + jobs.index(job) + 1} of {len(plan.runs)}: {job.name}{where}")

    endings, signum = run_processes(jobs, devices, on_start=on_start)
    if signum is not None:
        output.note("Stopped; what is finished is kept. Go on with the same command.")
        raise typer.Exit(128 + signum)
    for ending in endings:
        _settle(study, plan, ending, at_work[ending.name], output)


def _settle(study: Path, plan: StudyPlan, ending: Ended, job: Job, output: Output) -> None:
    if ending.returncode < 0:
        outcome = killed(-ending.returncode)
        save_outcome(run_folder(study, plan.run(ending.name)), outcome)
        output.note(f"{ending.name}: {outcome.why}. It counts as failed; the next call tries it again.")
    elif ending.returncode:
        if job.log.exists():
            output.note(job.log.read_text(errors="replace")[-2000:])
        output.note(f"{ending.name} ended with exit code {ending.returncode}; finished work is kept.")
        raise typer.Exit(ending.returncode)
