"""What a distance or a likeness of two images is, and those that need no network."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from p2phd_eval.features.networks.float32_products import float32_products
from p2phd_eval.torchvision_ops import declare_missing_operators

#: Largest PSNR in dB, of a mean squared error of 1/12: that of rounding to 8 bits (uniform within half a level).
#: Images that are closer than that, identical ones above all, differ by less than their files can tell.
PSNR_MOST = 10 * math.log10(12 * 255**2)


@dataclass(frozen=True, kw_only=True)
class QualityMetric:
    """A value that compares two images."""

    name: str
    unit: str  # empty: none
    better: str  # "higher" or "lower"
    network: str | None = None  # whose activations it compares
    weights_sha256: str | None = None  # of the network's weights, hexadecimal


@dataclass(frozen=True, kw_only=True)
class ImageDistance:
    """A metric, and how it is computed of pairs of images on one device."""

    metric: QualityMetric
    smallest_side: int  # pixels an image needs each way
    #: Two batches of float32 (N, 3, H, W), RGB in [0, 1], which came of 8 bits -> (N,). Pairs do not see each other.
    function: Callable[[Tensor, Tensor], Tensor]
    most: float = math.inf  # what larger values count as


def _ssim(first: Tensor, second: Tensor) -> Tensor:
    declare_missing_operators()
    from torchmetrics.functional.image import structural_similarity_index_measure

    with float32_products():
        similarity = structural_similarity_index_measure(second, first, data_range=1.0, reduction="none")
    assert isinstance(similarity, Tensor)  # a pair only where the whole map is asked for
    return similarity


def _psnr(first: Tensor, second: Tensor) -> Tensor:
    declare_missing_operators()
    from torchmetrics.functional.image import peak_signal_noise_ratio

    return peak_signal_noise_ratio(second, first, data_range=1.0, reduction="none", dim=(1, 2, 3))


#: As torchmetrics computes it by default: a Gaussian window of 11 x 11 pixels with standard deviation 1.5, K1 = 0.01,
#: K2 = 0.03, reflected at the borders (Wang et al., 2004); the mean of the three channels.
SSIM = ImageDistance(metric=QualityMetric(name="SSIM", unit="", better="higher"), smallest_side=11, function=_ssim)

#: 10 log10(255^2 / MSE) of all three channels together, in dB; it would be infinite for identical images.
PSNR = ImageDistance(
    metric=QualityMetric(name="PSNR", unit="dB", better="higher"), smallest_side=1, function=_psnr, most=PSNR_MOST
)
