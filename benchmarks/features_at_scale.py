"""Features of a million images on one machine: one process, torchrun, and Ray Data on a local cluster of two nodes.

Run `python benchmarks/features_at_scale.py --work DIR --json FILE [--images N] [--others M] [--ways WAY ...]` from the
repository's root. The images are noise of 16 x 16 pixels, PNG in webdataset shards of 10,000, drawn in order and made
unless they are there. The network is a small convolution: what is measured is all that goes on around a network, which
is the same for Inception, but for which a million images take a day on two cores. Each way writes mean and covariance.

Said of each way: images a second by the clock from the start of the command to its end (the cluster is there already),
microseconds of the processors an image, all processes together, which other work on the machine bears on less; and the
memory of all processes over time (the proportional set size, which counts what they share once). The moments of each
way are held against those of a straight pass over the same images, without files, workers and parts. Results are kept
in DIR, so that what was cut off goes on.
"""

from __future__ import annotations

import argparse
import io
import os
import struct
import subprocess
import sys
import tarfile
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import torch
from measuring import describe_machine, kept, today
from torch import nn

from p2phd_eval.features.networks.module_features import ModuleFeatures
from p2phd_eval.features.statistics import load_statistics
from p2phd_eval.files import write_json
from p2phd_eval.stats.distances.moments import MomentAccumulator, Moments

SIDE, DIMS, A_SHARD = 16, 64, 10_000
PROCESSES = 2  # of torchrun, and nodes of Ray, of a core each
SPEC = "features_at_scale:network"
WAYS = ("ray", "one", "torchrun")


def network(device: torch.device, weights: Path | None) -> ModuleFeatures:
    """Two convolutions of random weights."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 32, 4, stride=4), nn.ReLU(), nn.Conv2d(32, DIMS, 2))
    return ModuleFeatures(module, name="two convolutions", device=device, side=SIDE, batch_size=256)


def drawn_images(shard: int) -> npt.NDArray[np.uint8]:
    """Return the images of a shard, (n, h, w, 3)."""
    pixels = np.random.default_rng(shard).integers(0, 256, (A_SHARD, SIDE, SIDE, 3), dtype=np.uint8)
    pixels[:, :, SIDE // 2 :] //= 1 + np.uint8(shard % 3)  # so that the shards differ in more than chance
    return pixels


def straight_moments(n: int) -> Moments:
    """Return the moments of the first n images without files, workers and parts: what all ways have to give."""
    torch.set_num_threads(1)
    way = network(torch.device("cpu"), None)
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (way.prepare.mean, way.prepare.std))
    accumulator = MomentAccumulator()
    for shard in range(n // A_SHARD):
        for pixels in np.split(drawn_images(shard), 10):
            values = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(torch.float32).contiguous() / 255
            accumulator.update(way.embed((values - mean) / std).numpy())
    return accumulator.last_result()


def write_shards(folder: Path, n: int) -> None:
    """Write shards that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for shard in range(n // A_SHARD):
        path = folder / f"{shard:04}.tar"
        if path.exists():
            continue
        pixels = drawn_images(shard)
        part = path.with_suffix(".part")
        with tarfile.open(part, "w") as archive:
            for index, image in enumerate(pixels):
                content = stored_png(image)
                member = tarfile.TarInfo(f"{shard:04}{index:05}.png")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        part.rename(path)


def stored_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return an image (h, w, 3) as a PNG file that is not compressed, which is made in no time."""
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


class Watch:
    """Memory and processor time of this process's descendants, looked at every few seconds."""

    def __init__(self, every: float) -> None:
        self._every, self._end = every, threading.Event()
        self._cpu: dict[tuple[int, float], float] = {}
        self.memory: list[tuple[float, float]] = []  # seconds from the start, MiB of all processes
        self.load: list[float] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watch:
        self.start = time.monotonic()
        self._look()
        self._before = sum(self._cpu.values())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self.start
        self._end.set()
        self._thread.join()
        self._look()
        self.cpu_seconds = sum(self._cpu.values()) - self._before

    def _watch(self) -> None:
        while not self._end.wait(self._every):
            self._look()

    def _look(self) -> None:
        memory = 0
        for process in psutil.Process().children(recursive=True):
            try:
                times = process.cpu_times()
                self._cpu[process.pid, process.create_time()] = times.user + times.system
                memory += process.memory_full_info().pss
            except psutil.Error:  # it has ended meanwhile
                continue
        self.memory.append((round(time.monotonic() - self.start, 1), round(memory / 2**20, 1)))
        self.load.append(os.getloadavg()[0])


@contextmanager
def ray_address(memory: int = 100 << 20) -> Iterator[str]:
    """A cluster of nodes of one core on this machine, for as long as the block runs."""
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        for _ in range(PROCESSES):
            cluster.add_node(num_cpus=1, object_store_memory=memory, include_dashboard=False)
        yield cluster.address
    finally:
        cluster.shutdown()


def command(way: str, address: str) -> list[str]:
    own = ["-m", "p2phd_eval", "features"]
    if way == "torchrun":
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(PROCESSES)]
        return [sys.executable, *launcher, *own]
    ray = ["--executor", "ray", "--executor-option", f"address={address}"] if way == "ray" else []
    return [sys.executable, *own, *ray]


def measure(way: str, shards: Path, n: int, out: Path) -> dict[str, Any]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    # On a busy machine Ray's own processes take longer than its patience.
    environment |= {"RAY_raylet_start_wait_time_s": "240", "RAY_agent_register_timeout_ms": "240000"}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), environment.get("PYTHONPATH", "")])
    os.environ.update(environment)  # which the nodes take over
    last = n // A_SHARD - 1
    images = f"{shards}/{{0000..{last:04}}}.tar"
    with ray_address() if way == "ray" else nothing() as address:
        arguments = [*command(way, address)]
        place = arguments.index("features") + 1
        arguments[place:place] = [images, "--out", str(out), "--statistics", "--feature-network", SPEC]
        arguments += ["--device", "cpu", "--workers", "0"]
        with Watch(10.0) as watch:
            done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
    series = [megabytes for _, megabytes in watch.memory[1:-1]]
    quarter = len(series) // 4
    return {
        "way": way,
        "images": n,
        "seconds": round(watch.seconds, 1),
        "images_per_second": round(n / watch.seconds, 1),
        "cpu_microseconds_an_image": round(watch.cpu_seconds / n * 1e6, 1),
        "load_mean": round(float(np.mean(watch.load)), 1),
        "peak_memory_mib": max(series, default=None),
        # By then all processes have listed the images, whose names they hold to the end.
        "peak_of_the_last_quarter_over_the_third": round(
            max(series[-quarter:]) / max(series[-2 * quarter : -quarter]), 4
        )
        if quarter
        else None,
        "memory_mib_at_seconds": watch.memory,
    }


@contextmanager
def nothing() -> Iterator[str]:
    yield ""


def largest_difference(first: Moments, second: Moments) -> float:
    """The largest difference of two means or covariances, over their largest entry."""
    return max(
        float(np.abs(x - y).max() / np.abs(x).max())
        for x, y in ((first.mean, second.mean), (first.covariance, second.covariance))
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--images", type=int, default=1_000_000, help="of Ray")
    parser.add_argument("--others", type=int, help="of the other ways, and of Ray beside them")
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    given = parser.parse_args(arguments)
    others = given.others or given.images
    work = given.work.resolve()
    write_shards(work / "shards", given.images)
    runs = []
    for n in dict.fromkeys((others, given.images)):
        for way in given.ways:
            if n <= others or way == "ray":
                out = work / f"{way}-{n}.npz"
                runs.append(kept(work / f"{way}-{n}.json", partial(measure, way, work / "shards", n, out)))
                print({key: value for key, value in runs[-1].items() if key != "memory_mib_at_seconds"}, flush=True)
    differences = {}
    for n in dict.fromkeys(run["images"] for run in runs):
        straight = straight_moments(n)
        for run in runs:
            if run["images"] == n:
                found = load_statistics(work / f"{run['way']}-{n}.npz").moments
                differences[f"{run['way']}, {n} images"] = largest_difference(straight, found)
    print(differences)
    if given.json is not None:
        content = {"date": today(), **describe_machine(), "dims": DIMS, "runs": runs, "differences": differences}
        write_json(given.json, content)


if __name__ == "__main__":
    main()
