"""What a kind of bad input is, and the files that several of them begin with."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p2phd_eval.images.png import write_png


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of bad input."""

    area: str  # a heading of the page
    kind: str  # what is wrong, in a few words
    make: Callable[[], object]  # makes the files in the current folder, which is empty
    typed: str  # the command line behind `p2phd-eval`, words separated by spaces
    words: str  # part of the message
    exit_code: int = 2


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Make a folder the current one."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def photos(folder: str, n: int = 3, size: tuple[int, int] = (12, 16)) -> None:
    """A folder of photos."""
    for i in range(n):
        pixels = np.random.default_rng(i).integers(0, 256, (*size, 3), dtype=np.uint8)
        write_png(Path(folder) / f"{i}.png", pixels)


def data_set() -> None:
    """A data set of three samples with three classes."""
    for phase in ("train", "test"):
        photos(f"data/{phase}_img")
        for i in range(3):
            write_png(Path(f"data/{phase}_label/{i}.png"), np.full((12, 16), i, dtype=np.uint8))
            write_png(Path(f"data/{phase}_inst/{i}.png"), np.full((12, 16), i, dtype=np.uint16))
    text("data/classes.json", json.dumps({"label_nc": 3, "classes": ["a", "b", "c"]}))


def text(path: str, content: str | bytes = "") -> None:
    """A file with some content, and its folders."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content.encode() if isinstance(content, str) else content)
