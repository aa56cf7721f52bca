"""The runs of a study as jobs for an executor."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from p2phd_eval.study.executors.executor import Job
from p2phd_eval.study.metric_weights import MetricWeights
from p2phd_eval.study.schedule import study_command
from p2phd_eval.study.study_plan import PlannedRun, StudyPlan


def jobs_of(
    study: Path,
    plan: StudyPlan,
    runs: Iterable[PlannedRun],
    weights: MetricWeights,
    *,
    track: Sequence[str],
    logged: bool = True,
) -> list[Job]:
    """Return a job for each run, with what has to be there where it is made.

    `logged`: whether it prints into its log, rather than where its executor does.
    """
    command, jobs = study_command(study, weights, track=track), []
    for run in runs:
        folders = [plan.data] if plan.data else []
        folders += [] if run.command is None else [run.command.folder]
        jobs.append(
            Job(
                name=run.name,
                command=(*command, "--run", run.name),
                log=study / "runs" / f"{run.name}.log" if logged else None,
                # Another process would wait for the training that it shares.
                after=run.trained_by if run.trained_by != run.name else None,
                # The interpreter and the program are as much a part of it as the data.
                needs=(*map(Path, command[:2]), *map(Path, folders), *weights.resolved().files),
            )
        )
    return jobs
