"""An executor by its name."""

from collections.abc import Mapping
from pathlib import Path

from p2phd_eval.errors import InputError
from p2phd_eval.executor_options import read_options
from p2phd_eval.study.executors.ray_runs import RayRuns
from p2phd_eval.study.executors.slurm_jobs import SlurmJobs


def find_cluster(name: str, study: Path, options: Mapping[str, str]) -> SlurmJobs | RayRuns | None:
    """Return the executor of a name, connected to its cluster; None for "local", which needs none.

    Raises `InputError` if there is no executor of the name, an option is not one of its own, what it needs is not
    installed, or there is no such cluster.
    """
    if name == "slurm":
        return SlurmJobs(study, options)
    if name == "ray":
        return RayRuns(study, options)
    if name != "local":
        raise InputError("--executor", expected="local | slurm | ray", found=repr(name))
    read_options("local", options, {})
    return None
