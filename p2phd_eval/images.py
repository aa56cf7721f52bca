"""The image-set contract: which files of a folder are images, in which order, and how they are read."""

from __future__ import annotations

import dataclasses
import os
import struct
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from p2phd_eval.errors import InputError
from p2phd_eval.files import atomic_write

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm")

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
    def ids(self) -> tuple[str, ...]:
        """The key of each image, by which sets are paired."""
        return tuple(pair_key(path.name) for path in self.paths)


def pair_key(name: str) -> str:
    """Reduce a file name to the key that a label map, a photo and a generated image have in common.

    That is the stem without pix2pixHD's result ending and without Cityscapes' type ending:
    ``aachen_000000_000019_gtFine_labelIds_synthesized_image.jpg`` becomes ``aachen_000000_000019``.

    Parameters
    ----------
    name : str
        A file name, or its stem.

    Returns
    -------
    str
        The key. A key is its own key.
    """
    stem = Path(name).stem if Path(name).suffix.lower() in IMAGE_ENDINGS else name
    stem = stem.removesuffix(_RESULT_ENDING)
    for ending in _CITYSCAPES_ENDINGS:
        if stem.endswith(ending):
            return stem.removesuffix(ending)
    return stem


def list_images(root: str | os.PathLike[str]) -> ImageSet:
    """Find the images of a folder and its subfolders.

    Links to files and folders are followed; a folder that is reached twice is read once, so that linked
    folders cannot loop. Hidden files and folders (also macOS' ``._`` files) are left out.

    Parameters
    ----------
    root : path-like
        The folder.

    Returns
    -------
    ImageSet
        At least one image, sorted by relative POSIX path.

    Raises
    ------
    InputError
        If `root` is missing, is not a folder, cannot be read, or holds no image; or if a link leads nowhere.
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


def open_image(path: str | os.PathLike[str]) -> Image.Image:
    """Open and fully decode an image in its own mode; EXIF orientation is not applied, as in pytorch-fid.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    PIL.Image.Image
        The decoded image; its file is closed.

    Raises
    ------
    InputError
        If the file is missing, not an image, truncated or damaged, or larger than Pillow's limit on pixels.
    """
    file = Path(path)
    kind = ""
    image: Image.Image
    try:
        with Image.open(file) as image:
            kind = image.format or ""
            _check_pixels(file, image.width * image.height)
            image.load()
            return image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(file, str(error)) from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error) as error:
        raise InputError(
            str(file),
            expected="a readable image",
            found=_describe_unreadable(file, kind, error),
            fix="Make, copy or download the file again, or remove it from the folder.",
        ) from error


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return width and height in pixels from the file's header; raises as `open_image` does."""
    try:
        with Image.open(path) as image:
            return image.width, image.height
    except Exception:  # whatever it is, decoding describes it
        return open_image(path).size


def read_rgb(path: str | os.PathLike[str]) -> npt.NDArray[np.uint8]:
    """Read an image as RGB, as pytorch-fid does: ``Image.open(path).convert("RGB")``.

    An alpha channel is dropped, not blended. Grey images of 16 bits are the one exception: they are scaled to
    8 bits.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
        Red, green and blue in [0, 255].

    Raises
    ------
    InputError
        As `open_image`, and for grey values that are not integers in [0, 65535].
    """
    image = open_image(path)
    # Pillow's conversion of these modes clips to 255, so that a 16-bit image becomes almost wholly white.
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise _bad_grey(path, f"values from {values.min()} to {values.max()}")
        grey = ((values + 128) // 257).astype(np.uint8)  # 65535 / 255 = 257; half of it rounds
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    if image.mode == "F":
        raise _bad_grey(path, "floating-point values, whose range is unknown")
    # The transparency of a palette does not change the colours, but the conversion would warn of it.
    image.info.pop("transparency", None)
    return np.array(image.convert("RGB"))


def write_png(path: str | os.PathLike[str], image: npt.NDArray[Any]) -> None:
    """Write an image atomically as PNG.

    Parameters
    ----------
    path : path-like
        The file; missing folders are made.
    image : ndarray of uint8, shape (h, w, 3) or (h, w), or of uint16, shape (h, w)
        RGB or grey values.

    Raises
    ------
    InputError
        If the array has another shape or dtype.
    """
    colour = image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
    grey = image.ndim == 2 and image.dtype in (np.uint8, np.uint16)
    if not (colour or grey) or image.size == 0:
        raise InputError(
            str(Path(path)),
            expected="an array of uint8 (h, w, 3) or (h, w), or of uint16 (h, w)",
            found=f"{image.dtype} {image.shape}",
        )
    with atomic_write(path) as stream:
        Image.fromarray(np.ascontiguousarray(image)).save(stream, format="PNG")


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(
            str(folder), expected="a folder that can be read", found=str(error), fix="Check its permissions."
        ) from error


def _check_pixels(file: Path, pixels: int) -> None:
    # Pillow only warns of an image between its limit and twice its limit. Raising here rather than turning
    # the warning into an error keeps the process's warning filters out of it; they are not thread-safe.
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and pixels > limit:
        raise _too_large(file, f"{pixels} pixels")


def _too_large(file: Path, found: str) -> InputError:
    return InputError(
        str(file),
        expected=f"an image of at most {Image.MAX_IMAGE_PIXELS} pixels",
        found=found,
        fix="If the file is what it should be, scale it down or raise PIL.Image.MAX_IMAGE_PIXELS.",
    )


def _bad_grey(path: str | os.PathLike[str], found: str) -> InputError:
    return InputError(
        str(Path(path)),
        expected="grey values of 8 or 16 bits",
        found=found,
        fix="Convert the image to 8 bits.",
    )


def _describe_unreadable(file: Path, kind: str, error: Exception) -> str:
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            head = stream.read(40)
    except OSError as reason:
        return reason.strerror or str(reason)
    if not head:
        return "an empty file"
    if kind:
        return f"a {kind} file that is damaged or truncated after {size} bytes ({error})"
    try:
        text = head.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    if text and all(character.isprintable() or character.isspace() for character in text):
        return f"text, beginning {text!r}"
    return f"{size} bytes of no known image format, beginning {head[:8].hex(' ')}"
