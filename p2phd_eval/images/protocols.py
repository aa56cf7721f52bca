"""Protocols by name: which images published numbers were computed on, at which size, and how photos come to it."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from p2phd_eval.errors import InputError

Size = tuple[int, int]  # width and height in pixels

#: How photos come to a protocol's size: Pillow's bicubic on 8 bits, as the loaders of pix2pixHD, SPADE and OASIS do it.
PhotoResize = Literal["bicubic"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What has to agree for a number to stand beside published ones.

    Parameters
    ----------
    name : str
        What stamps carry.
    images : str
        Which images they are, in words; to follow "the 500".
    n : int
        How many.
    id_form : str
        A regular expression that the whole of each id matches; its first group, if there is one, names a part of the
        list, such as a city.
    size : (int, int)
        Width and height of generated images. Photos are brought to it.
    photo_size : (int, int), optional
        That of the photos as they are published; None where each has its own.
    parts : mapping of str to int
        How many images each part of the list has.
    ids_sha256 : str, optional
        As `ids_sha256` gives it; None where no list is known to check the ids by.
    segmenter : str
        The network of the segmentation scores, for people.
    """

    name: str
    images: str
    n: int
    id_form: str
    size: Size
    photo_size: Size | None = None
    parts: Mapping[str, int] = field(default_factory=dict)
    ids_sha256: str | None = None
    segmenter: str = ""

    def require_ids(self, where: str, ids: Sequence[str]) -> None:
        """Raise InputError unless these are the images of the protocol; `where` is what the set is called."""
        fix = f"Give {self.images}, each once. See docs/protocols.md."
        wanted = f"the {self.n} images of {self.name}"
        distinct = set(ids)
        if len(ids) != self.n or len(distinct) != self.n:
            found = f"{len(ids)} images" if len(distinct) == len(ids) else f"{len(ids)} with {len(distinct)} names"
            raise InputError(where, expected=wanted, found=found, fix=fix)
        matches = {image: re.fullmatch(self.id_form, image) for image in ids}
        strange = next((image for image in sorted(distinct) if matches[image] is None), None)
        if strange is not None:
            raise InputError(where, expected=f"{wanted}, with names of the form {self.id_form}", found=strange, fix=fix)
        if self.parts:
            found_parts = Counter(match[1] for match in matches.values() if match is not None)
            if found_parts != Counter(self.parts):
                raise InputError(
                    where, expected=f"{wanted}: {_counts(self.parts)}", found=_counts(found_parts), fix=fix
                )
        if self.ids_sha256 is not None and ids_sha256(ids) != self.ids_sha256:
            raise InputError(
                where, expected=f"{wanted}, by the hash of their names", found=f"{self.n} of other names", fix=fix
            )


def ids_sha256(ids: Sequence[str]) -> str:
    """Return the hash by which a protocol knows its list: of the sorted ids with a line feed between them."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


# Both lists are those of hszhao/PSPNet (evaluation/samplelist) and of HRNet/HRNet-Semantic-Segmentation (data/list),
# which agree; see docs/protocols.md.
_of_cityscapes = partial(
    Protocol,
    images="the validation images of Cityscapes (frankfurt, lindau, munster)",
    n=500,
    id_form=r"([a-z]+)_\d{6}_\d{6}",
    photo_size=(2048, 1024),
    parts={"frankfurt": 267, "lindau": 59, "munster": 174},
    ids_sha256="9e85f1e65cf6030bacb9336142ddae80c28f66b89526cce603a272f32ac35af6",
)

#: The protocols that have a name, by it.
PROTOCOLS: Mapping[str, Protocol] = {
    each.name: each
    for each in (
        _of_cityscapes(name="spade-cityscapes", size=(512, 256), segmenter="DRN-D-105"),
        Protocol(
            name="spade-ade20k",
            images="the validation images of ADEChallengeData2016 (ADE_val_00000001 to ADE_val_00002000)",
            n=2000,
            id_form=r"ADE_val_\d{8}",
            size=(256, 256),
            ids_sha256="ea1c90a7ccd457dda9514cc222d606241e61d58a5ba75215d5ceff95f1557a36",
            segmenter="UperNet101",
        ),
        Protocol(
            name="spade-coco",
            images="the images of COCO's val2017",
            n=5000,
            id_form=r"\d{12}",
            size=(256, 256),
            segmenter="DeepLabV2",
        ),
        _of_cityscapes(name="pix2pixhd-cityscapes", size=(2048, 1024), segmenter="PSPNet"),
        _of_cityscapes(name="pix2pixhd-cityscapes-512p", size=(1024, 512), segmenter="PSPNet"),
    )
}


def find_protocol(given: str | Protocol) -> Protocol:
    """Return the protocol of a name, or the one that is given; raise `InputError` if there is none of that name."""
    if isinstance(given, Protocol):
        return given
    if given not in PROTOCOLS:
        raise InputError("--protocol", expected=" | ".join(PROTOCOLS), found=repr(given), fix="See docs/protocols.md.")
    return PROTOCOLS[given]


def _counts(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} of {part}" for part, count in sorted(parts.items()))
