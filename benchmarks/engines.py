"""What the engines of generation take, and how near their photos are to torch's in float32.

    OMP_NUM_THREADS=1 python benchmarks/engines.py RUN DATA --json FILE

RUN: a run on drawn scenes, without features. DATA: the scenes (`p2phd-eval data synthesize`), whose training maps
calibrate int8 and whose test maps are generated. Times are of a photo on one core, the processor's and on the clock,
networks taking turns, the least of some rounds; compiling, loading and calibrating apart.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from measuring import describe_machine, today

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.compute_fid import compute_fid
from p2phd_eval.generators.data.batch import Batch, as_sample
from p2phd_eval.generators.data.triplets import Triplet
from p2phd_eval.generators.sampling.generation import generate
from p2phd_eval.generators.sampling.renderer import Renderer, open_renderer
from p2phd_eval.images.decoding import read_rgb
from p2phd_eval.scenes.data_set import render_scene
from p2phd_eval.torchvision_ops import declare_missing_operators

CPU = torch.device("cpu")
WAYS = (
    ("torch", "fp32"),
    ("compile", "fp32"),
    ("onnxruntime", "fp32"),
    ("onnxruntime", "fp16"),
    ("onnxruntime", "int8"),
)
SIZES = ((256, 128), (1024, 512))


def scene(width: int, height: int) -> Batch:
    drawn = render_scene(10**6, width=width, height=height)
    parts: dict[str, Any] = {"label": drawn.label, "instance": drawn.instance.astype(np.int32)}
    return as_sample(Triplet(key="0", name="0", label=Path("0")), parts, numbers_instances=False)


def times(renderers: dict[str, Renderer], width: int, height: int, rounds: int) -> dict[str, dict[str, float]]:
    batch = scene(width, height)
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
    return {
        name: {
            "processor_s": processor,
            "clock_s": clock,
            "first_s": first[name],
            "speed_against_torch": best["torch-fp32"][0] / processor,
        }
        for name, (processor, clock) in best.items()
    }


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
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    result: dict[str, Any] = {"date": today(), "machine": describe_machine(), "onnxruntime": onnxruntime.__version__}
    result |= {"images": {}, "left_out": {}}
    renderers = {}
    with tempfile.TemporaryDirectory() as work:
        for engine, precision in WAYS:
            name, out = f"{engine}-{precision}", Path(work) / f"{engine}-{precision}"
            try:
                generate(arguments.run, arguments.data, out, engine=engine, precision=precision, device=CPU)
                options = {"engine": engine, "precision": precision, "device": CPU}
                renderers[name] = open_renderer(arguments.run, data=arguments.data, **options)  # type: ignore[arg-type]
            except (InputError, RuntimeError) as error:  # no compiler, or one that fails
                result["left_out"][name] = str(error).partition("\n")[0]
                continue
            graph = renderers[name].graph
            result["images"][name] = {
                **nearness(out, Path(work) / "torch-fp32"),
                "fid_to_photos": float(compute_fid(arguments.data / "test_img", out).fid),
                "graph_mb": None if graph is None else len(graph.content) / 1e6,
            }
            print(name, result["images"][name], flush=True)
        result["config"] = renderers["torch-fp32"].config.to_dict()["generator"]
    result["n_images"] = len(list((arguments.data / "test_img").iterdir()))
    for width, height in SIZES:
        result[f"{width}x{height}"] = times(renderers, width, height, arguments.rounds)
        print(width, height, json.dumps(result[f"{width}x{height}"], indent=1), flush=True)
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
