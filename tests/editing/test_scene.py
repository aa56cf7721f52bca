"""What a scene is: objects, regions, and what no scene can be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from p2phd_eval.editing.scene import Scene, pack_colours, split_colours
from p2phd_eval.errors import InputError
from p2phd_eval.generators.sampling.region_styles import ClusterStyle
from tests.editing.small_scenes import two_on_a_road


def test_the_object_at_a_point_is_a_number_or_a_connected_part() -> None:
    for instances in (True, False):
        scene = two_on_a_road(instances=instances)
        assert np.argwhere(scene.object_at((1, 1))).tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]
    corners = Scene(image="corners", label=np.array([[1, 0], [0, 1]]), label_nc=2)
    assert corners.object_at((0, 0)).sum() == 1  # not connected over a corner


def test_a_number_that_several_classes_share_is_an_object_of_each() -> None:
    scene = Scene(image="shared", label=np.array([[0, 1, 1]]), label_nc=2, instance=np.zeros((1, 3), int))
    assert scene.object_at((1, 0)).tolist() == [[False, True, True]]


def test_regions_are_numbers_or_classes_as_the_model_has_them() -> None:
    scene = two_on_a_road()
    assert scene.region_at((1, 1)) == 4000
    assert replace(scene, features="label").region_at((1, 1)) == 4
    assert two_on_a_road(instances=False).region_at((1, 1)) == 4


def test_nothing_of_a_scene_changes() -> None:
    label = np.zeros((2, 2), np.uint8)
    scene = Scene(image="still", label=label, label_nc=2)
    label[:] = 1
    assert scene.label.tolist() == [[0, 0], [0, 0]]
    with pytest.raises(ValueError, match="read-only"):
        scene.label[0, 0] = 1
    assert scene != "another thing"


def test_styles_of_regions_that_are_gone_go() -> None:
    styles = {4000: ClusterStyle(label=4, k=1), 4007: ClusterStyle(label=4, k=2)}
    assert list(two_on_a_road().with_styles(styles).styles) == [4000]


def test_colours_are_classes_and_come_back() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    pixels[0, 0] = (255, 255, 255)
    packed = pack_colours(pixels)
    assert packed[0, 0] == 0xFFFFFF
    assert np.array_equal(split_colours(packed), pixels)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": np.full((4, 8), 6)}, "label map of two: expected a class from 0 to 5, found 6 at x=0, y=0"),
        ({"instance": np.zeros((4, 7), int)}, "instance map: expected 8 x 4 pixels as the label map has, found 7 x 4"),
        ({"label": np.zeros((4, 8, 3), np.uint8)}, r"label map: expected whole numbers of shape \(H, W\), found uint8"),
        ({"label": np.zeros((4, 8))}, "label map: expected whole numbers"),
    ],
)
def test_what_no_scene_can_be(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(two_on_a_road(), **changes)  # type: ignore[arg-type]
