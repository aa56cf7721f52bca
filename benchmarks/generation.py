"""Images a second of `generate` at 1024 x 512, and of an earlier version beside it.

Run `python benchmarks/generation.py [--against CHECKOUT] [--networks 16 64] [--repeats 3] [--out FILE]` from the
repository's root on an idle machine. It takes half an hour, of which the 512p preset's own network takes most.
CHECKOUT is a checkout of an earlier version of this repository; the versions take turns, so that a machine's moods meet
both. Networks are those of the 512p preset at several widths, with their initial weights; label maps are drawn scenes.

What counts is the time of a command that makes many images less that of one that makes few, from start to exit, so that
imports and the loading of the checkpoint are no part of it: the fastest of several. On a busy machine look at the
processor's seconds, which waiting is no part of.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import describe_machine, today

from p2phd_eval.files import write_json
from p2phd_eval.scenes.data_set import write_dataset

WIDTH, HEIGHT = 1024, 512
FEW, MANY = 2, 8  # images
HERE = Path(__file__).resolve().parents[1]


# Each version writes its own checkpoint, as a training that has only begun would; arguments: path and width.
_WRITE_NETWORK = """
import sys
from dataclasses import replace
from pathlib import Path

import torch

from p2phd_eval.generators.checkpoint import save_checkpoint
from p2phd_eval.generators.networks.conditioning import conditioning_channels
from p2phd_eval.generators.networks.generator import build_generator
from p2phd_eval.presets import PRESETS

preset = PRESETS["512p"]
config = replace(preset, generator=replace(preset.generator, ngf=int(sys.argv[2])))
torch.manual_seed(0)
generator = build_generator(config.generator, conditioning_channels(config.data))
state = {"networks": {"G": generator.state_dict()}, "optimizers": {}}
save_checkpoint(Path(sys.argv[1]), config=config, step=0, state=state)
"""


def run(tree: Path, *arguments: object) -> None:
    """Run Python with the package of a checkout."""
    command = [sys.executable, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    process = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if process.returncode:
        raise SystemExit(process.stderr)


def command_seconds(tree: Path, checkpoint: Path, data: Path, phase: str, out: Path) -> tuple[float, float, int]:
    """Run `generate` of a checkout; return its time from start to exit, the processor's seconds, and its bytes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    arguments = ("generate", checkpoint, data, "--out", out, "--phase", phase, "--device", "cpu")
    run(tree, "-m", "p2phd_eval", *arguments)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, processor, sum(path.stat().st_size for path in out.glob("*.png"))


def measure(trees: dict[str, Path], ngf: int, data: Path, work: Path, repeats: int) -> dict[str, Any]:
    """Time a network in all versions, in turns."""
    checkpoints = {name: work / f"{name}-{ngf}.pt" for name in trees}
    for name, tree in trees.items():
        run(tree, "-c", _WRITE_NETWORK, checkpoints[name], ngf)
    taken: dict[tuple[str, str], list[tuple[float, float, int]]] = {}
    for _ in range(repeats):
        for name, tree in trees.items():
            for phase in ("train", "test"):
                with tempfile.TemporaryDirectory(dir=work) as out:
                    found = command_seconds(tree, checkpoints[name], data, phase, Path(out) / "samples")
                taken.setdefault((name, phase), []).append(found)
    rows: dict[str, Any] = {}
    for name in trees:
        few, many = (list(zip(*taken[name, phase], strict=True)) for phase in ("train", "test"))
        wall, processor = ((min(many[i]) - min(few[i])) / (MANY - FEW) for i in (0, 1))
        rows[name] = {"seconds": wall, "processor_seconds": processor, "bytes": round(many[2][0] / MANY)}
        print(f"ngf {ngf}, {name}: {wall:.3f} s an image, of the processor {processor:.3f} s", flush=True)
    if "before" in rows:
        for key in ("seconds", "processor_seconds"):
            rows[f"ratio_of_{key}"] = rows["before"][key] / rows["now"][key]
        print(f"ngf {ngf}: {rows['ratio_of_seconds']:.2f} times the images a second")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = HERE / "benchmarks" / "results" / f"generation-{today()}.json"
    parser.add_argument("--against", type=Path, help="checkout of an earlier version")
    parser.add_argument(
        "--networks", type=int, nargs="+", default=[8, 16, 32, 64], help="widths, ngf; 64: the preset's"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=default, help="where to write the JSON")
    arguments = parser.parse_args()
    trees = {"now": HERE} if arguments.against is None else {"before": arguments.against.resolve(), "now": HERE}
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_dataset(work / "data", n_train=FEW, n_test=MANY, width=WIDTH, height=HEIGHT)
        rows = {f"ngf {ngf}": measure(trees, ngf, work / "data", work, arguments.repeats) for ngf in arguments.networks}
    document = {"date": today(), "machine": machine, "width": WIDTH, "height": HEIGHT, "an_image": rows}
    write_json(arguments.out, document)
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    main()
