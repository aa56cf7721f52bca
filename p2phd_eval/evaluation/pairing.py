"""Which feature sets may be compared, and how their images pair up."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from p2phd_eval.errors import InputError
from p2phd_eval.features.feature_set import FeatureSet, FeatureStamp
from p2phd_eval.images.condition_ids import condition_of, images_of_conditions, split_sample

# What of a stamp must agree for two sets of features to be comparable, and what it is called.
_STAMP_FIELDS = {
    "weights_sha256": "network weights (SHA-256)",
    "resize": "resize mode",
    "dims": "number of features",
    "dtype": "computing dtype",
    "protocol": "protocol",
}

NamedSet = tuple[str, FeatureSet]
NamedStamp = tuple[str, FeatureStamp]
NamedIds = tuple[str, Sequence[str]]


def require_same_stamps(stamps: Sequence[NamedStamp], *, force: bool = False) -> tuple[str, ...]:
    """Check that all features were made the same way, so that distances between them mean something.

    `stamps`, sequence of (name, FeatureStamp): one or more; the others are held against the first. `force`: return the
    differences as warnings instead of refusing. There are no warnings without `force`. Raises `InputError` if a stamp
    differs in weights, resize, number of features, dtype or protocol; the difference is named.
    """
    first_name, first = stamps[0]
    warnings: tuple[str, ...] = ()
    for name, other in stamps[1:]:
        for field, meaning in _STAMP_FIELDS.items():
            expected, found = (getattr(stamp, field) or "none" for stamp in (first, other))
            if expected == found:
                continue
            # Nothing can be computed between spaces of different dimension, whatever the user wishes.
            if not force or field == "dims":
                raise InputError(
                    f"features of {name}",
                    expected=f"the {meaning} of {first_name}, {expected}",
                    found=str(found),
                    fix="Extract both sets with the same settings" + ("." if field == "dims" else "; or pass --force."),
                )
            warnings += (f"the {meaning} of {name} is {found}, that of {first_name} {expected}: compared by force",)
    return warnings


def require_unique_ids(sets: Iterable[NamedIds], files: Mapping[str, Sequence[str]] | None = None) -> None:
    """Raise InputError if an image id occurs twice in a set, so that it cannot be paired; one is named.

    `files`: by the name of a set what its images are called, where that is known.
    """
    for name, ids in sets:
        if len(set(ids)) < len(ids):
            image, count = Counter(ids).most_common(1)[0]
            named = () if files is None else files.get(name, ())
            called = [file for file, own in zip(named, ids, strict=False) if own == image]
            raise InputError(
                f"images of {name}",
                expected="one image for each id",
                found=f"{count} images with the id {image!r}"
                + (f" ({', '.join(itertools.islice(called, 3))})" if called else ""),
                fix="Rename or remove the duplicates.",
            )


def common_ids(sets: Sequence[NamedIds]) -> tuple[str, ...]:
    """The ids that all sets hold, sorted.

    Raises `InputError` if there are fewer than two; examples of the ids on each side are shown.
    """
    shared = set.intersection(*(set(ids) for _, ids in sets))
    if len(shared) < 2:
        raise InputError(
            "image ids",
            expected="at least 2 ids that all sets share",
            found=f"{len(shared)} (" + "; ".join(f"{name} has {examples(ids)}" for name, ids in sets) + ")",
            fix="Name each generated image by the stem of its label map.",
        )
    return tuple(sorted(shared))


def named_as_samples(real: FeatureSet, samples: Sequence[str]) -> FeatureSet:
    """Real images under the ids of the samples of their conditions, where each condition has one of both at most.

    A photo ``cat`` and a sample ``cat@3`` are then a pair. Sets of which some condition has several are returned as
    they are, and so are those without seeds.
    """
    conditions = [condition_of(image) for image in samples]
    several = any(len(set(each)) < len(each) for each in (conditions, [condition_of(image) for image in real.ids]))
    if several or all(split_sample(image)[1] is None for image in (*samples, *real.ids)):
        return real
    sample_of = {photo: sample for sample, photo in images_of_conditions(real.ids, samples).items()}
    return dataclasses.replace(real, ids=tuple(sample_of.get(image, image) for image in real.ids))


def aligned(features: FeatureSet, ids: Sequence[str]) -> FeatureSet:
    """The rows of a set with unique ids that belong to `ids`, in that order; the stamp stays."""
    row_of = {image: row for row, image in enumerate(features.ids)}
    rows = np.array([row_of[image] for image in ids])
    return FeatureSet(values=features.values[rows], ids=tuple(ids), sizes=features.sizes[rows], stamp=features.stamp)


def sorted_by_id(features: FeatureSet) -> FeatureSet:
    """The rows of a set in the order of their ids; sets of the same ids, once each, are then aligned."""
    # Ids may repeat, so rows are moved by position.
    rows = sorted(range(len(features)), key=features.ids.__getitem__)
    if rows == list(range(len(features))):
        return features
    return FeatureSet(
        values=features.values[rows],
        ids=tuple(features.ids[row] for row in rows),
        sizes=features.sizes[rows],
        stamp=features.stamp,
    )


def examples(ids: Iterable[str]) -> str:
    """Up to three ids, for a message."""
    names = sorted(ids)
    return ", ".join(repr(name) for name in names[:3]) + (", ..." if len(names) > 3 else "")
