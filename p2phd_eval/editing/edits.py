"""Edits as data: an operation with all that it takes, on an image that is named; as JSON, told apart by `kind`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta, Struct

from p2phd_eval.editing.operations import (
    Edited,
    add_object,
    add_stroke,
    change_label,
    change_style,
    move_object,
    remove_object,
)
from p2phd_eval.editing.scene import Mask, Scene
from p2phd_eval.generators.sampling.region_styles import Style

_Pixels = Annotated[int, Meta(ge=-(2**20), le=2**20)]
_Point = tuple[_Pixels, _Pixels]  # x and y, from the upper left corner
_Class = Annotated[int, Meta(ge=0, lt=2**31)]
_Number = Annotated[int, Meta(ge=0, lt=2**31)]


class Cut(Struct, frozen=True, kw_only=True, tag_field="kind", tag="cut", forbid_unknown_fields=True):
    """An object of an image of the data set, as it is there before any edit."""

    image: str  # its key
    label: _Class
    number: int  # its instance number; without instance maps which of the class's connected parts, from 1, row by row


class MaskFile(Struct, frozen=True, kw_only=True, tag_field="kind", tag="file", forbid_unknown_fields=True):
    """What is at least half opaque in an image with transparency."""

    file: str  # path, from the folder of the script
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]  # of the file


Source: TypeAlias = Cut | MaskFile


class _Edit(Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    image: str  # key of the image that is edited


class StyleEdit(_Edit, frozen=True, kw_only=True, tag="style"):
    """Style changing; see `change_style`."""

    point: _Point
    style: Style | None  # null: that which is drawn


class LabelEdit(_Edit, frozen=True, kw_only=True, tag="label"):
    """Label changing; see `change_label`."""

    point: _Point
    label: _Class
    number: _Number | None = None
    style: Style | None = None


class ObjectEdit(_Edit, frozen=True, kw_only=True, tag="object"):
    """Adding an object; see `add_object`."""

    source: Source  # whose pixels
    label: _Class
    at: _Point  # of the upper left corner of the cut object or the file
    scale: float = 1.0
    number: _Number | None = None
    style: Style | None = None


class StrokeEdit(_Edit, frozen=True, kw_only=True, tag="stroke"):
    """Adding a stroke; see `add_stroke`."""

    points: Annotated[tuple[_Point, ...], Meta(min_length=1)]
    width: Annotated[int, Meta(ge=1)]  # pixels
    label: _Class
    number: _Number | None = None
    style: Style | None = None


class RemoveEdit(_Edit, frozen=True, kw_only=True, tag="remove"):
    """Removing an object; see `remove_object`."""

    point: _Point


class MoveEdit(_Edit, frozen=True, kw_only=True, tag="move"):
    """Moving an object; see `move_object`."""

    point: _Point
    offset: _Point


Edit: TypeAlias = StyleEdit | LabelEdit | ObjectEdit | StrokeEdit | RemoveEdit | MoveEdit

#: The kinds of edits, as JSON names them.
KINDS = ("style", "label", "object", "stroke", "remove", "move")


def kind_of_edit(edit: Edit) -> str:
    """Return the kind of an edit, one of `KINDS`."""
    return str(edit.__struct_config__.tag)


def style_of_edit(edit: Edit) -> Style | None:
    """Return the style that an edit gives; None where it gives none."""
    return None if isinstance(edit, RemoveEdit | MoveEdit) else edit.style


def with_style(edit: Edit, style: Style | None) -> Edit:
    """Return an edit that gives another style."""
    return edit if isinstance(edit, RemoveEdit | MoveEdit) else msgspec.structs.replace(edit, style=style)


def apply_edit(scene: Scene, edit: Edit, mask_of: Callable[[Source], Mask]) -> Edited:
    """Apply an edit to a scene, whose image is the one that it names.

    `mask_of`: returns the pixels (h, w) of an object that is pasted. Raises `InputError` as the operations do.
    """
    extra: dict[str, Any] = {}
    if isinstance(edit, LabelEdit | ObjectEdit | StrokeEdit):
        extra = {"number": edit.number, "style": edit.style}
    match edit:
        case StyleEdit():
            return change_style(scene, edit.point, edit.style)
        case LabelEdit():
            return change_label(scene, edit.point, edit.label, **extra)
        case ObjectEdit():
            return add_object(scene, mask_of(edit.source), edit.label, at=edit.at, scale=edit.scale, **extra)
        case StrokeEdit():
            return add_stroke(scene, edit.points, edit.width, edit.label, **extra)
        case RemoveEdit():
            return remove_object(scene, edit.point)
        case MoveEdit():
            return move_object(scene, edit.point, edit.offset)
