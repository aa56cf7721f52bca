"""What about the image sets themselves limits what a FID between them says."""

from __future__ import annotations

from p2phd_eval.stats.feature_set import FeatureStamp
from p2phd_eval.stats.pairing import NamedStamp

_LOSSY = ("JPEG", "WEBP")  # Pillow does not tell lossless WebP from lossy


def format_warnings(real: FeatureStamp, fake: NamedStamp) -> tuple[str, ...]:
    """Say where compression can be part of the FID: a lossy format on one side, or another one than on the other."""
    name, generated = fake
    warnings = []
    for who, stamp in (("the real images", real), (name, generated)):
        if len(stamp.formats) > 1:
            mixture = ", ".join(f"{n} {kind}" for kind, n in stamp.formats.items())
            warnings.append(f"{who} are of several formats ({mixture})")
    if set(real.formats) != set(generated.formats) and {*real.formats, *generated.formats} & {*_LOSSY}:
        warnings.append(
            f"{name} are {_kinds(generated)} and the real images {_kinds(real)}: the artefacts of compression are "
            "part of the FID; store generated images as PNG"
        )
    return tuple(warnings)


def duplicate_warnings(stamp: NamedStamp) -> tuple[str, ...]:
    """Say how many images of a set are copies of others: they count twice, and make the set less diverse."""
    name, found = stamp
    if not found.duplicates:
        return ()
    return (f"{found.duplicates} of the {found.n} images of {name} are copies of others, bit for bit",)


def count_warnings(n_real: int, n_fake: int) -> tuple[str, ...]:
    """Say where the sets differ in their number of images."""
    if n_real == n_fake:
        return ()
    return (
        f"{n_real} real and {n_fake} generated images: the bias of the FID depends on both numbers, so compare it only "
        "with FIDs of the same two",
    )


def _kinds(stamp: FeatureStamp) -> str:
    return " and ".join(stamp.formats)
