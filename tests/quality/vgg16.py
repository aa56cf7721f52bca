"""Random weights of VGG16 in a file, in place of torchvision's, which tests do not download."""

from __future__ import annotations

from pathlib import Path

import torch

from p2phd_eval.torchvision_ops import declare_missing_operators


def write_random_vgg16(path: Path) -> Path:
    """Write the convolutions, with torchvision's random weights and small offsets, and of the classifier nothing."""
    declare_missing_operators()
    from torchvision.models import vgg16

    torch.manual_seed(0)
    with torch.device("meta"):
        shapes = {name: each.shape for name, each in vgg16(weights=None).features.state_dict().items()}
    state = {
        f"features.{name}": torch.randn(shape) * (2 / shape[1:].numel()) ** 0.5
        if len(shape) > 1
        else torch.randn(shape) / 10
        for name, shape in shapes.items()
    }
    torch.save(state, path)
    return path
