"""A study handed to Slurm as a whole: nothing waits for it here."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from p2phd_eval.features.weights.index import require_there
from p2phd_eval.locks import hold_folder
from p2phd_eval.study.executors.slurm_jobs import SlurmJobs
from p2phd_eval.study.jobs_of_study import jobs_of
from p2phd_eval.study.metric_weights import USUAL_WEIGHTS, MetricWeights
from p2phd_eval.study.study_plan import StudyPlan, save_plan
from p2phd_eval.tracking.trackers import tracker_names


def submit_study(
    plan: StudyPlan,
    out: str | os.PathLike[str] = "study",
    *,
    weights: MetricWeights = USUAL_WEIGHTS,
    executor_options: Mapping[str, str] | None = None,
    track: Sequence[str] = (),
) -> list[str]:
    """Submit the runs of a study to Slurm as an array, and after them the job that compares and reports.

    Parameters
    ----------
    plan : StudyPlan
    out : path-like
        The study folder; what Slurm runs, and what it prints, goes to `slurm/` in it.
    weights : MetricWeights
        Those that are not the cache's.
    track
        As for `run_study`.
    executor_options : mapping of str to str, optional
        What is asked of Slurm, such as `{"partition": "gpu", "time": "12:00:00"}`: see docs/executors.md.

    Returns
    -------
    list of str
        The numbers of Slurm's jobs; the last one is the report's. It also makes what the others left undone.

    Raises
    ------
    InputError
        If there is no Slurm here, it takes the jobs not, or has some of an earlier call in its queue; an option is none
        of its own, a file of weights is not there, or Slurm can write no log into the folder, because of its name.
    """
    require_there("--feature-weights", weights.features)
    require_there("--lpips-weights", weights.lpips)
    study = Path(out)
    with hold_folder(study, clean=False):
        slurm = SlurmJobs(study, executor_options or {})
        slurm.require_none_queued()
        save_plan(study, plan)
        jobs = jobs_of(study, plan, plan.runs, weights, track=tracker_names(track))
        # The same command without a run goes on with the study: it makes what is left, compares and reports.
        report = replace(jobs[0], name="report", command=jobs[0].command[:-2], log=study / "slurm" / "report.log")
        return slurm.submit_all(jobs, report)
