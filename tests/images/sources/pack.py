"""A small folder of images, and the same images in archives, shards and lists."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def encoded(seed: int, ending: str = "png", size: tuple[int, int] = (12, 9)) -> bytes:
    """An image of noise; `size` is (width, height)."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format={"jpg": "JPEG", "jpeg": "JPEG"}.get(ending, ending.upper()))
    return stream.getvalue()


def contents() -> dict[str, bytes]:
    """File names to contents, not sorted: six images, of them two in folders."""
    names = ("z.png", "b/1.PNG", "b/0.jpeg", "a_gtFine_labelIds.bmp", "c/d e/ü.Jpg", "m.webp")
    return {name: encoded(seed, name.rpartition(".")[2].lower()) for seed, name in enumerate(names)}


def write_folder(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def write_zip(path: Path, files: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: Iterable[tuple[str, bytes]], mode: str = "w:") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path
