"""Parts of features or statistics, each of a share of the images, to those of all images."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import chain, pairwise

import numpy as np

from p2phd_eval.errors import InputError
from p2phd_eval.features.feature_set import FeatureSet, FeatureStamp
from p2phd_eval.features.part_file import Part, hash_of_images
from p2phd_eval.features.share import Share
from p2phd_eval.features.statistics import Statistics, save_statistics, statistics_of_arrays
from p2phd_eval.locks import hold_file
from p2phd_eval.stats.distances.moments import Moments, merge_moments
from p2phd_eval.stores.store_path import as_path
from p2phd_eval.targets import require_file_target

# What the stamps of parts may differ in: what is of their own images, and on which machine each was computed.
_OF_A_PART = ("device", "images_sha256", "n", "formats", "duplicates", "oddities", "odd_examples")
_NAMED = 8


def merge_features(
    parts: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str] | None = None
) -> FeatureSet | Statistics:
    """Put the parts together that `extract_features` wrote with `shard`: what the command `features merge` does.

    Features are put into the order of the source, to the bit those of one process where the machines compute alike;
    moments are merged in the order of the shares, and differ from those of one process by float64's rounding.

    Parameters
    ----------
    parts : sequence of path-like
        All shares of one source, in any order.
    out : path-like, optional
        File to write, ending in `.npz`.

    Returns
    -------
    FeatureSet, or Statistics if the parts are such

    Raises
    ------
    InputError
        If a file is no part, a share is missing or there twice, parts are of different sources, feature spaces or
        kinds, or `out` ends otherwise or cannot be written.

    References
    ----------
    Chan, Golub and LeVeque (1979), eq. 2.1, for the merging of moments.

    Examples
    --------
    >>> real = merge_features(sorted(Path("parts").glob("*.npz")), "photos.npz")
    """
    if out is not None:
        require_file_target(out, "--out", ending=".npz")
    loaded = [Part.load(path) for path in parts]
    _require_beside(out, loaded)
    if not loaded:
        raise InputError("the parts", expected="the files of all shares", found="none")
    for part in loaded[1:]:
        require_alike(loaded[0], part)
    ordered = sorted(loaded, key=lambda part: part.share)
    _require_each_once(ordered)
    found: FeatureSet | Statistics = _statistics(ordered) if ordered[0].statistics else _features(ordered)
    if out is not None:
        with hold_file(out):
            save_features(out, found)
    return found


def save_features(out: str | os.PathLike[str], found: FeatureSet | Statistics) -> None:
    """Write features, or statistics."""
    if isinstance(found, FeatureSet):
        found.save(out)
    else:
        save_statistics(out, found.moments, found.stamp)


def require_alike(first: Part, other: Part) -> None:
    """Raise InputError if two parts do not belong together: of different divisions, sources, kinds or features."""
    fix = "Merge parts that were written by the same command but for its --shard, by one version of each program."

    def refuse(expected: str, found: str) -> None:
        raise InputError(str(other.path), expected=f"{expected}, as {first.path}", found=found, fix=fix)

    if other.statistics != first.statistics:
        kinds = {True: "mean and covariance (--statistics)", False: "features"}
        refuse(kinds[first.statistics], kinds[other.statistics])
    if other.stamp.source != first.stamp.source:
        refuse(f"images of {first.stamp.source}", other.stamp.source)
    if other.whole != first.whole:
        if other.whole.n != first.whole.n:
            refuse(f"a share of {first.whole.n} images", f"one of {other.whole.n}")
        if other.whole.names_sha256 != first.whole.names_sha256:
            refuse("a share of images of the same names", "other names or another order")
        refuse("a share of images of the same contents", "others: some were replaced in between")
    if other.share.count != first.share.count:
        refuse(f"one of {first.share.count} shares", f"{other.share}")
    mine, theirs = asdict(first.stamp), asdict(other.stamp)
    for field in mine:
        if field not in _OF_A_PART and theirs[field] != mine[field]:
            refuse(f"{field.replace('_', ' ')} {mine[field]}", str(theirs[field]))


def _require_beside(out: str | os.PathLike[str] | None, parts: Sequence[Part]) -> None:
    """Raise InputError where a part would be replaced by what it is a share of."""
    if out is not None and as_path(out).resolve() in [part.path.resolve() for part in parts]:
        raise InputError("--out", expected="another file than the parts", found=f"{as_path(out)}, which is one of them")


def _require_each_once(ordered: Sequence[Part]) -> None:
    count = ordered[0].share.count
    for part, following in pairwise(ordered):
        if part.share == following.share:
            raise InputError(
                str(following.path),
                expected="each share once",
                found=f"{part.share} a second time, beside {part.path}",
                fix="Leave one of them out.",
            )
    there = {part.share.index for part in ordered}
    missing = [str(Share(index=index, count=count)) for index in range(count) if index not in there]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise InputError(
            "the parts",
            expected=f"all {count} shares of {ordered[0].stamp.source}",
            found=f"{', '.join(missing[:_NAMED])}{more} missing",
            fix="Write them as the others were: p2phd-eval features IMAGES --shard i/n --out FILE.",
        )


def _features(ordered: Sequence[Part]) -> FeatureSet:
    stamp = _stamp(ordered)
    # Filled part by part: a list of all parts and what is made of it would be there at once.
    values = np.empty((stamp.n, stamp.dims), dtype=np.float32)
    sizes = np.empty((stamp.n, 2), dtype=np.int32)
    ids: list[str] = []
    for part in ordered:
        own, rows = FeatureSet.of_arrays(part.contents(), str(part.path)), part.share.rows(stamp.n)
        values[rows.start : rows.stop], sizes[rows.start : rows.stop] = own.values, own.sizes
        ids.extend(own.ids)
    return FeatureSet(values=values, ids=tuple(ids), sizes=sizes, stamp=stamp)


def _statistics(ordered: Sequence[Part]) -> Statistics:
    merged: Moments | None = None
    for part in ordered:
        own = statistics_of_arrays(part.contents(), part.path, semidefinite=False).moments
        merged = own if merged is None else merge_moments(merged, own)
    assert merged is not None
    return Statistics(moments=merged, stamp=_stamp(ordered), path=as_path(ordered[0].stamp.source))


def _stamp(ordered: Sequence[Part]) -> FeatureStamp:
    """The stamp that one process would write of all images."""
    stamps = [part.stamp for part in ordered]
    hashes = np.concatenate([part.hashes for part in ordered])
    oddities: Counter[str] = sum((Counter(stamp.oddities) for stamp in stamps), Counter())
    return replace(
        stamps[0],
        device="; ".join(dict.fromkeys(stamp.device for stamp in stamps)),
        images_sha256=hash_of_images(
            chain.from_iterable(part.names for part in ordered), chain.from_iterable(part.hashes for part in ordered)
        ),
        n=len(hashes),
        formats=dict(sorted(sum((Counter(stamp.formats) for stamp in stamps), Counter[str]()).items())),
        duplicates=len(hashes) - len(np.unique(np.ascontiguousarray(hashes).view("S32"))),
        oddities=dict(oddities),
        odd_examples={kind: name for stamp in reversed(stamps) for kind, name in (stamp.odd_examples or {}).items()},
    )
