"""Pictures for people: label maps in colour and captioned grids."""

import colorsys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from p2phd_eval.formatting import one_line

Pixels = npt.NDArray[np.uint8]
_GAP = 4  # pixels between tiles
_CAPTION = 18  # pixels of height
_AMPLIFICATION = 4  # how much differences are amplified
_ROWS = 6


def label_colours(label: npt.NDArray[np.integer], label_nc: int) -> Pixels:
    """Colour a label map: hues a golden angle apart, so that neighbouring class numbers differ.

    `label`: integers (h, w) in [0, label_nc), where `label_nc` is the number of classes. The result is uint8 (h, w, 3).
    """
    palette = [
        colorsys.hsv_to_rgb(i * 0.381966 % 1.0, (0.55, 0.8)[i % 2], (0.95, 0.7, 0.5)[i % 3]) for i in range(label_nc)
    ]
    colours: Pixels = (np.array(palette) * 255).astype(np.uint8)[label]
    return colours


def difference_column(rows: Sequence[list[Pixels]], names: Sequence[str], a: int, b: int) -> list[str]:
    """Append to each row the amplified difference of its tiles `a` and `b`; return the captions with its own.

    Nothing is appended, and `names` returned as they are, where tiles differ in size: they have no difference.
    """
    if any(tiles[a].shape != tiles[b].shape for tiles in rows):
        return list(names)
    for tiles in rows:
        difference = np.abs(tiles[a].astype(np.int16) - tiles[b].astype(np.int16)) * _AMPLIFICATION
        tiles.append(difference.clip(0, 255).astype(np.uint8))
    return [*names, f"|{names[a]} - {names[b]}| x {_AMPLIFICATION}"]


def evenly_spaced(n: int, at_most: int = _ROWS) -> list[int]:
    """Return up to `at_most` indices below `n`, spread from the first to the last; by default the rows of a picture."""
    return sorted({round(i) for i in np.linspace(0, n - 1, min(at_most, n))})


def picture_grid(rows: Sequence[Sequence[Pixels]], captions: Sequence[str], row_captions: Sequence[str] = ()) -> Pixels:
    """Lay tiles out in rows with a caption over each column, and over each row if it has one.

    `rows`: each has one tile a caption, uint8 (h, w, 3); tiles are scaled to the size of the first one (nearest).
    `captions`: what stands above the columns. `row_captions`: one for each row, or none. The result is uint8 (H, W, 3).
    """
    height, width = rows[0][0].shape[:2]
    columns = len(captions)
    row_height = height + _GAP + (_CAPTION if row_captions else 0)
    canvas = Image.new("RGB", (columns * (width + _GAP) + _GAP, len(rows) * row_height + _GAP + _CAPTION), "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=12)
    for column, caption in enumerate(captions):
        draw.text((_GAP + column * (width + _GAP), 2), one_line(caption), fill="black", font=font)
    for row, caption in enumerate(row_captions):
        draw.text((_GAP, _CAPTION + _GAP + row * row_height), one_line(caption), fill="black", font=font)
    for row, tiles in enumerate(rows):
        bottom = _CAPTION + (row + 1) * row_height
        for column, tile in enumerate(tiles):
            image = Image.fromarray(tile).resize((width, height), Image.Resampling.NEAREST)
            canvas.paste(image, (_GAP + column * (width + _GAP), bottom - height))
    return np.asarray(canvas)
