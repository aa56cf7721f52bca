"""The discriminators of pix2pixHD (section 3.2), with the original's state-dict keys."""

import torch
from torch import nn
from torch.nn import functional

from p2phd_eval.config import DiscriminatorConfig
from p2phd_eval.generators.networks.layers import NormLayer, computes_wide, initialise, norm_layer, pyramid_downsample


def _patch_gan_layers(in_channels: int, ndf: int, n_layers: int, norm: NormLayer) -> list[nn.Sequential]:
    def conv(i: int, o: int, stride: int) -> nn.Conv2d:
        return nn.Conv2d(i, o, 4, stride=stride, padding=2)

    layers = [nn.Sequential(conv(in_channels, ndf, 2), nn.LeakyReLU(0.2, True))]
    width = ndf
    for n in range(1, n_layers + 1):
        wider = min(width * 2, 512)
        stride = 2 if n < n_layers else 1
        layers.append(nn.Sequential(conv(width, wider, stride), norm(wider), nn.LeakyReLU(0.2)))
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

    def forward(self, conditioning: torch.Tensor, *images: torch.Tensor) -> list[list[list[torch.Tensor]]]:
        """Return for each batch of images the activations of each layer by scale, full resolution first.

        The last ones of a scale are the logits. Judged together, images share what depends on the conditioning alone.

        `conditioning`, Tensor, float, shape (N, channels, H, W). `*images`: Tensors of (N, 3, H, W), of its dtype.
        """
        results: list[list[list[torch.Tensor]]] = [[] for _ in images]
        for scale in reversed(range(self.n_scales)):
            convolution, stages = self._stages(scale)
            shared = _conditioning_part(convolution, conditioning)
            for result, image in zip(results, images, strict=True):
                x = _convolve_both(convolution, conditioning, image, shared)
                activations = []
                for stage in stages:
                    for module in stage:
                        x = module(x)
                    activations.append(x)
                result.append(activations)
            if scale:
                conditioning = self.downsample(conditioning)
                images = tuple(self.downsample(image) for image in images)
        return results

    def _stages(self, scale: int) -> tuple[nn.Conv2d, list[list[nn.Module]]]:
        """Return the first convolution of a scale, and what follows it, up to each activation that is returned."""
        if self.expose_features:
            layers = [self.get_submodule(f"scale{scale}_layer{j}") for j in range(self.n_layers + 2)]
        else:
            layers = [self.get_submodule(f"layer{scale}")]
        (convolution, *first), *others = ([*layer.children()] for layer in layers)
        assert isinstance(convolution, nn.Conv2d)
        return convolution, [first, *others]


def _conditioning_part(convolution: nn.Conv2d, conditioning: torch.Tensor) -> torch.Tensor | None:
    """Return what the conditioning adds to a convolution of conditioning and image, concatenated.

    Most of its work is about the conditioning, which needs no gradient. Computed by itself it serves several images, on
    a CPU; the sum is equal to rounding. Elsewhere the result is None.
    """
    if not computes_wide(conditioning, convolution.weight):
        return None
    weight = convolution.weight[:, : conditioning.shape[1]]
    return functional.conv2d(conditioning, weight, convolution.bias, convolution.stride, convolution.padding)


def _convolve_both(
    convolution: nn.Conv2d, conditioning: torch.Tensor, image: torch.Tensor, part: torch.Tensor | None
) -> torch.Tensor:
    if part is None:
        joint: torch.Tensor = convolution(torch.cat((conditioning, image), dim=1))
        return joint
    weight = convolution.weight[:, conditioning.shape[1] :]
    return functional.conv2d(image, weight, None, convolution.stride, convolution.padding).add_(part)


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
