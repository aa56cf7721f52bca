"""Encoded images to pixels, from a file or from bytes, with an error that names what cannot be decoded."""

import io
import os
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from p2phd_eval.errors import InputError

#: Bytes of an encoded image above which none is read: 512 MiB. The largest photos have a tenth of it.
MAX_IMAGE_BYTES = 512 << 20


class DecodedImage(NamedTuple):
    """Pixels and the file format they were stored in."""

    pixels: npt.NDArray[Any]  # uint8 (h, w, 3); of `decode_stored` also uint8 or uint16 (h, w)
    format: str  # Pillow's name of the format, such as "PNG" or "JPEG"


def read_encoded(path: str | os.PathLike[str]) -> bytes:
    """Return the content of an image file.

    Raises `InputError` if the file is missing, cannot be read, or is larger than `MAX_IMAGE_BYTES`.
    """
    try:
        with Path(path).open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > MAX_IMAGE_BYTES:
                raise too_many_bytes(str(Path(path)), size)
            return stream.read()
    except OSError as error:
        raise _unreadable(str(Path(path)), error.strerror or str(error)) from error


def decode_rgb(content: bytes, where: str) -> DecodedImage:
    """Decode an image as RGB, as pytorch-fid does: ``Image.open(file).convert("RGB")``.

    An alpha channel is dropped, not blended, and EXIF orientation is not applied. Grey images of 16 bits are the one
    exception: they are scaled to 8 bits.

    `content`: the encoded image, such as the content of a PNG file. `where`: what errors call it: its path, or its
    archive and name. Pixels are uint8 (h, w, 3) in [0, 255], red, green and blue; writeable. Raises `InputError` if the
    content is empty, not an image, truncated or damaged, or has more pixels than Pillow's limit; or for grey values
    that are not integers in [0, 65535].
    """
    image = _decode(content, where)
    return DecodedImage(_to_rgb(image, where), _format(image))


def decode_stored(content: bytes, where: str) -> DecodedImage:
    """Decode a label map or a photo: an image of one channel keeps its numbers, any other becomes RGB.

    `content` and `where`: as of `decode_rgb`. Pixels are uint8 (h, w) of a grey image or of the indices of a palette,
    uint16 (h, w) of a grey image of 16 bits, and otherwise uint8 (h, w, 3), as `decode_rgb` gives them. Raises
    `InputError` as `decode_rgb`.
    """
    image = _decode(content, where)
    if _is_wide(image):
        return DecodedImage(_wide_grey(image, where).astype(np.uint16), _format(image))
    if image.mode in ("1", "L", "P"):
        return DecodedImage(np.array(image, dtype=np.uint8), _format(image))
    return DecodedImage(_to_rgb(image, where), _format(image))


def open_image(path: str | os.PathLike[str]) -> Image.Image:
    """Open and fully decode an image in its own mode; EXIF orientation is not applied, as in pytorch-fid.

    The image is decoded, and its file closed. Raises `InputError` if the file is missing, not an image, truncated or
    damaged, or larger than Pillow's limit on pixels.
    """
    return _decode(read_encoded(path), str(Path(path)))


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return width and height in pixels from the file's header; raises as `open_image` does."""
    try:
        with Image.open(path) as image:
            return image.width, image.height
    except Exception:  # whatever it is, decoding describes it
        return open_image(path).size


def read_rgb(path: str | os.PathLike[str]) -> npt.NDArray[np.uint8]:
    """Read an image file as `decode_rgb` does.

    The result is uint8 (h, w, 3): red, green and blue in [0, 255]. Raises `InputError` as `open_image`, and for grey
    values that are not integers in [0, 65535].
    """
    return _to_rgb(open_image(path), str(Path(path)))


def too_many_bytes(where: str, size: int) -> InputError:
    """Return the error of an image of more than `MAX_IMAGE_BYTES`."""
    return InputError(
        where,
        expected=f"an image of at most {MAX_IMAGE_BYTES >> 20} MiB",
        found=f"{size} bytes",
        fix="It is no usual image, perhaps made to exhaust memory. Remove it.",
    )


def _decode(content: bytes, where: str) -> Image.Image:
    kind = ""
    image: Image.Image
    try:
        with Image.open(io.BytesIO(content)) as image:
            kind = image.format or ""
            # Pillow only warns of an image between its limit and twice its limit. Raising here rather than turning
            # the warning into an error keeps the process's warning filters out of it; they are not thread-safe.
            limit, pixels = Image.MAX_IMAGE_PIXELS, image.width * image.height
            if limit is not None and pixels > limit:
                raise _too_many_pixels(where, f"{pixels} pixels")
            image.load()
            return image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(where, str(error)) from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error) as error:
        raise _unreadable(where, _describe(content, kind, error)) from error


def _to_rgb(image: Image.Image, where: str) -> npt.NDArray[np.uint8]:
    # Pillow's conversion of these modes clips to 255, so that a 16-bit image becomes almost wholly white.
    if _is_wide(image):
        grey = ((_wide_grey(image, where) + 128) // 257).astype(np.uint8)  # 65535 / 255 = 257; half of it rounds
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    if image.mode == "F":
        raise _bad_grey(where, "floating-point values, whose range is unknown")
    # The transparency of a palette does not change the colours, but the conversion would warn of it.
    image.info.pop("transparency", None)
    return np.array(image.convert("RGB"))


def _is_wide(image: Image.Image) -> bool:
    return image.mode == "I" or image.mode.startswith("I;16")


def _wide_grey(image: Image.Image, where: str) -> npt.NDArray[np.int64]:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise _bad_grey(where, f"values from {values.min()} to {values.max()}")
    return values


def _format(image: Image.Image) -> str:
    # A JPEG file of several pictures (a phone's, with its preview) is still a JPEG file.
    return "JPEG" if image.format == "MPO" else image.format or ""


def _too_many_pixels(where: str, found: str) -> InputError:
    return InputError(
        where,
        expected=f"an image of at most {Image.MAX_IMAGE_PIXELS} pixels",
        found=found,
        fix="If the file is what it should be, scale it down or raise PIL.Image.MAX_IMAGE_PIXELS.",
    )


def _bad_grey(where: str, found: str) -> InputError:
    return InputError(where, expected="grey values of 8 or 16 bits", found=found, fix="Convert the image to 8 bits.")


def _unreadable(where: str, found: str) -> InputError:
    return InputError(
        where, expected="a readable image", found=found, fix="Make, copy or download it again, or leave it out."
    )


def _describe(content: bytes, kind: str, error: Exception) -> str:
    if not content:
        return "an empty file (zero bytes)"
    if kind:
        return f"a {kind} file that is damaged or truncated after {len(content)} bytes ({error})"
    head = content[:40]
    try:
        text = head.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    if text and all(character.isprintable() or character.isspace() for character in text):
        return f"text, beginning {text!r}"
    return f"{len(content)} bytes of no known image format, beginning {head[:8].hex(' ')}"
