"""The networks of pix2pixHD (Wang et al., CVPR 2018, arXiv:1711.11585), with the original's state-dict keys.

All tensors are NCHW. A generator maps a conditioning tensor to a photo in [-1, 1]; norms compute in at least
float32 whatever the surrounding autocast does, because their means and variances over whole maps overflow or
lose digits in half precision.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from p2phd_eval.config import DiscriminatorConfig, GeneratorConfig

NormLayer = Callable[[int], nn.Module]


def at_least_float32(x: torch.Tensor) -> torch.Tensor:
    """Return `x` in float32, or as it is where it is wider (float64)."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class InstanceNorm2d(nn.InstanceNorm2d):
    """Instance norm without parameters that computes in at least float32 and returns the caller's dtype."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise `x` of shape (N, C, H, W), each map by its own mean and variance."""
        normalised: torch.Tensor = super().forward(at_least_float32(x))
        return normalised.to(x.dtype)


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm that computes in at least float32 and returns the caller's dtype."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise `x` of shape (N, C, H, W), each channel over the batch."""
        normalised: torch.Tensor = super().forward(at_least_float32(x))
        return normalised.to(x.dtype)


def _norm_layer(norm: str) -> NormLayer:
    return InstanceNorm2d if norm == "instance" else BatchNorm2d


def _stem(in_channels: int, out_channels: int, norm: NormLayer) -> list[nn.Module]:
    return [nn.ReflectionPad2d(3), nn.Conv2d(in_channels, out_channels, 7), norm(out_channels), nn.ReLU(True)]


def _halve(channels: int, norm: NormLayer) -> list[nn.Module]:
    return [nn.Conv2d(channels, channels * 2, 3, stride=2, padding=1), norm(channels * 2), nn.ReLU(True)]


def _double(channels: int, norm: NormLayer) -> list[nn.Module]:
    up = nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1)
    return [up, norm(channels // 2), nn.ReLU(True)]


def _head(in_channels: int, out_channels: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(3), nn.Conv2d(in_channels, out_channels, 7), nn.Tanh()]


def _pyramid_downsample() -> nn.AvgPool2d:
    return nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)


class ResnetBlock(nn.Module):
    """Two 3x3 convolutions with reflection padding around an identity connection."""

    def __init__(self, channels: int, norm: NormLayer) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            norm(channels),
            nn.ReLU(True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            norm(channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to the same shape."""
        residual: torch.Tensor = self.conv_block(x)
        return x + residual


def _global_layers(in_channels: int, ngf: int, n_downsample: int, n_blocks: int, norm: NormLayer) -> list[nn.Module]:
    layers = _stem(in_channels, ngf, norm)
    for i in range(n_downsample):
        layers += _halve(ngf * 2**i, norm)
    layers += [ResnetBlock(ngf * 2**n_downsample, norm) for _ in range(n_blocks)]
    for i in reversed(range(n_downsample)):
        layers += _double(ngf * 2 ** (i + 1), norm)
    return layers


class GlobalGenerator(nn.Module):
    """G1: convolutions, residual blocks at the lowest resolution, transposed convolutions (section 3.1).

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the conditioning and of the photo.
    ngf, n_downsample, n_blocks, norm
        See `GeneratorConfig`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, ngf: int, n_downsample: int, n_blocks: int, norm: str
    ) -> None:
        super().__init__()
        layers = _global_layers(in_channels, ngf, n_downsample, n_blocks, _norm_layer(norm))
        self.model = nn.Sequential(*layers, *_head(ngf, out_channels))

    def forward(self, conditioning: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H, W) in [-1, 1]; sides multiples of 2**n_downsample."""
        photo: torch.Tensor = self.model(conditioning)
        return photo


class LocalEnhancer(nn.Module):
    """G2 and above: G1 without its last layers at the lowest resolution, an enhancer for each doubling (section 3.1).

    `ngf` is the width at full resolution; G1 inside has `ngf * 2**n_local_enhancers`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        ngf: int,
        n_downsample: int,
        n_blocks: int,
        n_local_enhancers: int,
        n_blocks_local: int,
        norm: str,
    ) -> None:
        super().__init__()
        layer = _norm_layer(norm)
        self.n_local_enhancers = n_local_enhancers
        width = ngf * 2**n_local_enhancers
        self.model = nn.Sequential(*_global_layers(in_channels, width, n_downsample, n_blocks, layer))
        for n in range(1, n_local_enhancers + 1):
            width = ngf * 2 ** (n_local_enhancers - n)
            up: list[nn.Module] = [ResnetBlock(width * 2, layer) for _ in range(n_blocks_local)]
            up += _double(width * 2, layer)
            if n == n_local_enhancers:
                up += _head(ngf, out_channels)
            self.add_module(f"model{n}_1", nn.Sequential(*_stem(in_channels, width, layer), *_halve(width, layer)))
            self.add_module(f"model{n}_2", nn.Sequential(*up))
        self.downsample = _pyramid_downsample()

    def forward(self, conditioning: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H, W) in [-1, 1]."""
        pyramid = [conditioning]
        for _ in range(self.n_local_enhancers):
            pyramid.append(self.downsample(pyramid[-1]))
        features: torch.Tensor = self.model(pyramid[-1])
        for n in range(1, self.n_local_enhancers + 1):
            down, up = self.get_submodule(f"model{n}_1"), self.get_submodule(f"model{n}_2")
            features = up(down(pyramid[self.n_local_enhancers - n]) + features)
        return features


def instance_average_pool(features: torch.Tensor, instances: torch.Tensor) -> torch.Tensor:
    """Replace each feature by its mean over the pixels of its instance (section 3.4).

    Parameters
    ----------
    features : Tensor, float, shape (N, C, H, W)
    instances : Tensor, integer, shape (N, 1, H, W)
        Equal numbers in one sample are one instance; samples are kept apart.

    Returns
    -------
    Tensor of the shape and dtype of `features`.
    """
    n, channels, height, width = features.shape
    sample = torch.arange(n, device=features.device).view(n, 1, 1, 1)
    keys = torch.stack((sample.expand_as(instances).flatten(), instances.flatten().long()))
    _, group = torch.unique(keys, dim=1, return_inverse=True)
    flat = at_least_float32(features.permute(0, 2, 3, 1).reshape(-1, channels))
    n_groups = int(group.max()) + 1
    sums = flat.new_zeros(n_groups, channels).index_add(0, group, flat)
    counts = torch.bincount(group, minlength=n_groups).unsqueeze(1)
    means = (sums / counts)[group].view(n, height, width, channels)
    return means.permute(0, 3, 1, 2).to(features.dtype)


class Encoder(nn.Module):
    """E: photo to low-dimensional features, averaged over each instance (section 3.4)."""

    def __init__(self, in_channels: int, out_channels: int, *, nef: int, n_downsample: int, norm: str) -> None:
        super().__init__()
        layers = _global_layers(in_channels, nef, n_downsample, 0, _norm_layer(norm))
        self.model = nn.Sequential(*layers, *_head(nef, out_channels))

    def forward(self, photo: torch.Tensor, instances: torch.Tensor) -> torch.Tensor:
        """Map a photo (N, in_channels, H, W) and instance map (N, 1, H, W) to (N, out_channels, H, W) in [-1, 1]."""
        return instance_average_pool(self.model(photo), instances)


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
            layers = _patch_gan_layers(in_channels, ndf, n_layers, _norm_layer(norm))
            if expose_features:
                for j, layer in enumerate(layers):
                    self.add_module(f"scale{i}_layer{j}", layer)
            else:
                self.add_module(f"layer{i}", nn.Sequential(*(module for layer in layers for module in layer)))
        self.downsample = _pyramid_downsample()

    def forward(self, x: torch.Tensor) -> list[list[torch.Tensor]]:
        """Return for each scale, full resolution first, the activations of each layer; the last are the logits.

        Parameters
        ----------
        x : Tensor, float, shape (N, in_channels, H, W)
            Conditioning and photo, concatenated.
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


def _initialise(module: nn.Module) -> None:
    # Convolutions N(0, 0.02), batch norm N(1, 0.02), biases of convolutions left at PyTorch's default: as the original.
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def build_generator(config: GeneratorConfig, in_channels: int) -> GlobalGenerator | LocalEnhancer:
    """Build a generator of RGB photos with the original's initial weights, drawn from torch's global generator."""
    network: GlobalGenerator | LocalEnhancer
    if config.kind == "global":
        network = GlobalGenerator(
            in_channels,
            3,
            ngf=config.ngf,
            n_downsample=config.n_downsample,
            n_blocks=config.n_blocks,
            norm=config.norm,
        )
    else:
        network = LocalEnhancer(
            in_channels,
            3,
            ngf=config.ngf,
            n_downsample=config.n_downsample,
            n_blocks=config.n_blocks,
            n_local_enhancers=config.n_local_enhancers,
            n_blocks_local=config.n_blocks_local,
            norm=config.norm,
        )
    return network.apply(_initialise)


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
    return network.apply(_initialise)
