"""SSIM, the likeness of two images in the means, variances and covariance of small windows."""

import torch
from torch import Tensor
from torch.nn import functional

from p2phd_eval.features.networks.float32_products import float32_products

#: Pixels of a side of the window; an image needs as many each way.
SSIM_WINDOW = 11

_SIGMA = 1.5  # standard deviation of the window, in pixels
_C1, _C2 = 0.01**2, 0.03**2


def ssim_maps(first: Tensor, second: Tensor) -> Tensor:
    """Return SSIM at each pixel of each channel, as torchmetrics computes it by default: to the bit.

    Importing torchmetrics takes longer than a short command does with all its images.

    Parameters
    ----------
    first, second : Tensor, float32 (N, C, H, W) in [0, 1]
        H and W at least `SSIM_WINDOW`.

    Returns
    -------
    Tensor, float32 (N, C, H, W)
        1 for identical images, but for rounding.

    References
    ----------
    Wang, Bovik, Sheikh and Simoncelli (2004), "Image Quality Assessment: From Error Visibility to Structural
    Similarity", eq. 13 to 16, with K1 = 0.01 and K2 = 0.03.
    """
    half = SSIM_WINDOW // 2
    x, y = (functional.pad(each, (half, half, half, half), mode="reflect") for each in (second, first))
    with float32_products():
        window = _window(x)
        means = functional.conv2d(torch.cat((x, y, x * x, y * y, x * y)), window, groups=len(window))
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = means.chunk(5)
    # Rounding may leave a variance below 0.
    var_x, var_y = (mean_xx - mean_x**2).clamp(min=0), (mean_yy - mean_y**2).clamp(min=0)
    covariance = mean_xy - mean_x * mean_y
    likeness = (2 * (mean_x * mean_y) + _C1) * (2 * covariance + _C2)
    return likeness / ((mean_x**2 + mean_y**2 + _C1) * (var_x + var_y + _C2))


def _window(like: Tensor) -> Tensor:
    """A Gaussian window that sums to 1, for each channel of (N, C, H, W): (C, 1, 11, 11)."""
    half = SSIM_WINDOW // 2
    distance = torch.arange(-half, half + 1, dtype=like.dtype, device=like.device)
    gaussian = torch.exp(-((distance / _SIGMA) ** 2) / 2)
    gaussian = (gaussian / gaussian.sum())[None]
    return (gaussian.T @ gaussian).expand(like.shape[1], 1, SSIM_WINDOW, SSIM_WINDOW)
