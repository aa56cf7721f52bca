"""Label and instance maps to the generator's input."""

import torch

from p2phd_eval.config import DataConfig


def conditioning_channels(config: DataConfig) -> int:
    """Return the number of channels that `encode` produces: classes (or RGB) and the edge map."""
    return (config.label_nc or 3) + int(config.instances)


def instance_edges(instances: torch.Tensor) -> torch.Tensor:
    """Mark the pixels that have a neighbour, left, right, above or below, of another instance (section 3.3).

    `instances`: Tensor, integer, shape (N, 1, H, W). The result is bool (N, 1, H, W).
    """
    edges = torch.zeros_like(instances, dtype=torch.bool)
    across = instances[..., :, 1:] != instances[..., :, :-1]
    down = instances[..., 1:, :] != instances[..., :-1, :]
    edges[..., :, 1:] |= across
    edges[..., :, :-1] |= across
    edges[..., 1:, :] |= down
    edges[..., :-1, :] |= down
    return edges


def encode(label: torch.Tensor, instances: torch.Tensor | None, label_nc: int) -> torch.Tensor:
    """One-hot labels, then the edge map where there are instances.

    The result is float32 (N, label_nc + 1, H, W), or (N, label_nc, H, W) without instances; 3 channels for `label_nc`
    0.

    Parameters
    ----------
    label : Tensor
        Integer classes in [0, label_nc), shape (N, 1, H, W); with `label_nc` 0 a photo in [-1, 1], (N, 3, H, W).
    instances : Tensor of integers, shape (N, 1, H, W), or None
    label_nc : int
        Number of classes.
    """
    edges = None if instances is None else instance_edges(instances)
    if not label_nc:
        photo = label.float()
        return photo if edges is None else torch.cat((photo, edges.float()), dim=1)
    n, _, height, width = label.shape
    # One tensor for all: at full size it is large, and filling it is what this takes.
    encoded = torch.zeros(n, label_nc + int(edges is not None), height, width, device=label.device)
    encoded[:, :label_nc].scatter_(1, label.long(), 1.0)
    if edges is not None:
        encoded[:, label_nc:] = edges
    return encoded
