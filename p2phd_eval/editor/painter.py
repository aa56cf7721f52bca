"""Scenes to pictures: the arms that are compared, what they made already, and the styles that a region can have."""

from __future__ import annotations

import hashlib
import io
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image

from p2phd_eval.editing.scene import Mask, Point, Scene, split_colours
from p2phd_eval.editor.session import class_of_region
from p2phd_eval.errors import InputError
from p2phd_eval.generators.sampling.region_styles import ClusterStyle, FileStyle, Style
from p2phd_eval.generators.sampling.renderer import Renderer
from p2phd_eval.images.png import encode_png

Pixels = npt.NDArray[np.uint8]
_KEPT = 128  # pictures that stay in memory, as PNG
_THUMBNAIL = 160  # pixels of its longer side
_LEAST = 32  # pixels around a region in its thumbnail


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One checkpoint in one precision."""

    name: str
    renderer: Renderer


@dataclass(frozen=True, kw_only=True)
class StyleChoice:
    """A style that a region could have, and how it would look."""

    style: Style | None  # None: that which is drawn
    png: bytes


class Painter:
    """Makes pictures of scenes with one or two arms; to be called from one thread.

    `folder`: of the script, from which files of styles are named.
    """

    def __init__(self, arms: Sequence[Arm], folder: Path) -> None:
        self.arms, self._folder = arms, folder.resolve()
        self._made: OrderedDict[tuple[int, bytes], bytes] = OrderedDict()

    def picture(self, arm: int, scene: Scene) -> bytes:
        """Return what an arm makes of a scene, as PNG; raises as `Renderer.render` does."""
        key = arm, _fingerprint(scene)
        if key not in self._made:
            (pixels,) = self._render(arm, scene, [scene.styles])
            self._made[key] = encode_png(pixels, scene.image)
            if len(self._made) > _KEPT:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return self._made[key]

    def choices(self, scene: Scene, point: Point) -> list[StyleChoice]:
        """Return the styles that the region at a point can have: what is drawn, and every cluster of its class.

        All of them are rendered in one batch, by the first arm that has styles, and cut out around the region. Clusters
        count that all arms have. Raises `InputError` for a point outside, and where no arm has styles.
        """
        styled = [number for number, arm in enumerate(self.arms) if arm.renderer.features is not None]
        if not styled:
            raise InputError("style", expected="a run with an encoder (train --features)", found="runs without")
        region = scene.region_at(point)
        label = class_of_region(scene, region)
        n = min(self.arms[arm].renderer.n_clusters(label) for arm in styled)
        styles: list[Style | None] = [None, *(ClusterStyle(label=label, k=k) for k in range(n))]
        others = {number: style for number, style in scene.styles.items() if number != region}
        pictures = self._render(
            styled[0], scene, [others if style is None else {**others, region: style} for style in styles]
        )
        box = _around(scene.regions == region)
        return [
            StyleChoice(style=style, png=encode_png(_thumbnail(picture, box, scene.size), "thumbnail"))
            for style, picture in zip(styles, pictures, strict=True)
        ]

    def require_style(self, style: Style) -> None:
        """Raise `InputError` if an arm that has styles does not have this one."""
        for arm in self.arms:
            if arm.renderer.features is not None:
                arm.renderer.features.vector(self._localized(style), "style")

    def _render(self, arm: int, scene: Scene, styles: Sequence[Mapping[int, Style]]) -> list[Pixels]:
        renderer = self.arms[arm].renderer
        set_styles = [
            {} if renderer.features is None else {number: self._localized(style) for number, style in each.items()}
            for each in styles
        ]
        return renderer.render_each(
            scene.label if scene.label_nc else split_colours(scene.label),
            scene.instance if renderer.config.data.instances else None,
            image=scene.image,
            styles=set_styles,
        )

    def _localized(self, style: Style) -> Style:
        # A script names files from its folder, a data set from its own.
        if isinstance(style, FileStyle):
            return msgspec.structs.replace(style, file=str(self._folder / style.file))
        return style


def cut_out(scene: Scene, mask: Mask, box: tuple[int, int, int, int], photo: Pixels | None, colour: int) -> bytes:
    """Return an object on a transparent ground as PNG, from the photo or in the colour of its class.

    `mask`: (h, w), its pixels in the box. `box`: x, y, width, height. `photo`: (H, W, 3), of the scene's size; else it
    is not looked at.
    """
    x, y, width, height = box
    rgba = np.zeros((height, width, 4), np.uint8)
    if photo is not None and photo.shape[:2] == scene.label.shape:
        rgba[..., :3] = photo[y : y + height, x : x + width]
    else:
        rgba[..., :3] = split_colours(np.full((height, width), colour, np.int32))
    rgba[..., 3] = mask * np.uint8(255)
    content = io.BytesIO()
    Image.fromarray(rgba).save(content, format="PNG", compress_level=1)
    return content.getvalue()


def _fingerprint(scene: Scene) -> bytes:
    """Return the hash of all that the networks see of a scene."""
    digest = hashlib.sha256(scene.image.encode("utf-8", "surrogatepass"))
    for values in (scene.label, scene.instance):
        digest.update(b"none" if values is None else values.tobytes())
    digest.update(msgspec.json.encode(dict(sorted(scene.styles.items()))))
    return digest.digest()


def _around(mask: Mask) -> tuple[int, int, int, int]:
    """Return the box around a region with a margin: left, top, right and bottom, which may lie outside."""
    rows, columns = np.nonzero(mask)
    left, right, top, bottom = (int(each) for each in (columns.min(), columns.max(), rows.min(), rows.max()))
    margin = max((right - left) // 4, (bottom - top) // 4, (_LEAST - min(right - left, bottom - top)) // 2, 4)
    return left - margin, top - margin, right + margin + 1, bottom + margin + 1


def _thumbnail(picture: Pixels, box: tuple[int, int, int, int], size: tuple[int, int]) -> Pixels:
    """Cut a box, in pixels of the scene, out of a picture of it, which may be larger or smaller."""
    height, width = picture.shape[:2]
    across, down = width / size[0], height / size[1]
    left, top = max(0, int(box[0] * across)), max(0, int(box[1] * down))
    right, bottom = min(width, int(np.ceil(box[2] * across))), min(height, int(np.ceil(box[3] * down)))
    image = Image.fromarray(picture[top:bottom, left:right])
    scale = _THUMBNAIL / max(image.size)
    if scale < 1:
        smaller = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(smaller, Image.Resampling.BILINEAR)
    return np.asarray(image)
