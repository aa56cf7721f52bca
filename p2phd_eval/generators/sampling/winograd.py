"""The residual blocks' convolutions in a quarter of the products, for a CPU that samples in float32.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR 2016), F(4 x 4, 3 x 3): of a tile of 6 x 6
pixels 4 x 4 results take 36 products a pair of channels, where the sum over the kernel takes 144. cuDNN does the same
on a GPU; oneDNN, torch's library for CPUs, no longer does.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from p2phd_eval.generators.networks.layers import ResnetBlock

_TILE = 4  # results, each way
_WINDOW = _TILE + 2  # pixels that they depend on
#: Where the polynomials are evaluated, beside infinity. A half for one of the twos of Lavin and Gray makes the rounding
#: errors smaller by a fifth: numbers of both sides of 1 keep the transforms' entries closer together (Barabasz et al.,
#: "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks", 2020).
_POINTS = np.array([0.0, 1.0, -1.0, 0.5, -2.0])
_FEWEST_CHANNELS = 128  # with fewer, the transforms take what the products save
_FEWEST_TILES = 16  # with fewer, reading the weights does: there are four times as many as of the kernel itself

Matrix = npt.NDArray[np.float64]


def transforms() -> tuple[Matrix, Matrix, Matrix]:
    """Return A (4, 6), B (6, 6) and G (6, 3): y = A ((G g) * (B d)) correlates d of 6 numbers with g of 3.

    Toom and Cook's way: numbers are coefficients of polynomials, which are multiplied where they are evaluated.
    """
    powers = np.vander(_POINTS, _TILE, increasing=True)
    others = [np.delete(_POINTS, i) for i in range(len(_POINTS))]
    scales = np.array([np.prod(point - rest) for point, rest in zip(_POINTS, others, strict=True)])
    a = np.vstack((powers, np.eye(_TILE)[-1])).T
    g = np.vstack((powers[:, :3] / scales[:, None], [0.0, 0.0, 1.0]))
    b = np.zeros((_WINDOW, _WINDOW))
    for row, roots in zip(b, (*others, _POINTS), strict=True):
        coefficients = np.polynomial.polynomial.polyfromroots(roots)
        row[: len(coefficients)] = coefficients
    # Each row of B in [-1, 1], so that none of the 36 sums over channels is of another size than the others.
    largest = np.abs(b).max(axis=1, keepdims=True)
    return a, b / largest, g * largest


class WinogradConv2d(nn.Module):
    """A 3 x 3 convolution of stride 1 without padding, equal to `convolution` but for rounding.

    Relative to float64 its mean error is 1e-6, six times that of torch's own in float32. Images go through one by one,
    so that none depends on the others of its batch.

    `convolution`: in float32, on a CPU, one group.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self._direct = convolution
        a, b, g = transforms()
        weight = convolution.weight.detach()
        per_axis = torch.from_numpy(g)
        products = torch.einsum("ik,ockl,jl->ijoc", per_axis, weight.double(), per_axis)
        self._weight = products.flatten(0, 1).to(weight.dtype).contiguous()  # (36, out, in)
        self._bias = None if convolution.bias is None else convolution.bias.detach()[:, None, None]
        # Both axes at once: one product of matrices transforms all tiles of all channels.
        self._into, self._out_of = (torch.from_numpy(np.kron(each, each)).to(weight.dtype) for each in (b, a))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in, H, W) to (N, out, H - 2, W - 2)."""
        return torch.stack([self._convolve(image) for image in x])

    def _convolve(self, image: torch.Tensor) -> torch.Tensor:
        channels, height, width = (image.shape[0], image.shape[1] - 2, image.shape[2] - 2)
        if -(-height // _TILE) * -(-width // _TILE) < _FEWEST_TILES:
            direct: torch.Tensor = self._direct(image[None])[0]
            return direct
        # The last tiles may stand over the edge; what they see there takes no part in the results that are kept.
        image = nn.functional.pad(image, (0, -width % _TILE, 0, -height % _TILE))
        windows = image.unfold(1, _WINDOW, _TILE).unfold(2, _WINDOW, _TILE)  # (in, rows, columns, 6, 6)
        rows, columns = windows.shape[1:3]
        pixels = windows.permute(3, 4, 0, 1, 2).reshape(_WINDOW**2, -1)
        products = torch.bmm(self._weight, (self._into @ pixels).view(_WINDOW**2, channels, -1))
        results = (self._out_of @ products.flatten(1)).view(_TILE, _TILE, -1, rows, columns)
        photo = results.permute(2, 3, 0, 4, 1).reshape(-1, rows * _TILE, columns * _TILE)[:, :height, :width]
        return photo if self._bias is None else photo + self._bias


def use_winograd(network: nn.Module) -> None:
    """Put `WinogradConv2d` into the residual blocks of a network in float32 on a CPU, where they are wide enough."""
    for block in network.modules():
        if isinstance(block, ResnetBlock):
            for name, layer in block.conv_block.named_children():
                if isinstance(layer, nn.Conv2d) and layer.in_channels >= _FEWEST_CHANNELS:
                    block.conv_block.register_module(name, WinogradConv2d(layer))
