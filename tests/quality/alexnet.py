"""Random weights of AlexNet in a file, in place of torchvision's, which tests do not download."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from p2phd_eval.quality.lpips_weights import TENSOR_SHAPES


def write_random_alexnet(path: Path, *, seed: int = 0) -> Path:
    """Write the convolutions with He's random weights."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in TENSOR_SHAPES.items():
        fan_in = math.prod(shape[1:])
        scale = math.sqrt(2 / fan_in) if name.endswith("weight") else 0.1
        state[name] = scale * torch.randn(shape, generator=generator)
    torch.save(state, path)
    return path
