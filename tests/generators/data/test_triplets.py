from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2phd_eval.config import DataConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.data.dataset import TripletDataset
from p2phd_eval.generators.data.transforms import Geometry
from p2phd_eval.generators.data.triplets import read_map

# In each mode: how numbers are stored, and the largest of them.
_STORED = {
    "1": ("png", lambda values: Image.fromarray(values.astype(bool)), 1),
    "L": ("png", lambda values: Image.fromarray(values.astype(np.uint8)), 255),
    "P": ("png", lambda values: Image.fromarray(values.astype(np.uint8)).convert("P"), 255),
    "I;16": ("png", lambda values: Image.fromarray(values.astype(np.uint16)), 65535),
    "I;16B": (
        "tif",
        lambda values: Image.frombytes("I;16B", values.shape[::-1], values.astype(">u2").tobytes()),
        65535,
    ),
    "I": ("tif", lambda values: Image.fromarray(values.astype(np.int32)), 2**31 - 1),
}


@pytest.mark.parametrize("mode", _STORED)
def test_maps_of_every_mode_are_resized_as_the_original_does(mode: str, tmp_path: Path) -> None:
    ending, stored, most = _STORED[mode]
    # Up and down, by ratios that are no integers; at the last two, mode "I;16" alone is resized otherwise.
    sizes = (
        ((31, 23), (20, 9)),
        ((31, 23), (62, 46)),
        ((101, 77), (333, 251)),
        ((50, 30), (77, 99)),
        ((2048, 6), (768, 2)),
    )
    for (width, height), new in sizes:
        values = np.random.default_rng(width).integers(0, most, (height, width), endpoint=True)
        stored(values).save(tmp_path / f"x.{ending}")
        with Image.open(tmp_path / f"x.{ending}") as image:
            assert image.mode == mode
        resized = Geometry(resized=new).resize(read_map(tmp_path / f"x.{ending}"), Image.Resampling.NEAREST)
        # The original resizes in modes "L" and "I".
        expected = Image.fromarray(values.astype(np.int32)).resize(new, Image.Resampling.NEAREST)
        np.testing.assert_array_equal(np.asarray(resized).astype(np.int32), np.asarray(expected))
        if most == 255:
            small = Image.fromarray(values.astype(np.uint8)).resize(new, Image.Resampling.NEAREST)
            np.testing.assert_array_equal(np.asarray(expected), np.asarray(small))


def test_instances_stay_on_their_labels(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).integers(0, 35, (64, 2048))
    for kind, dtype in (("label", np.uint8), ("inst", np.uint16)):
        (tmp_path / f"train_{kind}").mkdir()
        Image.fromarray(numbers.astype(dtype)).save(tmp_path / f"train_{kind}" / "a.png")
    config = DataConfig(label_nc=35, load_size=768)
    batch = TripletDataset(tmp_path, "train", config, size_multiple=8, photos=False, augment_seed=None)[(1, 0)]
    assert batch.label.shape == (1, 1, 24, 768)
    assert batch.instance is not None
    assert (batch.label == batch.instance).all()


@pytest.mark.parametrize("options", [{"format": "JPEG"}, {"format": "TIFF", "compression": "jpeg"}])
def test_maps_that_lost_numbers_are_refused(options: dict[str, str], tmp_path: Path) -> None:
    Image.new("L", (16, 16)).save(tmp_path / "x.png", **options)  # whatever it is called
    with pytest.raises(InputError, match="expected a lossless instance map, found JPEG"):
        read_map(tmp_path / "x.png", "instance map")


def test_a_grey_label_map_of_three_channels_is_read_as_the_original_does(tmp_path: Path) -> None:
    """Its `convert("L")`, for grey ones alone: of colours that makes numbers that mean nothing."""
    grey = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    grey.convert("RGB").save(tmp_path / "face.png")
    read = read_map(tmp_path / "face.png")
    assert read.mode == "L"
    np.testing.assert_array_equal(np.asarray(read), np.asarray(Image.open(tmp_path / "face.png").convert("L")))
    np.testing.assert_array_equal(np.asarray(read), np.asarray(grey))
    with pytest.raises(InputError, match="expected instance numbers in one channel"):
        read_map(tmp_path / "face.png", "instance map")


def test_maps_in_colours_are_told_what_they_should_be(tmp_path: Path) -> None:
    ids = np.array([[70000, 3], [26001, 255]])
    colours = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)
    Image.fromarray(colours).save(tmp_path / "x.png")
    with pytest.raises(InputError, match="expected class numbers in one channel, found an image of mode RGB") as caught:
        read_map(tmp_path / "x.png")
    assert "--label-nc 0" in caught.value.fix
    with pytest.raises(InputError, match="expected instance numbers in one channel") as caught:
        read_map(tmp_path / "x.png", "instance map")
    # The advice, followed to the letter.
    advice = caught.value.fix[caught.value.fix.index("Image.fromarray") :].removesuffix(".")
    exec(advice, {"Image": Image, "np": np, "image": Image.open(tmp_path / "x.png"), "name": str(tmp_path / "y")})
    np.testing.assert_array_equal(np.asarray(read_map(tmp_path / "y.tif", "instance map")), ids)
