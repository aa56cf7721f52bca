"""Encoded images to pixels, from a file or from bytes, with an error that names what cannot be decoded."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from p2phd_eval.errors import InputError
from p2phd_eval.images.bands import BAND, bands
from p2phd_eval.images.encoded_files import MAX_IMAGE_BYTES, read_encoded, unreadable
from p2phd_eval.images.file_oddities import file_oddities, is_wide, orientation
from p2phd_eval.images.formats import name_of_content, opened, our_rules
from p2phd_eval.images.oddities import Oddity, pixel_oddities
from p2phd_eval.images.png import without_metadata

#: Pixels of an image above which none is read: a gigapixel, which takes some 10 GiB.
MAX_PIXELS = 1 << 30
_SCAN = b"\xff\xda"  # the marker SOS; in the coded data no such bytes occur (ITU-T T.81, B.1.1.5)
_PIXELS_PER_BYTE = 20  # of the largest photo that a file can hold

# Bytes of memory that decoding takes a pixel, with all copies, by Pillow's name of the format; other formats take 10.
# JPEG 2000 takes half of that, but its decoder is slow.
_MEMORY = {"JPEG": 11, "MPO": 11, "TIFF": 11, "WEBP": 20, "AVIF": 20, "JPEG2000": 56}


class DecodedImage(NamedTuple):
    """Pixels, and what else there is to know of the file they were stored in."""

    pixels: npt.NDArray[Any]  # uint8 (h, w, 3); of `decode_stored` also uint8 or uint16 (h, w)
    format: str  # Pillow's name of the format, such as "PNG" or "JPEG"
    oddities: tuple[Oddity, ...]  # of `decode_stored` those of the file alone


def decode_rgb(content: bytes, where: str) -> DecodedImage:
    """Decode an image as RGB, as pytorch-fid does: ``Image.open(file).convert("RGB")``.

    An alpha channel is dropped, not blended, and EXIF orientation is not applied. Grey images of 16 bits are the one
    exception: they are scaled to 8 bits.

    `content`: the encoded image, such as the content of a PNG file. `where`: what errors call it: its path, or its
    archive and name. Pixels are uint8 (h, w, 3) in [0, 255], red, green and blue; writeable. Raises `InputError` if the
    content is empty, not an image of `p2phd_eval.images.formats.FORMATS`, truncated or damaged, or has more pixels than
    `require_sensible_size` allows; or for grey values that are not integers in [0, 65535].
    """
    image, oddities = decode_image(content, where)
    pixels = _to_rgb(image, where)
    return DecodedImage(pixels, _format(image), oddities + pixel_oddities(pixels, wide=is_wide(image, content)))


def decode_stored(content: bytes, where: str) -> DecodedImage:
    """Decode a label map or a photo: an image of one channel keeps its numbers, any other becomes RGB.

    `content` and `where`: as of `decode_rgb`. Pixels are uint8 (h, w) of a grey image or of the indices of a palette,
    uint16 (h, w) of a grey image of 16 bits, and otherwise uint8 (h, w, 3), as `decode_rgb` gives them. Raises
    `InputError` as `decode_rgb`.
    """
    return _stored(*decode_image(content, where), where)


def _stored(image: Image.Image, oddities: tuple[Oddity, ...], where: str) -> DecodedImage:
    if _is_wide(image):
        pixels: npt.NDArray[Any] = _wide_grey(image, where)
    elif image.mode in ("1", "L", "P"):
        pixels = np.array(image, dtype=np.uint8)
    else:
        pixels = _to_rgb(image, where)
    return DecodedImage(pixels, _format(image), oddities)


def decode_labels(content: bytes, where: str) -> DecodedImage:
    """Decode a label map as `decode_stored` does; raise InputError, too, if it was compressed with loss."""
    image, oddities = decode_image(content, where)
    lossy = lossy_format(image, content)
    if lossy is not None:
        raise lossy_labels(where, "label map", lossy)
    return _stored(image, oddities, where)


def decode_image(content: bytes, where: str) -> tuple[Image.Image, tuple[Oddity, ...]]:
    """Decode an image in its own mode, with what is odd about its file.

    `content`, `where` and errors: as of `decode_rgb`.
    """
    try:
        return _load(content, where)
    except InputError:
        raise
    except Exception as error:  # Pillow's decoders raise a different type for each way in which a file is wrong
        plain = without_metadata(content)
        if plain is None:
            raise unreadable(where, _describe(content, error)) from error
    try:
        return _load(plain, where)
    except InputError:
        raise
    except Exception as error:
        raise unreadable(where, _describe(content, error)) from error


def open_image(path: str | os.PathLike[str]) -> Image.Image:
    """Open and fully decode an image in its own mode; EXIF orientation is not applied, as in pytorch-fid.

    The image is decoded, and its file closed. Raises `InputError` if the file is missing, not an image of
    `p2phd_eval.images.formats.FORMATS`, truncated or damaged, or has more pixels than `require_sensible_size` allows.
    """
    return decode_image(read_encoded(path), str(Path(path)))[0]


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return width and height in pixels from the file's header; raises as `open_image` does."""
    try:
        if Path(path).stat().st_size <= MAX_IMAGE_BYTES:  # some decoders read the whole file
            with opened(path) as image:
                return image.size
    except Exception:  # whatever it is, decoding describes it
        pass
    return open_image(path).size


def file_orientation(path: str | os.PathLike[str]) -> int:
    """Return the EXIF orientation of an image file, 1 to 8; 1 where it says none, or cannot be read."""
    try:
        with opened(path) as image:
            return orientation(image)
    except Exception:  # whatever is wrong with its metadata
        return 1


def read_rgb(path: str | os.PathLike[str]) -> npt.NDArray[np.uint8]:
    """Read an image file as `decode_rgb` does.

    The result is uint8 (h, w, 3): red, green and blue in [0, 255]. Raises `InputError` as `open_image`, and for grey
    values that are not integers in [0, 65535].
    """
    return _to_rgb(open_image(path), str(Path(path)))


def require_sensible_size(image: Image.Image, n_bytes: int, where: str) -> None:
    """Raise `InputError` if an image takes more than 1 GiB to decode, unless its file is large too.

    A photo has more than a twentieth of a byte a pixel, however it is compressed; a file of a few kilobytes that claims
    a gigapixel was made to exhaust memory. What is uniform has less, and is read up to about 100 megapixels.

    `image`: opened, not decoded. `n_bytes`: of its file.
    """
    cost = _MEMORY.get(image.format or "", 10) + (4 if image.mode == "CMYK" else 0)
    pixels = image.width * image.height
    most = max((1 << 30) // cost, min(_PIXELS_PER_BYTE * n_bytes, MAX_PIXELS))
    if pixels > most:
        raise InputError(
            where,
            expected=f"at most {most / 1e6:.0f} megapixels in a file of {n_bytes} bytes",
            found=f"{image.width} x {image.height} pixels, {pixels / 1e6:.0f} megapixels",
            fix="If it is a picture and not made to exhaust memory, scale it down, for example with ImageMagick: "
            "mogrify -resize 50% FILE",
        )


def _load(content: bytes, where: str) -> tuple[Image.Image, tuple[Oddity, ...]]:
    with opened(content) as image:
        require_sensible_size(image, len(content), where)
        if image.format in ("JPEG", "MPO"):
            _require_sensible_scans(image, content.count(_SCAN), where)
        image.load()
        return image, file_oddities(image, content)


def _require_sensible_scans(image: Image.Image, scans: int, where: str) -> None:
    # A progressive JPEG is refined scan by scan, usually ten. An empty one has a hundred bytes, and takes as long.
    if scans > 32 and scans * image.width * image.height > 1 << 32:
        raise InputError(
            where,
            expected="a JPEG file of at most 32 scans",
            found=f"{scans} of {image.width} x {image.height} pixels",
            fix="It was perhaps made to keep the machine busy. If it is a picture, save it again.",
        )


def _to_rgb(image: Image.Image, where: str) -> npt.NDArray[np.uint8]:
    if image.mode == "F":
        raise _bad_grey(where, "floating-point values, whose range is unknown")
    # The transparency of a palette does not change the colours, but the conversion would warn of it.
    image.info.pop("transparency", None)
    if image.width * image.height <= BAND:
        return _rgb_band(image, where)
    pixels = np.empty((image.height, image.width, 3), dtype=np.uint8)
    with our_rules:  # Pillow limits crops, too
        for rows, band in bands(image):
            pixels[rows] = _rgb_band(band, where)
    return pixels


def _rgb_band(image: Image.Image, where: str) -> npt.NDArray[np.uint8]:
    # Pillow's conversion of these modes clips to 255, so that a 16-bit image becomes almost wholly white.
    if _is_wide(image):
        # 65535 / 255 = 257; half of it rounds
        grey = ((_wide_grey(image, where).astype(np.uint32) + 128) // 257).astype(np.uint8)
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    return np.array(image.convert("RGB"))


def _is_wide(image: Image.Image) -> bool:
    return image.mode == "I" or image.mode.startswith("I;16")


def _wide_grey(image: Image.Image, where: str) -> npt.NDArray[np.uint16]:
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise _bad_grey(where, f"values from {values.min()} to {values.max()}")
    return values.astype(np.uint16)


def lossy_format(image: Image.Image, content: bytes) -> str | None:
    """Return what compressed an image with loss, such as "JPEG"; None where every pixel is as it was stored."""
    if image.format in ("JPEG", "MPO") or image.info.get("compression") == "jpeg":
        return "JPEG"
    if image.format == "JPEG2000":
        # ISO/IEC 15444-1, A.6.1: of the marker COD, the 14th byte is 0 for the irreversible wavelet.
        return "JPEG 2000" if content[content.find(b"\xff\x52") + 13] == 0 else None
    if image.format == "WEBP":
        return "WebP" if b"VP8 " in content[:4096] else None  # else VP8L
    return "AVIF" if image.format == "AVIF" else None


def lossy_labels(where: str, kind: str, lossy: str) -> InputError:
    """Return the error of a map of numbers, such as a "label map", whose format `lossy` keeps no numbers."""
    return InputError(
        where,
        expected=f"a lossless {kind}",
        found=f"{lossy}, which changes pixels at the edges to the numbers of others",
        fix="Save it as PNG from where it was drawn; what was lost cannot be restored from this file.",
    )


def _format(image: Image.Image) -> str:
    # A JPEG file of several pictures (a phone's, with its preview) is still a JPEG file.
    return "JPEG" if image.format == "MPO" else image.format or ""


def _bad_grey(where: str, found: str) -> InputError:
    return InputError(where, expected="grey values of 8 or 16 bits", found=found, fix="Convert the image to 8 bits.")


def _describe(content: bytes, error: Exception) -> str:
    if not content:
        return "an empty file (zero bytes)"
    kind, is_read = name_of_content(content)
    if isinstance(error, UnidentifiedImageError):
        if is_read:
            return f"{kind} whose header is damaged or truncated, of {len(content)} bytes"
        return f"{kind}, a format that is not read" if kind else _unknown(content)
    reason = str(error) if isinstance(error, OSError | SyntaxError | ValueError) else repr(error)
    reason = (reason.splitlines() or [type(error).__name__])[0][:200]
    return f"{kind or 'a file'} that is damaged or truncated after {len(content)} bytes ({reason})"


def _unknown(content: bytes) -> str:
    head = content[:40]
    try:
        text = head.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    if text and all(character.isprintable() or character.isspace() for character in text):
        return f"text, beginning {text!r}"
    return f"{len(content)} bytes of no known image format, beginning {head[:8].hex(' ')}"
