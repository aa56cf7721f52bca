"""What a person has done so far: edits of many images, written as a script while they are made."""

from __future__ import annotations

from pathlib import Path
from threading import RLock
from typing import Literal

import numpy as np

from p2phd_eval.editing.apply_edits import EditedData, apply_edits, masks_of
from p2phd_eval.editing.data_scenes import DataScenes
from p2phd_eval.editing.edits import Edit, MaskFile, ObjectEdit, apply_edit, style_of_edit
from p2phd_eval.editing.operations import Edited
from p2phd_eval.editing.scene import Point, Scene
from p2phd_eval.editing.script import EditScript, in_edit, read_script, require_same_data, script_for, write_script
from p2phd_eval.editor.history import History
from p2phd_eval.editor.uploads import require_upload
from p2phd_eval.errors import InputError
from p2phd_eval.generators.sampling.region_styles import DrawnStyle, FileStyle, Style

#: The script in the folder of a session, and how the folders of its data sets begin.
SCRIPT = "edits.json"
_DATA = "edited"

Features = Literal["instance", "label"]


class Session:
    """The edits of a data set's images; all methods may be called from several threads.

    A script that the folder holds already is taken up again.

    Parameters
    ----------
    scenes : DataScenes
    folder : Path
        Where the script, what was brought along and saved data sets are.
    features : str
        What has one style: "instance" or "label".

    Raises
    ------
    InputError
        For a script in the folder that is none, or is of another data set.
    """

    def __init__(self, scenes: DataScenes, folder: Path, features: Features) -> None:
        self.scenes, self.folder, self.features = scenes, folder, features
        self.lock = RLock()
        self._histories: dict[str, History] = {}
        self._mask_of = masks_of(scenes, folder)
        self._written: EditScript | None = None
        self._saved: tuple[EditScript, Path] | None = None
        if (path := folder / SCRIPT).exists():
            self._take_up(read_script(path), str(path))

    def history(self, image: str) -> History:
        """Return the edits of an image; raises `InputError` for one that there is not."""
        with self.lock:
            if image not in self._histories:
                self._histories[image] = History(self.scenes.scene(image, self.features), self._apply)
            return self._histories[image]

    def edited_images(self) -> dict[str, int]:
        """Return how many edits are done to the images that have some."""
        with self.lock:
            return {image: each.position for image, each in sorted(self._histories.items()) if each.position}

    def add(self, edit: Edit) -> None:
        """Do an edit; raises `InputError` if it cannot be done, and for files that were not uploaded."""
        self.require_uploads(edit)
        with self.lock:
            self.history(edit.image).add(edit)

    def require_uploads(self, edit: Edit) -> None:
        """Raise `InputError` if an edit names a file that was not uploaded."""
        if isinstance(edit, ObjectEdit) and isinstance(edit.source, MaskFile):
            require_upload(self.folder, edit.source.file)
        if isinstance(style := style_of_edit(edit), FileStyle):
            require_upload(self.folder, style.file)

    def style_at(self, image: str, point: Point) -> Style:
        """Return the style that a region has: the one that it was given, or what is drawn for it."""
        with self.lock:
            scene = self.history(image).scene
            region = scene.region_at(point)
            given = scene.styles.get(region)
            return given or DrawnStyle(image=image, region=region, label=class_of_region(scene, region))

    def script(self) -> EditScript:
        """Return all edits that are done."""
        with self.lock:
            edits = tuple(edit for _, each in sorted(self._histories.items()) for edit in each.done)
            return script_for(self.scenes, edits, self.features)

    def write(self) -> Path:
        """Write the script, unless it is there as it is; return its path."""
        with self.lock:
            script, path = self.script(), self.folder / SCRIPT
            if script != self._written and (script.edits or path.exists()):
                write_script(path, script)
                self._written = script
            return path

    def save(self) -> EditedData:
        """Write the script, and what it makes as a data set, in a new folder; one that it is in already is named.

        Raises `InputError` if there are no edits.
        """
        with self.lock:
            script, path = self.script(), self.write()
            if not script.edits:
                raise InputError("edits", expected="at least one", found="none")
            if self._saved is None or self._saved[0] != script:
                self._saved = script, self._new_folder()
            folder = self._saved[1]
            return apply_edits(self.scenes.root, path, folder)

    def _apply(self, scene: Scene, edit: Edit) -> Edited:
        return apply_edit(scene, edit, self._mask_of)

    def _new_folder(self) -> Path:
        taken = {path.name for path in self.folder.glob(f"{_DATA}-*")}
        number = next(n for n in range(1, len(taken) + 2) if f"{_DATA}-{n}" not in taken)
        return self.folder / f"{_DATA}-{number}"

    def _take_up(self, script: EditScript, where: str) -> None:
        require_same_data(script, self.scenes, where)
        if script.features != self.features:
            raise InputError(
                f"{where}, features",
                expected=f'"{self.features}", what has one style in the runs\' models',
                found=f'"{script.features}"',
                fix="Name another folder with --out.",
            )
        for number, edit in enumerate(script.edits, start=1):
            with in_edit(where, number):
                self.history(edit.image).add(edit)  # files of a person's own script may lie elsewhere
        self._written = script


def class_of_region(scene: Scene, region: int) -> int:
    """Return the class by which a region's style is drawn: its most frequent one; 0 where labels are colours."""
    if not scene.label_nc:
        return 0
    return int(np.bincount(scene.label[scene.regions == region]).argmax())
