"""What a study of any generator's samples reads: arms files, tables of conditions, manifests of samples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from fuzz_target import Case, Target

_ARMS = """[[arm]]
name = "fp32"
train = ["{python}", "train.py", "--out", "{run}", "--seed", "{seed}"]
generate = ["{python}", "sample.py", "{out}", "--seed={seed}", "--device", "{device}"]
inputs = ["sample.py"]

[[arm]]
name = "int8"
run_of = "fp32"
generate = ["{python}", "sample.py", "{out}", "--seed={seed}", "--größe=8"]

[[arm]]
name = "again"
run_of = "fp32"
benign = true
generate = ["{python}", "sample.py", "{out}", "--seed={seed}"]
"""
_IMAGES = """[[arm]]
name = "there"
images = "ours/{seed}"

[[arm]]
name = "others"
images = "theirs/{seed}"
"""
_TABLES = ('condition,prompt\ncat,a cat\ndog,"a dog, and more"\nGröße,größer\n', "\ufeffid\r\n0001\r\n0002\r\n")


def _arms_seeds(work: Path) -> list[Case]:
    script = b"raise SystemExit\n"
    beside = {"sample.py": script, "train.py": script}
    return [{"arms.toml": text.encode(), **beside} for text in (_ARMS, _IMAGES)]


def _read_arms(folder: Path) -> None:
    from p2phd_eval.study.arms_file import read_arms_file

    read_arms_file(folder / "arms.toml", seeds=2)


def _condition_seeds(work: Path) -> list[Case]:
    return [{"conditions.csv": text.encode()} for text in _TABLES]


def _read_conditions(folder: Path) -> None:
    from p2phd_eval.images.conditions import read_conditions, require_samples

    conditions = read_conditions(folder / "conditions.csv")
    require_samples(conditions, [f"{each.name}@{seed}" for each in conditions for seed in range(2)], "samples")


def _sample_seeds(work: Path) -> list[Case]:
    from p2phd_eval.images.png import write_png

    names = ("a.png", "below/b.png", "c.png")
    for n, name in enumerate(names):
        write_png(work / name, np.full((6, 8, 3), 40 * n, dtype=np.uint8))
    lines = [
        {"image": name, "condition": condition, "seed": seed, "prompt": "a cat"}
        for name, condition, seed in zip(names, ("cat", "cat", "Größe"), (0, 1, 0), strict=True)
    ]
    text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
    return [{"set/manifest.jsonl": text.encode(), **{f"set/{name}": (work / name).read_bytes() for name in names}}]


def _read_samples(folder: Path) -> None:
    from p2phd_eval.images.sources.open import open_source

    source = open_source(folder / "set")
    for place in range(len(source)):
        source.load(place)


SAMPLE_TARGETS = (
    Target(name="arms-file", seeds=_arms_seeds, read=_read_arms),
    Target(name="conditions", seeds=_condition_seeds, read=_read_conditions),
    Target(name="sample-manifest", seeds=_sample_seeds, read=_read_samples),
)
