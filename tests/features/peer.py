"""The networks of the FID tools themselves, given the weights instead of downloading them."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import torch

from p2phd_eval.features.weights.file import load_state
from p2phd_eval.features.weights.index import WeightsFile
from p2phd_eval.torchvision_ops import declare_missing_operators

DIMS = (64, 192, 768, 2048)


def full_state(weights: WeightsFile) -> dict[str, torch.Tensor]:
    """The weights with the classifier of the release file, which the features do not pass."""
    return load_state(weights) | {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}


@functools.cache
def pytorch_fid_network(
    weights: WeightsFile, blocks: tuple[int, ...] = (3,), own_resize: bool = True
) -> torch.nn.Module:
    """``pytorch_fid.inception.InceptionV3(blocks)`` in eval mode; without its resize it takes (x - 128) / 128."""
    declare_missing_operators()
    from pytorch_fid import inception

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception, "load_state_dict_from_url", lambda *args, **kwargs: full_state(weights))
        network: torch.nn.Module = inception.InceptionV3(
            list(blocks), resize_input=own_resize, normalize_input=own_resize
        )
    return network.eval()


def save_state(weights: WeightsFile, folder: Path) -> Path:
    """Write a state dict that torch-fidelity and torchmetrics load by path."""
    path = folder / "inception.pth"
    counters = {
        name.replace("running_var", "num_batches_tracked"): torch.tensor(0)
        for name in load_state(weights)
        if name.endswith("running_var")
    }
    torch.save(full_state(weights) | counters, path)
    return path
