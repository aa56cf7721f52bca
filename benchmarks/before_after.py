"""What commands take in this checkout and in an earlier one, in turn: is anything slower?

Run `python benchmarks/before_after.py CHECKOUT [--only NAME ...] [--repeats 3] [--out FILE]` from the repository's
root; it takes a quarter of an hour on two cores. Each command is a process from start to exit, on the same inputs for
both versions, which take turns, so that a machine's moods meet both. What counts is the least of several runs, in
seconds of the processor and of the clock: on a busy machine look at the processor's alone.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fid import draw_photos
from measuring import describe_machine, today

from p2phd_eval.features.feature_set import FeatureSet, FeatureStamp
from p2phd_eval.files import write_json
from p2phd_eval.scenes.data_set import write_dataset
from p2phd_eval.user_folders import CACHE_VARIABLE

HERE = Path(__file__).resolve().parents[1]
_D = 2048  # features an image


@dataclass(frozen=True, kw_only=True)
class Work:
    """A command to time; `{out}` in it is a folder that is not there yet, `{root}` where the inputs lie."""

    arguments: str
    prepare: Callable[[Path], None]  # makes the inputs, given `root`, unless they are there
    repeats: int | None = None  # fewer than usual, where one takes long


def nothing(root: Path) -> None:
    """Need no input."""


def photos(root: Path) -> None:
    """Draw 60 and 60 photos, JPEG of 480 x 360 pixels."""
    for seed, name in enumerate(("real", "fake")):
        if not (root / name).exists():
            draw_photos(root / name, 60, seed, (480, 360), "jpeg")


def features(root: Path) -> None:
    """Draw features of 500 and of 2,000 images, real, of a baseline and of a candidate."""
    rng = np.random.default_rng(0)
    scale = rng.lognormal(sigma=0.5, size=_D)
    for n in (500, 2000):
        for name, shift in (("real", 0.0), ("baseline", 0.05), ("candidate", 0.06)):
            path = root / f"{name}-{n}.npz"
            if not path.exists():
                values = ((rng.normal(size=(n, _D)) + shift) * scale).astype(np.float32)
                names = tuple(f"{i:05}" for i in range(n))
                sizes = np.full((n, 2), 256, dtype=np.int32)
                FeatureSet(values=values, ids=names, sizes=sizes, stamp=_stamp(name, n)).save(path)


def _stamp(name: str, n: int) -> FeatureStamp:
    return FeatureStamp(
        weights="drawn at random",
        weights_sha256="0" * 64,
        resize="legacy-pytorch",
        dims=_D,
        dtype="float32",
        device="cpu",
        source=name,
        images_sha256="",
        n=n,
        formats={"PNG": n},
        duplicates=0,
        tool="benchmark",
        torch="",
        pillow="",
    )


def scenes(root: Path) -> None:
    """Draw street scenes, and train on them for a moment."""
    if not (root / "scenes").exists():
        write_dataset(root / "scenes", n_train=24, n_test=24, width=256, height=128)


_TRAIN = "train {root}/scenes --out {out} --preset demo --epochs 1 --epochs-decay 1 --device cpu"
WORK = {
    "help": Work(arguments="--help", prepare=nothing),
    "fid, cold, 60 + 60 photos": Work(arguments="fid {root}/real {root}/fake --device cpu", prepare=photos),
    "fid, from the cache": Work(arguments="fid {root}/real {root}/fake --device cpu --json -", prepare=photos),
    "fid of features, 500 + 500": Work(arguments="fid {root}/real-500.npz {root}/candidate-500.npz", prepare=features),
    "metrics of features, 2,000 + 2,000": Work(
        arguments="metrics {root}/real-2000.npz {root}/candidate-2000.npz", prepare=features, repeats=1
    ),
    "compare of features, n = 500": Work(
        arguments="compare {root}/real-500.npz {root}/baseline-500.npz {root}/candidate-500.npz", prepare=features
    ),
    "data synthesize, 40 scenes": Work(arguments="data synthesize {out} --train 20 --test 20", prepare=nothing),
    "data validate, 48 scenes": Work(arguments="data validate {root}/scenes", prepare=scenes),
    "train, fp32, 48 steps": Work(arguments=_TRAIN, prepare=scenes),
    "train, amp-bf16, 48 steps": Work(arguments=f"{_TRAIN} --precision amp-bf16", prepare=scenes),
    "generate, 24 images of 256 x 128": Work(
        arguments="generate {root}/run {root}/scenes --out {out} --device cpu", prepare=scenes
    ),
}


def run(tree: Path, work: Work, root: Path, *, keeps_cache: bool) -> tuple[float, float]:
    """Run a command once; return its seconds on the clock and of the processor."""
    out, cache = root / "out", root / f"cache-{tree.name}"
    shutil.rmtree(out, ignore_errors=True)
    if not keeps_cache:
        shutil.rmtree(cache / "features", ignore_errors=True)
    arguments = [part.format(root=root, out=out) for part in work.arguments.split()]
    environment = {**os.environ, "PYTHONPATH": str(tree), CACHE_VARIABLE: str(cache)}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "p2phd_eval", *arguments]
    ended = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        raise SystemExit(f"{' '.join(command)} of {tree} ended with {ended.returncode}:\n{ended.stderr}")
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(WORK), default=list(WORK))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / f"before-after-{today()}.json")
    arguments = parser.parse_args()
    trees = {"before": arguments.checkout.resolve(), "now": HERE}
    document: dict[str, Any] = {"date": today(), "machine": describe_machine(), "commands": {}}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        scenes(root)
        # The earlier version's checkpoint, which both read.
        train = Work(arguments=_TRAIN.replace("{out}", "{root}/run"), prepare=scenes)
        run(trees["before"], train, root, keeps_cache=True)
        for name in arguments.only:
            work = WORK[name]
            work.prepare(root)
            cached = name == "fid, from the cache"
            if cached:
                for tree in trees.values():
                    run(tree, work, root, keeps_cache=True)
            times: dict[str, list[tuple[float, float]]] = {version: [] for version in trees}
            for _ in range(work.repeats or arguments.repeats):
                for version, tree in trees.items():
                    times[version].append(run(tree, work, root, keeps_cache=cached))
            row = {
                version: {"seconds": min(wall for wall, _ in taken), "processor_seconds": min(cpu for _, cpu in taken)}
                for version, taken in times.items()
            }
            document["commands"][name] = row
            ratio = row["before"]["processor_seconds"] / row["now"]["processor_seconds"]
            print(f"{name}: {ratio:.2f} times as fast, in the processor's time {row}", flush=True)
            write_json(arguments.out, document)
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    main()
