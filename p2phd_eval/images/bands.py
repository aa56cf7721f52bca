"""Large images by bands of rows: as a whole, Pillow's and NumPy's copies would take several times their memory."""

from collections.abc import Iterator

from PIL import Image

BAND = 1 << 24  # pixels of a band


def bands(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """Yield the rows of an image and the band that they make, from top to bottom; a small image is one band."""
    if image.width * image.height <= BAND:
        yield slice(0, image.height), image
        return
    rows = max(1, BAND // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        yield slice(top, bottom), image.crop((0, top, image.width, bottom))
