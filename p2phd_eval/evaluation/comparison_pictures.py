"""Images of all arms of a comparison side by side: evenly chosen ones, or those that move dFID most."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.pairing import common_ids
from p2phd_eval.formatting import signed_text
from p2phd_eval.images.pictures import difference_column, evenly_spaced, label_colours, picture_grid
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.stats.verdicts.explanation import ImageInfluence


def comparison_picture(sources: Sequence[ImageSource], names: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Return some images of all sets side by side, and the first candidate's difference from the baseline.

    `sources`: real, baseline and candidates, with ids in common. `names`: a caption for each. The result is uint8 (H,
    W, 3).
    """
    places = [{image: index for index, image in enumerate(source.ids)} for source in sources]
    shared = common_ids([(name, tuple(place)) for name, place in zip(names, places, strict=True)])
    rows = [
        [source.load(place[shared[i]]).pixels for source, place in zip(sources, places, strict=True)]
        for i in evenly_spaced(len(shared))
    ]
    return picture_grid(rows, difference_column(rows, names, 2, 1))


def influence_strip(
    images: Sequence[ImageInfluence], sources: Sequence[ImageSource], names: Sequence[str], labels: ImageSource | None
) -> npt.NDArray[np.uint8]:
    """Draw images side by side, a row for each label map, with its id and its influence above it.

    `images`: the rows, such as `Explanation.upward`; at least one. `sources`: real, baseline and candidate: one run of
    each. `names`: a caption for each. `labels`: label maps, drawn in colours, or the photos that took their place;
    None: no such column. The result is uint8 (H, W, 3), with columns for label map, sources, and the amplified
    difference of candidate and baseline. Raises `InputError` if there are no images to draw, or one is missing in a
    source or cannot be read.
    """
    if not images:
        raise InputError("picture of influences", expected="at least one image", found="none that changes dFID")
    shown = list(sources) if labels is None else [labels, *sources]
    captions = list(names) if labels is None else ["label map", *names]
    places = [{image: index for index, image in enumerate(source.ids)} for source in shown]
    rows = []
    for image in images:
        for source, place in zip(shown, places, strict=True):
            if image.id not in place:
                raise InputError(source.name, expected=f"an image with the id {image.id!r}", found="none")
        rows.append(
            [
                _coloured(source.load_stored(place[image.id]))
                if source is labels
                else source.load(place[image.id]).pixels
                for source, place in zip(shown, places, strict=True)
            ]
        )
    captions = difference_column(rows, captions, len(shown) - 1, len(shown) - 2)
    return picture_grid(rows, captions, [f"{image.id}   {signed_text(image.influence)}" for image in images])


def _coloured(stored: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    # The colour of a class does not depend on how many there are.
    return label_colours(stored, int(stored.max()) + 1) if stored.ndim == 2 else stored
