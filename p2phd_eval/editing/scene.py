"""What is edited: the label map of an image, its instance map, and the styles that its regions are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from p2phd_eval.editing.numbering import Numbering, numbers_in
from p2phd_eval.errors import InputError
from p2phd_eval.generators.sampling.region_styles import Style

Point = tuple[int, int]  # x, y in pixels from the upper left corner
Labels = npt.NDArray[np.int32]  # (H, W)
Mask = npt.NDArray[np.bool_]  # (h, w)

#: Classes of colour maps (`label_nc` 0): R * 65536 + G * 256 + B.
_COLOURS = 1 << 24


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """An image's maps and styles; nothing of it changes, operations return another.

    An *object* is what a person points at: the pixels of one number and class; without instance map the 4-connected
    pixels of one class. A *region* is what has one style: a number, or for `features` "label" a class.

    Raises `InputError` if the maps are of other shapes, or a label is no class.
    """

    image: str  # its key
    label: Labels  # classes in [0, label_nc), or colours
    label_nc: int  # classes; 0: the label map holds colours as `pack_colours` returns them
    instance: Labels | None = None
    styles: Mapping[int, Style] = field(default_factory=lambda: MappingProxyType({}))  # of regions not drawn for
    features: Literal["instance", "label"] = "instance"  # of the model: which regions have styles
    numbering: Numbering | None = None  # of the data set; None: that of these maps
    taken: frozenset[int] = frozenset()  # numbers that objects have or had: a new one takes none of them

    def __post_init__(self) -> None:
        label = _frozen(self.label, "label map")
        bad = (label < 0) | (label >= (self.label_nc or _COLOURS))
        if bad.any():
            y, x = np.unravel_index(int(bad.argmax()), bad.shape)
            raise InputError(
                f"label map of {self.image}", expected=classes_of(self), found=f"{label[y, x]} at x={x}, y={y}"
            )
        object.__setattr__(self, "label", label)
        object.__setattr__(self, "styles", MappingProxyType(dict(self.styles)))
        if self.instance is None:
            return
        instance = _frozen(self.instance, "instance map")
        require_shape(instance, label.shape, "instance map")
        object.__setattr__(self, "instance", instance)
        if self.numbering is None:
            object.__setattr__(self, "numbering", Numbering.of([(label, instance)]))
        object.__setattr__(self, "taken", self.taken | numbers_in(instance))

    def __eq__(self, other: object) -> bool:
        """Whether all that a network sees of two scenes is the same."""
        if not isinstance(other, Scene):
            return NotImplemented
        return (
            (self.image, self.label_nc, self.features) == (other.image, other.label_nc, other.features)
            and np.array_equal(self.label, other.label)
            and (self.instance is None) == (other.instance is None)
            and (self.instance is None or np.array_equal(self.instance, other.instance))  # type: ignore[arg-type]
            and dict(self.styles) == dict(other.styles)
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.label.shape
        return width, height

    @property
    def regions(self) -> Labels:
        """The number of the region that each pixel belongs to, (H, W)."""
        return self.label if self.instance is None or self.features == "label" else self.instance

    def class_at(self, point: Point) -> int:
        """Return the class of a pixel; raises `InputError` for a point outside."""
        return int(self.label[self._place(point)])

    def number_at(self, point: Point) -> int | None:
        """Return the number of the object at a pixel; None without instance map."""
        place = self._place(point)
        return None if self.instance is None else int(self.instance[place])

    def region_at(self, point: Point) -> int:
        """Return the number of the region at a pixel."""
        return int(self.regions[self._place(point)])

    def object_at(self, point: Point) -> Mask:
        """Return the pixels of the object at a pixel, (H, W)."""
        place = self._place(point)
        same: Mask = self.label == self.label[place]
        parts = ndimage.label(same)[0] if self.instance is None else self.instance
        same &= parts == parts[place]
        return same

    def with_styles(self, styles: Mapping[int, Style]) -> Scene:
        """Return the scene with other styles; those of regions that it does not have are left out."""
        there = numbers_in(self.regions)
        return replace(self, styles={region: style for region, style in styles.items() if region in there})

    def _place(self, point: Point) -> tuple[int, int]:
        x, y = point
        width, height = self.size
        if not (0 <= x < width and 0 <= y < height):
            raise InputError("point", expected=f"a point inside {width} x {height} pixels", found=f"x={x}, y={y}")
        return y, x


def classes_of(scene: Scene) -> str:
    """Say which classes there are, for errors."""
    if scene.label_nc:
        return f"a class from 0 to {scene.label_nc - 1}"
    return f"a colour as R * 65536 + G * 256 + B, from 0 to {_COLOURS - 1}"


def require_class(scene: Scene, label: int) -> None:
    """Raise `InputError` if a label is no class."""
    if not 0 <= label < (scene.label_nc or _COLOURS):
        raise InputError("label", expected=classes_of(scene), found=str(label))


def require_shape(values: npt.NDArray[np.generic], shape: tuple[int, ...], what: str) -> None:
    """Raise `InputError` if a map or mask has another size than the scene, `shape`."""
    if values.shape != shape:
        wanted, found = (" x ".join(map(str, each[1::-1])) for each in (shape, values.shape))
        raise InputError(what, expected=f"{wanted} pixels as the label map has", found=found)


def pack_colours(pixels: npt.NDArray[np.uint8]) -> Labels:
    """Return a colour map (H, W, 3) as classes (H, W): R * 65536 + G * 256 + B."""
    red, green, blue = np.moveaxis(pixels.astype(np.int32), 2, 0)
    packed: Labels = red << 16 | green << 8 | blue
    return packed


def split_colours(label: Labels) -> npt.NDArray[np.uint8]:
    """Return what `pack_colours` packed."""
    return np.stack([label >> 16 & 255, label >> 8 & 255, label & 255], axis=-1).astype(np.uint8)


def _frozen(values: npt.NDArray[np.integer], what: str) -> Labels:
    if values.ndim != 2 or not values.size or values.dtype.kind not in "iub":
        raise InputError(what, expected="whole numbers of shape (H, W)", found=f"{values.dtype} {values.shape}")
    own = values.astype(np.int32)
    own.flags.writeable = False
    return own
