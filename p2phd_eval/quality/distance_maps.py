"""The distance of two images at each pixel, so that parts of images can be averaged apart."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from p2phd_eval.errors import InputError
from p2phd_eval.features.networks.float32_products import float32_products
from p2phd_eval.quality.image_distance import QualityMetric
from p2phd_eval.quality.lpips import SMALLEST_SIDE, Lpips
from p2phd_eval.torchvision_ops import declare_missing_operators

Pixels = npt.NDArray[np.uint8]
Maps = npt.NDArray[np.float32]

_SSIM_WINDOW = 11  # pixels

# Distances: 0 for the same, larger is farther.
MSE = QualityMetric(name="MSE", unit="squared levels of 8 bits", better="lower")
SSIM = QualityMetric(name="1 - SSIM", unit="", better="lower")
LPIPS = QualityMetric(name="LPIPS", unit="", better="lower")


class DistanceMaps:
    """Distances at each pixel.

    * MSE: the mean over the channels of the squared difference, in squared levels of 8 bits. It tells of the pixel
      alone; its PSNR is 10 log10(255^2 / MSE).
    * 1 - SSIM: the mean over the channels, by the window of `per_image_quality`: it sees 5 pixels each way.
    * LPIPS, where `lpips` is given, see `Lpips.maps`: it sees farther still.
    """

    def __init__(self, lpips: Lpips | None, device: torch.device | str) -> None:
        self._lpips, self._device = lpips, device
        self.metrics = (MSE, SSIM) if lpips is None else (MSE, SSIM, LPIPS)

    def require_size(self, width: int, height: int, where: str) -> None:
        """Raise `InputError` for images that are too small to be compared."""
        smallest = _SSIM_WINDOW if self._lpips is None else SMALLEST_SIDE
        if min(width, height) < smallest:
            raise InputError(
                where,
                expected=f"an image of {smallest} pixels or more each way, to compare it with others",
                found=f"{width} x {height}",
            )

    def __call__(self, first: Pixels, second: Pixels) -> Mapping[str, Maps]:
        """Return the distances of pairs of images, uint8 (N, H, W, 3), at each pixel, float32 (N, H, W), by name."""
        apart = first.astype(np.float32) - second.astype(np.float32)
        maps: dict[str, Maps] = {MSE.name: np.square(apart).mean(axis=3)}
        before, after = (
            torch.from_numpy(each).to(self._device).permute(0, 3, 1, 2).float() / 255 for each in (first, second)
        )
        maps[SSIM.name] = (1 - _ssim_map(before, after)).cpu().numpy()
        if self._lpips is not None:
            maps[LPIPS.name] = self._lpips.maps(2 * before - 1, 2 * after - 1).cpu().numpy()
        return maps


def _ssim_map(first: Tensor, second: Tensor) -> Tensor:
    """SSIM at each pixel of images float32 (N, 3, H, W) in [0, 1], float32 (N, H, W)."""
    declare_missing_operators()
    from torchmetrics.functional.image import structural_similarity_index_measure

    with float32_products():
        _, similarity = structural_similarity_index_measure(
            second, first, data_range=1.0, reduction="none", return_full_image=True
        )
    assert isinstance(similarity, Tensor)
    # Rounding leaves a little more than 1 where images are the same.
    return similarity.mean(1).clamp(max=1.0)
