"""Bad input: images that a protocol does not mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p2phd_eval.images.png import write_png
from tests.bad_input.case import Case, photos
from tests.features.feature_sets import feature_set


def _of_ade20k() -> None:
    """All names of its validation photos, and samples of the same, of one small image."""
    write_png(Path("one.png"), np.zeros((12, 16, 3), dtype=np.uint8))
    for folder in ("photos", "samples"):
        Path(folder).mkdir()
        for number in range(1, 2001):
            Path(f"{folder}/ADE_val_{number:08}.png").hardlink_to("one.png")


def _features_without_a_protocol() -> None:
    photos("samples")
    feature_set(np.zeros((3, 2048), dtype=np.float32)).save("photos.npz")


PROTOCOLS = (
    Case(
        area="Protocols",
        kind="No protocol of that name",
        make=lambda: photos("photos"),
        typed="fid photos photos --protocol spade-citys",
        words="spade-cityscapes",
    ),
    Case(
        area="Protocols",
        kind="Images that are not those of the protocol",
        make=lambda: photos("photos"),
        typed="fid photos photos --protocol spade-cityscapes",
        words="the 500 images of spade-cityscapes, found 3 images",
    ),
    Case(
        area="Protocols",
        kind="Generated images of a size that the protocol does not have",
        make=_of_ade20k,
        typed="fid photos samples --protocol spade-ade20k",
        words="expected 256 x 256 pixels",
    ),
    Case(
        area="Protocols",
        kind="Features that were extracted without the protocol",
        make=_features_without_a_protocol,
        typed="metrics photos.npz samples --protocol spade-coco",
        words="found none that say so",
    ),
    Case(
        area="Protocols",
        kind="Another network than the protocol's",
        make=lambda: photos("photos"),
        typed="features photos --out photos.npz --protocol spade-coco --resize clean",
        words="the features of pytorch-fid",
    ),
)
