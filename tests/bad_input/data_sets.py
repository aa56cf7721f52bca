"""Bad input: data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from p2phd_eval.images.png import write_png
from tests.bad_input.case import Case, data_set, text


def _damaged_photo() -> None:
    data_set()
    path = Path("data/train_img/1.png")
    path.write_bytes(path.read_bytes()[:200])


def _postscript() -> None:
    data_set()
    text("data/train_img/1.png", "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n")


def _class_out_of_range() -> None:
    data_set()
    write_png(Path("data/test_label/2.png"), np.full((12, 16), 7, dtype=np.uint8))


def _label_without_photo() -> None:
    data_set()
    Path("data/train_img/0.png").unlink()


def _jpeg_labels() -> None:
    data_set()
    pixels = np.random.default_rng(0).integers(0, 3, (12, 16), dtype=np.uint8)
    Path("data/train_label/1.png").unlink()
    Image.fromarray(pixels).save("data/train_label/1.jpg")


def _turned_photo() -> None:
    data_set()
    photo = Image.open("data/train_img/1.png")
    exif = photo.getexif()
    exif[0x0112] = 3  # upside down
    photo.save("data/train_img/1.png", exif=exif)


def _transparent_photo() -> None:
    data_set()
    photo = Image.open("data/train_img/1.png").convert("RGBA")
    photo.putalpha(Image.new("L", photo.size, 0))
    photo.save("data/train_img/1.png")


DATA_SETS = (
    Case(
        area="Data sets",
        kind="A photo that breaks off",
        make=_damaged_photo,
        typed="data validate data",
        words="data/train_img/1.png",
    ),
    Case(
        area="Data sets",
        kind="A program in a file that is called an image; it is not run",
        make=_postscript,
        typed="data validate data",
        words="data/train_img/1.png",
    ),
    Case(
        area="Data sets",
        kind="A label map with a class that there is not",
        make=_class_out_of_range,
        typed="data validate data",
        words="data/test_label/2.png",
    ),
    Case(
        area="Data sets",
        kind="A label map without its photo",
        make=_label_without_photo,
        typed="data validate data",
        words="0",
    ),
    Case(
        area="Data sets",
        kind="A label map saved as JPEG, which changes classes",
        make=_jpeg_labels,
        typed="data validate data",
        words="data/train_label/1.jpg",
    ),
    Case(
        area="Data sets",
        kind="A photo that a viewer turns and this tool reads as it lies",
        make=_turned_photo,
        typed="data validate data",
        words="warning",
        exit_code=0,
    ),
    Case(
        area="Data sets",
        kind="A photo with colours below transparent pixels",
        make=_transparent_photo,
        typed="data validate data",
        words="warning",
        exit_code=0,
    ),
)
