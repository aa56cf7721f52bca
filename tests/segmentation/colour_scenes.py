"""Label maps, photos whose colours are their classes, and a network that reads colours: all that a score takes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

CLASSES = ("sky", "road", "car", "tree")
COLOURS = torch.tensor([[40, 90, 220], [110, 110, 110], [210, 30, 40], [30, 160, 50]])
VOID = 255


class ColourSegmenter:
    """Takes each pixel for the class whose colour is the nearest."""

    name = "colours"
    classes = CLASSES

    def __init__(self) -> None:
        self.identity = hashlib.sha256(COLOURS.numpy().tobytes()).hexdigest()
        self.seen = 0  # photos

    def __call__(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        apart = images[..., None, :].to(torch.int64) - COLOURS.to(images.device)
        return apart.square().sum(dim=-1).argmin(dim=-1)


def build(device: torch.device, weights: Path | None) -> ColourSegmenter:
    """What `--segmenter tests.segmentation.colour_scenes:build` calls."""
    return ColourSegmenter()


def write_scenes(folder: Path, n: int = 12, *, size: tuple[int, int] = (48, 32), seed: int = 0) -> Path:
    """Write `test_label` with a border of void, and `test_img` whose photos are nearly their colours."""
    rng = np.random.default_rng(seed)
    width, height = size
    for k in range(n):
        label = np.zeros((height, width), dtype=np.uint8)
        label[rng.integers(height // 3, 2 * height // 3) :] = 1
        for kind in (2, 3):
            x, y = rng.integers(0, width - 10), rng.integers(0, height - 10)
            label[y : y + rng.integers(4, 10), x : x + rng.integers(4, 10)] = kind
        label[:1] = VOID
        save(folder / "test_label" / f"scene{k:02}.png", label)
        save(folder / "test_img" / f"scene{k:02}.png", photo(label, 5, rng))
    return folder


def write_samples(data: Path, folder: Path, noise: float, *, seed: int = 0, scale: int = 1) -> Path:
    """Write samples of all label maps of a data set, the noisier the more pixels are taken for another class."""
    rng = np.random.default_rng(seed)
    for path in sorted((data / "test_label").iterdir()):
        label = np.asarray(Image.open(path))[::scale, ::scale]
        save(folder / f"{path.stem}_synthesized_image.png", photo(label, noise, rng))
    return folder


def photo(label: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    colours = COLOURS.numpy()[np.where(label == VOID, 0, label)]
    return np.clip(colours + noise * rng.normal(size=colours.shape), 0, 255).astype(np.uint8)


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
