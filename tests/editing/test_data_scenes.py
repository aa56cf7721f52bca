"""Scenes from files and back."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2phd_eval.config import DataConfig
from p2phd_eval.editing.data_scenes import DataScenes, read_maps, read_mask, write_maps
from p2phd_eval.editing.scene import Scene
from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256
from p2phd_eval.generators.data.triplets import Triplet
from p2phd_eval.generators.sampling.region_styles import DataStyles, ImageStyles, write_styles
from p2phd_eval.scenes.data_set import CLASSES
from tests.editing.small_scenes import CAR, SKY


def test_a_data_set_is_opened_with_its_classes_and_numbers(scenes: Path) -> None:
    opened = DataScenes.open(scenes, "train")
    assert opened.config.label_nc == len(CLASSES)
    assert opened.numbering is not None
    assert CAR in opened.numbering.counted
    assert opened.numbering.shared[SKY] == SKY
    key = min(opened.triplets)
    scene = opened.scene(key)
    assert scene.instance is not None
    assert np.array_equal(scene.label, np.asarray(Image.open(scenes / "train_label" / f"{key}.png")))
    assert np.array_equal(scene.instance, np.asarray(Image.open(scenes / "train_inst" / f"{key}.png")))
    assert opened.scene(key) is scene  # it stays in memory
    assert opened.scene(key, "label").features == "label"
    with pytest.raises(
        InputError, match=r"image: expected the name of a label map .* such as 'scene_000000', found 'x'"
    ):
        opened.scene("x")


def test_a_data_set_is_known_by_the_content_of_its_maps(scenes: Path, tmp_path: Path) -> None:
    whole = DataScenes.open(scenes, "test").sha256
    copy = Path(shutil.copytree(scenes, tmp_path / "copy"))
    shutil.rmtree(copy / "test_img")
    assert DataScenes.open(copy, "test").sha256 == whole  # photos are not edited
    Image.new("L", (64, 32)).save(copy / "test_label" / "scene_000000.png")
    assert DataScenes.open(copy, "test").sha256 != whole
    assert DataScenes.open(scenes, "train").sha256 != whole


def test_without_instance_maps(scenes: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(scenes, tmp_path / "copy"))
    shutil.rmtree(copy / "test_inst")
    opened = DataScenes.open(copy, "test")
    assert opened.scene("scene_000000").instance is None
    assert opened.features == "label"
    assert DataScenes.open(scenes, "test", instances=False).sha256 == opened.sha256


@pytest.mark.parametrize("largest", [200, 60_000, 10**6])
def test_maps_are_read_as_they_were_written(largest: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    label, instance = rng.integers(0, 6, (9, 7)), rng.integers(0, largest + 1, (9, 7))
    instance[0, 0] = largest
    scene = Scene(image="map", label=label, label_nc=6, instance=instance)
    write_maps(scene, tmp_path / "label", tmp_path / "inst")
    path = next(tmp_path.glob("inst.*"))
    triplet = Triplet(key="map", name="map", label=tmp_path / "label.png", instance=path)
    again, numbers = read_maps(triplet, DataConfig(label_nc=6))
    assert numbers is not None
    assert replace(scene, label=again, instance=numbers) == scene
    assert path.suffix == (".png" if largest < 2**16 else ".tif")


def test_colour_maps_are_read_as_they_were_written(tmp_path: Path) -> None:
    label = np.random.default_rng(0).integers(0, 1 << 24, (9, 7))
    write_maps(Scene(image="map", label=label, label_nc=0), tmp_path / "map", None)
    triplet = Triplet(key="map", name="map", label=tmp_path / "map.png")
    assert np.array_equal(read_maps(triplet, DataConfig(label_nc=0, instances=False))[0], label)


def test_a_mask_is_what_is_at_least_half_opaque(tmp_path: Path) -> None:
    pixels = np.zeros((2, 3, 4), np.uint8)
    pixels[0, :, 3] = (127, 128, 255)
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    sha256 = file_sha256(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png", sha256).tolist() == [[False, True, True], [False] * 3]
    with pytest.raises(InputError, match=r"mask.png: expected the file with SHA-256 000000000000, found another"):
        read_mask(tmp_path / "mask.png", "0" * 64)


def test_masks_that_are_none(tmp_path: Path) -> None:
    for name, image, message in (
        ("opaque", Image.new("RGB", (2, 2)), "expected an object on a transparent ground, found an image of mode RGB"),
        ("empty", Image.new("RGBA", (2, 2)), "expected pixels of an object, found a transparent image"),
    ):
        path = tmp_path / f"{name}.png"
        image.save(path)
        with pytest.raises(InputError, match=message):
            read_mask(path, file_sha256(path))
    with pytest.raises(InputError, match=r"none.png: expected a readable image"):
        read_mask(tmp_path / "none.png", "0" * 64)


def test_an_edited_data_set_is_refused_where_its_styles_would_be_lost(scenes: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(scenes, tmp_path / "copy"))
    styles = DataStyles(features="instance", images={"scene_000000": ImageStyles(drawn_as="scene_000001", regions={})})
    write_styles(copy, "test", styles)
    with pytest.raises(InputError, match=r"test_styles\.json: expected a data set whose regions have no styles of"):
        DataScenes.open(copy, "test")
    DataScenes.open(copy, "train")


@pytest.mark.parametrize("phase", ["../scenes/test", "a/b", ""])
def test_a_phase_is_a_name(scenes: Path, phase: str) -> None:
    with pytest.raises(InputError, match="--phase: expected the name of a part of the data set"):
        DataScenes.open(scenes, phase)
