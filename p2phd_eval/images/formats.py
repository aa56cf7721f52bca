"""Which image formats are read, and how their files are opened: by Pillow's own decoders alone.

Left to itself, Pillow tries every format that it knows on any file, whatever its name: PostScript in a file called
``x.png`` starts Ghostscript.
"""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import (  # noqa: F401 (each registers its format when it is imported)
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

with contextlib.suppress(ImportError):  # Pillow before 11.3
    from PIL import AvifImagePlugin  # noqa: F401

#: Pillow's names of the formats that are read. All are raster formats with a signature, decoded inside this process.
#: A JPEG file of several pictures, MPO, is opened as JPEG.
FORMATS = tuple(
    name
    for name in ("PNG", "JPEG", "BMP", "DIB", "TIFF", "WEBP", "PPM", "GIF", "JPEG2000", "AVIF")
    if name in Image.OPEN
)

# What lies in folders of images under an image's name, by its first bytes.
_READ = {
    b"\x89PNG\r\n\x1a\n": "a PNG file",
    b"\xff\xd8\xff": "a JPEG file",
    b"BM": "a BMP file",
    b"II*\0": "a TIFF file",
    b"MM\0*": "a TIFF file",
    b"II+\0": "a TIFF file",  # BigTIFF
    b"MM\0+": "a TIFF file",
    b"GIF8": "a GIF file",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 file",
    b"\xff\x4f\xff\x51": "a JPEG 2000 file",
}
_OTHERS = {
    b"%!PS": "an EPS file (PostScript)",
    b"\xc5\xd0\xd3\xc6": "an EPS file (PostScript)",
    b"%PDF": "a PDF file",
    b"8BPS": "a Photoshop file",
    b"DDS ": "a DDS file",
    b"SIMPLE  =": "a FITS file",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"GRIB": "a GRIB file",
    b"BUFR": "a BUFR file",
    b"\xd7\xcd\xc6\x9a": "a WMF file",
    b"\0\0\x01\0": "an ICO file",
    b"icns": "an ICNS file",
    b"qoif": "a QOI file",
    b"v/1\x01": "an OpenEXR file",
    b"#?RADIANCE": "a Radiance HDR file",
    b"\xff\x0a": "a JPEG XL file",
    b"\0\0\0\x0cJXL ": "a JPEG XL file",
    b"\x93NUMPY": "a NumPy array",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip file",
}


@contextlib.contextmanager
def opened(source: bytes | str | os.PathLike[str]) -> Iterator[Image.Image]:
    """Open an encoded image, or an image file, of one of `FORMATS`; Pillow is under our rules while it is open.

    Its own limit on pixels takes no account of the file's size, and warns where it does not refuse; what is limited
    here is in `decoding`. Whatever a decoder raises is let through: `PIL.UnidentifiedImageError` for other formats.
    """
    with our_rules, Image.open(BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
        yield image


def name_of_content(content: bytes) -> tuple[str, bool]:
    """Return what a file is by its signature, such as "a PNG file", and whether that is one of `FORMATS`.

    The name is empty where nothing is known.
    """
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "a WebP file", True
    if content[4:8] == b"ftyp":  # ISO base media files, by their brand
        if content[8:12] in (b"avif", b"avis"):
            return "an AVIF file", "AVIF" in FORMATS
        heif = content[8:12] in (b"heic", b"heix", b"mif1", b"msf1")
        return "a HEIC file" if heif else "a video", False
    if content[:1] == b"P" and content[1:2] in b"1234567" and content[2:3].isspace():
        return "a PPM file", True
    for signatures, is_read in ((_READ, True), (_OTHERS, False)):
        for signature, name in signatures.items():
            if content.startswith(signature):
                return name, is_read
    return "", False


class _OurRules:
    """While any thread decodes, Pillow neither warns nor limits pixels.

    Both are settings of the process. They are changed when the first thread enters and put back when the last one
    leaves: changed by each on its own, they would be put back in the wrong order.
    """

    def __init__(self) -> None:
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)  # another thread may have held the lock

    def _reset(self) -> None:
        self._lock, self._inside = threading.Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
                self._limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                Image.MAX_IMAGE_PIXELS = self._limit
                self._filters.__exit__(None, None, None)


#: To decode, convert and crop under; it may be entered several times over.
our_rules = _OurRules()
