"""The discriminators of pix2pixHD (section 3.2), with the original's state-dict keys."""

import torch
from torch import nn

from p2phd_eval.config import DiscriminatorConfig
from p2phd_eval.generators.networks.layers import NormLayer, initialise, norm_layer, pyramid_downsample


def _patch_gan_layers(in_channels: int, ndf: int, n_layers: int, norm: NormLayer) -> list[nn.Sequential]:
    def conv(i: int, o: int, stride: int) -> nn.Conv2d:
        return nn.Conv2d(i, o, 4, stride=stride, padding=2)

    layers = [nn.Sequential(conv(in_channels, ndf, 2), nn.LeakyReLU(0.2, True))]
    width = ndf
    for n in range(1, n_layers + 1):
        wider = min(width * 2, 512)
        stride = 2 if n < n_layers else 1
        layers.append(nn.Sequential(conv(width, wider, stride), norm(wider), nn.LeakyReLU(0.2, True)))
        width = wider
    return [*layers, nn.Sequential(conv(width, 1, 1))]


class MultiscaleDiscriminator(nn.Module):
    """PatchGAN discriminators of one architecture at several resolutions (section 3.2).

    With `expose_features` the state-dict keys are `scale{i}_layer{j}`, without `layer{i}`, as in the original.
    """

    def __init__(
        self, in_channels: int, *, ndf: int, n_layers: int, n_scales: int, norm: str, expose_features: bool
    ) -> None:
        super().__init__()
        self.n_layers, self.n_scales, self.expose_features = n_layers, n_scales, expose_features
        for i in range(n_scales):
            layers = _patch_gan_layers(in_channels, ndf, n_layers, norm_layer(norm))
            if expose_features:
                for j, layer in enumerate(layers):
                    self.add_module(f"scale{i}_layer{j}", layer)
            else:
                self.add_module(f"layer{i}", nn.Sequential(*(module for layer in layers for module in layer)))
        self.downsample = pyramid_downsample()

    def forward(self, x: torch.Tensor) -> list[list[torch.Tensor]]:
        """Return for each scale, full resolution first, the activations of each layer; the last are the logits.

        `x`, Tensor, float, shape (N, in_channels, H, W): conditioning and photo, concatenated.
        """
        results = []
        for scale in reversed(range(self.n_scales)):
            activations = [x]
            if self.expose_features:
                for j in range(self.n_layers + 2):
                    activations.append(self.get_submodule(f"scale{scale}_layer{j}")(activations[-1]))
            else:
                activations.append(self.get_submodule(f"layer{scale}")(x))
            results.append(activations[1:])
            if scale:
                x = self.downsample(x)
        return results


def build_discriminator(
    config: DiscriminatorConfig, conditioning_channels: int, *, expose_features: bool
) -> MultiscaleDiscriminator:
    """Build the discriminators for RGB photos; `expose_features` as feature matching needs it."""
    network = MultiscaleDiscriminator(
        conditioning_channels + 3,
        ndf=config.ndf,
        n_layers=config.n_layers,
        n_scales=config.n_scales,
        norm=config.norm,
        expose_features=expose_features,
    )
    return network.apply(initialise)
