from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2phd_eval.generators.data.validation import validate_data

_COLOURS = [(128, 64, 128), (244, 35, 232), (70, 70, 70)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three label maps of two classes, with their photos."""
    rng = np.random.default_rng(0)
    for kind in ("label", "img"):
        (tmp_path / f"train_{kind}").mkdir()
    for k in range(3):
        label = Image.fromarray(rng.integers(0, 2, (8, 8), dtype=np.uint8))
        label.putpalette([level for colour in _COLOURS for level in colour])
        label.save(tmp_path / "train_label" / f"{k}.png")
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / "train_img" / f"{k}.png")
    return tmp_path


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_sound_data_have_no_warning(data: Path) -> None:
    report = validate_data(data, label_nc=2)
    assert (report.problems, report.warnings) == ((), ())


def test_classes_that_nobody_stated_are_a_warning_where_the_labels_are_far_fewer(data: Path) -> None:
    (warning,) = validate_data(data).warnings
    assert warning.startswith(f"{data}: 35 classes are assumed, as in Cityscapes, and no label is above 1: networks")
    document = warning.partition("classes.json: ")[2]
    (data / "classes.json").write_text(document)
    assert validate_data(data).warnings == ()
    (data / "classes.json").unlink()
    Image.fromarray(np.full((8, 8), 17, dtype=np.uint8)).save(data / "train_label" / "0.png")
    assert validate_data(data).warnings == ()  # Cityscapes has some that are rare


def test_photos_that_are_not_what_they_seem_are_warnings(data: Path) -> None:
    for k, exif in ((0, _exif()), (1, Image.Exif())):
        with Image.open(data / "train_img" / f"{k}.png") as image:
            image.convert("RGBA" if k else "RGB").save(data / "train_img" / f"{k}.png", exif=exif)
    with Image.open(data / "train_img" / "2.png") as image:
        image.save(data / "train_img" / "2.tif", save_all=True, append_images=[image])
    (data / "train_img" / "2.png").unlink()
    report = validate_data(data, label_nc=2)
    assert report.problems == ()
    assert len(report.warnings) == 2
    turned, frames = report.warnings
    assert turned.startswith(f"{data / 'train_img'}: 1 of 3, such as 0.png, carry an EXIF orientation")
    assert frames.startswith(f"{data / 'train_img'}: 1 of 3, such as 2.tif, hold several frames or pages")


def test_palettes_that_differ_are_a_warning(data: Path) -> None:
    with Image.open(data / "train_label" / "1.png") as label:
        label.putpalette([level for colour in reversed(_COLOURS) for level in colour])
        label.save(data / "train_label" / "1.png")
    report = validate_data(data, label_nc=2)
    assert report.problems == ()
    (warning,) = report.warnings
    assert "1 of 3 label maps with a palette" in warning
    assert "(0 is (128, 64, 128) in 0.png and (70, 70, 70) in 1.png)" in warning


def test_palettes_that_differ_between_phases_are_a_warning(data: Path) -> None:
    shutil.copytree(data / "train_label", data / "val_label")
    assert validate_data(data, label_nc=2).warnings == ()
    for path in sorted((data / "val_label").iterdir()):
        with Image.open(path) as label:
            label.putpalette([level for colour in reversed(_COLOURS) for level in colour])
            label.save(path)
    (warning,) = validate_data(data, label_nc=2).warnings
    assert warning.startswith(f"{data / 'val_label'}: 3 of 3 label maps with a palette")
    assert f"in {data / 'train_label' / '0.png'} and (70, 70, 70) in {data / 'val_label' / '0.png'})" in warning


def test_an_unused_colour_of_a_palette_is_none(data: Path) -> None:
    with Image.open(data / "train_label" / "1.png") as label:
        label.putpalette([level for colour in (*_COLOURS[:2], (1, 2, 3)) for level in colour])
        label.save(data / "train_label" / "1.png")
    assert validate_data(data, label_nc=2).warnings == ()


def test_label_maps_of_jpeg_are_problems(data: Path) -> None:
    with Image.open(data / "train_label" / "1.png") as label:
        label.convert("L").save(data / "train_label" / "1.png", format="JPEG")
    (problem,) = validate_data(data, label_nc=2).problems
    assert "1.png: expected a lossless label map, found JPEG" in problem


def test_the_size_of_a_turned_photo_is_explained(data: Path) -> None:
    Image.new("L", (8, 6)).save(data / "train_label" / "0.png")
    Image.new("RGB", (6, 8), "red").save(data / "train_img" / "0.png", exif=_exif())
    Image.new("L", (8, 6)).save(data / "train_label" / "1.png")
    Image.new("RGB", (6, 8), "red").save(data / "train_img" / "1.png")
    turned, swapped = validate_data(data, label_nc=2).problems
    assert "expected 8 x 6 pixels as 0.png has, found 6 x 8" in turned
    assert "0.png carries EXIF orientation 6" in turned
    assert "exiftran -ai" in turned
    assert "Width and height are swapped" in swapped
