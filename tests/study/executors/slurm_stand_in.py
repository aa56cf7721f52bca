"""Slurm's programs where there is no Slurm: they record what they are given, and run it as real processes here.

Called by the name of the program: `slurm_stand_in.py sbatch SCRIPT`. A job is a supervising shell in the folder
$SLURM_STAND_IN: `17_0.queued` is there as long as it is in the queue, `17_0.task` holds its step's process number.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

PROGRAMS = ("sbatch", "srun", "squeue", "scancel", "sinfo", "scontrol")
NODES = ("n1", "n2")

#: Waits for the jobs that it depends on, runs the script, and leaves the queue.
SUPERVISE = 'for job in $2; do while [ -e "$job" ]; do sleep 0.05; done; done; bash "$1" "$1"; rm -f "$SLURM_ENTRY"'


def install(folder: Path, *, runs: bool = True) -> dict[str, str]:
    """Write the programs into a folder and return the environment that finds them first.

    `runs`: whether jobs are run; otherwise they are recorded alone.
    """
    state, programs = folder / "slurm-state", folder / "slurm-bin"
    for each in (state, programs):
        each.mkdir(parents=True)
    for name in PROGRAMS:
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -S {shlex.quote(__file__)} {name} "$@"\n')
        program.chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "SLURM_STAND_IN": str(state), "SLURM_STAND_IN_RUNS": str(int(runs))}


def sbatch(state: Path, script: str) -> None:
    number = 1 + max((int(path.stem) for path in state.glob("*.sbatch")), default=0)
    copy = state / f"{number}.sbatch"
    copy.write_text(Path(script).read_text())
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", copy.read_text(), re.MULTILINE))
    array = re.fullmatch(r"0-(\d+)%\d+", asked.get("array", ""))
    tasks = [str(number)] if array is None else [f"{number}_{i}" for i in range(int(array[1]) + 1)]
    nodes = [node for node in NODES if node not in asked.get("exclude", "").split(",")]
    awaited = asked.get("dependency", "").partition(":")[2].split(":")
    queued = state.glob("*.queued")
    before = [str(path) for path in queued if path.stem.partition("_")[0] in awaited]
    if asked.get("partition") == "nowhere":
        sys.exit("sbatch: error: invalid partition specified: nowhere")
    for place, task in enumerate(tasks):
        entry = state / f"{task}.queued"
        entry.touch()
        of_array = {"SLURM_ARRAY_JOB_ID": str(number), "SLURM_ARRAY_TASK_ID": str(place)}
        environment = {
            **({} if array is None else of_array),
            "SLURM_ENTRY": str(entry),
            "SLURM_JOB_ID": str(number if array is None else 1000 * number + place),
            "SLURM_CPUS_PER_TASK": asked.get("cpus-per-task", "1"),
            "SLURM_NTASKS": "1",
            "SLURMD_NODENAME": nodes[place % len(nodes)],
        }
        if os.environ["SLURM_STAND_IN_RUNS"] == "0":
            continue
        command = ["sh", "-c", SUPERVISE, "supervise", str(copy), " ".join(before)]
        subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    print(f"Submitted batch job {number}")


def srun(state: Path, *arguments: str) -> None:
    options, command = {}, list(arguments)
    while command[0].startswith("--"):
        name = command.pop(0)
        options[name] = "" if name == "--unbuffered" else command.pop(0)
    entry = Path(os.environ["SLURM_ENTRY"])
    array, _, task = entry.stem.partition("_")
    output = options["--output"].replace("%A", array).replace("%a", task).replace("%j", array).replace("%t", "0")
    stream = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    entry.with_suffix(".task").write_text(str(os.getpid()))
    os.execvp(command[0], command)


def squeue(state: Path, *arguments: str) -> None:
    assert {"--noheader", "--array", "--format=%i|%T"} < set(arguments)
    for path in sorted(state.glob("*.queued")):
        print(f"{path.stem}|{'RUNNING' if path.with_suffix('.task').exists() else 'PENDING'}")


def scancel(state: Path, *arguments: str) -> None:
    how = [each for each in arguments if each.startswith("--")]
    name = how[0].partition("=")[2] if how and how[0].startswith("--signal") else "TERM"
    for task in arguments[len(how) :]:
        running = state / f"{task}.task"
        if running.exists() and "--state=PENDING" not in how:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(running.read_text()), getattr(signal, f"SIG{name}"))


def sinfo(state: Path, *arguments: str) -> None:
    print("\n".join(NODES))


def scontrol(state: Path, *arguments: str) -> None:
    print(f"JobId={arguments[-1]} NodeList={NODES[0]}")


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(os.environ["SLURM_STAND_IN"]), *sys.argv[2:])
