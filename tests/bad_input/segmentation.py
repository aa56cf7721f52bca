"""Bad input: segmentation scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p2phd_eval.images.png import write_png
from tests.bad_input.case import Case, data_set, photos, text

_SEGMENTER = """
import torch

class Constant:
    name, identity, classes = "constant", "0" * 64, {classes}

    def __call__(self, images):
        return torch.zeros(images.shape[:3], dtype=torch.int64)

def build(device, weights):
    return Constant()
"""
_AREA = "Segmentation scores"
_TYPED = "segment score data samples --device cpu --segmenter"


def _with(module: str, classes: tuple[str, ...] = ("a", "b", "c")) -> None:
    """A data set, samples and a segmenter; a module of a name is imported once, so each case has its own."""
    data_set()
    photos("samples")
    text(f"{module}.py", _SEGMENTER.format(classes=classes))


def _colours() -> None:
    _with("segmenter_2")
    colours = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    write_png(Path("data/test_label/0.png"), colours)


def _numbers() -> None:
    _with("segmenter_1")
    write_png(Path("data/test_label/0.png"), np.full((12, 16), 255, dtype=np.uint8))


def _crops() -> None:
    _with("segmenter_3")
    photos("samples", size=(12, 12))


def _missing() -> None:
    _with("segmenter_4")
    photos("samples", 4)


SEGMENTATION = (
    Case(
        area=_AREA,
        kind="A segmenter with other classes",
        make=lambda: _with("city_segmenter", ("road", "sky")),
        typed=f"{_TYPED} city_segmenter:build",
        words="--segmenter: expected the classes of data/test_label, such as 'a', found 2 others: road, sky",
    ),
    Case(
        area=_AREA,
        kind="Label numbers without a class",
        make=_numbers,
        typed=f"{_TYPED} segmenter_1:build",
        words="data/test_label/0.png: expected class numbers that the segmenter knows, found 255 at x=0, y=0",
    ),
    Case(
        area=_AREA,
        kind="Label maps in colours",
        make=_colours,
        typed=f"{_TYPED} segmenter_2:build",
        words="data/test_label/0.png: expected a label map: class numbers in one channel, found colours in three",
    ),
    Case(
        area=_AREA,
        kind="Samples that are crops",
        make=_crops,
        typed=f"{_TYPED} segmenter_3:build",
        words="samples/0.png: expected the shape of its label map, 16 x 12 pixels, at any size, found 12 x 12 pixels",
    ),
    Case(
        area=_AREA,
        kind="Samples without a label map",
        make=_missing,
        typed=f"{_TYPED} segmenter_4:build",
        words="data/test_label: expected a label map for each of 4 samples, found 1 without one, such as '3'",
    ),
    Case(
        area=_AREA,
        kind="A class map with a class that there is not",
        make=lambda: (_with("segmenter_5"), text("map.toml", '[labels]\n0 = "road"\n')),
        typed=f"{_TYPED} segmenter_5:build --class-map map.toml",
        words="map.toml, label 0: expected a class of the segmenter (a, b, c)",
    ),
)
