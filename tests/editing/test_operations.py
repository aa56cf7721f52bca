"""What an operation does, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from p2phd_eval.editing.operations import (
    Edited,
    add_object,
    add_stroke,
    change_label,
    change_style,
    move_object,
    remove_object,
)
from p2phd_eval.editing.scene import Scene
from p2phd_eval.errors import InputError
from p2phd_eval.generators.sampling.region_styles import ClusterStyle
from tests.editing.small_scenes import two_on_a_road

BLUE = ClusterStyle(label=4, k=3)


def numbers(scene: Scene) -> list[int]:
    assert scene.instance is not None
    return np.unique(scene.instance).tolist()


def test_label_changing_gives_a_new_number_where_the_class_has_objects() -> None:
    scene = two_on_a_road()
    edited = change_label(scene, (1, 1), 5)
    assert numbers(edited.scene) == [2, 4001, 5000, 5001]
    assert np.array_equal(edited.scene.instance == 5001, scene.instance == 4000)
    assert np.array_equal(edited.scene.label == 5, (scene.instance == 4000) | (scene.instance == 5000))
    assert np.array_equal(edited.area, scene.instance == 4000)


def test_label_changing_joins_what_is_there_where_the_class_has_none() -> None:
    edited = change_label(two_on_a_road(), (1, 1), 2)
    assert numbers(edited.scene) == [2, 4001, 5000]
    assert edited.scene.label[1, 1] == 2


def test_a_style_is_that_of_a_region_and_leaves_with_it() -> None:
    scene = change_style(two_on_a_road(), (1, 1), BLUE).scene
    assert dict(scene.styles) == {4000: BLUE}
    assert dict(change_label(scene, (1, 1), 5).scene.styles) == {}
    assert dict(change_label(scene, (1, 1), 5, style=BLUE).scene.styles) == {5001: BLUE}
    assert dict(remove_object(scene, (2, 2)).scene.styles) == {}
    assert dict(move_object(scene, (2, 2), (0, 1)).scene.styles) == {4000: BLUE}


def test_an_object_is_pasted_as_a_new_one_and_clipped() -> None:
    edited = add_object(two_on_a_road(), np.ones((2, 3), bool), 4, at=(6, 3))
    assert np.argwhere(edited.scene.instance == 4002).tolist() == [[3, 6], [3, 7]]
    assert np.argwhere(edited.area).tolist() == [[3, 6], [3, 7]]


def test_a_stroke_is_one_object() -> None:
    edited = add_stroke(two_on_a_road(), [(0, 3), (3, 3), (3, 0)], 1, 4)
    assert np.argwhere(edited.scene.instance == 4002).tolist() == [[0, 3], [1, 3], [2, 3], *([3, x] for x in range(4))]


def test_a_hole_is_filled_by_what_is_nearest() -> None:
    scene = two_on_a_road()
    edited = remove_object(scene, (7, 0))
    assert edited.scene.instance is not None
    assert edited.scene.instance[0, 7] == edited.scene.label[0, 7] == 2


UNDONE: dict[str, tuple[Callable[[Scene], Edited], Callable[[Scene], Edited]]] = {
    "style": (lambda scene: change_style(scene, (1, 1), BLUE), lambda scene: change_style(scene, (1, 1), None)),
    "label": (lambda scene: change_label(scene, (1, 1), 5), lambda scene: change_label(scene, (1, 1), 4, number=4000)),
    "object": (
        lambda scene: add_object(scene, np.ones((1, 2), bool), 5, at=(6, 3)),
        lambda scene: remove_object(scene, (6, 3)),
    ),
    "stroke": (lambda scene: add_stroke(scene, [(0, 3)], 1, 5), lambda scene: remove_object(scene, (0, 3))),
    "remove": (
        lambda scene: remove_object(scene, (1, 1)),
        lambda scene: add_object(scene, np.ones((2, 2), bool), 4, at=(1, 1), number=4000),
    ),
    "move": (lambda scene: move_object(scene, (1, 1), (0, 1)), lambda scene: move_object(scene, (1, 2), (0, -1))),
}


@pytest.mark.parametrize("kind", UNDONE)
@pytest.mark.parametrize("instances", [True, False])
def test_an_edit_and_its_inverse_give_the_old_scene(kind: str, instances: bool) -> None:
    scene = two_on_a_road(instances=instances)
    do, undo = UNDONE[kind]
    if not instances and kind in ("label", "remove"):
        undo = {
            "label": lambda scene: change_label(scene, (1, 1), 4),
            "remove": lambda scene: add_object(scene, np.ones((2, 2), bool), 4, at=(1, 1)),
        }[kind]
    edited = do(scene)
    assert edited.scene != scene
    assert edited.area.any()
    assert undo(edited.scene).scene == scene


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda scene: change_style(scene, (8, 0), BLUE),
            "point: expected a point inside 8 x 4 pixels, found x=8, y=0",
        ),
        (lambda scene: change_label(scene, (0, -1), 4), "point: expected a point inside 8 x 4 pixels, found x=0, y=-1"),
        (lambda scene: change_label(scene, (1, 1), 6), "label: expected a class from 0 to 5, found 6"),
        (lambda scene: change_label(scene, (1, 1), 4), "label: expected another class than 4, found the class that is"),
        (lambda scene: change_label(scene, (1, 1), 5, number=4001), "number: .*one of class 5, found 4001, of class 4"),
        (lambda scene: add_object(scene, np.zeros((2, 2), bool), 4, at=(0, 0)), "mask: expected pixels of an object"),
        (lambda scene: add_object(scene, np.ones((2, 2), bool), 4), "mask: expected 8 x 4 pixels .*, found 2 x 2"),
        (lambda scene: add_object(scene, np.ones((2, 2), bool), 4, at=(-2, 0)), "mask: expected a place inside 8 x 4"),
        (lambda scene: add_object(scene, np.ones((2, 2), bool), 4, at=(0, 0), scale=0), "scale: expected a scale that"),
        (lambda scene: add_stroke(scene, [], 1, 4), "points: expected at least one point, found none"),
        (lambda scene: add_stroke(scene, [(0, -9)], 3, 4), "points: expected a stroke that meets the image"),
        (lambda scene: add_stroke(scene, [(0, 0)], 0, 4), "width: expected 1 to 32768 pixels, found 0"),
        (lambda scene: move_object(scene, (1, 1), (9, 0)), "offset: expected a place inside 8 x 4 pixels"),
    ],
)
def test_what_cannot_be_done(edit: Callable[[Scene], Edited], message: str) -> None:
    with pytest.raises(InputError, match=message):
        edit(two_on_a_road())
