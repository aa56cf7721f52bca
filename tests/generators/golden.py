"""Reads the numbers of the original pix2pixHD networks and fills networks by the rule they were made with."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

DATA = Path(__file__).parent.parent / "data"


@dataclass(frozen=True)
class Golden:
    document: dict[str, Any]
    arrays: dict[str, np.ndarray]

    def tensor(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[name])


def load_golden(name: str) -> Golden:
    document = json.loads((DATA / f"{name}.json").read_text())
    with np.load(DATA / f"{name}.npz", allow_pickle=False) as archive:
        return Golden(document, {key: archive[key] for key in archive})


def fill(network: nn.Module, scale: float) -> None:
    """`fill` of the json: value(key) = RandomState(crc32(key)).standard_normal(shape) * scale, float32.

    Scales of batch norm (the only weights with one axis) are 1 plus that; its running statistics stay as they are.
    """
    state = network.state_dict()
    for key, tensor in state.items():
        if key.endswith(("running_mean", "running_var", "num_batches_tracked")):
            continue
        generator = np.random.RandomState(zlib.crc32(key.encode()))
        values = generator.standard_normal(tuple(tensor.shape)) * scale
        if key.endswith(".weight") and tensor.ndim == 1:
            values += 1.0
        state[key] = torch.from_numpy(values.astype(np.float32))
    network.load_state_dict(state)


def random_vgg19() -> dict[str, torch.Tensor]:
    """Return a state dict of VGG19's convolutions, filled as above but with He's scales, biases 0."""
    widths = (64, 64, 128, 128, *[256] * 4, *[512] * 8)
    numbers = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
    state, before = {}, 3
    for number, width in zip(numbers, widths, strict=True):
        generator = np.random.RandomState(zlib.crc32(f"features.{number}.weight".encode()))
        weight = generator.standard_normal((width, before, 3, 3)) * np.sqrt(2.0 / (9 * before))
        state[f"features.{number}.weight"] = torch.from_numpy(weight.astype(np.float32))
        state[f"features.{number}.bias"] = torch.zeros(width)
        before = width
    return state
