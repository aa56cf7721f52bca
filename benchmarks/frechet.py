"""Speed of the Fréchet distance against pytorch-fid's, memory of the moments, and cost of the bootstrap.

Run `python benchmarks/frechet.py [--out FILE]` from the repository's root on an idle machine, with pytorch-fid and a
SciPy below 1.18, which pytorch-fid 0.3.0 cannot do with. It takes about five minutes: two matrix square roots of 10 to
20 seconds each, and the features of a million images, made and summed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from measuring import describe_machine, seconds, today

from p2phd_eval.files import write_json
from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.distances.frechet import frechet_distance, frechet_distance_from_moments
from p2phd_eval.stats.distances.moments import MomentAccumulator, Moments, moments
from p2phd_eval.stats.errors.bootstrap import bootstrap_contrasts
from p2phd_eval.stats.errors.influence import fid_influence
from p2phd_eval.stats.errors.intervals import at_n_error

D = 2048  # Inception's pool3 features
REPLICATES = 1000
STREAM_ROWS = 1000  # rows that a stream of features hands over at a time
MANY, MILLION = 50_000, 1_000_000


def features(n: int, seed: int) -> npt.NDArray[np.float32]:
    """Rectified noise with a slowly falling spectrum, like Inception's features float32 and not negative."""
    values = np.random.default_rng(seed).standard_normal((n, D), dtype=np.float32)
    values += np.float32(0.3)
    values *= np.arange(1, D + 1, dtype=np.float32) ** np.float32(-0.5)
    return np.maximum(values, 0, out=values)


def peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def in_fresh_process(measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Measure in a process of its own, whose peak memory is then that of the measured work and the libraries."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        row = pool.submit(measure).result()
    print(
        ", ".join(
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()
        )
    )
    return row


def stream(n: int, seed: int) -> Iterator[npt.NDArray[np.float32]]:
    for start in range(0, n, STREAM_ROWS):
        yield features(STREAM_ROWS, seed + start)


def streamed(n: int, seed: int) -> Moments:
    accumulator = MomentAccumulator()
    for rows in stream(n, seed):
        accumulator.update(rows)
    return accumulator.result()


def memory_of_libraries() -> dict[str, Any]:
    return {"what": "libraries alone", "peak_mb": peak_bytes() / 1e6}


def memory_of_array() -> dict[str, Any]:
    # Filled piece by piece: noise for all at once would be most of the peak.
    values = np.empty((MANY, D), dtype=np.float32)
    for start, rows in enumerate(stream(MANY, 6)):
        values[start * STREAM_ROWS : (start + 1) * STREAM_ROWS] = rows
    elapsed = seconds(lambda: moments(values), 1)
    return {
        "what": "moments of an array",
        "n": MANY,
        "seconds": elapsed,
        "array_mb": values.nbytes / 1e6,
        "peak_mb": peak_bytes() / 1e6,
    }


def memory_of_stream() -> dict[str, Any]:
    elapsed = seconds(lambda: streamed(MANY, 6), 1)
    return {"what": "moments of a stream, made too", "n": MANY, "seconds": elapsed, "peak_mb": peak_bytes() / 1e6}


def memory_of_million() -> dict[str, Any]:
    start = time.perf_counter()
    distance = frechet_distance_from_moments(streamed(MILLION, 7), streamed(MANY, 8))
    return {
        "what": f"FID of a stream of a million against one of {MANY}, made too",
        "n": MILLION,
        "seconds": time.perf_counter() - start,
        "peak_mb": peak_bytes() / 1e6,
        "fid": distance.value,
    }


def bench_bootstrap(n: int) -> dict[str, Any]:
    real, baseline, candidate = (features(n, seed) for seed in (1, 2, 3))
    before = peak_bytes()
    start = time.perf_counter()
    (result,) = bootstrap_contrasts(
        [real, baseline, candidate],
        [[-1, 1]],
        SamplingDesign.paired(n, 3),
        replicates=REPLICATES,
        rng=np.random.default_rng(0),
    )
    elapsed = time.perf_counter() - start
    memory = peak_bytes() - before
    influences = [fid_influence(real, fake) for fake in (baseline, candidate)]
    analytic = at_n_error(influences, (-1.0, 1.0), SamplingDesign.paired(n, 3)).value
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
    # Imported here: torch would be most of the memory that is measured elsewhere.
    from p2phd_eval.torchvision_ops import declare_missing_operators

    declare_missing_operators()
    from pytorch_fid.fid_score import calculate_frechet_distance

    real, fake = features(n, 4), features(n, 5)
    # pytorch-fid keeps its features in float64.
    wide = real.astype(np.float64), fake.astype(np.float64)

    def peer_moments() -> list[npt.NDArray[np.float64]]:
        return [part for values in wide for part in (values.mean(axis=0), np.cov(values, rowvar=False))]

    peer_moments_seconds = seconds(peer_moments, 2)
    theirs = peer_moments()
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The `disp` argument is deprecated", DeprecationWarning)
        peer_value = float(calculate_frechet_distance(*theirs))
    peer_distance_seconds = time.perf_counter() - start

    real_moments, fake_moments = (
        Moments(n=n, mean=mean, covariance=covariance) for mean, covariance in (theirs[:2], theirs[2:])
    )
    alone = seconds(lambda: frechet_distance_from_moments(real_moments, fake_moments), 3)
    moments_seconds = seconds(lambda: (moments(real), moments(fake)), 3)
    whole = seconds(lambda: frechet_distance(real, fake), 3)
    value = frechet_distance(real, fake).value
    row = {
        "n": n,
        "pytorch_fid_moments_seconds": peer_moments_seconds,
        "pytorch_fid_distance_seconds": peer_distance_seconds,
        "moments_seconds": moments_seconds,
        "distance_of_moments_seconds": alone,
        "distance_of_features_seconds": whole,
        "ratio_of_distance": peer_distance_seconds / alone,
        "ratio_of_whole": (peer_distance_seconds + peer_moments_seconds) / whole,
        "pytorch_fid_value": peer_value,
        "value": value,
    }
    print(
        f"n = {n}: distance of the same moments: pytorch-fid {peer_distance_seconds:.2f} s, here {alone:.3f} s, "
        f"ratio {row['ratio_of_distance']:.1f}\n"
        f"n = {n}: moments of both sets: pytorch-fid {peer_moments_seconds:.2f} s, here {moments_seconds:.3f} s\n"
        f"n = {n}: distance of features: pytorch-fid {peer_distance_seconds + peer_moments_seconds:.2f} s, here "
        f"{whole:.3f} s, ratio {row['ratio_of_whole']:.1f}; FID {peer_value:.6f} and {value:.6f}"
    )
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parent / "results" / f"frechet-{today()}.json"
    parser.add_argument("--out", type=Path, default=default, help="where to write the JSON")
    out = parser.parse_args().out
    document: dict[str, Any] = {
        "date": today(),
        "device": {**describe_machine(), "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS")},
        "d": D,
    }
    print(document["device"], f"d = {D}", sep="\n")
    # The largest peak of a process only ever grows, and on Linux a child starts with its parent's: so this order.
    document["memory"] = [
        in_fresh_process(measure)
        for measure in (memory_of_libraries, memory_of_array, memory_of_stream, memory_of_million)
    ]
    document["bootstrap"] = bench_bootstrap(500)
    document["distance"] = [bench_distance(n) for n in (500, 5000)]
    write_json(out, document)
    print(f"written: {out}")


if __name__ == "__main__":
    main()
