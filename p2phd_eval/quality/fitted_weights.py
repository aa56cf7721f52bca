"""The weights of channels that the authors of LPIPS and DISTS fitted to people's judgements."""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor


def fitted_weights(name: str, device: torch.device | str) -> dict[str, Tensor]:
    """Read a file of them, which comes with torchmetrics, without importing that: it would take seconds.

    `name`: its place below torchmetrics' functional/image, such as "lpips_models/alex.pth".
    """
    package = find_spec("torchmetrics")
    assert package is not None and package.origin is not None  # it is installed with this package
    file = Path(package.origin).parent / "functional" / "image" / name
    weights: dict[str, Tensor] = torch.load(file, map_location=device, weights_only=True)
    return weights
