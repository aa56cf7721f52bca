"""Cost of `compare` after the features, against resampling, `np.cov` and `sqrtm` as one would write it down.

Run `python benchmarks/compare.py [--out FILE]` from the repository's root on an idle machine. It takes about ten
minutes, most of them for n = 5000.
"""

from __future__ import annotations

import argparse
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


def timed(call: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def bench(n: int) -> dict[str, Any]:
    sets = triplets(n)
    influence, _ = timed(lambda: [fid_influence(sets[0], fake) for fake in sets[1:]])
    stages: dict[str, float] = {}

    @contextmanager
    def stage(description: str, unit: str) -> Iterator[OnProgress]:
        start = time.perf_counter()
        yield lambda done, total: None
        stages[description] = time.perf_counter() - start

    arms = [Arm(name="baseline", runs=(sets[1],)), Arm(name="candidate", runs=(sets[2],))]
    design = SamplingDesign.paired(n, 3)
    margin, rng = absolute_margin(1.0), np.random.default_rng(0)
    elapsed, (result,) = timed(lambda: compare_arms(sets[0], arms, design, margin=margin, rng=rng, progress=stage))
    assert result.swap is not None
    swaps = f"{result.swap.swaps} ({result.swap.statistic})"
    parts = ", ".join(f"{name} {taken:.2f} s" for name, taken in stages.items())
    print(
        f"n = {n}: influence of both {influence:.2f} s; compare {elapsed:.1f} s: {parts}; "
        f"{result.replicates} bootstrap replicates, {swaps} swaps",
        flush=True,
    )
    return {
        "n": n,
        "d": D,
        "influence_seconds": influence,
        "compare_seconds": elapsed,
        "stage_seconds": stages,
        "replicates": result.replicates,
        "swaps": swaps,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parent / "results" / f"compare-{today()}.json"
    parser.add_argument("--out", type=Path, default=default, help="where to write the JSON")
    out = parser.parse_args().out
    machine = describe_machine()
    few = bench(FEW)
    sets = triplets(FEW)
    rng = np.random.default_rng(0)
    naive, _ = timed(lambda: [naive_replicate(sets, rng) for _ in range(NAIVE_REPLICATES)])
    each = few["stage_seconds"]["bootstrap"] / few["replicates"]
    ratio = naive / NAIVE_REPLICATES / each
    print(f"a replicate at n = {FEW}: {naive / NAIVE_REPLICATES:.1f} s naive, {1000 * each:.1f} ms: {ratio:.0f}x")
    many = bench(MANY)
    document = {
        "date": today(),
        "machine": machine,
        "rows": [few, many],
        "naive": {"replicates": NAIVE_REPLICATES, "seconds_each": naive / NAIVE_REPLICATES, "ratio": ratio},
    }
    write_json(out, document)
    print(f"{machine}\nwritten: {out}")


if __name__ == "__main__":
    main()
