"""What an image file holds beside the pixels that are read of it, where people may expect others.

Nothing here changes a pixel: images are read as the peers read them. But people should hear of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from p2phd_eval.images.bands import bands
from p2phd_eval.images.formats import opened

_ORIENTATION = 0x0112  # EXIF 2.3, tag Orientation: 1 is as it lies
_DARK = 16  # of 256 levels: 8-bit images that never reach it are all but black
_DARK_OF_WIDE = 64  # 14 of 16 bits


class Oddity(str, Enum):
    """What may make an image another than it seems."""

    TURNED = "turned"
    TRANSPARENT = "transparent"
    FRAMES = "frames"
    DARK = "dark"
    UNSCALED = "unscaled"


#: What turns images upright for all who read them, whether or not they heed EXIF.
TURN_PIXELS = "turn the pixels themselves with `exiftran -ai FILES` or `mogrify -auto-orient FILES`"

#: What images with an oddity do, what is read of them, and what to do about it; to follow "2 of 8 images".
MEANING = {
    Oddity.TURNED: "carry an EXIF orientation and are read as they lie, as by pytorch-fid and pix2pixHD, not as "
    f"viewers turn them: {TURN_PIXELS}",
    Oddity.TRANSPARENT: "have transparent pixels, of which the hidden colours are read, as by pytorch-fid: alpha is "
    "dropped, not blended; to blend it, `mogrify -background white -alpha remove -alpha off FILES`",
    Oddity.FRAMES: "hold several frames or pages, of which the first is read: save those that you mean as files of "
    "their own",
    Oddity.DARK: "are all but black (no value above 15, or above 63 scaled from 16 bits): data of 10, 12 or 14 bits in "
    "16-bit files must be multiplied up to 16 bits, and class numbers are no photos",
    Oddity.UNSCALED: "are black, without a value above 1: images in [0, 1] must be multiplied by 255 before they "
    "become bytes",
}


def file_oddities(image: Image.Image, content: bytes) -> tuple[Oddity, ...]:
    """Return what is odd about a file.

    `image`: decoded, in its own mode. `content`: what it was decoded of. Metadata that are damaged say nothing.
    """
    checks = ((Oddity.TURNED, _is_turned), (Oddity.TRANSPARENT, _hides_colours), (Oddity.FRAMES, _has_frames))
    return tuple(oddity for oddity, check in checks if _holds(check, image, content))


def pixel_oddities(pixels: npt.NDArray[np.uint8], *, wide: bool = False) -> tuple[Oddity, ...]:
    """Return what is odd about an image's pixels.

    `pixels`: uint8, of any shape, at least one. `wide`: whether they were scaled to 8 bits from 16.
    """
    most = _DARK_OF_WIDE if wide else _DARK
    # A few rows tell most images; the rest is read where these are dark.
    if pixels[:: max(1, len(pixels) // 8)].max() >= most:
        return ()
    brightest = int(pixels.max())
    if brightest <= 1 and not wide:
        return (Oddity.UNSCALED,)
    return (Oddity.DARK,) if brightest < most else ()


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


def count_oddities(names: Sequence[str], oddities: Sequence[Sequence[Oddity]]) -> tuple[dict[str, int], dict[str, str]]:
    """Return how many images have each oddity, and the name of the first; both by the oddity's value."""
    counts: dict[str, int] = {}
    examples: dict[str, str] = {}
    for name, found in zip(names, oddities, strict=True):
        for oddity in found:
            counts[oddity.value] = counts.get(oddity.value, 0) + 1
            examples.setdefault(oddity.value, name)
    return counts, examples


def oddity_sentences(counts: dict[str, int], examples: dict[str, str], n: int) -> tuple[str, ...]:
    """Return a sentence for each oddity of n images, such as "2 of 8, such as a.jpg, hold several frames ..."."""
    return tuple(
        f"{counts[oddity.value]} of {n}, such as {examples[oddity.value]}, {meaning}"
        for oddity, meaning in MEANING.items()
        if counts.get(oddity.value)
    )


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
