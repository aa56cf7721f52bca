"""A small feature network of random convolutions, for tests of whole commands: `--feature-network` takes it."""

from __future__ import annotations

from pathlib import Path

import torch

from p2phd_eval.features.networks.module_features import ModuleFeatures


def build(device: torch.device, weights: Path | None) -> ModuleFeatures:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5, stride=2), torch.nn.ReLU(), torch.nn.Conv2d(8, 6, 3))
    return ModuleFeatures(module, name="random", device=device, side=32)
