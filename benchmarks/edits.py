"""Does editing widen the gap between fp32 and AMP? 200 edits of the embedded scenes, under several seeds an arm.

    python benchmarks/edits.py --work DIR --json FILE

Draws scenes, trains every arm and seed with a feature encoder, clusters its features, makes the edits and compares.
Resumable: what is in --work already is not made again. A CPU emulates reduced precision: this shows quality, not speed.
Ten minutes on two idle cores; the networks are trained for a minute each, and far from converged.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measuring import describe_machine, today

from p2phd_eval.files import write_json
from p2phd_eval.json_files import read_json

ARMS = ("fp32", "amp-fp16")
WIDTH, HEIGHT, N_TRAIN, N_TEST, PER_IMAGE = 128, 64, 300, 100, 2
TRAINING = ("--preset", "demo", "--features", "instance", "--ngf", "8", "--epochs", "1", "--epochs-decay", "1")


def call(*arguments: object, log: Path) -> None:
    """Run p2phd-eval in a process of one thread, in the folder of its log; what it says is appended to that."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with log.open("ab") as stream:
        command = [sys.executable, "-m", "p2phd_eval", *map(str, arguments)]
        subprocess.run(command, check=True, env=environment, cwd=log.parent, stdout=stream, stderr=stream)


def train(work: Path, arm: str, seed: int) -> str:
    """Train one run, or go on with it, and cluster its features; return its folder below `work`."""
    run, log = f"runs/{arm}-{seed}", work / f"{arm}-{seed}.log"
    if not (work / run / "clusters.npz").exists():
        options = ("--precision", arm, "--seed", seed, "--device", "cpu", "--resume")
        call("train", "scenes", "--out", run, *TRAINING, *options, log=log)
        call("encode", "cluster", run, "scenes", "--device", "cpu", log=log)
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5, help="of each arm")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    log = work / "edits.log"
    if not (work / "scenes" / "classes.json").exists():
        shutil.rmtree(work / "scenes", ignore_errors=True)
        sizes = ("--train", N_TRAIN, "--test", N_TEST, "--width", WIDTH, "--height", HEIGHT)
        call("data", "synthesize", "scenes", *sizes, log=log)
    if not (work / "edits.json").exists():
        call("edit", "random", "scenes", "--per-image", PER_IMAGE, "--seed", 0, "--out", "edits.json", log=log)
    planned = [(arm, seed) for seed in range(arguments.seeds) for arm in ARMS]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        runs = dict(zip(planned, pool.map(lambda each: train(work, *each), planned), strict=True))
    folders = [[runs[arm, seed] for seed in range(arguments.seeds)] for arm in ARMS]
    arms = [f"{arm}={own[0]}" for arm, own in zip(ARMS, folders, strict=True)]
    call(
        *("edit", "compare", "scenes", "--script", "edits.json", "--out", "comparison", "--device", "cpu"),
        *("--baseline", arms[0], *folders[0][1:], "--candidate", arms[1], *folders[1][1:]),
        log=log,
    )
    print((work / "comparison" / "comparison.md").read_text())
    if arguments.json is not None:
        document = read_json(work / "comparison" / "comparison.json", expected="a comparison of edits")
        command = f"python benchmarks/edits.py --seeds {arguments.seeds}"
        write_json(
            arguments.json, {"date": today(), "machine": describe_machine(), "command": command, "comparison": document}
        )


if __name__ == "__main__":
    main()
