"""Styles that are set, region by region: symbols, which every checkpoint with an encoder reads in features of its own.

They stand beside the maps of a data set, in `<phase>_styles.json`. What they do not name is drawn, or encoded, as ever.
"""

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from p2phd_eval.files import write_json
from p2phd_eval.json_files import read_json_as

Count = Annotated[int, Meta(ge=0)]
Region = Annotated[int, Meta(ge=-(2**31), lt=2**31)]  # an instance's number, or a class: see `DataStyles`
Side = Annotated[int, Meta(ge=1)]
#: Names of parts of a data set begin the names of its folders: a file of somebody else leads to no other folder.
PHASE = r"^[^/\\\0]+$"
_Phase = Annotated[str, Meta(pattern=PHASE)]


class _Style(Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """Base: in JSON, `kind` tells which style it is."""


class ClusterStyle(_Style, frozen=True, kw_only=True, tag="cluster"):
    """The centre of one of the clusters of a class."""

    label: Count  # the class; 0 for `label_nc` 0
    k: Count  # which of its clusters, in the order of the clusters' file


class DrawnStyle(_Style, frozen=True, kw_only=True, tag="drawn"):
    """What the seed draws for a region of an image, whether it is still there or not."""

    image: str  # its key
    region: Region  # its number there
    label: Count  # the class of whose clusters one is drawn


class PhotoStyle(_Style, frozen=True, kw_only=True, tag="photo"):
    """What the encoder says of a region of a photo of the data set: the mean of its features there."""

    image: str  # its key
    region: Region  # its number there
    phase: _Phase | None = None  # part of the data set where the photo and its maps are; None: the same part


class FileStyle(_Style, frozen=True, kw_only=True, tag="file"):
    """What the encoder says of a photo of any file: the mean of its features, over a box or the whole."""

    file: str  # path, from the folder of the data set
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]  # of the file
    # Left, upper, width and height in pixels of the file; None: all of it.
    box: tuple[Count, Count, Side, Side] | None = None


Style = ClusterStyle | DrawnStyle | PhotoStyle | FileStyle


class ImageStyles(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The styles of one image."""

    drawn_as: str | None = None  # key under which the styles of the other regions are drawn; None: the image's own
    regions: dict[Region, Style] = {}  # by the region's number

    @property
    def sha256(self) -> str:
        """The hash of what they are."""
        values = msgspec.to_builtins(self, str_keys=True)
        return hashlib.sha256(msgspec.json.encode(values, order="sorted")).hexdigest()


class DataStyles(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`<phase>_styles.json`: the styles of the images of one part of a data set."""

    features: Literal["instance", "label"]  # what numbers of regions are: instances, or classes
    images: dict[str, ImageStyles]  # by key; images that are not named have no styles of their own


def styles_path(data: Path, phase: str) -> Path:
    """Return where the styles of a part of a data set are, if there are any."""
    return data / f"{phase}_styles.json"


def write_styles(data: Path, phase: str, styles: DataStyles) -> None:
    """Write the styles of a part of a data set, atomically, in the order of images and regions."""
    images = {
        key: {"drawn_as": each.drawn_as, "regions": {str(n): each.regions[n] for n in sorted(each.regions)}}
        for key, each in sorted(styles.images.items())
    }
    document = {"features": styles.features, "images": images}
    write_json(styles_path(data, phase), msgspec.to_builtins(document))


def read_styles(data: Path, phase: str) -> DataStyles | None:
    """Read the styles of a part of a data set; None where there are none.

    Raises `InputError` for a file that is none. Whether what it names is there is not asked here.
    """
    path = styles_path(data, phase)
    if not path.exists():
        return None
    return read_json_as(DataStyles, path, expected="styles of a data set's regions", fix=how_to_mend(path))


def how_to_mend(path: Path) -> str:
    """Return what to do about a file of styles that is wrong, for errors."""
    return f"Mend it, or move {path.name} away to generate without styles that are set."
