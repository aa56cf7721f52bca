"""The images that a manifest names, with the condition and the seed of each."""

import os
from collections import Counter
from pathlib import PurePosixPath
from typing import Annotated

from msgspec import Meta, Struct

from p2phd_eval.errors import InputError
from p2phd_eval.images.condition_ids import sample_id
from p2phd_eval.images.encoded_files import read_encoded
from p2phd_eval.images.names import list_images, list_stored_images, pair_key
from p2phd_eval.images.sources.disk_state import DiskState, describe_change, disk_state, few, marks_of
from p2phd_eval.images.sources.encoded import EncodedSource
from p2phd_eval.images.sources.source import Mark
from p2phd_eval.json_files import read_json_lines
from p2phd_eval.stores.store_path import AnyPath, StorePath, as_path, pinned, unpinned

#: What a folder's manifest is called; a file of any other name ending so can be given itself.
MANIFEST_LINES = "manifest.jsonl"

_WANTED = 'a JSON object a line, such as {"image": "0001.png", "condition": "cat", "seed": 0}'
_FIX = "Write a line for each image, or remove the file if it is something else."


class SampleLine(Struct, frozen=True, kw_only=True):
    """One line of a `manifest.jsonl`; other keys are left alone."""

    image: str  # path, relative to the manifest's folder
    condition: str  # any text that can be printed, such as the name of a label map
    seed: Annotated[int, Meta(ge=0)]


class ManifestSource(EncodedSource):
    """The image files that a ``manifest.jsonl`` names, sorted; conditions and seeds make their ids, such as ``cat@0``.

    Each line is a JSON object with `image`, a path relative to the manifest and inside its folder, `condition`, any
    text that can be printed, and `seed`, a whole number; it may hold more, such as the prompt. A condition is reduced
    as a file's name is, so that it may be the name of a label map; see `p2phd_eval.images.names.pair_key`.

    `path`: the manifest. `whole`: whether it must name every image of its folder. Raises `InputError` if a line is
    broken, an image is named twice, is not there or leads out of the folder, or two have one condition and seed.
    """

    def __init__(self, path: str | os.PathLike[str], *, whole: bool = False) -> None:
        self._path = as_path(path)
        # What is in a store is listed once; a manifest there speaks for what is beside and below it.
        self._root = pinned(self._path.parent)
        self._whole = whole
        lines = [
            (number, line)
            for number, line in enumerate(read_json_lines(SampleLine, self._path, expected=_WANTED, fix=_FIX), start=1)
        ]
        if not lines:
            raise InputError(str(path), expected=_WANTED, found="an empty file", fix=_FIX)
        image_of: dict[str, tuple[int, str]] = {}  # by id the line that has it, and the image there
        for number, line in lines:
            where = f"{path}, line {number}"
            name, image = self._image_name(line.image, where), _id(line, where)
            if image in image_of:
                first, other = image_of[image]
                raise InputError(
                    where,
                    expected="one image of each condition and seed",
                    found=f"{name} with those of {other} in line {first}: {line.condition!r}, seed {line.seed}",
                    fix="Give each image of a condition a seed of its own.",
                )
            image_of[image] = number, name
        named = sorted((name, image) for image, (_, name) in image_of.items())
        names = [name for name, _ in named]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise InputError(
                str(path),
                expected="each image once",
                found=f"{few(twice, 'image')} named more than once",
                fix="Remove the lines that repeat others: an image that counts twice changes the result.",
            )
        if whole:
            _require_all(self._root, self._path, names)
        # The folder where it speaks for all of it, so that messages call the set what the user gave.
        super().__init__(str(self._root if whole else self._path), names, [image for _, image in named])
        self._state = self._now(self._root)

    def read(self, index: int) -> bytes:
        """Return the content of a file."""
        return read_encoded(self._root / self.names[index])

    def describe(self, index: int) -> str:
        """Return the path of a file."""
        return str(self._root / self.names[index])

    def changed(self) -> str | None:
        """Return which files were removed or rewritten, the manifest among them, or None."""
        if self._whole:
            try:
                _require_all(pinned(unpinned(self._root)), self._path, self.names)
            except InputError as error:
                return error.found
        return describe_change(self._state, self._now(pinned(unpinned(self._root))))

    def content_marks(self) -> list[Mark]:
        """Return what is known of the contents without reading them."""
        return marks_of(self._state)

    def _image_name(self, image: str, where: str) -> str:
        """The normal form of an image's path, after a check that it is inside the folder and there."""
        path = PurePosixPath(image)
        if path.is_absolute() or ".." in path.parts or "\0" in image or not path.name:
            raise InputError(
                where,
                expected=f"the path of an image inside {self._root}, relative to it",
                found=repr(image),
                fix="Put the manifest beside the images, or above them.",
            )
        try:
            there = (self._root / str(path)).is_file()
        except OSError:  # longer than any name
            there = False
        if not there:
            raise InputError(
                where,
                expected=f"an image in {self._root}",
                found=f"{image!r}, which is not there",
                fix="Correct the path, or remove the line.",
            )
        return str(path)

    def _now(self, root: AnyPath) -> DiskState:
        return {
            **disk_state([(str(self._path), unpinned(self._path))]),
            **disk_state((name, root / name) for name in self.names),
        }


def _id(line: SampleLine, where: str) -> str:
    condition = pair_key(line.condition)
    if not condition.strip() or not condition.isprintable():
        raise InputError(
            where, expected="a condition: text that can be printed", found=repr(line.condition), fix="Give it a name."
        )
    return sample_id(condition, line.seed)


def _require_all(root: AnyPath, manifest: AnyPath, names: list[str] | tuple[str, ...]) -> None:
    """Raise InputError if the folder of a manifest has images that it does not name: it may have been cut short."""
    others = sorted(
        set(list_stored_images(root)[0] if isinstance(root, StorePath) else list_images(root).names) - set(names)
    )
    if others:
        raise InputError(
            str(manifest),
            expected="a line for each image of the folder",
            found=f"none for {few(others, 'image')}",
            fix=f"Add the lines, remove the images, or give {manifest} itself, which takes what it names.",
        )
