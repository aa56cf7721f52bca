"""Is anything lost when a command is killed? SIGKILL at random moments of its work, until it is done.

Run `python benchmarks/kills.py [COMMAND ...] [--kills 20] [--seed 0] [--out FILE]` from the repository's root; nobody
else need leave the machine alone. Commands are train, generate, convert, features, study and report, in real processes
on a tiny data set. Each is run once to its end; then it is started and killed again and again, into one target until a
process reaches the end, and into the next one, until so many were killed. After each kill what had been finished is
looked at: it must still be there at the end, untouched. At the end a target must equal the one of the run that nobody
killed, times aside, and hold nothing half written.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from measuring import describe_machine, today

from p2phd_eval.features.weights.find import find_weights
from p2phd_eval.files import file_sha256, write_json
from p2phd_eval.generators.checkpoint import load_checkpoint

NETWORKS = ("--ngf", "4", "--ndf", "4", "--n-downsample", "2", "--n-blocks", "1", "--num-d", "1", "--n-layers-d", "2")
TINY = ("--load-size", "64", "--vgg", "none", *NETWORKS)
State = dict[str, Any]  # what is finished: what grows is a number, what must stay is anything else


class Command(ABC):
    """A command that is killed, and what is finished in its target."""

    name: ClassVar[str]

    def __init__(self, work: Path) -> None:
        self.work = work

    @abstractmethod
    def arguments(self, target: Path) -> tuple[object, ...]:
        """Return what follows `p2phd-eval`."""

    def prepare(self, target: Path) -> None:
        """Make a new target, with what the command needs in it."""
        target.mkdir()

    def lock(self, target: Path) -> Path:
        """Return the file that is there while the command works on its target."""
        return target / ".lock"

    @abstractmethod
    def finished(self, target: Path) -> State:
        """Return what is finished in a target, at any moment."""

    @abstractmethod
    def result(self, target: Path) -> Any:
        """Return what the target of a whole run holds, without times."""


class Train(Command):
    """Checkpoints at every second step; the newest is never older than before."""

    name = "train"

    def arguments(self, target: Path) -> tuple[object, ...]:
        often = ("--epochs", 6, "--epochs-decay", 2, "--batch-size", 2, "--checkpoint-every", 2, "--log-every", 1)
        return ("train", self.work / "data", "--out", target, "--resume", *TINY, *often)

    def finished(self, target: Path) -> State:
        checkpoint = target / "checkpoints/latest.pt"
        return {"step": load_checkpoint(checkpoint).step} if checkpoint.exists() else {}

    def result(self, target: Path) -> Any:
        lines = [json.loads(line) for line in (target / "log.jsonl").read_text().splitlines()]
        return file_sha256(target / "checkpoints/latest.pt"), [(line["step"], line["losses"]) for line in lines]


class Generate(Command):
    """An image that is there is not written again."""

    name = "generate"

    def arguments(self, target: Path) -> tuple[object, ...]:
        source = self.work / "run"
        return ("generate", source, self.work / "data", "--out", target, "--phase", "train", "--batch-size", 2)

    def finished(self, target: Path) -> State:
        return {path.name: str(path.stat().st_mtime_ns) for path in target.glob("*.png")}

    def result(self, target: Path) -> Any:
        return contents(target)


class Convert(Command):
    """A file that is there is not written again."""

    name = "convert"

    def arguments(self, target: Path) -> tuple[object, ...]:
        return ("convert", self.work / "run", target)

    def finished(self, target: Path) -> State:
        return {path.name: str(path.stat().st_mtime_ns) for path in target.glob("*.*") if path.name[0] != "."}

    def result(self, target: Path) -> Any:
        return contents(target)


class Features(Command):
    """The file is there whole or not at all, and so is the entry of the cache."""

    name = "features"

    def arguments(self, target: Path) -> tuple[object, ...]:
        network = ("--dims", 64, "--feature-weights", find_weights().path)
        return ("features", self.work / "data/train_img", "--out", target / "photos.npz", *network)

    def lock(self, target: Path) -> Path:
        return target / ".photos.npz.lock"

    def finished(self, target: Path) -> State:
        path = target / "photos.npz"
        return {"photos.npz": self.result(target)} if path.exists() else {}

    def result(self, target: Path) -> Any:
        with np.load(target / "photos.npz", allow_pickle=False) as arrays:
            return arrays["features"].tobytes().hex(), arrays["ids"].tolist()


class Study(Command):
    """What has a record is not made again."""

    name = "study"

    def arguments(self, target: Path) -> tuple[object, ...]:
        arms = ("--arms", "fp32,amp-bf16", "--seeds", 1, "--no-repeat", "--margin", "10%")
        short = ("--epochs", 1, "--epochs-decay", 1, "--checkpoint-every", 3)
        return ("study", self.work / "data", "--out", target, *arms, *TINY, *short, *weights_option())

    def finished(self, target: Path) -> State:
        return {path.relative_to(target).as_posix(): path.read_text() for path in target.glob("records/**/*.json")}

    def result(self, target: Path) -> Any:
        return study_result(target)


class Report(Command):
    """Each of its files is the old one or the new one."""

    name = "report"

    def prepare(self, target: Path) -> None:
        shutil.copytree(self.work / "reference-study", target)

    def arguments(self, target: Path) -> tuple[object, ...]:
        return ("report", target)

    def lock(self, target: Path) -> Path:
        return target / ".report.json.lock"

    def finished(self, target: Path) -> State:
        return {"report.json": without_times(json.loads((target / "report.json").read_text()))}

    def result(self, target: Path) -> Any:
        return study_result(target)


COMMANDS: tuple[type[Command], ...] = (Train, Generate, Convert, Features, Study, Report)


def weights_option() -> tuple[object, ...]:
    return ("--feature-weights", find_weights().path)


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


def study_result(study: Path) -> Any:
    samples = {path.relative_to(study).as_posix(): file_sha256(path) for path in study.glob("runs/*/samples/*/*")}
    checkpoints = {path.relative_to(study).as_posix(): file_sha256(path) for path in study.glob("runs/*/checkpoints/*")}
    return samples, checkpoints, without_times(json.loads((study / "report.json").read_text()))


def without_times(report: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in report.items() if key != "speed"}
    return {**kept, "what_was_run": {**kept["what_was_run"], "command": ""}}


def start(arguments: tuple[object, ...], cache: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "P2PHD_EVAL_CACHE": str(cache), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(
        [sys.executable, "-m", "p2phd_eval", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )


def run(arguments: tuple[object, ...], cache: Path) -> None:
    process = start(arguments, cache)
    said = process.communicate()[1].decode(errors="replace")
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, arguments))} ended with {process.returncode}:\n{said}")


def wait_for(there: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    while not there() and process.poll() is None:
        time.sleep(0.001)


def lost(before: State, after: State) -> list[str]:
    """Say what was finished before and is not, or no longer the same."""
    gone = [f"{name} is gone" for name in before if name not in after]
    for name in before.keys() & after.keys():
        fell = after[name] < before[name] if isinstance(before[name], int) else after[name] != before[name]
        gone += [f"{name} is another"] * fell
    return gone


def kill_again_and_again(command: Command, kills: int, draw: random.Random) -> dict[str, Any]:
    work, faults, targets = command.work, list[str](), 0
    reference = work / f"reference-{command.name}"
    command.prepare(reference)
    process = start(command.arguments(reference), work / "cache-reference")
    wait_for(command.lock(reference).exists, process)
    begun = time.perf_counter()
    wait_for(lambda: not command.lock(reference).exists(), process)
    working = time.perf_counter() - begun
    said = process.communicate()[1].decode(errors="replace")
    if process.returncode:
        raise SystemExit(f"{command.name} ended with {process.returncode}:\n{said}")
    wanted, killed, at_work = command.result(reference), 0, 0
    while killed < kills:
        targets += 1
        target, cache = work / f"{command.name}-{targets}", work / f"cache-{command.name}-{targets}"
        command.prepare(target)
        before: State = {}
        while True:
            process = start(command.arguments(target), cache)
            if killed < kills:
                wait_for(command.lock(target).exists, process)
                try:
                    process.wait(draw.uniform(0, working))
                except subprocess.TimeoutExpired:
                    at_work += command.lock(target).exists()
                    process.send_signal(signal.SIGKILL)
            said = process.communicate()[1].decode(errors="replace")
            after = command.finished(target)
            faults += [f"target {targets}: {fault}" for fault in lost(before, after)]
            before = after
            if process.returncode == -signal.SIGKILL:
                killed += 1
            elif process.returncode:
                faults.append(f"target {targets}: exit code {process.returncode}: {said[-500:]}")
                break
            else:
                if command.result(target) != wanted:
                    faults.append(f"target {targets}: not what a run gives that nobody killed")
                left = [path for path in target.rglob(".*") if path.name.endswith((".part", "lock"))]
                faults += [f"target {targets}: {path.relative_to(target)} stays behind" for path in left]
                break
        shutil.rmtree(target)
        shutil.rmtree(cache, ignore_errors=True)
    return {
        "command": command.name,
        "kills": killed,
        "with_the_target_locked": at_work,
        "targets": targets,
        "seconds_of_work": round(working, 2),
        "faults": faults,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commands", nargs="*", choices=[[], *(command.name for command in COMMANDS)])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / f"kills-{today()}.json")
    arguments = parser.parse_args()
    chosen = [
        command for command in COMMANDS if command.name in (arguments.commands or [each.name for each in COMMANDS])
    ]
    draw, machine = random.Random(arguments.seed), describe_machine()
    rows = []
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        work = Path(folder)
        run(
            ("data", "synthesize", work / "data", "--train", 24, "--test", 6, "--width", 64, "--height", 32),
            work / "cache",
        )
        run(("train", work / "data", "--out", work / "run", *TINY, "--epochs", 1, "--epochs-decay", 0), work / "cache")
        if Report in chosen and Study not in chosen:
            run(Study(work).arguments(work / "reference-study"), work / "cache")
        for command in chosen:
            row = kill_again_and_again(command(work), arguments.kills, draw)
            rows.append(row)
            print(*(f"{row[key]}" for key in row if key != "faults"), *row["faults"], sep="\t", flush=True)
    document = {"seed": arguments.seed, "machine": machine, "torch": torch.__version__, "commands": rows}
    write_json(arguments.out, document)
    if any(row["faults"] for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
