"""How far runs are apart on each edited map and on the map as it was, inside and outside of what was edited."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.quality.distance_maps import DistanceMaps
from p2phd_eval.quality.image_distance import QualityMetric

Place = Literal["inside", "outside"]
PLACES: tuple[Place, ...] = ("inside", "outside")
Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ComparedEdit:
    """An edit that is compared."""

    number: int  # its place in the script, from 1
    kind: str
    image: str  # key
    inside: float  # share of the sample's pixels that it changed


@dataclass(frozen=True, kw_only=True)
class EditDistances:
    """Distances, edit by edit: NaN where there is no pixel inside or outside at the samples' size."""

    edits: tuple[ComparedEdit, ...]
    metrics: tuple[QualityMetric, ...]
    pairs: tuple[tuple[int, int], ...]  # positions of runs
    #: By the distance's name and place: (pairs, edits), between the samples of both runs of the maps as they were.
    original: Mapping[tuple[str, Place], Values]
    edited: Mapping[tuple[str, Place], Values]  # likewise of the edited maps, at the same pixels
    #: By the distance's name, (runs, edits): how much a run's own sample changed outside of what was edited.
    changed: Mapping[str, Values]


def measure_edits(
    edits: Sequence[ComparedEdit],
    samples: Callable[[int], tuple[Pixels, Pixels]],
    areas: Callable[[int], Mask],
    pairs: Sequence[tuple[int, int]],
    runs: int,
    measure: DistanceMaps,
    *,
    on_progress: OnProgress = unwatched,
) -> EditDistances:
    """Measure all edits.

    Parameters
    ----------
    edits : sequence of ComparedEdit
    samples : callable
        From an edit's position to the samples of all runs, uint8 (runs, H, W, 3) each: of the map as it was and of the
        edited one.
    areas : callable
        From an edit's position to what it changed, bool (h, w); brought to the samples' size (nearest).
    pairs : sequence of (int, int)
        Which runs are compared with each other.
    runs : int
        How many there are.
    measure : DistanceMaps
    on_progress : callable
    """
    names = [metric.name for metric in measure.metrics]

    def unknown(rows: int) -> Values:
        return np.full((rows, len(edits)), np.nan)

    original, edited = ({(name, place): unknown(len(pairs)) for name in names for place in PLACES} for _ in range(2))
    changed = {name: unknown(runs) for name in names}
    first, second = (np.array([pair[side] for pair in pairs]) for side in (0, 1))
    for k in range(len(edits)):
        before, after = samples(k)
        area = resized_mask(areas(k), (before.shape[2], before.shape[1]))
        masks: dict[Place, Mask] = {"inside": area, "outside": ~area}
        for table, images in ((original, before), (edited, after)):
            for name, maps in measure(images[first], images[second]).items():
                for place, mask in masks.items():
                    if mask.any():
                        table[name, place][:, k] = maps[:, mask].mean(axis=1, dtype=np.float64)
        if masks["outside"].any():
            for name, maps in measure(before, after).items():
                changed[name][:, k] = maps[:, masks["outside"]].mean(axis=1, dtype=np.float64)
        on_progress(k + 1, len(edits))
    return EditDistances(
        edits=tuple(edits),
        metrics=measure.metrics,
        pairs=tuple(pairs),
        original=original,
        edited=edited,
        changed=changed,
    )


def resized_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """Return a mask (h, w) at a size, width and height, as label maps are resized."""
    if mask.shape == size[::-1]:
        return mask
    resized: Mask = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
    return resized
