"""Speed of the Fréchet distance against a matrix square root, and cost of the bootstrap.

Run `python benchmarks/frechet.py [--out FILE]` from the repository's root on an idle machine. The matrix
square root takes 10 to 20 seconds for each n.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy
import scipy.linalg

from p2phd_eval.files import write_json
from p2phd_eval.stats.bootstrap import bootstrap_dfid_se
from p2phd_eval.stats.frechet import (
    centred_rows,
    frechet_distance,
    nuclear_norm,
    trace_sqrt_of_covariances,
)
from p2phd_eval.stats.influence import mean_standard_error, paired_differences
from p2phd_eval.stats.moments import moments

D = 2048  # Inception's pool3 features
REPLICATES = 1000


def features(n: int, seed: int) -> npt.NDArray[np.float32]:
    """Rectified noise with a slowly falling spectrum, like Inception's features float32 and not negative."""
    values = np.random.default_rng(seed).standard_normal((n, D), dtype=np.float32)
    values += np.float32(0.3)
    values *= np.arange(1, D + 1, dtype=np.float32) ** np.float32(-0.5)
    return np.maximum(values, 0, out=values)


def seconds(call: Callable[[], object], repeats: int) -> float:
    """The shortest of some runs: the one that other processes disturbed least."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def bench_bootstrap(n: int) -> dict[str, Any]:
    real, baseline, candidate = (features(n, seed) for seed in (1, 2, 3))
    before = peak_bytes()
    start = time.perf_counter()
    (result,) = bootstrap_dfid_se(real, baseline, [candidate], replicates=REPLICATES, rng=np.random.default_rng(0))
    elapsed = time.perf_counter() - start
    memory = peak_bytes() - before
    pair = paired_differences(real, baseline, [candidate])[0]
    analytic = mean_standard_error(pair.delta)
    print(
        f"n = {n}: {REPLICATES} paired bootstrap replicates of a dFID in {elapsed:.1f} s, "
        f"{memory / 1e6:.0f} MB above the features; SE {result.se:.4g}, analytic SE {analytic:.4g}"
    )
    return {
        "n": n,
        "replicates": REPLICATES,
        "seconds": elapsed,
        "peak_bytes_above_features": memory,
        "se_bootstrap": result.se,
        "se_influence": analytic,
    }


def bench_distance(n: int) -> dict[str, Any]:
    real, fake = features(n, 4), features(n, 5)
    wide = real.astype(np.float64), fake.astype(np.float64)

    def covariances() -> list[npt.NDArray[np.float64]]:
        return [np.cov(values, rowvar=False) for values in wide]

    peer_moments = seconds(covariances, 2)
    a, b = covariances()
    start = time.perf_counter()
    root = scipy.linalg.sqrtm(a @ b)
    peer_trace = time.perf_counter() - start

    if n <= D:
        rows = [centred_rows(values)[1] for values in wide]
        trace = seconds(lambda: nuclear_norm(rows[0] @ rows[1].T), 5)
    else:
        both = [moments(values).covariance for values in (real, fake)]
        trace = seconds(lambda: trace_sqrt_of_covariances(*both), 3)
    whole = seconds(lambda: frechet_distance(real, fake), 3)
    difference = frechet_distance(real, fake).trace_sqrt - float(np.trace(root).real)
    row = {
        "n": n,
        "sqrtm_seconds": peer_trace,
        "trace_seconds": trace,
        "ratio_without_moments": peer_trace / trace,
        "sqrtm_and_moments_seconds": peer_trace + peer_moments,
        "distance_seconds": whole,
        "ratio_with_moments": (peer_trace + peer_moments) / whole,
        "trace_difference": difference,
    }
    print(
        f"n = {n}: trace term, moments excluded on both sides: sqrtm {peer_trace:.2f} s, here {trace:.3f} s, "
        f"ratio {row['ratio_without_moments']:.0f}\n"
        f"n = {n}: whole distance, moments included on both sides: sqrtm {peer_trace + peer_moments:.2f} s, "
        f"here {whole:.3f} s, ratio {row['ratio_with_moments']:.0f}; trace terms differ by {difference:.1e}"
    )
    return row


def main() -> None:
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parent / "results" / f"frechet-{today}.json"
    parser.add_argument("--out", type=Path, default=default, help="where to write the JSON")
    out = parser.parse_args().out
    document: dict[str, Any] = {
        "date": today,
        "device": {
            "machine": platform.machine(),
            "system": platform.system(),
            "cores": os.cpu_count(),
            "load_at_start": os.getloadavg()[0],
            "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS"),
        },
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
        },
        "d": D,
    }
    print(document["device"], document["versions"], f"d = {D}", sep="\n")
    # The bootstrap comes first: peak memory only ever grows.
    document["bootstrap"] = bench_bootstrap(500)
    document["distance"] = [bench_distance(n) for n in (500, 5000)]
    write_json(out, document)
    print(f"written: {out}")


if __name__ == "__main__":
    main()
