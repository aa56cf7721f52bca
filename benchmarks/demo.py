"""The demo as a newcomer runs it, from several seeds: time, verdicts, and how far fp32's own seeds are apart.

Run `python benchmarks/demo.py [--seeds 0 10 20 30 40] [--out FILE]` from the repository's root on an idle machine; it
takes a quarter of an hour on two cores. Each run is the command itself, from start to exit, in a folder of its own; the
weights of the feature network are fetched before, and are no part of it. `--seed 10` trains seeds 10, 11 and 12, on
scenes of its own.

To see what a processor without instructions for bfloat16 would do, set `ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI`.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import describe_machine, today

from p2phd_eval.features.weights.find import find_weights
from p2phd_eval.files import write_json
from p2phd_eval.json_files import read_json


def run_demo(seed: int) -> dict[str, Any]:
    """Run the command once; the processor's time is that of all its processes."""
    with tempfile.TemporaryDirectory() as folder:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", "p2phd_eval", "demo", "--out", "demo", "--seed", str(seed), "--device", "cpu"]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        if ended.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stderr}")
        report: Any = read_json(Path(folder) / "demo" / "report.json", expected="a report", fix="")
    processor = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"seed": seed, "wall_s": round(wall, 1), "processor_s": round(processor, 1), **results_of(report)}


def results_of(report: dict[str, Any]) -> dict[str, Any]:
    """Return each arm's verdict and difference of FID@n, and the FIDs of fp32's seeds."""
    training = report["comparisons"]["training"]
    documents = [training, *(each["document"] for each in report["comparisons"]["sampling"])]
    rows = {
        f"{candidate['name']}{', trained' if document is training else ''}": {
            "verdict": candidate["verdict"],
            "difference": candidate["test"]["estimate"],
            "margin": candidate["test"]["margin"],
        }
        for document in documents
        for candidate in document["candidates"]
    }
    fids = [run["fid"] for run in training["baseline"]["runs"]]
    scale = training["real_scale"]
    return {"verdicts": rows, "fp32_fids": fids, "fp32_sd": statistics.stdev(fids), "real_scale": scale}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 10, 20, 30, 40])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / f"demo-{today()}.json")
    arguments = parser.parse_args()
    find_weights()
    document: dict[str, Any] = {
        "date": today(),
        "machine": describe_machine(),
        "onednn_max_cpu_isa": os.environ.get("ONEDNN_MAX_CPU_ISA"),
        "runs": [],
    }
    for seed in arguments.seeds:
        document["runs"].append(run_demo(seed))
        print(document["runs"][-1], flush=True)
        write_json(arguments.out, document)  # each as soon as it is there
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    main()
