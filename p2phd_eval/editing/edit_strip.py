"""The edits of which two arms' samples moved apart most, as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from p2phd_eval.images.pictures import difference_column, picture_grid

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class StripRow:
    """One edit."""

    caption: str
    maps: tuple[Pixels, Pixels]  # (h, w, 3), in colours, as it was and edited
    samples: tuple[Pixels, Pixels]  # (runs, H, W, 3), of the map as it was and edited
    runs: tuple[int, int]  # which of them are shown: of the baseline and of the candidate


def edit_strip(rows: Sequence[StripRow], names: tuple[str, str]) -> Pixels:
    """Draw the map and the samples of both arms, as they were and edited, and where the edited samples differ.

    `names`: of the baseline and of the candidate. The result is uint8 (H, W, 3).
    """
    tiles = []
    for row in rows:
        first, second = row.runs
        before, after = row.samples
        tiles.append(
            [
                before[first],  # first, as it gives the tiles' size
                before[second],
                row.maps[0],
                row.maps[1],
                after[first],
                after[second],
            ]
        )
    captions = [*names, "map", "edited map", f"{names[0]}, edited", f"{names[1]}, edited"]
    *captions, difference = difference_column(tiles, captions, 4, 5)
    amplified = f"difference{difference.rpartition('|')[2]}"  # the names of both would not fit
    return picture_grid(tiles, [*captions, amplified], [row.caption for row in rows])
