"""Features of one source by several processes, of one machine or of many."""

from collections import Counter
from functools import reduce

from p2phd_eval.distributed import Ranks
from p2phd_eval.errors import InputError
from p2phd_eval.features.device_moments import accumulator_on
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.pipeline import feature_set_of, require_unchanged, stamp_of
from p2phd_eval.features.statistics import Statistics
from p2phd_eval.images.oddities import Oddity
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.stats.distances.moments import Moments, merge_moments
from p2phd_eval.stores.store_path import as_path


def sharded_features(
    source: ImageSource, extractor: FeatureExtractor, ranks: Ranks
) -> tuple[FeatureSet, list[str]] | None:
    """Compute the features of a source, each rank an equal share of the images; a meeting point of all ranks.

    `source`: the same on every rank. `extractor`: the cache is not used. The result on the first rank is equal to what
    one process computes, with the SHA-256 of each image's content; the others get None. Raises `InputError` if an image
    of this rank's share cannot be read, or the source changes meanwhile.
    """
    own = list(extractor.blocks(source, ranks.indices(len(source))))
    require_unchanged(source)
    blocks = [block for part in ranks.gather(own) for block in part]
    if not ranks.is_first:
        return None
    return feature_set_of(source, extractor.network(), blocks), [sha256 for block in blocks for sha256 in block.hashes]


def sharded_statistics(
    source: ImageSource, extractor: FeatureExtractor, ranks: Ranks
) -> tuple[Statistics, list[str]] | None:
    """Compute the moments of a source, each rank an equal share of the images; a meeting point of all ranks.

    No rank keeps features: memory grows with the number of images by their names and hashes alone.

    Parameters, returns and errors are those of `sharded_features`; the moments are equal to those of one process up to
    the rounding of float64.

    References
    ----------
    Chan, Golub and LeVeque (1979), eq. 2.1, for the merging.
    """
    if len(source) < 2 * ranks.size:
        raise InputError(
            source.name,
            expected=f"at least 2 images for each of {ranks.size} processes",
            found=str(len(source)),
            fix="Start fewer processes.",
        )
    accumulator = accumulator_on(extractor.network().device)
    hashes: list[str] = []
    formats: Counter[str] = Counter()
    oddities: list[tuple[Oddity, ...]] = []
    for block in extractor.blocks(source, ranks.indices(len(source))):
        accumulator.update(block.values)
        hashes.extend(block.hashes)
        formats.update(block.formats)
        oddities.extend(block.oddities)
    require_unchanged(source)
    parts: list[tuple[Moments, list[str], Counter[str], list[tuple[Oddity, ...]]]] = ranks.gather(
        (accumulator.result(), hashes, formats, oddities)
    )
    if not ranks.is_first:
        return None
    every = [sha256 for _, part, _, _ in parts for sha256 in part]
    stamp = stamp_of(
        extractor.network(),
        source=source.name,
        names=source.names,
        hashes=every,
        formats=sum((part for _, _, part, _ in parts), Counter()),
        oddities=[found for _, _, _, part in parts for found in part],
    )
    merged = reduce(merge_moments, (moments for moments, _, _, _ in parts))
    return Statistics(moments=merged, stamp=stamp, path=as_path(source.name)), every
