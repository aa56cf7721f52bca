"""The classes of a data set as a person sees them: names and colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from p2phd_eval.images.pictures import label_colours
from p2phd_eval.json_files import read_json_as

_MOST_COLOURS = 48  # of a data set whose labels are colours

# Cityscapes' ids, names and colours (github.com/mcordts/cityscapesScripts, helpers/labels.py), without the licence
# plate, -1. As in the original, 35 classes are these where nothing else is said.
_CITYSCAPES = (
    ("unlabeled", 0x000000), ("ego vehicle", 0x000000), ("rectification border", 0x000000), ("out of roi", 0x000000),
    ("static", 0x000000), ("dynamic", 0x6F4A00), ("ground", 0x510051), ("road", 0x804080), ("sidewalk", 0xF423E8),
    ("parking", 0xFAAAA0), ("rail track", 0xE6968C), ("building", 0x464646), ("wall", 0x66669C), ("fence", 0xBE9999),
    ("guard rail", 0xB4A5B4), ("bridge", 0x966464), ("tunnel", 0x96785A), ("pole", 0x999999), ("polegroup", 0x999999),
    ("traffic light", 0xFAAA1E), ("traffic sign", 0xDCDC00), ("vegetation", 0x6B8E23), ("terrain", 0x98FB98),
    ("sky", 0x4682B4), ("person", 0xDC143C), ("rider", 0xFF0000), ("car", 0x00008E), ("truck", 0x000046),
    ("bus", 0x003C64), ("caravan", 0x00005A), ("trailer", 0x00006E), ("train", 0x005064), ("motorcycle", 0x0000E6),
    ("bicycle", 0x770B20), ("license plate", 0x00008E),
)  # fmt: skip


class PaletteEntry(Struct, frozen=True, kw_only=True):
    """A class in the palette."""

    label: int
    name: str
    colour: int  # R * 65536 + G * 256 + B


class _Named(Struct, frozen=True):
    classes: list[str] | None = None


def palette_of(data: Path, label_nc: int, first: npt.NDArray[np.integer]) -> tuple[PaletteEntry, ...]:
    """Return the classes of a data set: names from `classes.json`, colours as in all pictures of label maps.

    `first`: a label map (H, W); where labels are colours (`label_nc` 0), the palette is what is most frequent in it.
    Raises `InputError` for a `classes.json` that is none.
    """
    if not label_nc:
        colours, counts = np.unique(first, return_counts=True)
        frequent = colours[np.argsort(-counts, kind="stable")[:_MOST_COLOURS]].tolist()
        return tuple(PaletteEntry(label=each, name=f"#{each:06x}", colour=each) for each in frequent)
    path = data / "classes.json"
    names = read_json_as(_Named, path, expected="JSON of an object").classes if path.is_file() else None
    if names is None and label_nc == len(_CITYSCAPES):
        return tuple(PaletteEntry(label=i, name=name, colour=colour) for i, (name, colour) in enumerate(_CITYSCAPES))
    given = names or []
    rgb = label_colours(np.arange(label_nc)[None], label_nc)[0].astype(int)
    return tuple(
        PaletteEntry(
            label=i,
            name=given[i] if i < len(given) else f"class {i}",
            colour=int(red) << 16 | int(green) << 8 | int(blue),
        )
        for i, (red, green, blue) in enumerate(rgb)
    )
