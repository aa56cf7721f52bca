"""What an image file holds beside the pixels that are read of it, where people may expect others.

Nothing here changes a pixel: images are read as the peers read them. But people should hear of it.
"""

from collections.abc import Sequence
from enum import Enum

import numpy as np
import numpy.typing as npt

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
