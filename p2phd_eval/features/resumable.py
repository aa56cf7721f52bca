"""Features of many images in parts, each kept as soon as it is there: an interrupted extraction goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from p2phd_eval.errors import InputError
from p2phd_eval.features.cache import FeatureCache, FeatureKey
from p2phd_eval.features.network import FeatureNetwork
from p2phd_eval.features.pipeline import assemble, read_features, require_unchanged
from p2phd_eval.sources.source import ImageSource
from p2phd_eval.stats.feature_set import FeatureSet, images_sha256

PART = 2048  # images: a minute or two of a CPU, and 17 MB of features


def extract_and_keep(
    source: ImageSource,
    network: FeatureNetwork,
    hashes: Sequence[str],
    cache: FeatureCache,
    *,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> FeatureSet:
    """Compute the features of a source whose contents are known, and keep them.

    Sets of more than `PART` images are computed in parts, which are kept until the whole is: run again after an
    interruption, finished parts are found. Call it under the lock of the whole.

    Parameters
    ----------
    source, network, workers, on_progress
        See `read_features`.
    hashes : sequence of str
        SHA-256 of each image's content, in the source's order, hexadecimal.
    cache : FeatureCache

    Returns
    -------
    FeatureSet
        Mapped from the cache, where that can be written.

    Raises
    ------
    InputError
        If an image cannot be read, or is not the one that was hashed.
    """
    n = len(source)
    keys, parts = [], []
    for start in range(0, n, PART):
        rows = range(start, min(start + PART, n))
        key = FeatureKey(identity=network.identity, images_sha256=_hash_of(source, hashes, rows))
        part = cache.get(key)
        if part is None:
            done = _offset(on_progress, start, n)
            part = _compute(source, network, rows, workers=workers, on_progress=done)
            if part.stamp.images_sha256 != key.images_sha256:
                raise InputError(
                    source.name,
                    expected="the same images from the first to the last read",
                    found="that some were changed meanwhile",
                    fix="Run the command again when nothing writes there any more.",
                )
            part = cache.put(key, part)
        keys.append(key)
        parts.append(part)
    require_unchanged(source)
    if len(parts) == 1:
        return parts[0]
    whole = cache.put(
        FeatureKey(identity=network.identity, images_sha256=_hash_of(source, hashes, range(n))),
        _joined(parts, _hash_of(source, hashes, range(n)), len(hashes) - len(set(hashes))),
    )
    for key in keys:
        cache.discard(key)
    return whole


def _compute(
    source: ImageSource,
    network: FeatureNetwork,
    rows: range,
    *,
    workers: int | None,
    on_progress: Callable[[int, int], None] | None,
) -> FeatureSet:
    blocks = list(read_features(source, network, rows, workers=workers, on_progress=on_progress))
    span = slice(rows.start, rows.stop)
    return assemble(blocks, network, source=source.name, names=source.names[span], ids=source.ids[span])


def _joined(parts: Sequence[FeatureSet], whole_sha256: str, duplicates: int) -> FeatureSet:
    formats: Counter[str] = sum((Counter(part.stamp.formats) for part in parts), Counter())
    ids = tuple(image for part in parts for image in part.ids)
    return FeatureSet(
        values=np.concatenate([part.values for part in parts]),
        ids=ids,
        sizes=np.concatenate([part.sizes for part in parts]),
        stamp=replace(
            parts[-1].stamp,
            images_sha256=whole_sha256,
            n=len(ids),
            formats=dict(sorted(formats.items())),
            duplicates=duplicates,
        ),
    )


def _hash_of(source: ImageSource, hashes: Sequence[str], rows: range) -> str:
    span = slice(rows.start, rows.stop)
    return images_sha256(source.names[span], hashes[span])


def _offset(
    on_progress: Callable[[int, int], None] | None, start: int, total: int
) -> Callable[[int, int], None] | None:
    return None if on_progress is None else lambda done, _: on_progress(start + done, total)
