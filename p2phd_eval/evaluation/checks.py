"""What about the image sets themselves limits what a FID between them says."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.pairing import NamedSet, NamedStamp
from p2phd_eval.features.feature_set import FeatureSet, FeatureStamp
from p2phd_eval.images.condition_ids import FEWEST_CONDITIONS, SampleCounts
from p2phd_eval.images.oddities import TURN_PIXELS, Oddity, oddity_sentences
from p2phd_eval.stats.design import SamplingDesign

_FEW_CLUSTERS = 10
_FEW_IMAGES = 50  # below which a standard error is itself too uncertain for its intervals to be taken at their word
_LOSSY = ("JPEG", "WEBP")  # Pillow does not tell lossless WebP from lossy

_Set = TypeVar("_Set")


def said_once(
    named: Sequence[tuple[str, _Set]], check: Callable[[tuple[str, _Set]], tuple[str, ...]]
) -> tuple[str, ...]:
    """Return what a check says of several sets, once where it says the same of more than one.

    `named`, sequence of (str, set): the generated sets. `check`: takes a named set and returns warnings that begin
    with its name.
    """
    names_of: dict[str, list[str]] = {}
    for each in named:
        for warning in check(each):
            names_of.setdefault(warning.removeprefix(each[0]), []).append(each[0])
    return tuple(
        ("all generated sets" if 1 < len(names) == len(named) else " and ".join(names)) + text
        for text, names in names_of.items()
    )


def mixture_warnings(stamp: NamedStamp) -> tuple[str, ...]:
    """Say where a set is of several file formats."""
    name, found = stamp
    if len(found.formats) < 2:
        return ()
    mixture = ", ".join(f"{n} {kind}" for kind, n in found.formats.items())
    return (f"{name} are of several formats ({mixture})",)


def format_warnings(real: FeatureStamp, fake: NamedStamp) -> tuple[str, ...]:
    """Say where compression can be part of the FID: a lossy format on one side, or another one than on the other."""
    name, generated = fake
    if set(real.formats) == set(generated.formats) or not {*real.formats, *generated.formats} & {*_LOSSY}:
        return ()
    return (
        f"{name} are {_kinds(generated)} and the real images {_kinds(real)}: the artefacts of compression are "
        "part of the FID; store generated images as PNG",
    )


def duplicate_warnings(stamp: NamedStamp) -> tuple[str, ...]:
    """Say how many images of a set are copies of others: they count twice, and make the set less diverse."""
    name, found = stamp
    if not found.duplicates:
        return ()
    return (f"{name}: {found.duplicates} of {found.n} are copies of others, bit for bit",)


def oddity_warnings(stamp: NamedStamp) -> tuple[str, ...]:
    """Say which images of a set may be others than they seem; nothing of features whose file does not say."""
    name, found = stamp
    return tuple(
        f"{name}: {sentence}" for sentence in oddity_sentences(found.oddities or {}, found.odd_examples or {}, found.n)
    )


def repeated_id_warnings(named: NamedSet) -> tuple[str, ...]:
    """Say where images of a set share an id, which keeps the set from being paired."""
    name, features = named
    repeated = {image: count for image, count in Counter(features.ids).items() if count > 1}
    if not repeated:
        return ()
    image, count = next(iter(repeated.items()))
    several = "1 id is" if len(repeated) == 1 else f"{len(repeated)} ids are"
    return (
        f"{name}: {several} of several images, such as {image!r} of {count}: files that differ in their ending alone, "
        "or in how Unicode writes their letters, are perhaps one image twice, and cannot be paired",
    )


def count_warnings(n_real: int, n_fake: int) -> tuple[str, ...]:
    """Say where the sets differ in their number of images."""
    if n_real == n_fake:
        return ()
    return (
        f"{n_real} real and {n_fake} generated images: the bias of the FID depends on both numbers, so compare it only "
        "with FIDs of the same two",
    )


def few_images_warnings(n: int, dims: int) -> tuple[str, ...]:
    """Say where n is below the number of features, so that the covariances are singular."""
    if n >= dims:
        return ()
    return (
        f"FID@{n} is at n = {n} images, fewer than its {dims} features: it is biased upward, by an amount that "
        "depends on n and on the diversity of the images",
    )


def cluster_warnings(design: SamplingDesign) -> tuple[str, ...]:
    """Say where a standard error rests on few draws: clusters, or images."""
    if design.clustered and design.clusters < _FEW_CLUSTERS:
        return (
            f"only {design.clusters} clusters: below {_FEW_CLUSTERS} their spread is hardly known, which the t "
            "distribution accounts for only roughly",
        )
    if design.clusters < _FEW_IMAGES:
        return (
            f"only {design.clusters} {design.unit}: below {_FEW_IMAGES} the standard errors are themselves uncertain",
        )
    return ()


def condition_warnings(samples: SampleCounts | None, design: SamplingDesign) -> tuple[str, ...]:
    """Say where there are several samples of so few conditions that the samples are taken as the draws."""
    if samples is None or samples.most == 1 or samples.conditions >= FEWEST_CONDITIONS or design.clustered:
        return ()
    return (
        f"{samples}: the samples are taken as independent, so that errors and verdicts are about "
        f"{'this condition' if samples.conditions == 1 else 'these conditions'} alone",
    )


def size_warnings(real: FeatureSet, fake: NamedSet) -> tuple[str, ...]:
    """Say where the generated images are of another size than the real ones.

    Raises `InputError` if every real image has one size (w, h) and every generated one (h, w): width and height are
    swapped, perhaps since the images of one side are upright by their EXIF orientation alone.
    """
    name, generated = fake
    real_sizes, sizes = _unique_sizes(real), _unique_sizes(generated)
    if real_sizes == sizes:
        return ()
    if len(real_sizes) == len(sizes) == 1 and real_sizes == {(height, width) for width, height in sizes}:
        turned = next((each for each in (("the real images", real), fake) if _turned(each[1])), None)
        raise InputError(
            f"images of {name}",
            expected=f"{_text(real_sizes)} pixels (width x height), as the real ones",
            found=f"{_text(sizes)}: width and height are swapped",
            fix="Generate the images again in the real images' orientation."
            if turned is None
            else f"{_turned(turned[1])} of {turned[0]} carry an EXIF orientation and are read as they lie, not as "
            f"viewers turn them: {TURN_PIXELS}.",
        )
    return (
        f"{name}: {_text(sizes)} pixels where the real images have {_text(real_sizes)}; the resize to the network's "
        "input is then part of the FID",
    )


def _turned(features: FeatureSet) -> int:
    return (features.stamp.oddities or {}).get(Oddity.TURNED.value, 0)


def _kinds(stamp: FeatureStamp) -> str:
    return " and ".join(stamp.formats)


def _unique_sizes(features: FeatureSet) -> set[tuple[int, int]]:
    # Not by np.unique, which loads NumPy's masked arrays.
    return {(width, height) for width, height in features.sizes.tolist()}


def _text(sizes: set[tuple[int, int]]) -> str:
    width, height = min(sizes)
    return f"{width} x {height}" if len(sizes) == 1 else f"of {len(sizes)} sizes from {width} x {height}"
