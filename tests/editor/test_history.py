"""Undo and redo without end give back every scene, to the bit."""

import random

import numpy as np
import pytest

from p2phd_eval.editing.edits import Edit, RemoveEdit, StrokeEdit, apply_edit
from p2phd_eval.editing.operations import Edited
from p2phd_eval.editing.scene import Scene
from p2phd_eval.editor.history import History
from p2phd_eval.errors import InputError


def apply(scene: Scene, edit: Edit) -> Edited:
    return apply_edit(scene, edit, lambda source: np.ones((1, 1), bool))


def stroke(chance: random.Random) -> StrokeEdit:
    points = tuple((chance.randrange(20), chance.randrange(12)) for _ in range(3))
    return StrokeEdit(image="a", points=points, width=chance.randrange(1, 5), label=chance.randrange(4))


@pytest.fixture
def history() -> History:
    label = np.zeros((12, 20), np.int32)
    return History(Scene(image="a", label=label, label_nc=4, instance=label), apply)


def test_a_walk_to_and_fro_stands_where_edits_alone_would(history: History, chance: random.Random) -> None:
    scenes = [history.scene]
    for _ in range(40):
        history.add(stroke(chance))
        scenes.append(history.scene)
    for _ in range(100):
        position = chance.randrange(41)
        history.go_to(position)
        assert history.position == position
        assert history.scene == scenes[position]
    assert len(history.edits) == 40


def test_an_edit_after_undoing_forgets_what_was_undone(history: History, chance: random.Random) -> None:
    for _ in range(20):
        history.add(stroke(chance))
    history.go_to(3)
    before = history.done
    new = stroke(chance)
    history.add(new)
    assert history.edits == (*before, new)
    scene = history.original
    for edit in history.edits:
        scene = apply(scene, edit).scene
    history.go_to(0)
    history.go_to(99)  # as far as there are any
    assert history.scene == scene


def test_an_edit_that_cannot_be_done_changes_nothing(history: History, chance: random.Random) -> None:
    history.add(stroke(chance))
    history.go_to(0)
    revision = history.revision
    with pytest.raises(InputError):
        history.add(RemoveEdit(image="a", point=(0, 0)))  # it fills the image
    assert (history.position, len(history.edits), history.revision) == (0, 1, revision)
