"""SSIM against torchmetrics, whose values are published."""

from __future__ import annotations

import torch

from p2phd_eval.quality.structural_similarity import SSIM_WINDOW, ssim_maps
from p2phd_eval.torchvision_ops import declare_missing_operators


def test_maps_are_torchmetrics_to_the_bit() -> None:
    declare_missing_operators()
    from torchmetrics.functional.image import structural_similarity_index_measure

    for size in ((2, 3, 40, 57), (1, 1, SSIM_WINDOW, SSIM_WINDOW)):
        first = torch.rand(size)
        second = (first + 0.1 * torch.randn(size)).clamp(0, 1)
        second[..., :20] = 0.5  # without variance
        means, maps = structural_similarity_index_measure(
            second, first, data_range=1.0, reduction="none", return_full_image=True
        )
        found = ssim_maps(first, second)
        assert torch.equal(found, maps)
        assert torch.equal(found.flatten(1).mean(1), means)
