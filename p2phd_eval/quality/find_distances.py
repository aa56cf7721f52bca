"""The distances of two images that can be computed here: those of pixels alone, and those whose weights there are."""

from collections.abc import Mapping
from pathlib import Path

import torch

from p2phd_eval.quality.distance_weights import NO_WEIGHTS, require_distance_weights
from p2phd_eval.quality.dists import Dists
from p2phd_eval.quality.dreamsim import DreamSim
from p2phd_eval.quality.image_distance import PSNR, SSIM, ImageDistance
from p2phd_eval.quality.lpips import find_lpips


def find_distances(
    device: torch.device | str, *, lpips_weights: Path | None = None, weights: Mapping[str, Path] = NO_WEIGHTS
) -> tuple[tuple[ImageDistance, ...], tuple[str, ...]]:
    """Return SSIM, PSNR, LPIPS where its weights can be had, what else was asked for, and notes on the networks.

    `device`: where to compute. `lpips_weights`: see `find_lpips`. `weights`: by the names in `distance_weights`; who
    gives none is not told of what there might be. Raises `InputError` if given weights cannot be used.
    """
    require_distance_weights(weights)
    lpips, notes = find_lpips(lpips_weights, device)
    found = [SSIM, PSNR] if lpips is None else [SSIM, PSNR, lpips.as_distance()]
    if "dists" in weights:
        dists = Dists(weights["dists"], device)
        found.append(dists.as_distance())
        notes += dists.notes
    if "dreamsim" in weights:
        found.append(DreamSim(weights["dreamsim"], device).as_distance())
    return tuple(found), notes
