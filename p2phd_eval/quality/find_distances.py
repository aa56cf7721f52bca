"""The distances of two images that can be computed here: those of pixels alone, and those whose weights there are."""

from collections.abc import Mapping
from pathlib import Path

import torch

from p2phd_eval.quality.distance_weights import NO_WEIGHTS, require_distance_weights
from p2phd_eval.quality.dists import Dists
from p2phd_eval.quality.dreamsim import DreamSim
from p2phd_eval.quality.image_distance import PSNR, SSIM, ImageDistance
from p2phd_eval.quality.lpips import find_lpips

_BY_WEIGHTS: dict[str, type[Dists] | type[DreamSim]] = {"dists": Dists, "dreamsim": DreamSim}


def find_distances(
    device: torch.device | str, *, lpips_weights: Path | None = None, weights: Mapping[str, Path] = NO_WEIGHTS
) -> tuple[tuple[ImageDistance, ...], tuple[str, ...]]:
    """Return SSIM, PSNR, LPIPS where its weights can be had, what else was asked for, and notes on the networks.

    `device`: where to compute. `lpips_weights`: see `find_lpips`. `weights`: by the names in `distance_weights`; who
    gives none is not told of what there might be. Raises `InputError` if given weights cannot be used.
    """
    require_distance_weights(weights)
    # First what was asked for: it fails without a look for LPIPS' weights.
    asked = [load(weights[name], device) for name, load in _BY_WEIGHTS.items() if name in weights]
    lpips, notes = find_lpips(lpips_weights, device)
    found = [SSIM, PSNR] if lpips is None else [SSIM, PSNR, lpips.as_distance()]
    for each in asked:
        found.append(each.as_distance())
        notes += each.notes
    return tuple(found), notes
