"""The training step in fp32 beside the original's own, on a CPU, in the processor's time.

Run `python benchmarks/training_step.py CHECKOUT [--rounds 30] [--out FILE]` from the repository's root; CHECKOUT is a
clone of NVIDIA/pix2pixHD. It takes ten minutes, and a busy machine disturbs it little: each round takes one step of
both, one after the other, on one thread, and what counts is the median of the processor's seconds of each.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from measuring import describe_machine, today

from p2phd_eval.bench.peer import original_step
from p2phd_eval.config import TrainConfig
from p2phd_eval.files import write_json
from p2phd_eval.generators.data.batch import Batch
from p2phd_eval.generators.data.triplets import Triplet
from p2phd_eval.generators.networks.vgg import UNTRAINED
from p2phd_eval.generators.training.step import Pix2PixHD
from p2phd_eval.presets import PRESETS

WARM_UP = 3
_DEMO = PRESETS["demo"]
_WIDE = replace(_DEMO, generator=replace(_DEMO.generator, ngf=32))
#: By what is shown: configuration, width, height, batch size.
CASES: dict[str, tuple[TrainConfig, int, int, int]] = {
    "demo, 128 x 64": (_DEMO, 128, 64, 1),
    "demo, 128 x 64, batch 4": (_DEMO, 128, 64, 4),
    "ngf 32, 256 x 128": (_WIDE, 256, 128, 1),
    "ngf 32, 256 x 128, batch 2": (_WIDE, 256, 128, 2),
    "ngf 32 and ndf 64, 256 x 128": (
        replace(_WIDE, discriminator=replace(_WIDE.discriminator, ndf=64)),
        *(256, 128, 1),
    ),
    "local enhancer, 256 x 128": (replace(_DEMO, generator=replace(_DEMO.generator, kind="local")), 256, 128, 1),
    "demo with VGG, 128 x 64": (replace(_DEMO, objective=replace(_DEMO.objective, vgg=UNTRAINED)), 128, 64, 1),
}


def random_batch(config: TrainConfig, width: int, height: int, size: int) -> Batch:
    """Label maps of blocks of 8 x 8 pixels, and photos of noise: a step takes the same time whatever they show."""
    generator = torch.Generator().manual_seed(0)
    blocks = torch.randint(0, config.data.label_nc, (size, 1, height // 8, width // 8), generator=generator)
    label = blocks.repeat_interleave(8, 2).repeat_interleave(8, 3)
    photo = torch.rand(size, 3, height, width, generator=generator) * 2 - 1
    triplets = tuple(Triplet(key=str(i), name=str(i), label=Path(f"{i}.png")) for i in range(size))
    return Batch(
        triplets=triplets, label=label.byte(), instance=label.int(), photo=photo, contents=tuple({} for _ in triplets)
    )


def measure(config: TrainConfig, width: int, height: int, size: int, checkout: Path, rounds: int) -> dict[str, Any]:
    batch = random_batch(config, width, height, size)
    cpu = torch.device("cpu")
    ours = Pix2PixHD(config, cpu)
    taken: dict[str, list[float]] = {"original": [], "ours": []}
    with original_step(checkout, config, cpu) as theirs:
        for _ in range(WARM_UP + rounds):
            for name, step in (("original", theirs), ("ours", ours.train_step)):
                start = time.process_time()
                step(batch)
                taken[name].append(time.process_time() - start)
    ratios = [a / b for a, b in zip(*(times[WARM_UP:] for times in taken.values()), strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
    seconds = {name: statistics.median(times[WARM_UP:]) for name, times in taken.items()}
    return {
        "processor_seconds": seconds,
        "ratio": seconds["original"] / seconds["ours"],
        "ratio_quartiles": [low, high],
        "rounds": rounds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parent / "results" / f"training-step-{today()}.json"
    parser.add_argument("checkout", type=Path, help="clone of NVIDIA/pix2pixHD")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--out", type=Path, default=default, help="where to write the JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    machine = describe_machine()
    rows = {}
    for name, case in CASES.items():
        rows[name] = row = measure(*case, arguments.checkout, arguments.rounds)
        low, high = row["ratio_quartiles"]
        times = ", ".join(f"{who} {seconds * 1e3:.1f} ms" for who, seconds in row["processor_seconds"].items())
        print(f"{name}: {row['ratio']:.2f} ({low:.2f} to {high:.2f}), {times}", flush=True)
    write_json(arguments.out, {"date": today(), "machine": machine, "threads": 1, "cases": rows})
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    main()
