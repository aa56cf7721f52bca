"""SSIM at each pixel, after Wang, Bovik, Sheikh and Simoncelli (2004)."""

import math

import torch
from torch import Tensor
from torch.nn import functional

_REACH, _SIGMA = 5, 1.5  # pixels each way and standard deviation of the window
#: Pixels an image needs each way: a window.
SMALLEST_SIDE = 2 * _REACH + 1
_C1, _C2 = 0.01**2, 0.03**2  # (K1 L)^2 and (K2 L)^2 where values go from 0 to L = 1


def ssim_maps(first: Tensor, second: Tensor) -> Tensor:
    """Return the SSIM of each channel at each pixel, of images float32 (N, C, H, W) in [0, 1], in their shape.

    It is what torchmetrics computes by default: a Gaussian window of 11 x 11 pixels, images reflected at the borders.
    To import torchmetrics takes three seconds of computing, more than most calls spend on SSIM, and its convolution
    four times as long as the sums below.
    """
    x, y = (functional.pad(each, [_REACH] * 4, mode="reflect") for each in (first, second))
    means = _local_means(torch.cat((x, y, x * x, y * y, x * y)))
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = torch.split(means, len(first))
    # Rounding may leave a little less than 0, which no variance is.
    variance_x, variance_y = (mean_xx - mean_x**2).clamp(min=0), (mean_yy - mean_y**2).clamp(min=0)
    covariance = mean_xy - mean_x * mean_y
    likeness = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)  # eq. 13
    return likeness / ((mean_x**2 + mean_y**2 + _C1) * (variance_x + variance_y + _C2))


def _local_means(padded: Tensor) -> Tensor:
    """Weight the pixels of each window by a Gaussian: along rows, then along columns."""
    window = [math.exp(-((place / _SIGMA) ** 2) / 2) for place in range(-_REACH, _REACH + 1)]
    for axis in (3, 2):
        size = padded.shape[axis] - len(window) + 1
        mean = torch.zeros_like(padded.narrow(axis, 0, size))
        for place, weight in enumerate(window):
            mean.add_(padded.narrow(axis, place, size), alpha=weight / sum(window))
        padded = mean
    return padded
