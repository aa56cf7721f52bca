"""What the engines of generation take, and how near their photos are to torch's in float32.

    OMP_NUM_THREADS=1 python benchmarks/engines.py RUN DATA --json FILE

RUN: a run without features. DATA: its data set, whose training maps calibrate int8 and whose test maps are generated.
Times are of a photo on one core, the processor's and on the clock, networks taking turns, the least of some rounds;
compiling, loading and calibrating apart. Memory is that of a process that makes one photo, and of one that has loaded
torch and the package alone.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from measuring import describe_machine, today

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.compute_fid import compute_fid
from p2phd_eval.generators.checkpoint import latest_path
from p2phd_eval.generators.data.batch import Batch
from p2phd_eval.generators.data.dataset import load_batches
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.generators.sampling.renderer import Renderer, open_renderer
from p2phd_eval.images.decoding import read_rgb
from p2phd_eval.torchvision_ops import declare_missing_operators

CPU = torch.device("cpu")
WAYS = (
    ("torch", "fp32"),
    ("compile", "fp32"),
    ("onnxruntime", "fp32"),
    ("onnxruntime", "fp16"),
    ("onnxruntime", "int8"),
)


def open_at(run: Path, data: Path, name: str, load_size: int) -> Renderer:
    """Open an engine, such as "onnxruntime-int8", at a width."""
    engine, precision = name.split("-")
    options = {"engine": engine, "precision": precision, "load_size": load_size}
    return open_renderer(run, data=data, device=CPU, **options)  # type: ignore[arg-type]


def first_map(renderer: Renderer, data: Path) -> Batch:
    dataset = renderer.dataset(data, "test")
    return next(iter(load_batches(dataset, [[(0, 0)]], CPU)))


def times(run: Path, data: Path, names: list[str], load_size: int, rounds: int) -> dict[str, Any]:
    renderers = {name: open_at(run, data, name, load_size) for name in names}
    batch = first_map(renderers["torch-fp32"], data)
    first, best = {}, {name: [np.inf, np.inf] for name in renderers}
    for name, renderer in renderers.items():
        start = time.perf_counter()
        renderer.photos(batch)
        first[name] = time.perf_counter() - start
    for _ in range(rounds):
        for name, renderer in renderers.items():
            begun = np.array([time.process_time(), time.perf_counter()])
            renderer.photos(batch)
            taken = np.array([time.process_time(), time.perf_counter()]) - begun
            best[name] = np.minimum(best[name], taken).tolist()
    height, width = batch.label.shape[-2:]
    return {
        "width": width,
        "height": height,
        **{
            name: {
                "processor_s": processor,
                "clock_s": clock,
                "first_s": first[name],
                "speed_against_torch": best["torch-fp32"][0] / processor,
            }
            for name, (processor, clock) in best.items()
        },
    }


def peak_bytes(run: Path, data: Path, name: str | None, load_size: int) -> int:
    """In a process of its own: its largest resident memory, after a photo of an engine, or of nothing."""
    if name is not None:
        torch.set_num_threads(1)
        renderer = open_at(run, data, name, load_size)
        renderer.photos(first_map(renderer, data))
    lines = Path("/proc/self/status").read_text().splitlines()  # not getrusage's, which outlives the exec
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def memory(run: Path, data: Path, names: list[str], load_size: int) -> dict[str, int]:
    found = {}
    for name in (None, *names):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            found[name or "loaded"] = pool.submit(peak_bytes, run, data, name, load_size).result()
    return found


def nearness(folder: Path, baseline: Path) -> dict[str, float]:
    """Of images to those of the same names."""
    declare_missing_operators()
    from torchmetrics.functional.image import structural_similarity_index_measure

    ssim, squared, largest = [], [], 0.0
    for path in sorted(baseline.glob("*.png")):
        a, b = (torch.from_numpy(read_rgb(each).astype(np.float32)) for each in (path, folder / path.name))
        first, second = (each.permute(2, 0, 1)[None] for each in (a, b))
        ssim.append(float(structural_similarity_index_measure(first, second, data_range=255.0)))  # type: ignore[arg-type]
        squared.append(float((a - b).square().mean()))
        largest = max(largest, float((a - b).abs().max()))
    mean = float(np.mean(squared))
    return {
        "ssim": float(np.mean(ssim)),
        "psnr": float(10 * np.log10(255**2 / mean)) if mean else 999.0,
        "largest": largest,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--widths", type=int, nargs="+", default=[256, 1024], metavar="PIXELS")
    parser.add_argument("--without-fid", action="store_true", help="for images whose FIDs a study has")
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    run, data = arguments.run, arguments.data
    result: dict[str, Any] = {"date": today(), "machine": describe_machine(), "onnxruntime": onnxruntime.__version__}
    result |= {"images": {}, "left_out": {}}
    with tempfile.TemporaryDirectory() as work:
        for engine, precision in WAYS:
            name, out = f"{engine}-{precision}", Path(work) / f"{engine}-{precision}"
            try:
                made = generate(run, data, out, engine=engine, precision=precision, device=CPU)
            except (InputError, RuntimeError) as error:  # no compiler, or one that fails
                result["left_out"][name] = str(error).partition("\n")[0]
                continue
            result["images"][name] = {
                **nearness(out, Path(work) / "torch-fp32"),
                **({} if arguments.without_fid else {"fid_to_photos": float(compute_fid(data / "test_img", out).fid)}),
                "generator_mb": made.generator_bytes / 1e6,
            }
            print(name, result["images"][name], flush=True)
    result["checkpoint_mb"] = latest_path(run).stat().st_size / 1e6
    result["config"] = made.manifest.config["generator"]
    result["n_images"] = made.manifest.n_images
    names = list(result["images"])
    for width in arguments.widths:
        found = times(run, data, names, width, arguments.rounds)
        found["peak_bytes"] = memory(run, data, names, width)
        result[f"{found['width']}x{found['height']}"] = found
        print(json.dumps(found, indent=1), flush=True)
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
