"""Cost of `compare` after the features, against resampling, `np.cov` and `sqrtm` as one would write it down.

Run `python benchmarks/compare.py [--out FILE]` from the repository's root on an idle machine. It takes about ten
minutes, most of them for n = 5000.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg
from measuring import describe_machine, today

from p2phd_eval.files import write_json
from p2phd_eval.stats.bootstrap import bootstrap_contrasts, usual_replicates
from p2phd_eval.stats.comparison import Arm, compare_arms
from p2phd_eval.stats.extrapolation import half_samples
from p2phd_eval.stats.influence import fid_influence
from p2phd_eval.stats.kernel_contrast import kernel_contrast
from p2phd_eval.stats.margins import absolute_margin
from p2phd_eval.stats.sampling_design import SamplingDesign

D = 2048  # Inception's pool3 features
FEW, MANY = 500, 5000
REPLICATES = 1000
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
    design = SamplingDesign.paired(n, 3)
    replicates = usual_replicates(n, D, 2, REPLICATES)
    row: dict[str, Any] = {"n": n, "d": D, "replicates": replicates}
    row["influence_seconds"], _ = timed(lambda: [fid_influence(sets[0], fake) for fake in sets[1:]])
    row["half_samples_seconds"], _ = timed(lambda: half_samples(sets, design, rng=np.random.default_rng(0)))
    row["kid_seconds"], _ = timed(lambda: kernel_contrast(sets, (-1, 1), design))
    row["bootstrap_seconds"], _ = timed(
        lambda: bootstrap_contrasts(sets, [[-1, 1]], design, replicates=replicates, rng=np.random.default_rng(0))
    )
    arms = [Arm(name="baseline", runs=(sets[1],)), Arm(name="candidate", runs=(sets[2],))]
    row["compare_seconds"], (result,) = timed(
        lambda: compare_arms(sets[0], arms, design, margin=absolute_margin(1.0), rng=np.random.default_rng(0))
    )
    assert result.swap is not None
    row["swaps"] = f"{result.swap.swaps} ({result.swap.statistic})"
    print(
        f"n = {n}: influence {row['influence_seconds']:.2f} s, half samples {row['half_samples_seconds']:.1f} s, "
        f"KID {row['kid_seconds']:.1f} s, {replicates} bootstrap replicates {row['bootstrap_seconds']:.1f} s, "
        f"compare with all of it and {row['swaps']} swaps {row['compare_seconds']:.1f} s",
        flush=True,
    )
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
    naive, _ = timed(lambda: [naive_replicate(sets, rng) for _ in range(NAIVE_REPLICATES)])
    each = few["bootstrap_seconds"] / few["replicates"]
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
