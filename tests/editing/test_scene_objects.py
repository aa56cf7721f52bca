"""Objects are found, and cut out."""

from __future__ import annotations

import numpy as np
import pytest

from p2phd_eval.editing.operations import add_object, remove_object
from p2phd_eval.editing.scene import Scene
from p2phd_eval.editing.scene_objects import find_object, list_objects
from p2phd_eval.errors import InputError
from tests.editing.small_scenes import street, two_on_a_road


def test_objects_have_their_numbers_and_boxes() -> None:
    found = [(each.label, each.number, each.box, each.counted) for each in list_objects(two_on_a_road())]
    assert found == [
        (2, 2, (0, 0, 8, 4), False),
        (4, 4000, (1, 1, 2, 2), True),
        (4, 4001, (4, 1, 2, 2), True),
        (5, 5000, (7, 0, 1, 1), True),
    ]


def test_without_instances_connected_parts_count_from_1_row_by_row() -> None:
    found = [(each.label, each.number, each.box) for each in list_objects(two_on_a_road(instances=False))]
    assert found == [(2, 1, (0, 0, 8, 4)), (4, 1, (1, 1, 2, 2)), (4, 2, (4, 1, 2, 2)), (5, 1, (7, 0, 1, 1))]
    scene = street(1, instances=False)
    for label in np.unique(scene.label).tolist():
        firsts = []
        for each in (each for each in list_objects(scene) if each.label == label):
            y, x = np.argwhere(scene.object_at(each.point))[0].tolist()
            firsts.append((y, x))
        assert firsts == sorted(firsts)


@pytest.mark.parametrize("instances", [True, False])
def test_objects_cover_the_scene_once_and_lie_at_their_points(instances: bool) -> None:
    scene = street(3, instances=instances)
    covered = np.zeros(scene.label.shape, int)
    for each in list_objects(scene):
        x, y, width, height = each.box
        covered[y : y + height, x : x + width] += each.mask
        there = scene.object_at(each.point)
        assert there.sum() == each.pixels
        assert np.array_equal(there[y : y + height, x : x + width], each.mask)
    assert (covered == 1).all()


def test_what_is_cut_out_and_pasted_where_it_was_is_the_old_scene() -> None:
    scene = street(3)
    for each in (each for each in list_objects(scene) if each.counted):
        without = remove_object(scene, each.point).scene
        assert without != scene
        back = add_object(without, each.mask, each.label, at=each.box[:2], number=each.number)
        assert back.scene == scene


def test_an_object_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"object 4002 of class 4: expected an object of two, found .*4000, 4001"):
        find_object(two_on_a_road(), 4, 4002)
    with pytest.raises(InputError, match="found none of this class"):
        find_object(two_on_a_road(), 3, 3000)


def test_a_photo_has_no_objects() -> None:
    photo = Scene(image="photo", label=np.arange(2500).reshape(50, 50), label_nc=0)
    with pytest.raises(InputError, match=r"label map of photo: expected a map of at most 1000 colours, .*found 2500"):
        list(list_objects(photo))
