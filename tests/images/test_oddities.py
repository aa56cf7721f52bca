from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from p2phd_eval.images.decoding import decode_rgb
from p2phd_eval.images.oddities import Oddity, count_oddities, oddity_sentences, pixel_oddities

_PHOTO = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format=kind, **options)
    return stream.getvalue()


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def _alpha(lowest: int) -> Image.Image:
    alpha = np.full((12, 10, 1), 255, dtype=np.uint8)
    alpha[3, 4] = lowest
    return Image.fromarray(np.concatenate([_PHOTO, alpha], axis=2))


def _deep_png(values: np.ndarray) -> bytes:
    """Encode uint16 (h, w, 3), which Pillow reads but does not write."""
    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _several(kind: str, **options: object) -> bytes:
    pictures = [Image.fromarray(_PHOTO), Image.fromarray(255 - _PHOTO)]
    return _encoded(pictures[0], kind, save_all=True, append_images=pictures[1:], **options)


photo = Image.fromarray(_PHOTO)
palette = Image.fromarray(np.arange(120, dtype=np.uint8).reshape(12, 10) % 4, "L")
palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 8, 7, 200, 200, 200])
grey = np.random.default_rng(1).integers(0, 4096, (12, 10))

_CASES: dict[str, tuple[bytes, tuple[Oddity, ...]]] = {
    "a photo": (_encoded(photo, "JPEG"), ()),
    "turned": (_encoded(photo, "JPEG", exif=_exif(6)), (Oddity.TURNED,)),
    "turned PNG": (_encoded(photo, "PNG", exif=_exif(3)), (Oddity.TURNED,)),
    "turned WebP": (_encoded(photo, "WEBP", exif=_exif(8)), (Oddity.TURNED,)),
    "upright": (_encoded(photo, "JPEG", exif=_exif(1)), ()),
    "no orientation": (_encoded(photo, "JPEG", exif=_exif(9)), ()),
    "damaged EXIF": (_encoded(photo, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), ()),
    "hidden": (_encoded(_alpha(254), "PNG"), (Oddity.TRANSPARENT,)),
    "opaque": (_encoded(_alpha(255), "PNG"), ()),
    "hidden in WebP": (_encoded(_alpha(0), "WEBP", lossless=True), (Oddity.TRANSPARENT,)),
    "hidden index": (_encoded(palette, "PNG", transparency=3), (Oddity.TRANSPARENT,)),
    "hidden by alphas": (_encoded(palette, "PNG", transparency=b"\xff\x80"), (Oddity.TRANSPARENT,)),
    "no such index": (_encoded(palette, "PNG", transparency=4), ()),
    "hidden colour": (_encoded(photo, "PNG", transparency=tuple(_PHOTO[5, 5].tolist())), (Oddity.TRANSPARENT,)),
    "no such colour": (_encoded(Image.new("RGB", (4, 4), "red"), "PNG", transparency=(1, 2, 3)), ()),
    "GIF": (_several("GIF"), (Oddity.FRAMES,)),
    "WebP": (_several("WEBP"), (Oddity.FRAMES,)),
    "PNG": (_several("PNG"), (Oddity.FRAMES,)),
    "TIFF": (_several("TIFF"), (Oddity.FRAMES,)),
    "a phone's JPEG": (_several("MPO"), ()),
    "one frame": (_encoded(photo.convert("P"), "GIF"), ()),
    "12 bits": (_encoded(Image.fromarray(grey.astype(np.uint16)), "PNG"), (Oddity.DARK,)),
    "12 bits in TIFF": (_encoded(Image.fromarray(grey.astype(np.uint16)), "TIFF"), (Oddity.DARK,)),
    "12 bits in colour": (_deep_png(np.repeat(grey[..., None], 3, axis=2)), (Oddity.DARK,)),
    "16 bits": (_encoded(Image.fromarray((grey * 16).astype(np.uint16)), "PNG"), ()),
    "dim": (_encoded(Image.fromarray(_PHOTO // 5), "PNG"), ()),
    "class numbers": (_encoded(Image.fromarray(_PHOTO // 16), "PNG"), (Oddity.DARK,)),
    "0 and 1": (_encoded(Image.fromarray(_PHOTO // 128), "PNG"), (Oddity.UNSCALED,)),
    "a mask": (_encoded(Image.fromarray(_PHOTO[..., 0] > 128), "PNG"), ()),
    "two": (_encoded(Image.fromarray(_PHOTO // 128), "PNG", exif=_exif(2)), (Oddity.TURNED, Oddity.UNSCALED)),
}


@pytest.mark.parametrize("name", _CASES)
def test_what_is_odd_about_an_image_is_found(name: str) -> None:
    content, expected = _CASES[name]
    assert decode_rgb(content, "x").oddities == expected


def test_one_bright_pixel_is_light_enough() -> None:
    pixels = np.zeros((100, 10, 3), dtype=np.uint8)
    pixels[51, 3, 1] = 16
    assert pixel_oddities(pixels) == ()
    assert pixel_oddities(pixels, wide=True) == (Oddity.DARK,)


def test_oddities_are_counted_with_the_first_image_that_has_each() -> None:
    found = [(), (Oddity.TURNED, Oddity.DARK), (Oddity.DARK,)]
    counts, examples = count_oddities(["a.png", "b.png", "c.png"], found)
    assert (counts, examples) == ({"turned": 1, "dark": 2}, {"turned": "b.png", "dark": "b.png"})
    turned, dark = oddity_sentences(counts, examples, 3)
    assert turned.startswith("1 of 3, such as b.png, carry an EXIF orientation")
    assert dark.startswith("2 of 3, such as b.png, are all but black")
