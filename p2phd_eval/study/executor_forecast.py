"""What a study takes where an executor makes its runs."""

import os
import sys
from collections.abc import Mapping
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from p2phd_eval.errors import InputError
from p2phd_eval.progress import Note, ProgressFactory, silent, unheard
from p2phd_eval.study.executors.find_executor import find_cluster
from p2phd_eval.study.executors.ray_runs import RayRuns
from p2phd_eval.study.executors.slurm_jobs import SlurmJobs
from p2phd_eval.study.metric_weights import USUAL_WEIGHTS, MetricWeights
from p2phd_eval.study.plan_study import Forecast, forecast_study
from p2phd_eval.study.study_plan import StudyPlan


def forecast_executor(
    plan: StudyPlan,
    out: str | os.PathLike[str] = "study",
    *,
    executor: str = "local",
    executor_options: Mapping[str, str] | None = None,
    device: str | torch.device | None = None,
    weights: MetricWeights = USUAL_WEIGHTS,
    jobs: int = 1,
    progress: ProgressFactory = silent,
    note: Note = unheard,
) -> Forecast:
    """Say what a study takes by an executor, as `forecast_study` does for this machine; nothing is written.

    `executor` and `executor_options`: see `run_study`. On a Ray cluster the steps and images are timed on a node of it.
    Raises `InputError` also if there is no such cluster.
    """
    study = Path(out)
    cluster = find_cluster(executor, study, executor_options or {})
    with nullcontext() if cluster is None else closing(cluster):
        return forecast_on(
            cluster, plan, study, device=device, weights=weights, jobs=jobs, keep=False, progress=progress, note=note
        )


def forecast_on(
    cluster: SlurmJobs | RayRuns | None,
    plan: StudyPlan,
    study: Path,
    *,
    device: str | torch.device | None,
    weights: MetricWeights,
    jobs: int,
    keep: bool,
    progress: ProgressFactory,
    note: Note,
) -> Forecast:
    """Say what a study takes on a cluster, or on this machine; the other parameters are those of `forecast_study`.

    Ray gives a node to time on at once, Slurm perhaps tomorrow: for Slurm steps are timed on this machine.
    """
    if cluster is None:
        return forecast_study(
            plan, study, device=device, weights=weights, jobs=jobs, keep=keep, progress=progress, note=note
        )
    if jobs != 1:
        raise InputError(
            "--jobs",
            expected="it with --executor local alone",
            found=str(jobs),
            fix="A cluster makes as many runs at a time as fit: see --executor-option gpus, cpus and at_once.",
        )
    weights, at_once = weights.resolved(), min(cluster.at_once, len(plan.runs))
    if isinstance(cluster, RayRuns):
        note(f"Ray at {cluster.address}: {len(cluster.nodes)} nodes")
        if plan.precisions:
            if keep:
                # The node writes what it measures into the study.
                cluster.require_shared([Path(plan.data), Path(sys.executable)])
            with progress("time steps and images on a node", "nodes") as on_progress:
                found = cluster.on_a_node(
                    forecast_study,
                    plan=plan,
                    out=study.resolve(),
                    device=cluster.device,
                    weights=weights,
                    jobs=at_once,
                    keep=keep,
                )
                on_progress(1, 1)
            return replace(found, cluster=cluster.room_of_nodes)
    found = forecast_study(
        plan, study, device=device, weights=weights, jobs=at_once, keep=keep, progress=progress, note=note
    )
    if isinstance(cluster, RayRuns):
        return replace(found, cluster=cluster.room_of_nodes)
    if plan.precisions:
        note("Timed on this machine; Slurm's nodes may be faster or slower, and its queue takes its time.")
    return found
