"""A script of edits and a data set to an edited data set, which every command takes as it takes any other."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Struct

from p2phd_eval.beside import run_beside
from p2phd_eval.editing.data_scenes import DataScenes, read_mask, write_maps
from p2phd_eval.editing.edits import Edit, MaskFile, Source, apply_edit, style_of_edit, with_style
from p2phd_eval.editing.operations import Edited
from p2phd_eval.editing.scene import Mask, Scene
from p2phd_eval.editing.scene_objects import find_object
from p2phd_eval.editing.script import EditScript, in_edit, read_script, scenes_for, script_text
from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256, write_json
from p2phd_eval.generators.data.triplets import Triplet, find_triplets, folder_names
from p2phd_eval.generators.sampling.region_styles import (
    PHASE,
    DataStyles,
    FileStyle,
    ImageStyles,
    PhotoStyle,
    Style,
    write_styles,
)
from p2phd_eval.images.png import write_png
from p2phd_eval.json_files import read_json_as, read_json_or_none
from p2phd_eval.locks import filled_whole, hold_folder, is_free
from p2phd_eval.progress import ProgressFactory, silent
from p2phd_eval.versions import versions

#: The record of an edited data set.
RECORD = "edits.json"
_STYLE_FILES = "style_files"
_ORIGINAL = "_original"  # what the phase of untouched images is called, whose photos give styles
_VERSION = 1


class AppliedEdit(Struct, frozen=True, kw_only=True):
    """One edit, and what it changed."""

    number: int  # its place in the script, from 1
    edit: Edit  # as in the script
    label: str  # the label map that has it, from the folder of the data set
    area: str  # picture of what it changed, 255 where and 0 elsewhere, likewise
    pixels: int  # that it changed
    box: tuple[int, int, int, int] | None  # x, y, width and height around them; null where nothing changed


class AppliedEdits(Struct, frozen=True, kw_only=True, tag_field="schema", tag="p2phd-eval/applied-edits"):
    """`edits.json` of an edited data set: where it is from, and what each edit changed."""

    schema_version: Annotated[int, Meta(ge=_VERSION, le=_VERSION)] = _VERSION
    script_sha256: str  # of the script's values
    alone: bool = False  # whether each edit has an image of its own
    data: str  # where the data set was that was edited
    data_sha256: str  # of names and contents of its label and instance maps
    phase: str  # part of the data set
    edits: tuple[AppliedEdit, ...]
    versions: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class EditedData:
    """How a call of `apply_edits` ended."""

    folder: Path
    images: int  # that have edits, all of the edited data set
    edits: int
    written: bool  # False: it was there already

    def __str__(self) -> str:
        there = "written to" if self.written else "already in"
        return f"{self.images} edited images with {self.edits} edits {there} {self.folder}."


def apply_edits(
    data: str | Path | DataScenes,
    script: str | Path | EditScript,
    out: str | Path,
    *,
    alone: bool = False,
    progress: ProgressFactory = silent,
) -> EditedData:
    """Write the images that a script edits, with all of its edits in order, as a data set.

    It has the layout of the original, `<phase>_label`, `<phase>_inst` and, where there are some, the photos
    `<phase>_img`, as they were; `<phase>_styles.json` with the styles that regions were given, `<phase>_area` with a
    picture of what each edit changed, `edits.json` and `classes.json`. Images whose photos give styles are copied to
    `<phase>_original_label` and so on.

    Parameters
    ----------
    data : str, Path or DataScenes
        The data set that the script was made for; or the part of it that the script names, opened already.
    script : str, Path or EditScript
        Its file; paths in it are from its folder, those of a script in memory from the current one.
    out : str or Path
        A folder that does not exist yet, or an empty one; one that this very script has filled is left as it is.
    alone : bool
        Each edit makes an image of its own, named by its number before the name of the image: `0001_<name>`.
    progress : ProgressFactory

    Raises
    ------
    InputError
        For a script of another data set, an edit that cannot be done, data that cannot be used, or a folder that holds
        something else.
    """
    where, folder = ("script", Path()) if isinstance(script, EditScript) else (str(script), Path(script).parent)
    script = script if isinstance(script, EditScript) else read_script(Path(script))
    if script.features == "instance" and not script.instances:
        raise InputError(f"{where}, features", expected='"label", since it uses no instance maps', found='"instance"')
    out = Path(out)
    script_sha256 = hashlib.sha256(script_text(script).encode()).hexdigest()
    scenes = scenes_for(script, data, where, progress)
    by_image: dict[str, list[int]] = defaultdict(list)
    for number, edit in enumerate(script.edits, start=1):
        with in_edit(where, number):
            scenes.triplet(edit.image)
        by_image[edit.image].append(number)
    result = EditedData(folder=out, images=len(by_image), edits=len(script.edits), written=True)
    with hold_folder(out):
        before = read_json_or_none(AppliedEdits, out / RECORD)
        if before is not None and before.script_sha256 == script_sha256 and before.alone == alone:
            return replace(result, written=False)
        if not is_free(out):
            raise InputError(
                str(out),
                expected="a new or empty folder, or one with the edits of this script",
                found="a folder that holds " + ("those of another" if before is not None else "other files"),
                fix="Name another folder.",
            )
        if not script.edits:
            raise InputError(where, expected="at least one edit", found="none")
        # The record last: where it is, all is.
        with filled_whole(out, lambda path: path.name == RECORD) as part:
            writer = _Writer(scenes, script, where, folder, part, alone=alone)
            with progress("edit", "images") as on_progress:
                images = sorted(by_image)
                run_beside(writer.writes(images, by_image), lambda done: on_progress(done, len(images)))
            writer.write_styles()
            write_json(part / "classes.json", _classes(scenes))
            record = AppliedEdits(
                script_sha256=script_sha256,
                alone=alone,
                data=str(scenes.root if isinstance(data, DataScenes) else data),
                data_sha256=scenes.sha256,
                phase=script.phase,
                edits=tuple(sorted(writer.applied, key=lambda each: each.number)),
                versions=versions(),
            )
            write_json(part / RECORD, msgspec.to_builtins(record))
    return result


def read_applied(folder: Path) -> AppliedEdits:
    """Read the record of an edited data set; raises `InputError` if there is none."""
    return read_json_as(
        AppliedEdits, folder / RECORD, expected="the record of edits that were applied", fix="Apply them again."
    )


def masks_of(scenes: DataScenes, folder: Path) -> Callable[[Source], Mask]:
    """Return what finds the pixels of objects that a script in a folder pastes; it raises `InputError`."""

    def find(source: Source) -> Mask:
        if isinstance(source, MaskFile):
            return read_mask(folder / source.file, source.sha256)
        return find_object(scenes.scene(source.image), source.label, source.number).mask

    return find


class _Writer:
    """Edits scenes and writes them to a folder; keeps what is written when all are there."""

    def __init__(
        self, scenes: DataScenes, script: EditScript, where: str, folder: Path, out: Path, *, alone: bool
    ) -> None:
        self._scenes, self._script, self._where, self._alone = scenes, script, where, alone
        self._folder, self._out = folder, out
        self._mask_of = masks_of(scenes, folder)
        self._originals = _Originals(scenes, out)
        self._styles: dict[str, Mapping[int, Style]] = {}  # by the name of the label map
        self.applied: list[AppliedEdit] = []

    def writes(self, images: list[str], by_image: Mapping[str, list[int]]) -> Iterator[Callable[[], int]]:
        """Yield for each image the call that writes it and returns how many are done."""
        for done, image in enumerate(images, start=1):
            numbers = by_image[image]
            for together in [[number] for number in numbers] if self._alone else [numbers]:
                scene, steps = self._scenes.scene(image, self._script.features), []
                for number in together:
                    edit = self._script.edits[number - 1]
                    with in_edit(self._where, number):
                        step = apply_edit(scene, self._localized(edit), self._mask_of)
                    steps.append((number, edit, step))
                    scene = step.scene
                yield partial(self._write, self._originals.files(self._script.phase, image), scene, steps, done)

    def _localized(self, edit: Edit) -> Edit:
        """Return an edit whose style names what the edited data set holds."""
        style = style_of_edit(edit)
        if isinstance(style, FileStyle):
            source = self._folder / style.file
            if not source.is_file():
                raise InputError(str(source), expected="the photo of a style", found="no such file")
            if (found := file_sha256(source)) != style.sha256:
                expected = f"the photo with SHA-256 {style.sha256[:12]}"
                raise InputError(str(source), expected=expected, found=f"another, {found[:12]}")
            name = f"{_STYLE_FILES}/{style.sha256[:16]}{source.suffix.lower()}"
            _copy(source, self._out / name)
            return with_style(edit, msgspec.structs.replace(style, file=name))
        if isinstance(style, PhotoStyle):
            phase = style.phase or self._script.phase
            if not re.match(PHASE, phase):
                raise InputError("style, phase", expected="the name of a part of the data set", found=repr(phase))
            self._originals.add(phase, style.image)
            return with_style(edit, msgspec.structs.replace(style, phase=f"{phase}{_ORIGINAL}"))
        return edit

    def _write(self, triplet: Triplet, scene: Scene, steps: list[tuple[int, Edit, Edited]], done: int) -> int:
        prefix = f"{steps[0][0]:04d}_" if self._alone else ""

        def place(path: Path) -> Path:
            """Where a file of the image is written, from the folder."""
            below = path.relative_to(self._scenes.root)
            return below.with_name(f"{prefix}{below.name}")

        label = place(triplet.label).with_suffix("")
        instance = None if triplet.instance is None else place(triplet.instance).with_suffix("")
        write_maps(scene, self._out / label, None if instance is None else self._out / instance)
        if triplet.photo is not None:
            _copy(triplet.photo, self._out / place(triplet.photo))
        written = f"{label.as_posix()}.png"
        self._styles[written] = scene.styles
        for number, edit, step in steps:
            area = f"{self._script.phase}_area/{triplet.name}_{number:04d}.png"
            write_png(self._out / area, step.area.astype(np.uint8) * 255)
            self.applied.append(
                AppliedEdit(
                    number=number, edit=edit, label=written, area=area, pixels=int(step.area.sum()), box=_box(step.area)
                )
            )
        return done

    def write_styles(self) -> None:
        """Write the styles of all images, under the keys that they have here: folders in a key may have gone."""
        self._originals.write()
        config, phase = self._scenes.config, self._script.phase
        images = {}
        old = {edit.label: edit.edit.image for edit in self.applied}
        for triplet in find_triplets(self._out, phase, config, photos=False):
            written = triplet.label.relative_to(self._out).as_posix()
            styles = {region: self._originals.renamed(style) for region, style in self._styles[written].items()}
            drawn_as = None if old[written] == triplet.key else old[written]
            if styles or drawn_as is not None:
                images[triplet.key] = ImageStyles(drawn_as=drawn_as, regions=styles)
        if images:
            write_styles(self._out, phase, DataStyles(features=self._script.features, images=images))


class _Originals:
    """The files of untouched images, and copies of those whose photos give styles."""

    def __init__(self, scenes: DataScenes, out: Path) -> None:
        self._scenes, self._out = scenes, out
        self._triplets: dict[str, Mapping[str, Triplet]] = {}  # by phase and key
        self._wanted: dict[str, set[str]] = defaultdict(set)
        self._renamed: dict[tuple[str, str], str] = {}

    def files(self, phase: str, key: str) -> Triplet:
        """Return the files of an image, its photo too if there are photos; raises `InputError` for an unknown key."""
        if phase not in self._triplets:
            root, config = self._scenes.root, self._scenes.config
            photos = (root / folder_names(phase, config)[2]).is_dir()
            found = find_triplets(root, phase, config, photos=photos)
            self._triplets[phase] = {triplet.key: triplet for triplet in found}
        if key not in self._triplets[phase]:
            raise InputError("style", expected=f"an image of {self._scenes.root}, {phase}", found=repr(key))
        return self._triplets[phase][key]

    def add(self, phase: str, key: str) -> None:
        """Note that a photo gives styles; raises `InputError` if there is none."""
        if self.files(phase, key).photo is None:
            raise InputError(
                "style",
                expected=f"a photo of {key} in {self._scenes.root / folder_names(phase, self._scenes.config)[2]}",
                found="no photos",
            )
        self._wanted[phase].add(key)

    def write(self) -> None:
        """Copy what gives styles."""
        config = self._scenes.config
        for phase, keys in self._wanted.items():
            copied = {}
            for key in keys:
                for kind, path in self.files(phase, key).files.items():
                    # <phase>_label/name.png becomes <phase>_original_label/name.png.
                    below = path.relative_to(self._scenes.root).as_posix()
                    name = f"{phase}{_ORIGINAL}{below.removeprefix(phase)}"
                    _copy(path, self._out / name)
                    if kind == "label":
                        copied[name] = key
            for triplet in find_triplets(self._out, f"{phase}{_ORIGINAL}", config, photos=True):
                key = copied[triplet.label.relative_to(self._out).as_posix()]
                self._renamed[f"{phase}{_ORIGINAL}", key] = triplet.key

    def renamed(self, style: Style) -> Style:
        """Return a style of a photo with the key that the photo has in the edited data set."""
        if isinstance(style, PhotoStyle) and style.phase is not None:
            return msgspec.structs.replace(style, image=self._renamed[style.phase, style.image])
        return style


def _classes(scenes: DataScenes) -> dict[str, Any]:
    found = read_json_or_none(dict[str, Any], scenes.root / "classes.json") or {}
    return found | {"label_nc": scenes.config.label_nc}


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _box(area: Mask) -> tuple[int, int, int, int] | None:
    y, x = np.nonzero(area)
    if not len(y):
        return None
    return int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1
