"""The runs of a study as a Slurm job array.

A script's lines `#SBATCH` are comments to the shell and are taken apart by sbatch, by rules of its own; the other lines
are the shell's.
"""

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from p2phd_eval.errors import InputError
from p2phd_eval.features.weights.index import require_there
from p2phd_eval.files import atomic_write
from p2phd_eval.locks import hold_folder
from p2phd_eval.quality.distance_weights import NO_WEIGHTS, require_distance_weights
from p2phd_eval.study.schedule import study_command
from p2phd_eval.study.study_plan import StudyPlan, save_plan
from p2phd_eval.tracking.trackers import tracker_names

_LONGEST_NAME = 64  # characters of a job's name

_RUNS = """#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --array=0-{last}
#SBATCH --gres=gpu:1
#SBATCH --output={logs}/%a.log
# Submit again what was cut short: every run goes on where it was.
set -euo pipefail
runs=({runs})
exec {command} --run "${{runs[$SLURM_ARRAY_TASK_ID]}}"
"""
_REPORT = """#!/bin/bash
#SBATCH --job-name={name}-report
#SBATCH --gres=gpu:1
#SBATCH --output={logs}/report.log
# Makes what the array left undone, compares all runs and writes the report.
set -euo pipefail
exec {command}
"""
_SUBMIT = """#!/bin/bash
# Submits the array, and the report after it. Options for sbatch, such as --partition, may follow.
set -euo pipefail
array=$(sbatch --parsable "$@" {runs})
sbatch --dependency="afterany:$array" "$@" {report}
"""


def write_slurm(
    plan: StudyPlan,
    out: str | os.PathLike[str] = "study",
    *,
    feature_weights: Path | None = None,
    lpips_weights: Path | None = None,
    distance_weights: Mapping[str, Path] | None = None,
    track: Sequence[str] = (),
) -> Path:
    """Write the plan of a study, the scripts of a job array with one task a run, and of the job that follows it.

    Parameters
    ----------
    plan : StudyPlan
    out : path-like
        The study folder; the scripts go to `slurm/` in it.
    feature_weights, lpips_weights, distance_weights, track
        As for `run_study`.

    Returns
    -------
    Path
        The script that submits the others.

    Raises
    ------
    InputError
        If Slurm can write no log into the folder, because of its name, or a file of weights is not there.
    """
    require_there("--feature-weights", feature_weights)
    require_there("--lpips-weights", lpips_weights)
    require_distance_weights(distance_weights or NO_WEIGHTS)
    study = Path(out)
    logs = _logs(study)
    with hold_folder(study, clean=False):
        save_plan(study, plan)
    runs = [run.name for run in plan.runs]
    # Only a label.
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(plan.data or study).name)[:_LONGEST_NAME]
    command = study_command(
        study,
        feature_weights=feature_weights,
        lpips_weights=lpips_weights,
        distance_weights=distance_weights or NO_WEIGHTS,
        track=tracker_names(track),
    )
    folder = _folder(study)
    paths = {part: folder / f"{part}.sbatch" for part in ("runs", "report")}
    submit = folder / "submit.sh"
    common = {"name": name, "logs": logs, "command": shlex.join(command)}
    texts = {
        paths["runs"]: _RUNS.format(last=len(runs) - 1, runs=shlex.join(runs), **common),
        paths["report"]: _REPORT.format(**common),
        submit: _SUBMIT.format(**{part: shlex.quote(str(path)) for part, path in paths.items()}),
    }
    for path, text in texts.items():
        with atomic_write(path) as stream:
            stream.write(os.fsencode(text))
        path.chmod(0o755)
    return submit


def _folder(study: Path) -> Path:
    return (study / "slurm").resolve()


def _logs(study: Path) -> str:
    """The folder of the logs as `--output` begins, by the rules of sbatch and of what it replaces in a name."""
    folder = str(_folder(study))
    if re.search(r"[\x00-\x1f\x7f\\]", folder):
        raise InputError(
            f"--out {study}",
            expected="a path that Slurm can write its logs to",
            found="one with a line break, another control character or a backslash",
            fix="Give the study a folder with another name.",
        )
    # %% is a percent sign where %j is a number; a backslash takes its meaning from a space, a quote or a #.
    return re.sub(r"([^\w/.,:@+=%-])", r"\\\1", folder.replace("%", "%%"))
