"""Distances of each image, such as SSIM and LPIPS: to its photo and between the samples of two generators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from p2phd_eval.evaluation.pairing import common_ids, require_unique_ids
from p2phd_eval.images.sources.repeated import photos_for
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.quality.image_distance import PSNR, SSIM, ImageDistance, QualityMetric
from p2phd_eval.quality.paired_reading import PairedReading


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
    distances: Sequence[ImageDistance] = (SSIM, PSNR),
    device: torch.device | str = "cpu",
    on_progress: OnProgress = unwatched,
) -> ImageQuality:
    """Compare samples with their photos, and with each other, image by image.

    Each image is read once. A photo of another size than its samples is resized to theirs by Pillow's bicubic filter
    with antialiasing, as training resizes it: it becomes the very target of the training.

    `samples`: one or more. Images pair up by their ids; the only photo of a condition serves for each of its samples.
    `pairs`, sequence of (int, int): positions in `samples` of those that are also compared with each other.
    `distances`: on the same device; see `p2phd_eval.quality.find_distances`. Raises `InputError` if the sources share
    fewer than two ids or repeat one, samples of one id differ in size, an image is too small for one of the distances,
    or one cannot be read.
    """
    photos = photos_for(photos, samples)
    sources = [photos, *samples]
    named = [(source.name, source.ids) for source in sources]
    require_unique_ids(named)
    ids = common_ids(named)
    compared = [(0, k) for k in range(1, len(sources))] + [(1 + first, 1 + second) for first, second in pairs]
    values = {each.metric.name: np.empty((len(compared), len(ids))) for each in distances}
    reading = PairedReading(samples, photos=photos, smallest=max(each.smallest_side for each in distances))
    for pair in reading.pairs(ids, compared, device=device, on_progress=on_progress):
        for each in distances:
            found = each.function(pair.first, pair.second).cpu().numpy()
            values[each.metric.name][pair.row, pair.places] = np.minimum(found, each.most, dtype=np.float64)
    return ImageQuality(
        ids=ids,
        metrics=tuple(each.metric for each in distances),
        to_photo={name: table[: len(samples)] for name, table in values.items()},
        between={name: table[len(samples) :] for name, table in values.items()},
        resized=reading.resized,
    )
