"""Names and colours of classes."""

import json
from pathlib import Path

import numpy as np

from p2phd_eval.editor.palette import palette_of
from p2phd_eval.images.pictures import label_colours

NONE = np.zeros((1, 1), np.int32)


def test_names_come_from_the_data_set(tmp_path: Path) -> None:
    (tmp_path / "classes.json").write_text(json.dumps({"label_nc": 3, "classes": ["sky", "road"]}))
    palette = palette_of(tmp_path, 3, NONE)
    assert [(each.label, each.name) for each in palette] == [(0, "sky"), (1, "road"), (2, "class 2")]
    shown = label_colours(np.arange(3)[None], 3)[0].tolist()
    assert [[each.colour >> 16, each.colour >> 8 & 255, each.colour & 255] for each in palette] == shown


def test_thirty_five_classes_are_cityscapes(tmp_path: Path) -> None:
    palette = palette_of(tmp_path, 35, NONE)
    assert (palette[7].name, palette[7].colour) == ("road", 0x804080)
    assert (palette[26].name, palette[26].colour) == ("car", 0x00008E)


def test_colours_are_their_own_classes_the_most_frequent_first(tmp_path: Path) -> None:
    first = np.array([[0x00FF00, 0xFF0000, 0xFF0000]])
    assert [(each.label, each.name) for each in palette_of(tmp_path, 0, first)] == [
        (0xFF0000, "#ff0000"),
        (0x00FF00, "#00ff00"),
    ]
