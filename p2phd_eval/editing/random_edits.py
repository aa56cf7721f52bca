"""Scripts of random edits, made from a data set's own objects."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy import ndimage

from p2phd_eval.editing.data_scenes import DataScenes
from p2phd_eval.editing.edits import (
    KINDS,
    Cut,
    Edit,
    LabelEdit,
    MoveEdit,
    ObjectEdit,
    RemoveEdit,
    Source,
    StrokeEdit,
    StyleEdit,
    apply_edit,
    kind_of_edit,
)
from p2phd_eval.editing.scene import Mask, Scene
from p2phd_eval.editing.scene_objects import SceneObject, find_object, list_objects
from p2phd_eval.editing.script import EditScript, script_for, write_script
from p2phd_eval.errors import InputError, require_at_least, require_whole
from p2phd_eval.files import name_bytes
from p2phd_eval.generators.sampling.region_styles import DrawnStyle
from p2phd_eval.images.replacing import require_replaceable
from p2phd_eval.progress import ProgressFactory, silent

_SMALLEST, _LARGEST = 1 / 2000, 1 / 4  # of the image, an object that is edited
_FEWEST = 12  # pixels of it
_ATTEMPTS = 20  # draws of an edit of a kind before another kind is tried


@dataclass(frozen=True, kw_only=True)
class RandomEdits:
    """A script of random edits, and how many there are of each kind."""

    script: EditScript
    by_kind: dict[str, int]
    images: int  # that have edits
    wanted: int  # edits that were asked for; an image that has no place for more has fewer

    def __str__(self) -> str:
        kinds = ", ".join(f"{n} {kind}" for kind, n in self.by_kind.items())
        fewer = "" if len(self.script.edits) == self.wanted else f" of {self.wanted} that were asked for"
        return f"{len(self.script.edits)} edits{fewer} of {self.images} images: {kinds}."


@dataclass(frozen=True, kw_only=True)
class _Known:
    """An object of the data set, without its pixels."""

    image: str
    label: int
    number: int
    box: tuple[int, int, int, int]  # x, y, width, height
    size: tuple[int, int]  # of its image
    counted: bool


def random_edits(
    data: str | Path,
    out: str | Path | None = None,
    *,
    per_image: int = 3,
    seed: int = 0,
    phase: str = "test",
    kinds: Sequence[str] = KINDS,
    features: Literal["instance", "label"] | None = None,
    label_nc: int | None = None,
    instances: bool | None = None,
    progress: ProgressFactory = silent,
) -> RandomEdits:
    """Make a script of random edits from a data set's own objects.

    Objects are relabelled, moved, removed, and given what is drawn for another of their class; objects of other images
    are pasted at about their height, and strokes of classes that the image has are painted. No two edits of an image
    touch each other and new objects have numbers of their own, so that each alone does what it does among the others,
    in any order.

    Parameters
    ----------
    data : str or Path
        A data set in pix2pixHD's layout.
    out : str or Path, optional
        The script's file; None: none is written.
    per_image : int
        Edits of each image; fewer where it has no place for so many.
    seed : int
        An image's edits follow from it, its name and the data set's objects.
    phase : str
        Which part of the data set.
    kinds : sequence of str
        Of edits: "style", "label", "object", "stroke", "remove", "move"; they take turns in a random order. Colours
        are given no styles: models have features of classes or of instances.
    features : {"instance", "label"}, optional
        What has a style of its own in the models that the script is for, as they were trained; by default instances,
        where there are any.
    label_nc, instances
        See `DataScenes.open`.
    progress : ProgressFactory

    Raises
    ------
    InputError
        For data that cannot be used, an unknown kind, numbers that are too small, a file that cannot be written, or if
        no edit could be made.
    """
    require_at_least(1, {"--per-image": per_image})
    require_whole(0, 2**64 - 1, {"--seed": seed})
    for kind in kinds:
        if kind not in KINDS:
            raise InputError("--kind", expected=" | ".join(KINDS), found=repr(kind))
    if out is not None:
        require_replaceable(out, "--out")
    scenes = DataScenes.open(data, phase, label_nc=label_nc, instances=instances, progress=progress)
    features = features or scenes.features
    if features == "instance" and not scenes.config.instances:
        raise InputError("--features", expected="label, since no instance maps are used", found="instance")
    chosen = tuple(dict.fromkeys(kinds)) or KINDS
    if not scenes.config.label_nc and features == "label":
        chosen = tuple(kind for kind in chosen if kind != "style")
        if not chosen:
            raise InputError("--kind", expected="another kind, since no model has styles of colours", found="style")
    drawing = _Drawing(scenes, features, seed, chosen)
    with progress("list objects", "images") as on_progress:
        for done, key in enumerate(scenes.triplets, start=1):
            drawing.know(key)
            on_progress(done, len(scenes.triplets))
    drawing.choose()
    edits: list[Edit] = []
    with progress("draw edits", "images") as on_progress:
        for done, key in enumerate(scenes.triplets, start=1):
            edits += drawing.draw(key, per_image)
            on_progress(done, len(scenes.triplets))
    if not edits:
        raise InputError(str(data), expected="objects that can be edited", found="none of a usable size")
    script = script_for(scenes, tuple(edits), features)
    if out is not None:
        write_script(Path(out), script)
    tags = [kind_of_edit(edit) for edit in edits]
    return RandomEdits(
        script=script,
        by_kind={kind: tags.count(kind) for kind in KINDS if kind in tags},
        images=len({edit.image for edit in edits}),
        wanted=per_image * len(scenes.triplets),
    )


class _Drawing:
    """Draws the edits of one image after the other."""

    def __init__(
        self, scenes: DataScenes, features: Literal["instance", "label"], seed: int, kinds: tuple[str, ...]
    ) -> None:
        self._scenes, self._features, self._seed, self._kinds = scenes, features, seed, kinds
        self._known: dict[int, list[_Known]] = defaultdict(list)  # by class
        self._counted_alone = False
        self._kind_of: dict[str, Callable[[_Canvas], Edit | None]] = {
            "style": self._restyle,
            "label": self._relabel,
            "object": self._paste,
            "stroke": self._paint,
            "remove": lambda canvas: RemoveEdit(image=canvas.key, point=canvas.pick().point),
            "move": self._move,
        }

    def know(self, key: str) -> None:
        """Remember the objects of an image, to be pasted elsewhere."""
        scene = self._scenes.scene(key)
        for each in _usable(scene):
            known = _Known(
                image=key, label=each.label, number=each.number, box=each.box, size=scene.size, counted=each.counted
            )
            self._known[each.label].append(known)

    def choose(self) -> None:
        """Leave those alone that are not counted, such as road and sky, where there are others."""
        counted = {
            label: [each for each in known if each.counted]
            for label, known in self._known.items()
            if any(each.counted for each in known)
        }
        self._counted_alone = bool(counted)
        if counted:
            self._known = counted

    def draw(self, key: str, n: int) -> list[Edit]:
        """Return the edits of an image."""
        digest = hashlib.sha256(name_bytes(key)).digest()
        rng = np.random.default_rng([self._seed, int.from_bytes(digest, "big")])
        scene = self._scenes.scene(key, self._features)
        objects = [each for each in _usable(scene) if each.counted or not self._counted_alone]
        canvas = _Canvas(key, scene, objects, rng)
        edits: list[Edit] = []
        turns: list[str] = []
        failed: set[str] = set()
        while len(edits) < n and len(failed) < len(self._kinds):
            turns = turns or rng.permutation([kind for kind in self._kinds if kind not in failed]).tolist()
            kind = turns.pop()
            for _ in range(_ATTEMPTS):
                edit = self._kind_of[kind](canvas) if canvas.objects or kind in ("object", "stroke") else None
                if edit is not None and canvas.take(edit, self._mask_of):
                    edits.append(edit)
                    break
            else:
                failed.add(kind)
        return edits

    def _mask_of(self, source: Source) -> Mask:
        assert isinstance(source, Cut)  # they are made here
        return find_object(self._scenes.scene(source.image), source.label, source.number).mask

    def _restyle(self, canvas: _Canvas) -> Edit | None:
        chosen = canvas.pick()
        others = [each for each in self._known[chosen.label] if each.image != canvas.key]
        if not others:
            return None
        other = others[canvas.rng.integers(len(others))]
        region = other.number if self._features == "instance" else other.label
        style = DrawnStyle(image=other.image, region=region, label=chosen.label if self._scenes.config.label_nc else 0)
        return StyleEdit(image=canvas.key, point=chosen.point, style=style)

    def _relabel(self, canvas: _Canvas) -> Edit | None:
        chosen = canvas.pick()
        classes = sorted(self._known.keys() - {chosen.label})
        if not classes:
            return None
        label = int(canvas.rng.choice(classes))
        return LabelEdit(image=canvas.key, point=chosen.point, label=label, number=canvas.new_number(label))

    def _paste(self, canvas: _Canvas) -> Edit | None:
        if not self._known:
            return None
        of_class = self._known[int(canvas.rng.choice(sorted(self._known)))]
        other = of_class[canvas.rng.integers(len(of_class))]
        width, height = canvas.scene.size
        scale = round(height / other.size[1] * float(np.exp(canvas.rng.uniform(-0.3, 0.3))), 3)
        # At its own height, where things of its size are; its foot stays.
        foot = (other.box[1] + other.box[3]) * height / other.size[1]
        y = round(foot + canvas.rng.uniform(-0.05, 0.05) * height - scale * other.box[3])
        if not 0 <= y + scale * other.box[3] / 2 < height:
            return None
        x = int(canvas.rng.integers(width)) - round(scale * other.box[2] / 2)
        source = Cut(image=other.image, label=other.label, number=other.number)
        number = canvas.new_number(other.label)
        return ObjectEdit(image=canvas.key, source=source, label=other.label, at=(x, y), scale=scale, number=number)

    def _paint(self, canvas: _Canvas) -> Edit | None:
        width, height = canvas.scene.size
        label = int(canvas.rng.choice(np.unique(canvas.scene.label)))
        steps = canvas.rng.uniform(-0.1, 0.1, (int(canvas.rng.integers(1, 4)), 2)) * (width, height)
        begin = canvas.rng.uniform(0, 1, 2) * (width - 1, height - 1)
        line = begin + np.vstack([[(0, 0)], np.cumsum(steps, axis=0)])
        points = tuple((round(x), round(y)) for x, y in line.tolist())
        brush = int(canvas.rng.integers(max(1, height // 40), max(2, height // 12) + 1))
        return StrokeEdit(image=canvas.key, points=points, width=brush, label=label, number=canvas.new_number(label))

    def _move(self, canvas: _Canvas) -> Edit | None:
        width, height = canvas.scene.size
        chosen = canvas.pick()
        x, y = map(round, (canvas.rng.uniform(-1, 1, 2) * (width / 4, height / 12)).tolist())
        left, top, wide, high = chosen.box
        if not (0 <= left + wide / 2 + x < width and 0 <= top + high / 2 + y < height):
            return None  # most of it would be outside
        return MoveEdit(image=canvas.key, point=chosen.point, offset=(x, y))


class _Canvas:
    """An image while its edits are drawn: none of them touches another."""

    def __init__(self, key: str, scene: Scene, objects: list[SceneObject], rng: np.random.Generator) -> None:
        self.key, self.scene, self.objects, self.rng = key, scene, objects, rng
        self._taken_numbers = set(scene.taken)
        self._edited = np.zeros(scene.label.shape, bool)
        self._styled: set[int] = set()  # regions that are given a style
        self._joined: set[int] = set()  # regions that something becomes a part of

    def pick(self) -> SceneObject:
        """Return one of the objects."""
        return self.objects[self.rng.integers(len(self.objects))]

    def new_number(self, label: int) -> int | None:
        """Return a number that none of the edits has; None where a class has one for all, or there are no numbers."""
        if self.scene.numbering is None:
            return None
        number = self.scene.numbering.new_number(label, self._taken_numbers)
        return None if number == self.scene.numbering.shared.get(label) else number

    def take(self, edit: Edit, mask_of: Callable[[Source], Mask]) -> bool:
        """Return whether an edit changes enough, and nothing at or beside what others change; it is noted then."""
        try:
            edited = apply_edit(self.scene, edit, mask_of)
        except InputError:
            return False  # outside of the image, for one
        touched = edited.area | edited.written
        if edited.area.sum() < _FEWEST or touched.sum() > touched.size / 2 or (touched & self._edited).any():
            return False
        regions = set(np.unique(edited.scene.regions[touched]).tolist())
        restyles = isinstance(edit, StyleEdit)
        if regions & (self._styled | (self._joined if restyles else set())):
            return False
        (self._styled if restyles else self._joined).update(regions)
        # Beside it too: a hole is filled from there.
        self._edited |= ndimage.binary_dilation(touched, np.ones((3, 3)))
        if isinstance(edit, LabelEdit | ObjectEdit | StrokeEdit) and edit.number is not None:
            self._taken_numbers.add(edit.number)
        return True


def _usable(scene: Scene) -> list[SceneObject]:
    """Return the objects that are neither tiny nor most of the image."""
    n = scene.label.size
    return [each for each in list_objects(scene) if max(_FEWEST, _SMALLEST * n) <= each.pixels <= _LARGEST * n]
