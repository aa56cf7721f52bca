"""Cost of `compare` after the features, against resampling, `np.cov` and `sqrtm` as one would write it down.

Run `python benchmarks/compare.py [--out FILE]` from the repository's root on an idle machine. It takes three minutes.
Beside the seconds on the clock stand those of all cores together, which other processes disturb less.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg
from measuring import describe_machine, today

from p2phd_eval.files import write_json
from p2phd_eval.progress import OnProgress
from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.errors.influence import fid_influence
from p2phd_eval.stats.verdicts.compared_arms import Arm, compare_arms
from p2phd_eval.stats.verdicts.margins import absolute_margin

D = 2048  # Inception's pool3 features
FEW, MANY = 500, 5000
NAIVE_REPLICATES = 2


def triplets(n: int) -> tuple[npt.NDArray[np.float32], ...]:
    """Rectified noise with a slowly falling spectrum around a scene that real, baseline and candidate share."""
    roots = np.arange(1, D + 1) ** -0.3
    scene = np.random.default_rng(0).normal(size=(n, D))
    sets = []
    for seed in (1, 2, 3):
        own = np.random.default_rng(seed).normal(size=(n, D))
        sets.append(np.maximum((0.7 * scene + 0.7 * own) * roots + 0.1, 0).astype(np.float32))
    return tuple(sets)


def naive_replicate(sets: tuple[npt.NDArray[np.float32], ...], rng: np.random.Generator) -> float:
    """dFID of a resample, from means, covariances and matrix square roots."""
    rows = rng.integers(len(sets[0]), size=len(sets[0]))
    means = [each[rows].astype(np.float64).mean(axis=0) for each in sets]
    covariances = [np.cov(each[rows].astype(np.float64), rowvar=False) for each in sets]
    fids = []
    for mean, covariance in zip(means[1:], covariances[1:], strict=True):
        root = scipy.linalg.sqrtm(covariances[0] @ covariance).real
        step = means[0] - mean
        fids.append(step @ step + np.trace(covariances[0]) + np.trace(covariance) - 2 * np.trace(root))
    return float(fids[1] - fids[0])


@contextmanager
def timed(times: dict[str, dict[str, float]], name: str) -> Iterator[None]:
    start = time.perf_counter(), time.process_time()
    yield
    times[name] = {"seconds": time.perf_counter() - start[0], "cpu_seconds": time.process_time() - start[1]}


def peak_mib() -> float:
    """Most memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def bench(n: int) -> dict[str, Any]:
    sets = triplets(n)
    times: dict[str, dict[str, float]] = {}

    @contextmanager
    def stage(description: str, unit: str) -> Iterator[OnProgress]:
        with timed(times, description):
            yield lambda done, total: None

    with timed(times, "influences of both"):
        for fake in sets[1:]:
            fid_influence(sets[0], fake)
    arms = [Arm(name="baseline", runs=(sets[1],)), Arm(name="candidate", runs=(sets[2],))]
    design = SamplingDesign.paired(n, 3)
    margin, rng = absolute_margin(1.0), np.random.default_rng(0)
    with timed(times, "compare"):
        (result,) = compare_arms(sets[0], arms, design, margin=margin, rng=rng, progress=stage)
    assert result.swap is not None
    row = {
        "n": n,
        "d": D,
        "times": times,
        "peak_mib": peak_mib(),
        "splits": next(each.population.richardson.splits for each in result.measured if each.population),
        "replicates": result.replicates,
        "swaps": f"{result.swap.swaps} ({result.swap.statistic})",
    }
    for name, taken in times.items():
        print(f"n = {n}: {name} {taken['seconds']:.2f} s, of all cores {taken['cpu_seconds']:.2f} s", flush=True)
    counts = "{splits} splits, {replicates} bootstrap replicates, {swaps} swaps, peak memory {peak_mib:.0f} MiB"
    print(f"n = {n}: {counts.format(**row)}", flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parent / "results" / f"compare-{today()}.json"
    parser.add_argument("--out", type=Path, default=default, help="where to write the JSON")
    out = parser.parse_args().out
    machine = describe_machine()
    few = bench(FEW)
    sets = triplets(FEW)
    rng = np.random.default_rng(0)
    times: dict[str, dict[str, float]] = {}
    with timed(times, "naive"):
        for _ in range(NAIVE_REPLICATES):
            naive_replicate(sets, rng)
    naive = {key: taken / NAIVE_REPLICATES for key, taken in times["naive"].items()}
    each = {key: taken / few["replicates"] for key, taken in few["times"]["bootstrap"].items()}
    ratios = {key: naive[key] / each[key] for key in naive}
    print(
        f"a replicate at n = {FEW}: {naive['seconds']:.1f} s naive, {1000 * each['seconds']:.1f} ms: "
        f"{ratios['seconds']:.0f}x, of all cores {ratios['cpu_seconds']:.0f}x",
        flush=True,
    )
    many = bench(MANY)
    document = {
        "date": today(),
        "machine": machine,
        "rows": [few, many],
        "naive_replicate": {**naive, "replicates": NAIVE_REPLICATES, "ratios": ratios},
    }
    write_json(out, document)
    print(f"{machine}\nwritten: {out}")


if __name__ == "__main__":
    main()
