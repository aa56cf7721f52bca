"""Which images of a folder are finished: known by the content of what they were made from, and by their own."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy.typing as npt
from msgspec import Struct

from p2phd_eval.errors import InputError
from p2phd_eval.files import atomic_write, hash_files
from p2phd_eval.images.names import IMAGE_ENDINGS
from p2phd_eval.images.png import encode_png
from p2phd_eval.json_files import decode_json_as
from p2phd_eval.progress import OnProgress, unwatched

#: The record of a folder's images, a line of JSON an image, by name.
INDEX = "images.jsonl"
# While images are made, each process writes lines of its own. They are hidden: no part of the folder's content.
_JOURNAL = ".images-{}.jsonl"

Contents = Mapping[str, str]  # SHA-256 by what it is of, such as "label" and "instance"


class MadeImage(Struct, frozen=True, kw_only=True):
    """One line of the record."""

    name: str  # of the file, with "/" between folders
    made_from: dict[str, str]  # SHA-256 of the label map, and of instance map and photo where they were used
    sha256: str  # of the file


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What became of the images that were in a folder; names of files, sorted."""

    kept: tuple[str, ...]
    outdated: tuple[str, ...] = ()  # removed: what they were made from has changed
    altered: tuple[str, ...] = ()  # removed: the files are not the ones that were made
    removed: tuple[str, ...] = ()  # what they were made from is gone
    foreign: tuple[str, ...] = ()  # left: made by nobody here, of nothing here

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what is not as it was."""
        said = (
            ("Made again, since what they are made from changed", self.outdated),
            ("Made again, since the files in their place are not what was made here", self.altered),
            ("Removed, since the label maps that they were made from are gone", self.removed),
            ("Left, though not made here, and counted in a FID of this folder", self.foreign),
        )
        return tuple(
            f"{what}: {len(names)} {'image, ' if len(names) == 1 else 'images, such as '}{names[0]}."
            for what, names in said
            if names
        )


def settle(folder: Path, wanted: Mapping[str, Contents], *, fix: str, on_progress: OnProgress = unwatched) -> Settled:
    """Remove the images of a folder that are not, or no longer, what would be made now, and say what is left.

    Killed at any moment and called again, it comes to the same. Into an empty folder nothing is written.

    Parameters
    ----------
    folder : Path
        Nobody else writes to it.
    wanted : mapping
        By the name of each image that is to be there, the contents of what it is made from.
    fix : str
        What to do about images of something else, for errors.
    on_progress : callable
        Called with how many of the folder's images are read, and how many there are.

    Raises
    ------
    InputError
        If of two finished images or more none is made from what is there now, so that it is another data set; or
        there are images without a record: an earlier version made them.
    """
    records = _read_records(folder)
    files = {path.relative_to(folder).as_posix(): path for path in _images(folder)}
    if files and not records and not (folder / INDEX).exists():
        raise InputError(
            str(folder),
            expected=f"{INDEX}, which says what its images were made from",
            found=f"{len(files)} images without it: an earlier version made them",
            fix=fix,
        )
    hashes = dict(zip(files, hash_files(files.values(), on_progress), strict=True))
    # Of several records of one image that of the file counts; the others are of attempts that were cut short.
    made = {name: record for name, own in records.items() for record in own if hashes.get(name) == record.sha256}
    kept = {name: record for name, record in made.items() if record.made_from == wanted.get(name)}
    if len(made) > 1 and not kept:
        raise InputError(
            str(folder),
            expected="images of this data set",
            found=f"{len(made)} images of which none was made from what is there now, such as {min(made)}",
            fix=fix,
        )
    settled = Settled(
        kept=tuple(sorted(kept)),
        outdated=tuple(sorted(name for name in made if name in wanted and name not in kept)),
        altered=tuple(sorted(name for name in files if name in wanted and name not in made)),
        removed=tuple(sorted(name for name in made if name not in wanted)),
        foreign=tuple(sorted(name for name in files if name not in wanted and name not in made)),
    )
    for name in (*settled.outdated, *settled.altered, *settled.removed):
        files[name].unlink()
    if records:
        _write_index(folder, kept.values())
    return settled


class Journal:
    """Keeps a line for each image that this process is about to write.

    The line comes first: an image without one would be made again, a line without an image says nothing.

    `process`: its number among those that write to the folder.
    """

    def __init__(self, folder: Path, process: int) -> None:
        self._path = folder / _JOURNAL.format(process)

    def add(self, name: str, made_from: Contents, sha256: str) -> None:
        """Append a line, whole, from any thread; it is on its way to the disk when this returns."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as stream:
            stream.write(_line(MadeImage(name=name, made_from=dict(made_from), sha256=sha256)))

    def write(self, name: str, made_from: Contents, image: npt.NDArray[Any]) -> None:
        """Write an image as PNG, after its line; `image`: see `p2phd_eval.images.png.encode_png`."""
        path = self._path.parent / name
        content = encode_png(image, str(path))
        self.add(name, made_from, hashlib.sha256(content).hexdigest())
        with atomic_write(path) as stream:
            stream.write(content)


def finish(folder: Path, wanted: Mapping[str, Contents]) -> None:
    """Write the record of all images; it is the same whatever order they were made in.

    `wanted`: as for `settle`, from before the first was made. Raises `InputError` if one was made from something else:
    a file changed meanwhile.
    """
    # The newest line of an image is the last one that its process wrote; `settle` left one line an image.
    made = {name: own[-1] for name, own in _read_records(folder).items() if (folder / name).exists()}
    _write_index(folder, made.values())
    changed = sorted(name for name, record in made.items() if name in wanted and record.made_from != wanted[name])
    if changed:
        raise InputError(
            str(folder),
            expected="label maps that stay as they are while images are made from them",
            found=f"that {len(changed)} changed, such as that of {changed[0]}",
            fix="Run the command again when nothing writes there any more.",
        )


def read_index(folder: Path) -> dict[str, MadeImage]:
    """Return the record of a folder's images by name; what is none, or of no image, is left out."""
    return {name: own[-1] for name, own in _read_lines([folder / INDEX]).items()}


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS and path.is_file())
    return sorted(path for path in found if not any(part[0] == "." for part in path.relative_to(folder).parts))


def _journals(folder: Path) -> list[Path]:
    return sorted(folder.glob(_JOURNAL.format("*")))


def _read_records(folder: Path) -> dict[str, list[MadeImage]]:
    return _read_lines([folder / INDEX, *_journals(folder)])


def _read_lines(paths: Iterable[Path]) -> dict[str, list[MadeImage]]:
    records = defaultdict[str, list[MadeImage]](list)
    for path in paths:
        if path.exists():
            for line in path.read_bytes().splitlines():
                # A line that a kill cut short, or that somebody changed, says nothing: its image is made again.
                try:
                    record = decode_json_as(MadeImage, line, str(path), expected="the record of an image")
                except InputError:
                    continue
                records[record.name].append(record)
    return records


def _write_index(folder: Path, records: Iterable[MadeImage]) -> None:
    with atomic_write(folder / INDEX) as stream:
        stream.writelines(map(_line, sorted(records, key=lambda record: record.name)))
    for path in _journals(folder):
        path.unlink()


def _line(record: MadeImage) -> bytes:
    # Escaped: a name may hold bytes that are no UTF-8.
    return json.dumps(msgspec.structs.asdict(record)).encode() + b"\n"
