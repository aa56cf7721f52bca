"""The generators of pix2pixHD (Wang et al., CVPR 2018, arXiv:1711.11585), with the original's state-dict keys.

All tensors are NCHW. A generator maps a conditioning tensor to a photo in [-1, 1]; norms compute in at least
float32 whatever the surrounding autocast does, because their means and variances over whole maps overflow or
lose digits in half precision.
"""

import torch
from torch import nn

from p2phd_eval.config import GeneratorConfig
from p2phd_eval.generators.networks.layers import (
    NormLayer,
    ResnetBlock,
    double,
    halve,
    head,
    initialise,
    norm_layer,
    pyramid_downsample,
    stem,
)


def global_layers(
    in_channels: int, ngf: int, n_downsample: int, n_blocks: int, norm: NormLayer, *, dropout: bool = False
) -> list[nn.Module]:
    """Return G1 without its head: what the global generator, the local enhancer and the encoder have in common."""
    layers = stem(in_channels, ngf, norm)
    for i in range(n_downsample):
        layers += halve(ngf * 2**i, norm)
    layers += [ResnetBlock(ngf * 2**n_downsample, norm, dropout=dropout) for _ in range(n_blocks)]
    for i in reversed(range(n_downsample)):
        layers += double(ngf * 2 ** (i + 1), norm)
    return layers


class GlobalGenerator(nn.Module):
    """G1: convolutions, residual blocks at the lowest resolution, transposed convolutions (section 3.1).

    `in_channels` and `out_channels`: channels of the conditioning and of the photo. `ngf`, `n_downsample`, `n_blocks`,
    `norm`, `dropout`: see `GeneratorConfig`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        ngf: int,
        n_downsample: int,
        n_blocks: int,
        norm: str,
        dropout: bool = False,
    ) -> None:
        super().__init__()
        layers = global_layers(in_channels, ngf, n_downsample, n_blocks, norm_layer(norm), dropout=dropout)
        self.model = nn.Sequential(*layers, *head(ngf, out_channels))

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
        dropout: bool = False,
    ) -> None:
        super().__init__()
        layer = norm_layer(norm)
        self.n_local_enhancers = n_local_enhancers
        width = ngf * 2**n_local_enhancers
        self.model = nn.Sequential(*global_layers(in_channels, width, n_downsample, n_blocks, layer, dropout=dropout))
        for n in range(1, n_local_enhancers + 1):
            width = ngf * 2 ** (n_local_enhancers - n)
            up: list[nn.Module] = [ResnetBlock(width * 2, layer, dropout=dropout) for _ in range(n_blocks_local)]
            up += double(width * 2, layer)
            if n == n_local_enhancers:
                up += head(ngf, out_channels)
            self.add_module(f"model{n}_1", nn.Sequential(*stem(in_channels, width, layer), *halve(width, layer)))
            self.add_module(f"model{n}_2", nn.Sequential(*up))
        self.downsample = pyramid_downsample()

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
            dropout=config.dropout,
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
            dropout=config.dropout,
        )
    return network.apply(initialise)
