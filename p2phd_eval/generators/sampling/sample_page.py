"""The page of an image folder: every label map and the photo that was made of it, side by side."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
from PIL import Image

from p2phd_eval.files import atomic_write, name_bytes, page_bytes
from p2phd_eval.generators.data.contents import image_name
from p2phd_eval.generators.data.triplets import Triplet, read_map, read_photo
from p2phd_eval.images.decoding import image_size
from p2phd_eval.images.image_folder import Manifest
from p2phd_eval.images.pictures import label_colours

SAMPLE_PAGE = "index.html"
_WIDEST = 512  # pixels of an embedded input


@dataclass(frozen=True, kw_only=True)
class _Pair:
    name: str
    input: str  # a data URI
    sample: str  # a URL, relative to the page
    width: int  # of the sample, in pixels
    height: int


def write_sample_page(out: Path, triplets: Sequence[Triplet], label_nc: int, manifest: Manifest) -> Path:
    """Write `index.html` into an image folder, and return its path.

    Inputs are embedded, in colours and at most 512 pixels wide, so that no other images than samples lie in the folder;
    samples are the folder's own, by relative links. The same folder gives the same bytes.

    `triplets`: those whose images are there.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined  # for those who ask for a page

    environment = Environment(
        loader=PackageLoader("p2phd_eval.generators.sampling"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pairs = (_pair(out, triplet, label_nc) for triplet in triplets)
    text = environment.get_template("samples.html.j2").render(
        pairs=pairs, n=len(triplets), manifest=manifest, photos=not label_nc
    )
    path = out / SAMPLE_PAGE
    with atomic_write(path) as stream:
        stream.write(page_bytes(text))
    return path


def _pair(out: Path, triplet: Triplet, label_nc: int) -> _Pair:
    name = image_name(triplet)
    width, height = image_size(out / name)
    return _Pair(
        name=triplet.name,
        input=_label_uri(triplet.label) if label_nc else _photo_uri(triplet.label),
        sample=quote(name_bytes(name)),
        width=width,
        height=height,
    )


def _label_uri(path: Path) -> str:
    label = np.asarray(_small(read_map(path), Image.Resampling.NEAREST)).astype(np.int64)
    return _uri(_coloured(label), "PNG", optimize=True)


def _coloured(label: npt.NDArray[np.int64]) -> Image.Image:
    """Return a label map in colours; the colour of a class does not depend on how many there are."""
    classes, numbered = np.unique(label, return_inverse=True)
    palette = label_colours(classes, int(classes.max()) + 1)
    if len(classes) > 256:
        return Image.fromarray(palette[numbered.reshape(label.shape)])
    image = Image.fromarray(numbered.reshape(label.shape).astype(np.uint8))
    image.putpalette(palette.tobytes())
    return image


def _photo_uri(path: Path) -> str:
    return _uri(_small(read_photo(path), Image.Resampling.LANCZOS), "WEBP", quality=90, method=4)


def _small(image: Image.Image, resample: Image.Resampling) -> Image.Image:
    if image.width <= _WIDEST:
        return image
    return image.resize((_WIDEST, max(1, round(image.height * _WIDEST / image.width))), resample)


def _uri(image: Image.Image, kind: str, **how: Any) -> str:
    stream = io.BytesIO()
    image.save(stream, format=kind, **how)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"
