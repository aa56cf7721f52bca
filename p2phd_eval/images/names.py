"""The image-set contract: which files of a folder are images, in which order, what pairs them, how they are written."""

import dataclasses
import os
import unicodedata
from collections import deque
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from p2phd_eval.errors import InputError

#: Those of pytorch-fid, and other usual ones of the same formats.
IMAGE_ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".tif", ".tiff", ".webp"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)

# pix2pixHD's test.py names a result after its label map: <label stem>_synthesized_image.jpg.
_RESULT_ENDING = "_synthesized_image"
# cityscapesScripts' file names: <city>_<sequence>_<frame>_<type>.
_CITYSCAPES_ENDINGS = (
    "_leftImg8bit",
    *(
        f"_{annotation}_{kind}"
        for annotation in ("gtFine", "gtCoarse")
        for kind in ("labelIds", "instanceIds", "color", "labelTrainIds")
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageSet:
    """The image files of a folder in a fixed order."""

    root: Path  # the folder
    paths: tuple[Path, ...]  # the files below `root`, sorted by their relative POSIX path

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def names(self) -> tuple[str, ...]:
        """The path of each image below the folder, with ``/`` between folders."""
        return tuple(path.relative_to(self.root).as_posix() for path in self.paths)

    @property
    def ids(self) -> tuple[str, ...]:
        """The key of each image, by which sets are paired; see `image_ids`."""
        return image_ids(self.names)


def pair_key(name: str) -> str:
    """Reduce a file name to the key that a label map, a photo and a generated image have in common.

    That is the stem without pix2pixHD's result ending and without Cityscapes' type ending:
    ``aachen_000000_000019_gtFine_labelIds_synthesized_image.jpg`` becomes ``aachen_000000_000019``.

    A key is its own key. Letters are composed (Unicode's normal form C): macOS and Linux write one name in two ways.

    `name`: a file name, or its stem.
    """
    name = unicodedata.normalize("NFC", name)
    stem = Path(name).stem if Path(name).suffix.lower() in IMAGE_ENDINGS else name
    stem = stem.removesuffix(_RESULT_ENDING)
    for ending in _CITYSCAPES_ENDINGS:
        if stem.endswith(ending):
            return stem.removesuffix(ending)
    return stem


def path_key(path: str) -> str:
    """Return a path with `pair_key` of its file name in that name's place: ``seq1/00.png`` becomes ``seq1/00``."""
    given = PurePosixPath(path)
    return unicodedata.normalize("NFC", (given.parent / pair_key(given.name)).as_posix())


def image_ids(names: Sequence[str]) -> tuple[str, ...]:
    """Return the key by which each image of a set is paired: its file's, with its folders where keys would repeat.

    ``seq1/00.png`` and ``seq2/00.png`` are ``seq1/00`` and ``seq2/00``; folders that all images lie in are left out.
    Keys repeat only where one folder has two files of one name, such as ``a.png`` and ``a.jpg``.

    `names`: paths with ``/`` between folders.
    """
    return ids_of_sets([names])[0]


def ids_of_sets(sets: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Return the keys of several sets that belong together, with folders in all of them or in none; see `image_ids`."""
    paths = [[PurePosixPath(name) for name in names] for names in sets]
    keys = [[pair_key(path.name) for path in own] for own in paths]
    folders = [[path.parent.parts for path in own] for own in paths]
    ambiguous = any(
        len(set(own_keys)) < len(set(zip(own_folders, own_keys, strict=True)))
        for own_folders, own_keys in zip(folders, keys, strict=True)
    )
    if not ambiguous:
        return [tuple(own) for own in keys]
    every = [folder for own in folders for folder in own]
    first, last = min(every), max(every)  # what these two begin with, all between them do
    shared = next((k for k, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return [
        tuple(path_key("/".join((*folder[shared:], key))) for folder, key in zip(own_folders, own_keys, strict=True))
        for own_folders, own_keys in zip(folders, keys, strict=True)
    ]


def differ_in_form_alone(first: str, second: str) -> bool:
    """Return whether two names are one but for how Unicode writes their letters, composed or decomposed."""
    return first != second and unicodedata.normalize("NFC", first) == unicodedata.normalize("NFC", second)


def list_images(root: str | os.PathLike[str]) -> ImageSet:
    """Find the images of a folder and its subfolders.

    Links to files and folders are followed; a folder that is reached twice is read once, so that linked
    folders cannot loop. Hidden files and folders (also macOS' ``._`` files) are left out.

    There is at least one image; they are sorted by relative POSIX path. Raises `InputError` if `root` is missing, is
    not a folder, cannot be read, or holds no image; or if a link leads nowhere.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise InputError(
            str(folder),
            expected="a folder of images",
            found="a file" if folder.exists() else "nothing there",
            fix="Give the folder that holds the images." if folder.exists() else "Check the path.",
        )
    images: list[Path] = []
    others: list[str] = []
    seen: set[Path] = set()
    pending = deque([folder])
    while pending:
        current = pending.popleft()
        real = current.resolve()
        if real in seen:
            continue
        seen.add(real)
        for entry in _entries(current):
            if entry.is_dir():
                # Links go last: a folder inside `root` is listed under its own name rather than a link's.
                (pending.append if entry.is_symlink() else pending.appendleft)(entry)
            elif entry.suffix.lower() not in IMAGE_ENDINGS:
                others.append(entry.relative_to(folder).as_posix())
            elif entry.is_file():
                images.append(entry)
            elif entry.is_symlink():
                raise InputError(
                    str(entry),
                    expected="an image",
                    found=f"a link to {entry.readlink()}, which is not there",
                    fix="Restore the link's target or remove the link.",
                )
    if not images:
        endings = ", ".join(IMAGE_ENDINGS)
        raise InputError(
            str(folder),
            expected=f"at least one image (files ending in {endings})",
            found="only other files, such as " + ", ".join(sorted(others)[:3]) if others else "no files",
            fix="Give the folder that holds the images; its subfolders are searched too.",
        )
    images.sort(key=lambda path: path.relative_to(folder).as_posix())
    return ImageSet(root=folder, paths=tuple(images))


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(
            str(folder), expected="a folder that can be read", found=str(error), fix="Check its permissions."
        ) from error
