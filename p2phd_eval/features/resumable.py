"""Features of many images in parts, each kept as soon as it is there: an interrupted extraction goes on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from p2phd_eval.features.cache.entry import FeatureKey
from p2phd_eval.features.cache.store import FeatureCache
from p2phd_eval.features.feature_set import FeatureSet, images_sha256
from p2phd_eval.features.networks.protocol import FeatureNetwork
from p2phd_eval.features.pipeline import assemble, changed_while_read, read_features, require_unchanged
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.progress import OnProgress, part_of, unwatched

PART = 2048  # images: a minute or two of a CPU, and 17 MB of features


def extract_and_keep(
    source: ImageSource,
    network: FeatureNetwork,
    hashes: Sequence[str],
    whole: FeatureKey,
    cache: FeatureCache,
    *,
    workers: int | None = None,
    on_progress: OnProgress = unwatched,
) -> FeatureSet:
    """Compute the features of a source whose contents are known, and keep them.

    Sets of more than `PART` images are computed in parts, which are kept until the whole is: run again after an
    interruption, finished parts are found. Call it under the lock of the whole.

    `source`, `network`, `workers`, `on_progress`: see `read_features`. `hashes`: SHA-256 of each image's content, in
    the source's order, hexadecimal. `whole`: the key of all images; the cache has no entry for it. The result is mapped
    from the cache, where that can be written. Raises `InputError` if an image cannot be read, or is not the one that
    was hashed.
    """
    n = len(source)
    if n <= PART:
        features = _compute(source, network, range(n), whole, workers=workers, on_progress=on_progress)
        require_unchanged(source)
        return cache.put(whole, features)
    keys, parts = [], []
    for start in range(0, n, PART):
        rows = range(start, min(start + PART, n))
        span = slice(rows.start, rows.stop)
        key = replace(whole, images_sha256=images_sha256(source.names[span], hashes[span]))
        part = cache.get(key)
        if part is None:
            done = part_of(on_progress, start, len(rows), n)
            part = cache.put(key, _compute(source, network, rows, key, workers=workers, on_progress=done))
        keys.append(key)
        parts.append(part)
    require_unchanged(source)
    joined = cache.put(whole, _joined(parts, whole.images_sha256, len(hashes) - len(set(hashes))))
    for key in keys:
        cache.discard(key)
    return joined


def _compute(
    source: ImageSource,
    network: FeatureNetwork,
    rows: range,
    key: FeatureKey,
    *,
    workers: int | None,
    on_progress: OnProgress,
) -> FeatureSet:
    """Compute some consecutive images, which must be those of the key."""
    blocks = list(read_features(source, network, rows, workers=workers, on_progress=on_progress))
    span = slice(rows.start, rows.stop)
    features = assemble(blocks, network, source=source.name, names=source.names[span], ids=source.ids[span])
    if features.stamp.images_sha256 != key.images_sha256:
        raise changed_while_read(source, "that some were changed meanwhile")
    return features


def _joined(parts: Sequence[FeatureSet], whole_sha256: str, duplicates: int) -> FeatureSet:
    formats: Counter[str] = sum((Counter(part.stamp.formats) for part in parts), Counter())
    oddities: Counter[str] = sum((Counter(part.stamp.oddities) for part in parts), Counter())
    examples = {kind: name for part in reversed(parts) for kind, name in (part.stamp.odd_examples or {}).items()}
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
            oddities=dict(oddities),
            odd_examples=examples,
        ),
    )
