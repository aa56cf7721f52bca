"""Generators as scripts, so small that a study of them takes seconds: noise on pictures, as many as asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

#: Writes six pictures into OUT, with noise of a seed; a picture that is there stays, as with a real generator's option.
GENERATE = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image

out, seed, noise = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
for i in range(6):
    picture = np.random.default_rng(i).uniform(0, 255, (8, 12, 3))
    picture = picture + noise * np.random.default_rng([seed, i]).normal(size=picture.shape)
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).resize((24, 16)).save(out / f"{i}.png")
print("made", out.name, seed)
"""
TRAIN = """
import sys
from pathlib import Path

Path(sys.argv[1], "weights.txt").write_text(sys.argv[2])
"""


def write_scripts(folder: Path) -> Path:
    """Write both scripts and a folder `real` of six pictures; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "generate.py").write_text(GENERATE)
    (folder / "train.py").write_text(TRAIN)
    (folder / "real").mkdir()
    for i in range(6):
        pixels = np.random.default_rng(i).integers(0, 256, (16, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "real" / f"{i}.png")
    return folder


def write_arms(folder: Path, *tables: str, name: str = "arms.toml", before: str = "") -> Path:
    """Write an arms file of some tables, each without its header."""
    path = folder / name
    path.write_text(before + "".join(f"[[arm]]\n{table}\n" for table in tables))
    return path


#: Arms as tables: a baseline that is trained, another way to sample from it, and the same once more.
BASE = """name = "base"
train = ["{python}", "train.py", "{run}", "{seed}"]
generate = ["{python}", "generate.py", "{out}", "{seed}", "5"]"""
NOISY = """name = "noisy"
run_of = "base"
generate = ["{python}", "generate.py", "{out}", "{seed}", "40"]"""
AGAIN = """name = "again"
run_of = "base"
benign = true
generate = ["{python}", "generate.py", "{out}", "{seed}", "5"]"""
