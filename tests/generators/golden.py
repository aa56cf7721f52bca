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
    """`fill` of the json: value(key) = RandomState(crc32(key)).standard_normal(shape) * scale, float32."""
    state = {}
    for key, tensor in network.state_dict().items():
        generator = np.random.RandomState(zlib.crc32(key.encode()))
        values = generator.standard_normal(tuple(tensor.shape)) * scale
        state[key] = torch.from_numpy(values.astype(np.float32))
    network.load_state_dict(state)
