"""How far apart the images of pairs of runs are, image by image: every metric as a distance, 0 for equal images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.quality.distance_maps import MSE, SSIM
from p2phd_eval.quality.image_distance import ImageDistance, QualityMetric
from p2phd_eval.quality.paired_reading import PairedReading

Values = npt.NDArray[np.float64]

# Metrics of which larger is better, as distances. The means of distances have ratios; those of decibels have none.
_TURNED: Mapping[str, tuple[QualityMetric, Callable[[Tensor], Tensor]]] = {
    "PSNR": (MSE, lambda psnr: 255**2 * 10 ** (-psnr.double() / 10)),
    "SSIM": (SSIM, lambda similarity: 1 - similarity.double()),
}


@dataclass(frozen=True, kw_only=True)
class PairDistances:
    """Distances of each image, in the order in which the images were asked for."""

    metrics: tuple[QualityMetric, ...]  # of each a smaller value is nearer
    between: Mapping[str, Values]  # by the distance's name: (pairs, n)
    to_photo: Mapping[str, Values]  # likewise (samples, n); empty without photos
    resized: int  # photos that were brought to the size of their samples


def metric_of_distance(distance: ImageDistance) -> QualityMetric:
    """Return the distance that a metric becomes, such as MSE of PSNR."""
    metric = distance.metric
    if metric.better == "higher":
        return _TURNED[metric.name][0]
    return metric


def pair_distances(
    samples: Sequence[ImageSource],
    pairs: Sequence[tuple[int, int]],
    ids: Sequence[str],
    *,
    photos: ImageSource | None = None,
    distances: Sequence[ImageDistance],
    device: torch.device | str = "cpu",
    on_progress: OnProgress = unwatched,
) -> PairDistances:
    """Compare samples with each other, and with their photos where there are any; each image is read once.

    Pixels that are equal are at distance 0 exactly, whatever rounding does inside a network.

    `pairs`: positions in `samples`. `ids`: images that all sources have. `photos`: brought to the size of the samples.
    `distances`: on the same device. Raises `InputError` as `PairedReading.pairs`.
    """
    shift = 0 if photos is None else 1
    compared = [(shift + first, shift + second) for first, second in pairs]
    compared += [(0, 1 + k) for k in range(len(samples))] if photos is not None else []
    metrics = [metric_of_distance(each) for each in distances]
    values = {metric.name: np.empty((len(compared), len(ids))) for metric in metrics}
    reading = PairedReading(samples, photos=photos, smallest=max(each.smallest_side for each in distances))
    for pair in reading.pairs(ids, compared, device=device, on_progress=on_progress):
        for each, metric in zip(distances, metrics, strict=True):
            found = each.function(pair.first, pair.second)
            if each.metric.better == "higher":
                found = _TURNED[each.metric.name][1](found)
            # Rounding leaves a little less than 0 where images are nearly the same.
            distance = np.where(pair.same, 0.0, found.clamp(min=0).double().cpu().numpy())
            values[metric.name][pair.row, pair.places] = distance
    return PairDistances(
        metrics=tuple(metrics),
        between={name: table[: len(pairs)] for name, table in values.items()},
        to_photo={} if photos is None else {name: table[len(pairs) :] for name, table in values.items()},
        resized=reading.resized,
    )
