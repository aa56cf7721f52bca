"""Which oddities an image file has, from its metadata and its decoded image."""

from typing import Any

import numpy as np
from PIL import Image

from p2phd_eval.images.bands import bands
from p2phd_eval.images.formats import opened
from p2phd_eval.images.oddities import Oddity

_ORIENTATION = 0x0112  # EXIF 2.3, tag Orientation: 1 is as it lies


def file_oddities(image: Image.Image, content: bytes) -> tuple[Oddity, ...]:
    """Return what is odd about a file.

    `image`: decoded, in its own mode. `content`: what it was decoded of. Metadata that are damaged say nothing.
    """
    checks = ((Oddity.TURNED, _is_turned), (Oddity.TRANSPARENT, _hides_colours), (Oddity.FRAMES, _has_frames))
    return tuple(oddity for oddity, check in checks if _holds(check, image, content))


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8: 1 as it lies, 5 to 8 with width and height swapped.

    Raises whatever Pillow does of damaged metadata.
    """
    found = image.getexif().get(_ORIENTATION, 1)
    return found if found in range(1, 9) else 1


def is_wide(image: Image.Image, content: bytes) -> bool:
    """Return whether an image was stored with 16 bits a channel or more."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        return True
    if image.format == "PNG":
        return content[24] == 16  # ISO/IEC 15948:2004, 11.2.2: the bit depth in IHDR
    tags: Any = getattr(image, "tag_v2", {})
    return max(tags.get(258, (8,)), default=8) >= 16  # TIFF 6.0: BitsPerSample


def _holds(check: Any, image: Image.Image, content: bytes) -> bool:
    try:
        return bool(check(image, content))
    except Exception:  # Pillow raises whatever it does of damaged metadata
        return False


def _is_turned(image: Image.Image, content: bytes) -> bool:
    return orientation(image) != 1


def _hides_colours(image: Image.Image, content: bytes) -> bool:
    if image.mode in ("RGBA", "LA", "PA"):
        return bool(np.asarray(image.getchannel("A")).min() < 255)
    hidden = image.info.get("transparency")
    if hidden is None:
        return False
    if isinstance(hidden, bytes):  # the alpha of each index of a palette
        return any(count and alpha < 255 for count, alpha in zip(image.histogram(), hidden, strict=False))
    # One index, grey value or colour is transparent.
    for _, band in bands(image):
        matches = np.asarray(band) == np.asarray(hidden)
        if (matches if matches.ndim == 2 else matches.all(axis=-1)).any():
            return True
    return False


def _has_frames(image: Image.Image, content: bytes) -> bool:
    if image.format == "MPO":  # a phone's JPEG with its preview
        return False
    if image.format == "GIF":  # whose decoder would forget the first frame over the second
        with opened(content) as again:
            return bool(getattr(again, "is_animated", False))
    return bool(getattr(image, "is_animated", False))
