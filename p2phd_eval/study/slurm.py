"""The runs of a study as a Slurm job array."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from p2phd_eval.files import atomic_write

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


def write_slurm(study: Path, name: str, runs: Sequence[str], command: Sequence[str]) -> Path:
    """Write the scripts of a job array, one task a run, and of the job that follows it.

    Parameters
    ----------
    study : Path
        The study folder; the scripts go to `slurm/` in it.
    name : str
        Of the jobs.
    runs : sequence of str
        Names of the runs.
    command : sequence of str
        Goes on with the study.

    Returns
    -------
    Path
        The script that submits the others.
    """
    folder = (study / "slurm").resolve()
    paths = {part: folder / f"{part}.sbatch" for part in ("runs", "report")}
    submit = folder / "submit.sh"
    common = {"name": shlex.quote(name), "logs": folder, "command": shlex.join(command)}
    texts = {
        paths["runs"]: _RUNS.format(last=len(runs) - 1, runs=shlex.join(runs), **common),
        paths["report"]: _REPORT.format(**common),
        submit: _SUBMIT.format(**{part: shlex.quote(str(path)) for part, path in paths.items()}),
    }
    for path, text in texts.items():
        with atomic_write(path) as stream:
            stream.write(text.encode())
        path.chmod(0o755)
    return submit
