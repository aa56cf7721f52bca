"""The distances of two images that can be computed here: those of pixels alone, and those whose weights there are."""

from pathlib import Path

import torch

from p2phd_eval.quality.image_distance import PSNR, SSIM, ImageDistance
from p2phd_eval.quality.lpips import find_lpips


def find_distances(
    device: torch.device | str, *, lpips_weights: Path | None = None
) -> tuple[tuple[ImageDistance, ...], tuple[str, ...]]:
    """Return SSIM, PSNR, LPIPS where its weights can be had, and notes on what is left out or not the standard.

    `device`: where to compute. `lpips_weights`: see `find_lpips`. Raises `InputError` if given weights cannot be used.
    """
    lpips, notes = find_lpips(lpips_weights, device)
    return (SSIM, PSNR) if lpips is None else (SSIM, PSNR, lpips.as_distance()), notes
