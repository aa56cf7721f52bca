"""What a study and an FID take when they outgrow a machine: by arithmetic, by what was measured here, by simulation.

Arithmetic: the operations of a training step and of a pass of FID's network, counted on tensors without data, over what
a GPU does in a second (`--tflops`, its peak, times `--used`, the share of it that convolutions reach). Measured: the
processor's time to decode and resize an image, and the memory of names and hashes. Simulated: how long shards of
several sizes take on many workers that fail and are unequally fast.

    python benchmarks/scale.py --photos FOLDER --photos FOLDER --json FILE
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import gc
import heapq
import math
import pickle
import tarfile
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measuring import describe_machine, today

from p2phd_eval.files import write_json

ARMS = {"fp32": 1.0, "amp-fp16": 1.8, "amp-bf16": 1.8}  # how many times as fast as fp32: the talk's number
SEEDS, PHOTOS, EPOCHS = 5, 2975, 200
IMAGES = (10_000_000, 100_000_000)
MOMENTS = 8 * (2048 * 2048 + 2048)  # bytes of mean and covariance
PAGE = 1000  # keys of a LIST
_LISTED = 20_000  # files, of which names are measured
_DECODED = 60


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cluster:
    """Workers that compute shards, of which each takes the next one when it is free."""

    workers: int
    seconds: float  # an image takes, on an average worker
    start: float  # seconds that a shard takes beside its images
    failures: float  # of a worker an hour; what it was at is lost
    repair: float = 120.0  # seconds until it works again
    spread: float = 0.05  # standard deviation of the workers' log speeds
    slow: float = 0.0  # share of the workers that take three times as long


def makespan(cluster: Cluster, shards: int, images: float, rng: np.random.Generator, *, bound: bool = False) -> float:
    """Return after how many seconds the last of some shards of as many images each is done.

    `bound`: each worker has one shard and keeps it, also after a failure, as ranks do; else who is free takes the next.
    """
    pace = np.exp(cluster.spread * rng.normal(size=cluster.workers) - cluster.spread**2 / 2)
    pace[: round(cluster.slow * cluster.workers)] *= 3
    takes = cluster.start + images * cluster.seconds * pace  # of each worker
    lasts = 3600 / cluster.failures if cluster.failures else math.inf  # until a failure, on average
    if bound:
        return max(_alone(cluster, float(each), lasts, rng) for each in takes)
    free = [(0.0, worker) for worker in range(cluster.workers)]
    ready, end = [0.0] * shards, 0.0  # when each shard that is to do can be begun, again if it was lost
    while ready:
        now, worker = heapq.heappop(free)
        now = max(now, heapq.heappop(ready))
        fails = rng.exponential(lasts) if cluster.failures else math.inf
        if fails < takes[worker]:
            heapq.heappush(ready, now + fails)
            heapq.heappush(free, (now + fails + cluster.repair, worker))
        else:
            end = max(end, now + takes[worker])
            heapq.heappush(free, (now + takes[worker], worker))
    return float(end)


def _alone(cluster: Cluster, takes: float, lasts: float, rng: np.random.Generator) -> float:
    now = 0.0
    while cluster.failures and (fails := rng.exponential(lasts)) < takes:
        now += fails + cluster.repair
    return now + takes


def mean_makespan(cluster: Cluster, shards: int, images: float, *, bound: bool = False, repeats: int = 20) -> float:
    """Return the mean over seeded repeats."""
    rng = np.random.default_rng([shards, cluster.workers])
    return float(np.mean([makespan(cluster, shards, images, rng, bound=bound) for _ in range(repeats)]))


def main() -> None:
    """Print tables in Markdown and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, action="append", required=True, help="to decode; may be repeated")
    parser.add_argument("--tflops", type=float, default=15.7, help="the GPU's peak in float32; default: a V100's")
    parser.add_argument("--used", type=float, default=0.4, help="share of it that is reached")
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    machine = describe_machine()
    operations = {"step": _step_operations(), "inception": _inception_operations()}
    speed = 1e12 * arguments.tflops * arguments.used
    decoding = [_decoding(folder) for folder in arguments.photos]
    memory = _memory()
    study = _study(operations["step"], speed)
    seconds = operations["inception"] / speed
    fids = [_fid(n, seconds, decoding, memory) for n in IMAGES]
    simulated = _simulated(seconds)
    found: dict[str, Any] = {
        "date": today(),
        "machine": machine,
        "assumed": {"tflops": arguments.tflops, "used": arguments.used, "arms": ARMS},
        "operations": operations,
        "decoding": decoding,
        "memory": memory,
        "study": study,
        "fid": fids,
        "simulated": simulated,
    }
    write_json(arguments.json, found)
    for name in ("operations", "study", "memory"):
        print(name, found[name])
    for row in (*decoding, *fids, *simulated):
        print("| " + " | ".join(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))


def _study(step: float, speed: float) -> dict[str, Any]:
    steps = PHOTOS * EPOCHS
    hours = {arm: steps * step / speed / ratio / 3600 for arm, ratio in ARMS.items()}
    total = SEEDS * sum(hours.values())
    at_once = {f"days_on_{gpus}": _rounds(hours, gpus) / 24 for gpus in (1, 4, 8, 15)}
    return {"steps_of_a_run": steps, "hours_of_a_run": hours, "gpu_hours": total, **at_once}


def _rounds(hours: dict[str, float], gpus: int) -> float:
    """Hours until all runs are done, the longest first, each on one GPU."""
    free = [0.0] * gpus
    for each in sorted((hour for hour in hours.values() for _ in range(SEEDS)), reverse=True):
        heapq.heapreplace(free, free[0] + each)
    return max(free)


def _fid(n: int, seconds: float, decoding: list[dict[str, Any]], memory: dict[str, float]) -> dict[str, Any]:
    own = decoding[0]
    return {
        "images": n,
        "gpu_hours": n * seconds / 3600,
        "core_hours": n * own["milliseconds"] / 3.6e6,
        "terabytes": n * own["bytes"] / 1e12,
        "gets_of_images": n,
        "gets_of_shards": n / 10_000,
        "lists_of_images": n / PAGE,
        "names_gb_of_each_process": n * memory["folder"] / 1e9,
        "names_gb_of_tar_shards": n * memory["shards"] / 1e9,
        "listing_core_hours_of_each_process": n * memory["folder_listing_ms"] / 3.6e6,
        "gathered_gb": n * memory["gathered"] / 1e9,
        "features_gb": n * 4 * 2048 / 1e9,
        "moments_gb_of_1000_a_part": n / 1000 * MOMENTS / 1e9,
        "moments_gb_of_100000_a_part": n / 100_000 * MOMENTS / 1e9,
    }


def _simulated(seconds: float) -> list[dict[str, Any]]:
    n, workers = IMAGES[1], 64
    rows = []
    for name, start, failures, slow in (
        ("a process a shard, quiet", 30.0, 0.001, 0.0),
        ("a process a shard, spot", 30.0, 0.05, 0.0),
        ("a process a shard, spot and slow", 30.0, 0.05, 0.05),
        ("an actor that stays, spot and slow", 0.5, 0.05, 0.05),
    ):
        cluster = Cluster(workers=workers, seconds=seconds, start=start, failures=failures, slow=slow)
        ideal = n * seconds / workers
        row: dict[str, Any] = {"workers": name, "ideal_hours": ideal / 3600}
        for images in (1_000, 10_000, 100_000, 390_625):
            row[str(images)] = mean_makespan(cluster, math.ceil(n / images), images, repeats=5) / ideal
        row["a share a worker"] = mean_makespan(cluster, workers, n / workers, bound=True) / ideal
        rows.append(row)
    return rows


def _step_operations() -> float:
    """Multiplications and additions of a training step of the preset 512p at 1024 x 512, one photo."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    from p2phd_eval.generators.training.estimate import trace_steps
    from p2phd_eval.presets import PRESETS

    preset = PRESETS["512p"]
    config = dataclasses.replace(preset, objective=dataclasses.replace(preset.objective, vgg="untrained"))
    with FakeTensorMode():
        return _operations(lambda: trace_steps(config, (1024, 512))) / 2  # it takes two steps


def _inception_operations() -> float:
    import torch

    from p2phd_eval.features.networks.inception import load_inception
    from p2phd_eval.features.weights.find import find_weights

    network = load_inception(find_weights(), "cpu")
    images = torch.zeros(network.batch_size, 3, 299, 299)
    return _operations(lambda: network.embed(images)) / len(images)


def _operations(call: Callable[[], object]) -> float:
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own cannot be there while gradients of parts are asked for
        total = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            if func._overloadpacket in flop_registry:
                self.total += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=result)
            return result

    with Counter() as counter:  # type: ignore[no-untyped-call]
        call()
    return float(counter.total)


def _decoding(folder: Path) -> dict[str, Any]:
    """Return what reading an image takes of a core: hash, decode, resize to the network's input."""
    from p2phd_eval.features.identity import Resize
    from p2phd_eval.features.networks.resizes import RESIZES
    from p2phd_eval.images.sources.folder import FolderSource

    source = FolderSource(folder)
    count = min(_DECODED, len(source))
    prepare = RESIZES[Resize.LEGACY_PYTORCH]
    prepare(source.load(0).pixels)
    start = time.process_time()
    for index in range(count):
        prepare(source.load(index).pixels)
    spent = time.process_time() - start
    height, width, _ = source.load(0).pixels.shape
    size = sum(path.stat().st_size for path in sorted(folder.iterdir())[:count]) / count
    kind = source.load(0).format
    return {"images": f"{kind} {width} x {height}", "milliseconds": 1000 * spent / count, "bytes": size}


def _memory() -> dict[str, float]:
    """Return the bytes an image that names, hashes and what ranks send each other take, and what listing takes."""
    from p2phd_eval.images.png import write_png
    from p2phd_eval.images.sources.open import open_source

    with tempfile.TemporaryDirectory() as place:
        first = Path(place) / "first.png"
        write_png(first, np.zeros((4, 4, 3), dtype=np.uint8))
        images = Path(place) / "images"
        for number in range(_LISTED):
            path = images / f"{number // 1000:05}" / f"{number:012}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.hardlink_to(first)
        shards = Path(place) / "shards"
        shards.mkdir()
        for part in sorted(images.iterdir()):
            with tarfile.open(shards / f"{part.name}.tar", "w") as archive:
                for path in sorted(part.iterdir()):
                    archive.add(path, path.name)
        folder, of_shards = (_bytes_of(functools.partial(open_source, each)) for each in (images, shards))
        listing = {
            name: _seconds_of(functools.partial(open_source, each))
            for name, each in (("folder_listing_ms", images), ("shards_listing_ms", shards))
        }
    digests = [f"{number:064x}" for number in range(_LISTED)]
    hashes = _bytes_of(lambda: [f"{number:064x}" for number in range(_LISTED)])
    gathered = len(pickle.dumps((digests, [()] * _LISTED)))
    taken = {"folder": folder, "shards": of_shards, "hashes": hashes, "gathered": gathered}
    return {name: value / _LISTED for name, value in taken.items()} | {
        name: 1000 * value / _LISTED for name, value in listing.items()
    }


def _seconds_of(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def _bytes_of(make: Callable[[], object]) -> float:
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    made = make()
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert made is not None
    return float(taken)


if __name__ == "__main__":
    main()
