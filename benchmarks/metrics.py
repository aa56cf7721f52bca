"""What `metrics` costs after the features, stage by stage, and how far float32 products move its numbers.

Run `python benchmarks/metrics.py [--n N] [--against CHECKOUT] [--out FILE]` from the repository's root. With
`--against`, the same stages of another checkout of this repository are run too, and the ratios stand beside. Seconds
are the processor's, summed over the cores, so that other work on the machine disturbs them little, and BLAS has one
thread, so that none spins: on an idle machine the time on the clock is about these over the cores. 5,000 images take
two minutes of one core, 20,000 some five.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from measuring import describe_machine, today

from p2phd_eval.files import write_json
from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.distances.fid_infinity import fid_infinity
from p2phd_eval.stats.distances.kernel import kernel_distance
from p2phd_eval.stats.distances.neighbours import neighbour_metrics
from p2phd_eval.stats.errors.extrapolation import half_samples
from p2phd_eval.stats.errors.intervals import interval_of

try:
    from p2phd_eval.stats.distances.one_pass import kernel_distance_and_neighbours
except ImportError:  # of an earlier version

    def kernel_distance_and_neighbours(real: Any, fake: Any, *, paired: bool, **_: Any) -> Any:  # type: ignore[misc]
        """Return both, each by itself."""
        return kernel_distance(real, fake, paired=paired), neighbour_metrics(real, fake)


D = 2048  # Inception's pool3 features
SPLITS = 3  # in both checkouts, whatever each takes by itself


def features(n: int, seed: int, shift: float) -> npt.NDArray[np.float32]:
    """Rectified noise with a slowly falling spectrum, like Inception's features float32 and not negative."""
    values = np.random.default_rng(seed).standard_normal((n, D), dtype=np.float32)
    values += np.float32(0.5 + shift)
    values *= np.arange(1, D + 1, dtype=np.float32) ** np.float32(-0.1)
    return np.maximum(values, 0, out=values)


def stages(n: int) -> dict[str, Callable[[], dict[str, float]]]:
    """The stages of `metrics`, each with the numbers that it gives."""
    real, fake = features(n, 1, 0.0), features(n, 2, 0.01)

    def interval() -> dict[str, float]:
        design = SamplingDesign.paired(n, 2)
        samples = half_samples([real, fake], design, splits=SPLITS, rng=np.random.default_rng(0))
        found = interval_of(samples, design, 0.95)
        sampling = found.population.sampling_error
        return {
            "fid": found.fid,
            "se": found.standard_error.value,
            "extrapolated": found.population.value,
            "extrapolated_se": sampling.value,
        }

    def pairs() -> dict[str, float]:
        kid, near = kernel_distance_and_neighbours(real, fake, paired=True)
        names = ("precision", "recall", "density", "coverage")
        return {"kid": kid.value, "kid_se": kid.se} | {name: float(getattr(near, name)) for name in names}

    def infinity() -> dict[str, float]:
        found = fid_infinity(real, fake, SamplingDesign.paired(len(real), 2), rng=np.random.default_rng(0))
        return {"fid_infinity": found.value, "slope": found.slope}

    return {"KID and neighbours": pairs, "FID-infinity": infinity, "FID and interval": interval}


def child(n: int) -> None:
    """Run the stages in this process and print what they took and gave, a line of JSON each."""
    for name, stage in stages(n).items():
        wall, cpu = time.perf_counter(), time.process_time()
        numbers = stage()
        took = {"cpu_seconds": time.process_time() - cpu, "wall_seconds": time.perf_counter() - wall}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"stage": name, **took, "peak_mib": peak, "numbers": numbers}), flush=True)


def run(tree: Path, n: int) -> dict[str, Any]:
    """The stages of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--child", "--n", str(n)]
    result = {}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            stage = json.loads(line)
            result[stage.pop("stage")] = stage
            print(f"{tree}: {line}", end="", flush=True)
    if process.returncode:
        raise SystemExit(process.returncode)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parent / "results" / f"metrics-{today()}.json"
    parser.add_argument("--n", type=int, default=5000, help="real images, and as many generated ones")
    parser.add_argument("--against", type=Path, help="another checkout of this repository")
    parser.add_argument("--out", type=Path, default=default, help="where to write the JSON")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.n)
        return
    machine = describe_machine()
    here = run(Path(__file__).parents[1], arguments.n)
    document: dict[str, Any] = {
        "date": today(),
        "machine": machine,
        "n": arguments.n,
        "d": D,
        "splits": SPLITS,
        "stages": here,
        "cpu_seconds": sum(stage["cpu_seconds"] for stage in here.values()),
    }
    if arguments.against is not None:
        there = run(arguments.against, arguments.n)
        document["against"] = there
        document["ratio"] = {name: there[name]["cpu_seconds"] / here[name]["cpu_seconds"] for name in here}
        total = sum(stage["cpu_seconds"] for stage in there.values())
        document["ratio"]["all"] = total / document["cpu_seconds"]
        document["difference"] = {
            name: {key: here[name]["numbers"][key] - value for key, value in there[name]["numbers"].items()}
            for name in here
        }
    print(json.dumps({key: value for key, value in document.items() if key not in ("stages", "against")}, indent=1))
    write_json(arguments.out, document)
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    main()
