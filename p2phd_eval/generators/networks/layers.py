"""Layers that the networks of pix2pixHD are made of."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

NormLayer = Callable[[int], nn.Module]

_FEW_CHANNELS = 4  # a quarter of those that a CPU computes at a time


def at_least_float32(x: torch.Tensor) -> torch.Tensor:
    """Return `x` in float32, or as it is where it is wider (float64)."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def norm_input(x: torch.Tensor) -> torch.Tensor:
    """Return `x` as a norm must be given it to compute in at least float32.

    CUDA's kernels do so whatever they are given, and keep the narrow input for backward; the CPU's round on the way.
    """
    return x if x.is_cuda else at_least_float32(x)


def computes_wide(x: torch.Tensor, weight: torch.Tensor) -> bool:
    """Whether a CPU multiplies the two as they are, in float32 or float64.

    What is said of a CPU's speed holds there; where a narrower dtype is emulated, weights are known by their identity.
    """
    if x.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        return False
    return x.dtype == weight.dtype and x.dtype in (torch.float32, torch.float64)


class InstanceNorm2d(nn.InstanceNorm2d):
    """Instance norm without parameters that computes in at least float32 and returns the caller's dtype."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise `x` of shape (N, C, H, W), each map by its own mean and variance."""
        if x.device.type == "cpu":
            # Groups of one channel are the same, by a kernel that is two to four times as fast. In channels-last it
            # loses digits (E[x^2] - E[x]^2), and instance norm's own gradients are wrong there for one sample.
            normalised = functional.group_norm(norm_input(x).contiguous(), x.shape[1], eps=self.eps)
        else:
            normalised = super().forward(norm_input(x))
        return normalised.to(x.dtype)


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm that computes in at least float32 and returns the caller's dtype."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise `x` of shape (N, C, H, W), each channel over the batch."""
        normalised: torch.Tensor = super().forward(norm_input(x))
        return normalised.to(x.dtype)


class ReflectionPad2d(nn.ReflectionPad2d):
    """Reflection padding whose backward is deterministic where torch is asked to be.

    CUDA's own backward adds with atomics, in any order; slices and concatenations give the same values in forward and
    an ordered sum in backward.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Pad `x` of shape (N, C, H, W) on all four sides."""
        if not torch.are_deterministic_algorithms_enabled():
            padded: torch.Tensor = super().forward(x)
            return padded
        left, right, top, bottom = self.padding
        x = torch.cat((x[..., 1 : left + 1].flip(-1), x, x[..., -right - 1 : -1].flip(-1)), dim=-1)
        return torch.cat((x[..., 1 : top + 1, :].flip(-2), x, x[..., -bottom - 1 : -1, :].flip(-2)), dim=-2)


class FewChannelsConv2d(nn.Conv2d):
    """A convolution of stride 1 without padding to a few channels, such as those of an image.

    A CPU computes 16 channels at a time. So in float32 and float64 each 2 x 2 pixels of the result are computed as
    channels of their own, by the kernel at four places in a larger one, in half of the time; equal to rounding.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H - kernel + 1, W - kernel + 1)."""
        if not (computes_wide(x, self.weight) and suits_four_places(x, self.weight)):
            narrow: torch.Tensor = super().forward(x)
            return narrow
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        return functional.pixel_shuffle(functional.conv2d(x, at_four_places(self.weight), bias, stride=2), 2)


def suits_four_places(x: torch.Tensor, weight: torch.Tensor) -> bool:
    """Whether a plain convolution gains by `at_four_places`: to few channels, with an even number of rows and columns.

    `x`: (N, I, H, W). `weight`: (O, I, K, K).
    """
    sides = [side - kernel + 1 for side, kernel in zip(x.shape[2:], weight.shape[2:], strict=True)]
    return weight.shape[0] <= _FEW_CHANNELS and not any(side % 2 for side in sides)


def at_four_places(weight: torch.Tensor) -> torch.Tensor:
    """Return kernels (O, I, K, K) at the 2 x 2 places that they have in larger ones: (4 O, I, K + 1, K + 1)."""
    places = [functional.pad(weight, (i, 1 - i, j, 1 - j)) for j in (0, 1) for i in (0, 1)]
    return torch.stack(places, dim=1).flatten(0, 1)


# ReLUs after a norm are not in place: instance norm may return a view, and autograd copies what is overwritten in one.


def norm_layer(norm: str) -> NormLayer:
    """Return the class of norm called "instance" or "batch"."""
    return InstanceNorm2d if norm == "instance" else BatchNorm2d


def stem(in_channels: int, out_channels: int, norm: NormLayer) -> list[nn.Module]:
    """Return a 7x7 convolution with norm and ReLU."""
    return [ReflectionPad2d(3), nn.Conv2d(in_channels, out_channels, 7), norm(out_channels), nn.ReLU()]


def halve(channels: int, norm: NormLayer) -> list[nn.Module]:
    """Return a strided convolution to half the size and twice the channels, with norm and ReLU."""
    return [nn.Conv2d(channels, channels * 2, 3, stride=2, padding=1), norm(channels * 2), nn.ReLU()]


def double(channels: int, norm: NormLayer) -> list[nn.Module]:
    """Return a transposed convolution to twice the size and half the channels, with norm and ReLU."""
    up = nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1)
    return [up, norm(channels // 2), nn.ReLU()]


def head(in_channels: int, out_channels: int) -> list[nn.Module]:
    """Return the 7x7 convolution to an image in [-1, 1]."""
    return [ReflectionPad2d(3), FewChannelsConv2d(in_channels, out_channels, 7), nn.Tanh()]


def pyramid_downsample() -> nn.AvgPool2d:
    """Return the pooling between two resolutions of an image pyramid."""
    return nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)


class ResnetBlock(nn.Module):
    """Two 3x3 convolutions with reflection padding around an identity connection."""

    def __init__(self, channels: int, norm: NormLayer, *, dropout: bool) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            norm(channels),
            nn.ReLU(),
            *([nn.Dropout(0.5)] if dropout else []),
            ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            norm(channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to the same shape."""
        residual: torch.Tensor = self.conv_block(x)
        return x + residual


def initialise(module: nn.Module) -> None:
    """Draw the original's initial weights from torch's global generator."""
    # Of what has no numbers none are drawn: torch would import its compiler for it, which takes a second.
    if any(each.is_meta for each in module.parameters(recurse=False)):
        return
    # Convolutions N(0, 0.02), batch norm N(1, 0.02), biases of convolutions left at PyTorch's default: as the original.
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
