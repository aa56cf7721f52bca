"""Weights of activations' channels that the authors of distances fitted to people's judgements."""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor


def fitted_channels(file: str, device: torch.device | str) -> dict[str, Tensor]:
    """Return the weights in one of the files that come with torchmetrics.

    `file`: below its `functional/image`.
    """
    package = find_spec("torchmetrics")  # importing it takes seconds
    assert package is not None and package.origin is not None  # it is a dependency
    path = Path(package.origin).parent / "functional" / "image" / file
    fitted: dict[str, Tensor] = torch.load(path, map_location=device, weights_only=True)
    return fitted
