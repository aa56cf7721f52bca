"""What an operation does, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.ndimage import binary_dilation

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
from p2phd_eval.editing.scene_objects import list_objects
from p2phd_eval.errors import InputError
from p2phd_eval.generators.networks.conditioning import instance_edges
from p2phd_eval.generators.sampling.region_styles import ClusterStyle
from tests.editing.small_scenes import CAR, PERSON, ROAD, SKY, street, two_on_a_road

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


# --- Invariances, on street scenes


def edges(scene: Scene) -> npt.NDArray[np.bool_]:
    assert scene.instance is not None
    return instance_edges(torch.from_numpy(scene.instance.copy())[None, None])[0, 0].numpy()


def some_edits(scene: Scene) -> list[Edited]:
    """An edit of each kind, of a street scene with objects."""
    first = next(each for each in list_objects(scene) if each.counted)
    other = ROAD if first.label != ROAD else SKY
    return [
        change_style(scene, first.point, BLUE),
        change_label(scene, first.point, PERSON if first.label != PERSON else CAR),
        change_label(scene, first.point, other),
        add_object(scene, first.mask, first.label, at=(3, 40), scale=1.7),
        add_stroke(scene, [(10, 10), (60, 30), (130, 70)], 5, CAR),
        remove_object(scene, first.point),
        move_object(scene, first.point, (9, -4)),
    ]


@pytest.mark.parametrize("seed", [0, 3])
def test_what_is_outside_of_the_area_stays(seed: int) -> None:
    scene = street(seed)
    for edited in some_edits(scene):
        after, outside = edited.scene, ~edited.area
        assert after.instance is not None
        assert scene.instance is not None
        assert np.array_equal(after.label[outside], scene.label[outside])
        assert np.array_equal(after.instance[outside], scene.instance[outside])
        # Edges are a function of numbers: they change at the area and beside it alone.
        beside = binary_dilation(edited.area)
        assert np.array_equal(edges(after)[~beside], edges(scene)[~beside])


@pytest.mark.parametrize("seed", [0, 3])
def test_a_number_stands_for_one_class(seed: int) -> None:
    scene = street(seed)
    for edited in some_edits(scene):
        after = edited.scene
        assert after.instance is not None
        pairs = set(zip(after.instance.ravel().tolist(), after.label.ravel().tolist(), strict=True))
        assert len(pairs) == len(numbers(after))
        assert all(number == label or number // 1000 == label for number, label in pairs)


def test_no_operation_changes_the_scene_that_it_is_given() -> None:
    scene, same = street(3), street(3)
    some_edits(scene)
    assert scene == same


def test_without_instances_the_label_map_is_edited_alone() -> None:
    with_instances, without = street(3), street(3, instances=False)
    first = next(each for each in list_objects(with_instances) if each.counted)
    stroke = [(10, 10), (60, 30)]
    assert add_stroke(without, stroke, 5, CAR).scene.instance is None
    for edit in (
        lambda scene: add_stroke(scene, stroke, 5, CAR),
        lambda scene: add_object(scene, first.mask, first.label, at=(3, 40)),
    ):
        assert np.array_equal(edit(without).scene.label, edit(with_instances).scene.label)
    with pytest.raises(InputError, match="number: expected none, since there is no instance map, found 7"):
        add_stroke(without, stroke, 5, CAR, number=7)


def test_where_classes_have_styles_a_stroke_gives_its_class_the_style() -> None:
    """The original's strokes ignore features by label."""
    scene = replace(two_on_a_road(), features="label")
    edited = add_stroke(scene, [(0, 3)], 1, 4, style=BLUE)
    assert dict(edited.scene.styles) == {4: BLUE}
    assert np.array_equal(edited.area, edited.scene.label == 4)  # the other cars are restyled, too


def test_colours_are_classes() -> None:
    red, blue = 0xFF0000, 0x0000FF
    scene = Scene(image="colours", label=np.array([[red, red, blue], [red, red, red]]), label_nc=0)
    assert change_label(scene, (2, 0), 0xFFFFFF).scene.label.tolist() == [[red, red, 0xFFFFFF], [red, red, red]]
    assert (remove_object(scene, (2, 0)).scene.label == red).all()
    with pytest.raises(InputError, match="label: expected a colour as R"):
        change_label(scene, (0, 0), 1 << 24)


def test_a_disc_and_a_line_are_what_is_near_enough() -> None:
    scene = Scene(image="empty", label=np.zeros((40, 40), int), label_nc=2)
    y, x = np.mgrid[:40, :40]
    for width in (1, 2, 5, 8):
        disc = add_stroke(scene, [(20, 17)], width, 1).area
        assert np.array_equal(disc, (x - 20) ** 2 + (y - 17) ** 2 <= width**2 / 4)
        a, b = np.array([5.0, 30.0]), np.array([33.0, 9.0])
        t = np.clip((np.stack([x, y], -1) - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        away = np.linalg.norm(np.stack([x, y], -1) - (a + t[..., None] * (b - a)), axis=-1)
        assert np.array_equal(add_stroke(scene, [(5, 30), (33, 9)], width, 1).area, away <= width / 2 + 1e-9)


def test_a_hole_is_filled_by_the_nearest_pixels_by_brute_force() -> None:
    scene = street(3)
    chosen = max((each for each in list_objects(scene) if each.counted), key=lambda each: each.pixels)
    hole = scene.object_at(chosen.point)
    after = remove_object(scene, chosen.point).scene
    assert after.instance is not None
    assert scene.instance is not None
    around = np.argwhere(~hole)
    for y, x in np.argwhere(hole)[::7].tolist():
        away = ((around - (y, x)) ** 2).sum(axis=1)
        nearest = around[away == away.min()]
        assert after.instance[y, x] in scene.instance[nearest[:, 0], nearest[:, 1]]


def test_a_mask_is_scaled_to_the_nearest_pixel() -> None:
    scene = Scene(image="empty", label=np.zeros((8, 8), int), label_nc=2)
    mask = np.array([[True, False], [True, True]])
    twice = add_object(scene, mask, 1, at=(1, 2), scale=2.0).area
    assert np.array_equal(twice[2:6, 1:5], np.kron(mask, np.ones((2, 2))).astype(bool))
    assert twice.sum() == 12
    half = add_object(scene, np.kron(mask, np.ones((2, 2))).astype(bool), 1, at=(1, 2), scale=0.5).area
    assert np.array_equal(half[2:4, 1:3], mask)
    assert add_object(scene, mask, 1, at=(-1000, -1000), scale=1000.0).area.all()  # 4 megapixels, of which few are made
    assert add_object(scene, mask, 1, at=(3, 3), scale=1e-300).area.sum() == 1


# --- What the original does otherwise


def test_relabelled_things_do_not_copy_their_own_features() -> None:
    """It looked the target up after the ids had been overwritten."""
    edited = change_label(change_style(two_on_a_road(), (1, 1), BLUE).scene, (1, 1), 5)
    assert dict(edited.scene.styles) == {}
    assert edited.scene.region_at((1, 1)) not in two_on_a_road().taken


def test_things_that_touch_keep_the_edge_between_them() -> None:
    """It wrote the class as instance, so that neighbours merged."""
    scene = two_on_a_road()
    stroke = add_stroke(scene, [(3, 1), (3, 2)], 1, 4).scene  # fills the gap between two cars
    pasted = add_object(scene, np.ones((2, 1), bool), 4, at=(3, 1)).scene
    for after in (stroke, pasted):
        assert after == stroke
        assert numbers(after) == [2, 4000, 4001, 4002, 5000]
        assert edges(after)[1:3, 2:5].all()


def test_a_style_is_that_of_the_object_at_the_point() -> None:
    """It took the list of the object that was clicked last."""
    scene = change_style(two_on_a_road(), (1, 1), BLUE).scene
    assert dict(change_style(scene, (4, 1), ClusterStyle(label=4, k=1)).scene.styles) == {
        4000: BLUE,
        4001: ClusterStyle(label=4, k=1),
    }


def test_a_number_that_is_free_again_has_no_style_of_before() -> None:
    scene = change_style(two_on_a_road(), (4, 1), BLUE).scene
    scene = remove_object(scene, (4, 1)).scene
    pasted = add_object(scene, np.ones((1, 1), bool), 4, at=(4, 3)).scene
    assert numbers(pasted) == [2, 4000, 4002, 5000]
    assert dict(pasted.styles) == {}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda scene: change_style(scene, (8, 0), BLUE),
            "point: expected a point inside 8 x 4 pixels, found x=8, y=0",
        ),
        (
            lambda scene: change_style(scene, (1, 1), ClusterStyle(label=6, k=0)),
            "style: expected one of a class from 0 to 5",
        ),
        (lambda scene: change_label(scene, (0, -1), 4), "point: expected a point inside 8 x 4 pixels, found x=0, y=-1"),
        (lambda scene: change_label(scene, (1, 1), 6), "label: expected a class from 0 to 5, found 6"),
        (lambda scene: change_label(scene, (1, 1), 4), "label: expected another class than 4, found the class that is"),
        (lambda scene: change_label(scene, (1, 1), 5, number=4001), "number: .*one of class 5, found 4001, of class 4"),
        (lambda scene: add_object(scene, np.zeros((2, 2), bool), 4, at=(0, 0)), "mask: expected pixels of an object"),
        (lambda scene: add_object(scene, np.ones((2, 2), bool), 4), "mask: expected 8 x 4 pixels .*, found 2 x 2"),
        (
            lambda scene: add_object(scene, np.ones((2, 2), bool), 4, at=(-2, 0)),
            "mask: expected pixels of it inside of 8 x 4, found none",
        ),
        (
            lambda scene: add_object(scene, np.ones((2, 2), bool), 4, at=(0, 0), scale=0),
            "scale: expected a number above 0",
        ),
        (lambda scene: add_stroke(scene, [], 1, 4), "points: expected at least one point, found none"),
        (lambda scene: add_stroke(scene, [(0, -9)], 3, 4), "points: expected a stroke that meets the image"),
        (lambda scene: add_stroke(scene, [(0, 0)], 0, 4), "width: expected 1 to 32768 pixels, found 0"),
        (
            lambda scene: move_object(scene, (1, 1), (9, 0)),
            "offset: expected pixels of it inside of 8 x 4, found none, from x=9, y=0 on",
        ),
    ],
)
def test_what_cannot_be_done(edit: Callable[[Scene], Edited], message: str) -> None:
    with pytest.raises(InputError, match=message):
        edit(two_on_a_road())
