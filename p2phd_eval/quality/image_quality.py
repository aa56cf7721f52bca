"""SSIM, PSNR and LPIPS of each image: against its photo and between the samples of two generators."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.pairing import common_ids, require_unique_ids
from p2phd_eval.features.networks.float32_products import float32_products
from p2phd_eval.features.pipeline import require_unchanged
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.quality.lpips import SMALLEST_SIDE, Lpips
from p2phd_eval.torchvision_ops import declare_missing_operators

#: Largest PSNR in dB, of a mean squared error of 1/12: that of rounding to 8 bits (uniform within half a level).
#: Images that are closer than that, identical ones above all, differ by less than their files can tell.
PSNR_MOST = 10 * math.log10(12 * 255**2)

_SSIM_WINDOW = 11  # pixels; torchmetrics' Gaussian of standard deviation 1.5, as in Wang et al. (2004)
_BATCH_PIXELS = 1 << 20  # pixels of one source in a batch: 0.3 GB of intermediate values


@dataclass(frozen=True, kw_only=True)
class QualityMetric:
    """A value that compares two images."""

    name: str
    unit: str  # empty: none
    better: str  # "higher" or "lower"
    network: str | None = None  # whose activations it compares


@dataclass(frozen=True, kw_only=True)
class ImageQuality:
    """Values of each image; the order of the images is that of `ids`."""

    ids: tuple[str, ...]  # (n,), those that all sources have, sorted
    metrics: tuple[QualityMetric, ...]
    to_photo: Mapping[str, npt.NDArray[np.float64]]  # by the metric's name: (samples, n)
    between: Mapping[str, npt.NDArray[np.float64]]  # by the metric's name: (pairs, n)
    resized: int  # photos that were brought to the size of their samples


def per_image_quality(
    photos: ImageSource,
    samples: Sequence[ImageSource],
    *,
    pairs: Sequence[tuple[int, int]] = (),
    lpips: Lpips | None = None,
    device: torch.device | str = "cpu",
    on_progress: OnProgress = unwatched,
) -> ImageQuality:
    """Compare samples with their photos, and with each other, image by image.

    Each image is read once. A photo of another size than its samples is resized to theirs by Pillow's bicubic filter
    with antialiasing, as training resizes it: it becomes the very target of the training.

    * SSIM as torchmetrics computes it by default: on RGB in [0, 1], a Gaussian window of 11 x 11 pixels with standard
      deviation 1.5, K1 = 0.01, K2 = 0.03, reflected at the borders.
    * PSNR = 10 log10(255^2 / MSE) of all three channels together, in dB, at most `PSNR_MOST` (58.9): it would be
      infinite for identical images.
    * LPIPS, where `lpips` is given: see `p2phd_eval.quality.lpips.Lpips`.

    `samples`: one or more. Images pair up by their ids. `pairs`, sequence of (int, int): positions in `samples` of
    those that are also compared with each other. `lpips`: on the same device. Raises `InputError` if the sources share
    fewer than two ids or repeat one, samples of one id differ in size, an image is too small (11 pixels for SSIM, 31
    for LPIPS), or one cannot be read.

    References
    ----------
    Wang, Bovik, Sheikh and Simoncelli (2004), "Image Quality Assessment: From Error Visibility to Structural
    Similarity".
    """
    sources = [photos, *samples]
    named = [(source.name, source.ids) for source in sources]
    require_unique_ids(named)
    ids = common_ids(named)
    compared = [(0, k) for k in range(1, len(sources))] + [(1 + first, 1 + second) for first, second in pairs]
    functions: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"SSIM": _ssim, "PSNR": _psnr}
    metrics = [
        QualityMetric(name="SSIM", unit="", better="higher"),
        QualityMetric(name="PSNR", unit="dB", better="higher"),
    ]
    if lpips is not None:
        functions["LPIPS"] = lambda first, second: lpips(2 * first - 1, 2 * second - 1)
        metrics.append(QualityMetric(name="LPIPS", unit="", better="lower", network=lpips.network))
    values = {name: np.empty((len(compared), len(ids))) for name in functions}
    reading = _Reading(sources, smallest=_SSIM_WINDOW if lpips is None else SMALLEST_SIDE)
    done = 0
    for stored in reading.batches(ids):
        batch = slice(done, done + stored.shape[1])
        images = torch.from_numpy(stored).to(device).float() / 255
        for row, (first, second) in enumerate(compared):
            for name, function in functions.items():
                values[name][row, batch] = function(images[first], images[second]).cpu().numpy()
        done = batch.stop
        on_progress(done, len(ids))
    values["PSNR"] = np.minimum(values["PSNR"], PSNR_MOST)
    for source in sources:
        require_unchanged(source)
    return ImageQuality(
        ids=ids,
        metrics=tuple(metrics),
        to_photo={name: table[: len(samples)] for name, table in values.items()},
        between={name: table[len(samples) :] for name, table in values.items()},
        resized=reading.resized,
    )


def _ssim(first: Tensor, second: Tensor) -> Tensor:
    """SSIM of images float32 (N, 3, H, W) in [0, 1], (N,)."""
    declare_missing_operators()
    from torchmetrics.functional.image import structural_similarity_index_measure

    with float32_products():
        similarity = structural_similarity_index_measure(second, first, data_range=1.0, reduction="none")
    assert isinstance(similarity, Tensor)  # a pair only where the whole map is asked for
    return similarity


def _psnr(first: Tensor, second: Tensor) -> Tensor:
    """PSNR in dB of images float32 (N, 3, H, W) in [0, 1], infinite for identical ones, (N,)."""
    declare_missing_operators()
    from torchmetrics.functional.image import peak_signal_noise_ratio

    return peak_signal_noise_ratio(second, first, data_range=1.0, reduction="none", dim=(1, 2, 3))


class _Reading:
    """Reads the images of one id from all sources, and counts the photos that had to be resized."""

    def __init__(self, sources: Sequence[ImageSource], *, smallest: int) -> None:
        self._sources, self._smallest = sources, smallest
        self._places = [{image: index for index, image in enumerate(source.ids)} for source in sources]
        self.resized = 0

    def batches(self, ids: Sequence[str]) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield images of one size, uint8 (sources, k, 3, h, w), in the order of `ids`."""
        batch: list[npt.NDArray[np.uint8]] = []
        for image in ids:
            stack = self._stack(image)
            _, _, height, width = stack.shape
            if batch and (batch[0].shape != stack.shape or (len(batch) + 1) * height * width > _BATCH_PIXELS):
                yield np.stack(batch, axis=1)
                batch = []
            batch.append(stack)
        yield np.stack(batch, axis=1)

    def _stack(self, image: str) -> npt.NDArray[np.uint8]:
        photo, *samples = (
            source.load(places[image]).pixels for source, places in zip(self._sources, self._places, strict=True)
        )
        height, width, _ = samples[0].shape
        for source, places, sample in zip(self._sources[1:], self._places[1:], samples, strict=True):
            if sample.shape != samples[0].shape:
                raise InputError(
                    source.describe(places[image]),
                    expected=f"the size of the same image of {self._sources[1].name}, {width} x {height}",
                    found=f"{sample.shape[1]} x {sample.shape[0]}",
                    fix="Generate all samples at one size.",
                )
        if min(height, width) < self._smallest:
            raise InputError(
                self._sources[1].describe(self._places[1][image]),
                expected=f"an image of {self._smallest} pixels or more each way, to compare it with others",
                found=f"{width} x {height}",
            )
        if photo.shape != samples[0].shape:
            photo = np.array(Image.fromarray(photo).resize((width, height), Image.Resampling.BICUBIC))
            self.resized += 1
        stack: npt.NDArray[np.uint8] = np.stack([photo, *samples]).transpose(0, 3, 1, 2)
        return stack
