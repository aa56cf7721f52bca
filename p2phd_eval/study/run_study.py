"""A study from its data to its report, as one call."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from p2phd_eval.config import TrainConfig
from p2phd_eval.devices import find_device
from p2phd_eval.files import remove_unfinished
from p2phd_eval.locks import hold_folder
from p2phd_eval.progress import Note, ProgressFactory, silent, unheard, unwatched
from p2phd_eval.report.documents.study_documents import ReportDocument
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.study.alike import require_alike
from p2phd_eval.study.analysis import Analysis
from p2phd_eval.study.arms_file import arms_file_of
from p2phd_eval.study.artefacts import remove_unfinished_records, save_data
from p2phd_eval.study.executor_forecast import forecast_on
from p2phd_eval.study.executors.executor import Ended, Executor, Job
from p2phd_eval.study.executors.find_executor import find_cluster
from p2phd_eval.study.executors.local_processes import LocalProcesses
from p2phd_eval.study.jobs_of_study import jobs_of
from p2phd_eval.study.metric_weights import MetricWeights
from p2phd_eval.study.outcome import Outcome, killed, save_outcome
from p2phd_eval.study.plan_study import Forecast, plan_study
from p2phd_eval.study.run_files import run_folder
from p2phd_eval.study.schedule import RunFailed, StudyStopped, run_jobs
from p2phd_eval.study.study_plan import StudyPlan, load_plan, save_plan
from p2phd_eval.study.study_request import StudyRequest
from p2phd_eval.study.write_report import outcomes_of, write_verified_report
from p2phd_eval.tracking.trackers import tracker_names


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """A finished study."""

    report: ReportDocument  # what stands in `report.json`
    page: Path  # `report.html`
    outcomes: dict[str, Outcome]  # how each run ended, by its name

    def __repr__(self) -> str:
        return "\n".join([*(verdict.sentence for verdict in self.report.verdicts), f"Report: {self.page}"])


def run_study(
    data: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] = "study",
    *,
    arms: str | Path | Sequence[str] | None = None,
    seeds: int | Sequence[int] | None = None,
    generation: str | Sequence[str] | None = None,
    judge: Estimand | str | None = None,
    margin: float | str | None = None,
    cluster_by: str | None = None,
    confidence: float | None = None,
    edits: str | Path | None = None,
    segmenter: str | None = None,
    segmenter_weights: str | Path | None = None,
    class_map: str | Path | None = None,
    ignore: Sequence[int] | None = None,
    repeat: bool | None = None,
    preset: str | TrainConfig = "512p",
    device: str | torch.device | None = None,
    feature_weights: str | Path | None = None,
    lpips_weights: str | Path | None = None,
    distance_weights: Mapping[str, str | Path] | None = None,
    track: Sequence[str] = (),
    jobs: int = 1,
    executor: str = "local",
    executor_options: Mapping[str, str] | None = None,
    command: str = "p2phd_eval.run_study",
    in_terminal: bool = False,
    on_forecast: Callable[[Forecast], None] = lambda forecast: None,
    progress: ProgressFactory = silent,
    note: Note = unheard,
    **options: Any,
) -> StudyResult:
    """Train every arm from every seed, generate, compute features, compare, and write the report.

    Each run is a process of its own, and side by side on the CUDA devices there are. Killed at any moment and called
    again, it redoes nothing that is finished. A run that diverges or runs out of memory is a result of its arm, and so
    is a command that fails.

    Parameters
    ----------
    data : path-like, optional
        A data set with training and test photos; for arms that are commands also real images of any kind: a folder, an
        archive. Left out, the study in `out` goes on, and what is None stays as it was; a new one of an arms file is
        without real images, and its arms are held against each other.
    out : path-like
        The study folder.
    arms : str, Path or sequence of str, optional
        Training precisions, the baseline first; by default fp32 and what `amp=True` of `train` is here. Or an arms file
        (.toml), whose arms may be commands of any generator.
    seeds : int or sequence of int, optional
        The seeds of each arm, or how many, from 0 on; by default 3.
    generation : str or sequence of str, optional
        Precisions or engines, in which the baseline's runs generate beside fp32, to compare with that; by default every
        arm's runs generate in the arm's own. In a study of one arm the verdicts are on these.
    judge : Estimand or its value, optional
        What the verdict is about, chosen before looking: see `compare_images`. By default the FID at the number of test
        photos. "block-fid" takes its axes from the training photos.
    margin : float or str, optional
        The difference that still counts as none: a number, a share such as "2%", or "seeds", which is the default.
    cluster_by : str, optional
        Which test images are alike: a rule as for `p2phd-eval compare --cluster-by`.
    confidence : float, optional
        The level of the intervals, 0.95 by default.
    edits : str or Path, optional
        Script of edits of the test maps: whether they widen the gaps between the arms becomes a part of the report; see
        `compare_edits`.
    segmenter, segmenter_weights, class_map, ignore : optional
        Who segments the samples: what it finds in them, against the test maps, becomes a part of the report; see
        `segmentation_score`. A margin that is a share is one of the mean IoU too.
    repeat : bool, optional
        Train the baseline's first seed twice, which shows what chance alone does; by default yes.
    preset : str or TrainConfig
        Settings of the trainings to start from: a name of `PRESETS`, or a configuration.
    device : str or torch.device, optional
        By default all CUDA devices, or mps or cpu.
    feature_weights : str or Path, optional
        Inception's weights; by default those of the cache, fetched if need be.
    lpips_weights : str or Path, optional
        The weights of LPIPS's AlexNet, likewise; without them LPIPS is left out.
    distance_weights : mapping of str to path-like, optional
        Weights of further distances of two images, by name: `{"dists": "vgg16-397923af.pth"}`; see docs/distances.md.
    track : str or sequence of str
        Trackers, "tensorboard" or "mlflow".
    jobs : int
        Runs at a time on each device. Small networks do not fill one; on a CPU the runs share its cores.
    executor : str
        Where the runs are made: "local", by processes of this machine; "slurm", by jobs of a cluster that sbatch hands
        to; "ray", on a Ray cluster. What is compared and reported is computed here. See docs/executors.md.
    executor_options : mapping of str to str, optional
        What the executor asks its cluster for, such as `{"gpus": "1", "time": "12:00:00"}`.
    command : str
        What the report says that the study was begun with.
    in_terminal : bool
        Let a run that is alone at work print where this process does; otherwise runs print into `runs/NAME.log`.
    on_forecast : callable
        Called with the plan and what it takes, before the first run.
    progress : ProgressFactory
    note : callable
        Told a sentence about each thing that goes on.
    **options
        Settings of the trainings to change, named as on the command line of `train`: `epochs=20` is `--epochs 20`.

    Returns
    -------
    StudyResult

    Raises
    ------
    InputError
        If data, weights or an option cannot be used, or the study in `out` is another one, or another process
        works on it.
    RunFailed
        If a run ended with an error.
    StudyStopped
        If SIGINT or SIGTERM stopped the runs.

    Examples
    --------
    >>> run_study("data", "study", arms="fp32,amp-bf16", seeds=3, margin="2%", preset="demo")
    >>> run_study("photos", "study", arms="arms.toml", seeds=3)
    >>> run_study(out="study", seeds=5)
    """
    request = StudyRequest(
        arms=arms,
        seeds=seeds,
        generation=generation,
        judge=judge,
        margin=margin,
        cluster_by=cluster_by,
        confidence=confidence,
        edits=edits,
        segmenter=segmenter,
        segmenter_weights=segmenter_weights,
        class_map=class_map,
        ignore=ignore,
        repeat=repeat,
        preset=preset,
        settings=options,
        command=command,
    )
    features, lpips = (None if each is None else Path(each) for each in (feature_weights, lpips_weights))
    distances = {name: Path(path) for name, path in (distance_weights or {}).items()}
    return make_study(
        data,
        Path(out),
        request,
        MetricWeights(features=features, lpips=lpips, distances=distances),
        device=device,
        track=track,
        jobs=jobs,
        executor=executor,
        executor_options=executor_options or {},
        in_terminal=in_terminal,
        on_forecast=on_forecast,
        progress=progress,
        note=note,
    )


def make_study(
    data: str | os.PathLike[str] | None,
    study: Path,
    request: StudyRequest,
    weights: MetricWeights,
    *,
    device: str | torch.device | None,
    track: Sequence[str],
    jobs: int,
    executor: str,
    executor_options: Mapping[str, str],
    in_terminal: bool,
    on_forecast: Callable[[Forecast], None],
    progress: ProgressFactory,
    note: Note,
) -> StudyResult:
    """Do what `run_study` does, and raise what it raises, with a request that is put together; `study`: the folder."""
    track = tracker_names(track)
    if data is None and not arms_file_of(request.arms):
        load_plan(study)  # a folder without one is none to work in
    # Runs have locks of their own: those of a job array work side by side in this folder.
    with hold_folder(study, clean=False), ExitStack() as stack:
        _remove_unfinished(study)
        # The cheap failure first: without a cluster, the hashes of a large data set would end in an error.
        cluster = find_cluster(executor, study, executor_options)
        if cluster is not None:
            stack.enter_context(closing(cluster))
        files: dict[str, str] = {}
        plan = plan_study(data, study, request, device=device, progress=progress, on_data=files.update)
        forecast = forecast_on(
            cluster, plan, study, device=device, weights=weights, jobs=jobs, keep=True, progress=progress, note=note
        )
        on = torch.device(forecast.devices[0]) if cluster is None else find_device(device)
        on_forecast(forecast)
        save_data(study, files)
        save_plan(study, plan)
        maker: Executor = cluster or stack.enter_context(closing(LocalProcesses(forecast.devices)))
        logged = cluster is not None or len(forecast.devices) > 1 or not in_terminal
        made = jobs_of(study, plan, forecast.left, weights, track=track, logged=logged)
        _make_runs(study, plan, made, maker, progress=progress, note=note)
        outcomes = require_alike(study, plan, outcomes_of(study, plan), note)
        Analysis(study, plan, outcomes, weights, device=on, progress=progress).write()
        return StudyResult(report=write_verified_report(study), page=study / "report.html", outcomes=outcomes)


def _remove_unfinished(study: Path) -> None:
    """Remove what a killed process left half written, but for the files of runs, which may be at work."""
    for folder in (study, study / "analysis", study / "slurm"):
        if folder.is_dir():
            remove_unfinished(folder)
    for name in ("real.npz", "reference.npz", "reference.txt"):
        if (study / "features").is_dir():
            remove_unfinished(study / "features", study / "features" / name)
    remove_unfinished_records(study)


def _make_runs(
    study: Path, plan: StudyPlan, jobs: Sequence[Job], executor: Executor, *, progress: ProgressFactory, note: Note
) -> None:
    def on_start(job: Job) -> None:
        number = len(plan.runs) - len(jobs) + jobs.index(job) + 1
        where = "" if job.log is None else f", prints into {job.log}"
        note(f"run {number} of {len(plan.runs)}: {job.name}{where}")

    logged = any(job.log is not None for job in jobs)
    # A run that is alone shows its own progress.
    with progress("make runs", "runs") if logged else nullcontext(unwatched) as on_progress:
        endings, signum = run_jobs(
            jobs, executor, on_start=on_start, on_end=lambda ended: on_progress(ended, len(jobs)), note=note
        )
    if signum is not None:
        raise StudyStopped(signum, "Stopped; what is finished is kept. Go on with the same command or call.")
    for ending in endings:
        _settle(study, plan, ending, next(job for job in jobs if job.name == ending.name).log, note)


def _settle(study: Path, plan: StudyPlan, ending: Ended, log: Path | None, note: Note) -> None:
    if ending.returncode < 0:
        outcome = killed(-ending.returncode)
        save_outcome(run_folder(study, plan.run(ending.name)), outcome)
        note(f"{ending.name}: {outcome.why}. It counts as failed; the next call tries it again.")
    elif ending.returncode:
        said = "" if log is None else f"{log.read_text(errors='replace')[-2000:]}\n"
        sentence = f"{ending.name} ended with exit code {ending.returncode}; finished work is kept."
        raise RunFailed(ending.returncode, said + sentence)
