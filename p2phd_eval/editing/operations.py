"""The operations on a scene: pure functions, a scene in and a new one out, with the pixels that changed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from p2phd_eval.editing.scene import Labels, Mask, Point, Scene, require_class, require_shape
from p2phd_eval.errors import InputError
from p2phd_eval.generators.sampling.region_styles import ClusterStyle, DrawnStyle, Style

_MOST_WIDTH = 2**15  # pixels of a brush
_MOST_SCALE = 1000
_FARTHEST = 2**20  # pixels; products of coordinates fit into 64 bits


@dataclass(frozen=True, kw_only=True)
class Edited:
    """What an operation made."""

    scene: Scene
    area: Mask  # (H, W), the pixels whose class, number or style is another; of a style changing, the region
    written: Mask  # (H, W), the pixels that it wrote to, whether they are another now or not


def change_style(scene: Scene, point: Point, style: Style | None) -> Edited:
    """Give the region at a point a style; None: that which is drawn for it.

    Raises `InputError` for a point outside, or a style of a class that there is none of.
    """
    _require_style(scene, style)
    region = scene.region_at(point)
    styles = {number: each for number, each in scene.styles.items() if number != region}
    if style is not None:
        styles[region] = style
    area = scene.regions == region
    return Edited(scene=replace(scene, styles=styles), area=area, written=area)


def change_label(
    scene: Scene, point: Point, label: int, *, number: int | None = None, style: Style | None = None
) -> Edited:
    """Make the object at a point one of another class.

    Its number is a new one where the class is counted, else that of the class. Its style is drawn for that number.

    Parameters
    ----------
    scene : Scene
    point : (int, int)
        x and y.
    label : int
        The class that it becomes.
    number : int, optional
        The number that it gets: a new one, or one of this class, which it joins.
    style : Style, optional
        The style of the region that it becomes, or becomes a part of.

    Raises
    ------
    InputError
        For a point outside, a label that is no class or the object's own, or a number of another class.
    """
    if scene.class_at(point) == label:
        raise InputError("label", expected=f"another class than {label}", found="the class that is there")
    return _painted(scene, scene.object_at(point), label, number, style)


def add_object(
    scene: Scene,
    mask: Mask,
    label: int,
    *,
    at: Point | None = None,
    scale: float = 1.0,
    number: int | None = None,
    style: Style | None = None,
) -> Edited:
    """Paste an object: the pixels of a mask become a new one of a class, as far as they are inside of the image.

    Parameters
    ----------
    scene : Scene
    mask : bool array (h, w)
        The object's pixels.
    label : int
        Its class.
    at : (int, int), optional
        x and y of the mask's upper left corner, which may lie outside. None: the mask is as large as the image.
    scale : float
        Of the mask, above 0 and at most 1000, to the nearest pixel; its upper left corner stays.
    number, style
        As of `change_label`.

    Raises
    ------
    InputError
        For an empty mask, one of another size where `at` is not given, one that lies outside as a whole, a label that
        is no class, or a number of another class.
    """
    mask = np.asarray(mask, bool)
    if mask.ndim != 2 or not mask.any():
        raise InputError("mask", expected="pixels of an object", found="none" if mask.ndim == 2 else f"{mask.shape}")
    if at is None:
        require_shape(mask, scene.label.shape, "mask")
        at = (0, 0)
    return _painted(scene, _placed(scene, mask, at, "mask", scale), label, number, style)


def add_stroke(
    scene: Scene,
    points: Sequence[Point],
    width: int,
    label: int,
    *,
    number: int | None = None,
    style: Style | None = None,
) -> Edited:
    """Paint a class along points: the pixels at most half the width from the line through them.

    One stroke is one object: of a counted class it gets a new number.

    Parameters
    ----------
    scene : Scene
    points : sequence of (int, int)
        x and y of each, at least one; those outside are painted as far as the brush reaches inside.
    width : int
        Of the round brush in pixels.
    label, number, style
        As of `change_label`; with the number of an object the stroke is a part of it.

    Raises
    ------
    InputError
        For no points, a stroke that lies outside as a whole, a width that is none, a label that is no class, or a
        number of another class.
    """
    if not 1 <= width <= _MOST_WIDTH:
        raise InputError("width", expected=f"1 to {_MOST_WIDTH} pixels", found=str(width))
    if not points:
        raise InputError("points", expected="at least one point", found="none")
    if max(abs(each) for point in points for each in point) > _FARTHEST:
        raise InputError("points", expected=f"coordinates up to {_FARTHEST}", found="larger ones")
    mask = np.zeros(scene.label.shape, bool)
    for begin, end in zip(points, points[1:] or points, strict=False):
        _draw_line(mask, begin, end, width)
    if not mask.any():
        raise InputError("points", expected="a stroke that meets the image", found="one that lies outside")
    return _painted(scene, mask, label, number, style)


def remove_object(scene: Scene, point: Point) -> Edited:
    """Remove the object at a point; each of its pixels becomes what the nearest pixel around it is.

    Raises `InputError` for a point outside, or an object that fills the image.
    """
    mask = scene.object_at(point)
    return _edited(scene, *_filled(scene, mask), scene.styles, mask)


def move_object(scene: Scene, point: Point, offset: tuple[int, int]) -> Edited:
    """Remove the object at a point and paste it at an offset, x and y; it keeps its number and its style.

    Raises `InputError` for a point outside, an object that fills the image, or one that would leave the image.
    """
    mask = scene.object_at(point)
    label, instance = _filled(scene, mask)
    place = _placed(scene, mask, offset, "offset")
    label[place] = scene.class_at(point)
    number = scene.number_at(point)
    if instance is not None and number is not None:
        instance[place] = number
    return _edited(scene, label, instance, scene.styles, mask | place)


def _painted(scene: Scene, mask: Mask, label: int, number: int | None, style: Style | None) -> Edited:
    """Make pixels something of a class."""
    require_class(scene, label)
    _require_style(scene, style)
    number = _number(scene, label, number)
    labels, instance = scene.label.copy(), None
    labels[mask] = label
    if scene.instance is not None and number is not None:
        instance = scene.instance.copy()
        instance[mask] = number
    styles = dict(scene.styles)
    if style is not None:
        styles[label if number is None or scene.features == "label" else number] = style
    return _edited(scene, labels, instance, styles, mask)


def _require_style(scene: Scene, style: Style | None) -> None:
    # Without classes there is one, 0. How many clusters a class has is known to the checkpoint alone.
    if isinstance(style, ClusterStyle | DrawnStyle) and style.label >= (scene.label_nc or 1):
        raise InputError(
            "style",
            expected=f"one of a class from 0 to {max(scene.label_nc - 1, 0)}",
            found=f"one of class {style.label}",
        )


def _number(scene: Scene, label: int, given: int | None) -> int | None:
    """Return the number of what becomes a class; None without instance map."""
    if scene.instance is None:
        if given is not None:
            raise InputError("number", expected="none, since there is no instance map", found=str(given))
        return None
    assert scene.numbering is not None  # a scene with an instance map has one
    if given is None:
        return scene.numbering.new_number(label, scene.taken)
    others = scene.label[(scene.instance == given) & (scene.label != label)]
    if others.size and scene.numbering.shared.get(label) != given:
        raise InputError(
            "number", expected=f"a new number, or one of class {label}", found=f"{given}, of class {others[0]}"
        )
    if not 0 <= given < 2**31:
        raise InputError("number", expected="a number from 0 to 2147483647", found=str(given))
    return given


def _filled(scene: Scene, mask: Mask) -> tuple[Labels, Labels | None]:
    """Return label and instance map without an object: its pixels are those that are nearest around it."""
    if mask.all():
        raise InputError("point", expected="an object with something around it", found="one that fills the image")
    # What is nearest touches the object, so that it lies in the box around it.
    rows, columns = (slice(max(0, int(each.min()) - 1), int(each.max()) + 2) for each in np.nonzero(mask))
    y, x = ndimage.distance_transform_edt(mask[rows, columns], return_distances=False, return_indices=True)

    def fill(values: Labels) -> Labels:
        filled: Labels = values.copy()
        filled[rows, columns] = values[rows, columns][y, x]
        return filled

    return fill(scene.label), None if scene.instance is None else fill(scene.instance)


def _edited(
    before: Scene, label: Labels, instance: Labels | None, styles: Mapping[int, Style], written: Mask
) -> Edited:
    scene = replace(before, label=label, instance=instance).with_styles(styles)
    area = label != before.label
    if instance is not None:
        area = area | (instance != before.instance)
    regions = scene.styles.keys() | before.styles.keys()
    restyled = [region for region in regions if scene.styles.get(region) != before.styles.get(region)]
    return Edited(scene=scene, area=area | np.isin(scene.regions, restyled), written=written)


def _placed(scene: Scene, mask: Mask, at: Point, what: str, scale: float = 1.0) -> Mask:
    """Return a mask of the scene's size, with another's pixels from a corner on, scaled to the nearest, clipped.

    Only what is inside is ever made, however large the whole would be.
    """
    if not 0 < scale <= _MOST_SCALE:
        raise InputError("scale", expected=f"a number above 0, at most {_MOST_SCALE}", found=f"{scale:g}")
    (x, y), (width, height) = at, scene.size
    placed = np.zeros((height, width), bool)
    rows, from_rows = _scaled(len(mask), scale, y, height)
    columns, from_columns = _scaled(len(mask.T), scale, x, width)
    placed[np.ix_(rows, columns)] = mask[np.ix_(from_rows, from_columns)]
    if not placed.any():
        raise InputError(
            what,
            expected=f"pixels of it inside of {width} x {height}",
            found=f"none, from x={x}, y={y} on" + ("" if scale == 1.0 else f", at scale {scale:g}"),
        )
    return placed


def _scaled(n: int, scale: float, begin: int, end: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return which pixels of [0, end) something of `n` pixels takes from `begin` on, scaled, and where each is from."""
    there = np.arange(max(0, begin), min(end, begin + max(1, round(n * scale))))
    return there, np.minimum((there - begin + 0.5) / scale, n - 1).astype(np.intp)


def _draw_line(mask: Mask, begin: Point, end: Point, width: int) -> None:
    """Mark the pixels at most half of a width from the line between two points."""
    height, columns = mask.shape
    reach = width // 2
    (x0, y0), (x1, y1) = begin, end
    left, right = max(0, min(x0, x1) - reach), min(columns, max(x0, x1) + reach + 1)
    top, bottom = max(0, min(y0, y1) - reach), min(height, max(y0, y1) + reach + 1)
    if left >= right or top >= bottom:
        return
    y, x = np.mgrid[top:bottom, left:right].astype(np.int64)
    along = (x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)
    across = (x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)
    length = (x1 - x0) ** 2 + (y1 - y0) ** 2
    to_begin = (x - x0) ** 2 + (y - y0) ** 2
    to_end = (x - x1) ** 2 + (y - y1) ** 2
    near: npt.NDArray[np.bool_] = 4 * np.minimum(to_begin, to_end) <= width**2
    if length:
        between = (along >= 0) & (along <= length)
        near |= between & (2 * np.abs(across) <= width * math.sqrt(length))
    mask[top:bottom, left:right] |= near
