"""The objects of a scene: found, listed, and cut out to be pasted elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from p2phd_eval.editing.numbering import numbers_in
from p2phd_eval.editing.scene import Mask, Point, Scene
from p2phd_eval.errors import InputError

_MOST_CLASSES = 1000


@dataclass(frozen=True, kw_only=True)
class SceneObject:
    """An object of a scene, known by its class and number."""

    label: int
    number: int  # of its instance; without instance map which of the class's connected parts, from 1, row by row
    box: tuple[int, int, int, int]  # x, y, width, height in pixels
    mask: Mask  # (height, width), its pixels in the box
    counted: bool  # whether its number is its own, as a car's; not the one of all that is road

    @property
    def pixels(self) -> int:
        """How many there are."""
        return int(self.mask.sum())

    @property
    def point(self) -> Point:
        """A pixel of it, x and y: the first of its middle row."""
        rows = np.flatnonzero(self.mask.any(axis=1))
        row = int(rows[len(rows) // 2])
        return self.box[0] + int(self.mask[row].argmax()), self.box[1] + row


def list_objects(scene: Scene) -> Iterator[SceneObject]:
    """Yield all objects of a scene, by class and number; raises `InputError` for a photo in place of a colour map."""
    classes = sorted(numbers_in(scene.label))
    if len(classes) > _MOST_CLASSES:
        raise InputError(
            f"label map of {scene.image}",
            expected=f"a map of at most {_MOST_CLASSES} colours, to look for objects in",
            found=f"{len(classes)}, as a photo has",
        )
    for label in classes:
        yield from _of_class(scene, label)


def find_object(scene: Scene, label: int, number: int) -> SceneObject:
    """Return the object of a class and number; raises `InputError` if there is none."""
    there = []
    for each in _of_class(scene, label):
        if each.number == number:
            return each
        there.append(str(each.number))
    shown = ", ".join(there[:5]) + (" ..." if len(there) > 5 else "")
    raise InputError(
        f"object {number} of class {label}",
        expected=f"an object of {scene.image}",
        found=f"of this class the numbers {shown}" if there else "none of this class",
    )


def _of_class(scene: Scene, label: int) -> Iterator[SceneObject]:
    own = scene.label == label
    if scene.instance is None:
        parts, n = ndimage.label(own)
        numbers = list(range(1, n + 1))
    else:
        found, parts = np.unique(scene.instance[own], return_inverse=True)
        numbers, places = found.tolist(), np.zeros(own.shape, np.int32)
        places[own] = parts.ravel() + 1
        parts = places
    shared = None if scene.numbering is None else scene.numbering.shared.get(label)
    for part, (number, place) in enumerate(zip(numbers, ndimage.find_objects(parts), strict=True), start=1):
        rows, columns = place
        yield SceneObject(
            label=label,
            number=number,
            box=(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start),
            mask=parts[place] == part,
            counted=number != shared,
        )
