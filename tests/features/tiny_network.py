"""A feature network of a few thousand weights, for tests of what goes on around a network."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from p2phd_eval.features.networks.module_features import ModuleFeatures

DIMS = 12


def build(device: torch.device, weights: Path | None, side: int = 16) -> ModuleFeatures:
    generator = torch.Generator().manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, DIMS, 3, stride=2))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return ModuleFeatures(module, name="tiny", device=device, side=side)


def build_wider(device: torch.device, weights: Path | None) -> ModuleFeatures:
    return build(device, weights, side=20)


SPEC = f"{build.__module__}:{build.__name__}"
