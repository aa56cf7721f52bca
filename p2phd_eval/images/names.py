"""The image-set contract: which files of a folder are images, in which order, what pairs them, how they are written."""

import dataclasses
import os
import unicodedata
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from p2phd_eval.errors import InputError
from p2phd_eval.images.condition_ids import sample_id, split_sample
from p2phd_eval.stores.store_path import AnyPath, StorePath

#: Those of pytorch-fid, and other usual ones of the same formats.
IMAGE_ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".tif", ".tiff", ".webp"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)

#: Endings of images, and of what holds images, that are not read. A set that has such files is not what it seems.
UNREAD_ENDINGS = (
    *(".gif", ".apng", ".avif", ".heic", ".heif", ".jxl", ".jp2", ".j2k", ".jpx", ".jxr", ".svg", ".psd", ".xcf"),
    *(".tga", ".pcx", ".sgi", ".dds", ".ico", ".pfm", ".hdr", ".exr", ".dcm", ".nii", ".npy", ".raw"),
    *(".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2"),
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm"),
)

# What images begin with, to know those without ending: PNG, JPEG, GIF, TIFF in both byte orders, WebP's container.
_IMAGE_HEADS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"RIFF")
HEAD = 8  # bytes that tell it

# What systems and their servers put beside files: of macOS, Synology, QNAP, Windows, ext4.
_SYSTEM_NAMES = frozenset(
    {"__macosx", "@eadir", "#recycle", "@recycle", "$recycle.bin", "system volume information", "lost+found"}
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
    names: tuple[str, ...]  # of `paths`, below `root` and with "/" between folders
    unread: tuple[str, ...] = ()  # names of files below `root` that are images too, but of formats that are not read

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def ids(self) -> tuple[str, ...]:
        """The key of each image, by which sets are paired; see `image_ids`."""
        return image_ids(self.names)


def pair_key(name: str) -> str:
    """Reduce a file name to the key that a label map, a photo and a generated image have in common.

    That is the stem without pix2pixHD's result ending and without Cityscapes' type ending:
    ``aachen_000000_000019_gtFine_labelIds_synthesized_image.jpg`` becomes ``aachen_000000_000019``. A sample keeps its
    seed, without leading zeros: ``cat@007.png`` becomes ``cat@7``.

    A key is its own key. Letters are composed (Unicode's normal form C): macOS and Linux write one name in two ways.

    `name`: a file name, or its stem.
    """
    name = unicodedata.normalize("NFC", name)
    stem, _, ending = name.rpartition(".")  # not Path's: this is called for each of a million images
    if not stem or f".{ending.lower()}" not in IMAGE_ENDINGS:
        stem = name
    condition, seed = split_sample(stem.removesuffix(_RESULT_ENDING))
    if seed is not None:
        condition = condition.removesuffix(_RESULT_ENDING)
    for ending in _CITYSCAPES_ENDINGS:
        if condition.endswith(ending):
            condition = condition.removesuffix(ending)
            break
    return sample_id(condition, seed)


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
    folders = [[name.rpartition("/")[0] for name in names] for names in sets]
    keys = [[pair_key(name.rpartition("/")[2]) for name in names] for names in sets]
    ambiguous = any(
        len(set(own_keys)) < len(set(zip(own_folders, own_keys, strict=True)))
        for own_folders, own_keys in zip(folders, keys, strict=True)
    )
    if not ambiguous:
        return [tuple(own) for own in keys]
    parts = {folder: PurePosixPath(folder).parts for own in folders for folder in own}
    first, last = min(parts.values()), max(parts.values())  # what these two begin with, all between them do
    shared = next((k for k, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return [
        tuple(
            unicodedata.normalize("NFC", "/".join((*parts[folder][shared:], key)))
            for folder, key in zip(own_folders, own_keys, strict=True)
        )
        for own_folders, own_keys in zip(folders, keys, strict=True)
    ]


def differ_in_form_alone(first: str, second: str) -> bool:
    """Return whether two names are one but for how Unicode writes their letters, composed or decomposed."""
    return first != second and unicodedata.normalize("NFC", first) == unicodedata.normalize("NFC", second)


def list_images(root: str | os.PathLike[str]) -> ImageSet:
    """Find the images of a folder and its subfolders.

    Links to files and folders are followed; a folder that is reached twice is read once, so that linked
    folders cannot loop. Hidden files and folders (also macOS' ``._`` files), and those of systems, are left out.

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
    unread: list[str] = []
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
                if is_unread_image(entry.name, partial(_head, entry)):
                    unread.append(others[-1])
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
        raise _no_images(folder, others)
    # What all paths begin with; not relative_to, which takes longer than all else.
    begin = 0 if folder == Path() else len(folder.as_posix().rstrip("/")) + 1
    named = sorted((path.as_posix()[begin:], path) for path in images)
    names, paths = zip(*named, strict=True)
    return ImageSet(root=folder, paths=paths, names=names, unread=tuple(sorted(unread)))


def list_stored_images(folder: StorePath) -> tuple[list[str], list[str]]:
    """Return the names of the images below a place of a store, by the rules of `list_images`, and of those not read.

    Raises `InputError` if there is no image.
    """
    names, others, unread = list[str](), list[str](), list[str]()
    for name in folder.objects():
        if any(map(is_hidden, name.split("/"))):
            continue
        if PurePosixPath(name).suffix.lower() in IMAGE_ENDINGS:
            names.append(name)
            continue
        others.append(name)
        if is_unread_image(name, partial(_head, folder / name)):
            unread.append(name)
    if not names:
        raise _no_images(folder, others)
    return names, unread


def _no_images(folder: AnyPath, others: Sequence[str]) -> InputError:
    return InputError(
        str(folder),
        expected=f"at least one image (files ending in {', '.join(IMAGE_ENDINGS)})",
        found="only other files, such as " + ", ".join(sorted(others)[:3]) if others else "no files",
        fix="Give the folder that holds the images; its subfolders are searched too.",
    )


def is_hidden(name: str) -> bool:
    """Return whether a file or folder of this name is none of the user's images: hidden, or put there by a system."""
    return name.startswith(".") or name.casefold() in _SYSTEM_NAMES


def is_unread_image(name: str, head: Callable[[], bytes]) -> bool:
    """Return whether a file is an image by its ending, or without one by its content, but of a kind that is not read.

    `name`: the file's, not one in `IMAGE_ENDINGS`. `head`: called for a name without ending; returns its first bytes.
    """
    ending = PurePosixPath(name).suffix.lower()
    if ending:
        return ending in UNREAD_ENDINGS and ending not in IMAGE_ENDINGS
    return head()[:HEAD].startswith(_IMAGE_HEADS)


def unread_warnings(where: str, unread: Sequence[str]) -> tuple[str, ...]:
    """Say which images of a set are left out, since their formats are not read."""
    if not unread:
        return ()
    n, shown = len(unread), ", ".join(sorted(unread)[:3]) + (", ..." if len(unread) > 3 else "")
    return (
        f"{where}: {n} image{'' if n == 1 else 's'} of formats that are not read {'is' if n == 1 else 'are'} left out "
        f"({shown}); those that are read end in {', '.join(IMAGE_ENDINGS)}",
    )


def _head(path: AnyPath) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(HEAD)
    except OSError:
        return b""


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not is_hidden(entry.name))
    except OSError as error:
        raise InputError(
            str(folder), expected="a folder that can be read", found=str(error), fix="Check its permissions."
        ) from error
