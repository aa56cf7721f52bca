"""The feature encoder of pix2pixHD (section 3.4): photo to a few channels, averaged over each region."""

import torch
from torch import nn

from p2phd_eval.config import FeatureConfig
from p2phd_eval.generators.networks.generator import global_layers
from p2phd_eval.generators.networks.layers import at_least_float32, head, initialise, norm_layer


def instance_average_pool(
    features: torch.Tensor, instances: torch.Tensor, n_instances: int | None = None
) -> torch.Tensor:
    """Replace each feature by its mean over the pixels of its instance (section 3.4).

    The result has the shape and dtype of `features`.

    Parameters
    ----------
    features : Tensor, float, shape (N, C, H, W)
    instances : Tensor, integer, shape (N, 1, H, W)
        Equal numbers in one sample are one instance; samples are kept apart.
    n_instances : int, optional
        If given, all numbers are in [0, n_instances), and nothing has to be read back from the device to count them.
    """
    n, channels, height, width = features.shape
    sample = torch.arange(n, device=features.device).view(n, 1, 1, 1)
    if n_instances is None:
        keys = torch.stack((sample.expand_as(instances).flatten(), instances.flatten().long()))
        found, group = torch.unique(keys, dim=1, return_inverse=True)
        n_groups = found.shape[1]
    else:
        group = (sample * n_instances + instances.long()).flatten()
        n_groups = n * n_instances
    flat = at_least_float32(features.permute(0, 2, 3, 1).reshape(-1, channels))
    sums = flat.new_zeros(n_groups, channels).index_add(0, group, flat)
    counts = flat.new_zeros(n_groups).index_add(0, group, torch.ones_like(flat[:, 0])).clamp_(min=1.0)
    means = (sums / counts.unsqueeze(1))[group].view(n, height, width, channels)
    return means.permute(0, 3, 1, 2).to(features.dtype)


class Encoder(nn.Module):
    """E: photo to low-dimensional features, averaged over each instance."""

    def __init__(self, in_channels: int, out_channels: int, *, nef: int, n_downsample: int, norm: str) -> None:
        super().__init__()
        layers = global_layers(in_channels, nef, n_downsample, 0, norm_layer(norm))
        self.model = nn.Sequential(*layers, *head(nef, out_channels))

    def forward(self, photo: torch.Tensor, instances: torch.Tensor, n_instances: int | None = None) -> torch.Tensor:
        """Map a photo (N, in_channels, H, W) and instance map (N, 1, H, W) to (N, out_channels, H, W) in [-1, 1]."""
        return instance_average_pool(self.model(photo), instances, n_instances)


def build_encoder(config: FeatureConfig, norm: str) -> Encoder:
    """Build an encoder of RGB photos with the original's initial weights, drawn from torch's global generator."""
    encoder = Encoder(3, config.n_features, nef=config.nef, n_downsample=config.n_downsample, norm=norm)
    return encoder.apply(initialise)
