"""What a caller may give as a set of images, and how it becomes features."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from p2phd_eval.errors import InputError
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.part_file import is_part
from p2phd_eval.features.statistics import Statistics, load_statistics
from p2phd_eval.images.sources.arrays import ArraySource, Layout
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.npz_files import npz_names
from p2phd_eval.stats.distances.moments import moments
from p2phd_eval.stores.store_path import as_path

if TYPE_CHECKING:
    from p2phd_eval.features.prepared import FeatureBlock


def open_input(data: Any, *, generated: bool = True) -> Any:
    """Open a path: images (see `open_source`), features of `p2phd-eval features`, or statistics of any FID tool.

    Files ending in `.npz` hold features or statistics (`mu` and `sigma`), those in `.pt` torch-fidelity's statistics.

    `data`: what is no path is returned as it is. `generated`: see `open_source`. The result is an ImageSource, a
    FeatureSet, Statistics, or what was given. Raises `InputError` if nothing is there, it cannot be read, or it can
    hold no images.
    """
    if not isinstance(data, str | os.PathLike):
        opened = isinstance(data, ImageSource | FeatureSet | Statistics)
        if not opened and not any(hasattr(data, name) for name in ("shape", "__iter__", "__getitem__")):
            given = "a path, array, Tensor, iterable of batches, ImageSource or FeatureSet"
            raise InputError("images", expected=given, found=repr(data))
        return data
    file = as_path(data)
    arrays = npz_names(file) if file.suffix.lower() == ".npz" else ()
    if is_part(arrays):
        raise InputError(
            str(file),
            expected="features or statistics of a whole set",
            found="those of a share of it, which `p2phd-eval features --shard` wrote",
            fix="Put all its parts together first: p2phd-eval features merge PART ... --out FILE.",
        )
    if "features" in arrays:
        return FeatureSet.load(file)
    return load_statistics(file) if file.suffix.lower() in (".npz", ".pt") else open_source(file, generated=generated)


def open_images_or_features(data: Any, *, generated: bool = True) -> Any:
    """Open an input as `open_input` does, where single images count: statistics are refused."""
    found = open_input(data, generated=generated)
    if isinstance(found, Statistics):
        raise InputError(
            str(found.path),
            expected="images, or features of `p2phd-eval features`",
            found="statistics: means and covariances, in which single images cannot be told apart",
            fix="Give the images they were made from.",
        )
    return found


def source_warnings(inputs: Iterable[Any]) -> tuple[str, ...]:
    """Return what opened inputs say of the choice of their images, each once."""
    return tuple(dict.fromkeys(text for each in inputs if isinstance(each, ImageSource) for text in each.warnings))


@contextmanager
def naming_choices(inputs: Iterable[Any]) -> Iterator[None]:
    """Add to an InputError of the block what opened inputs say of the choice of their images: it may be the reason."""
    try:
        yield
    except InputError as error:
        said = source_warnings(inputs)
        if type(error) is not InputError or not said:
            raise
        fix = "\n".join((*filter(None, (error.fix,)), *said))
        raise InputError(error.where, expected=error.expected, found=error.found, fix=fix) from error


def name_of(data: Any) -> str:
    """Return what results call an input: a path as it was given, a set by its source."""
    return str(as_path(data) if isinstance(data, str | os.PathLike) else getattr(data, "name", type(data).__name__))


def as_statistics(data: FeatureSet | Statistics) -> Statistics:
    """Return statistics as they are, and the moments of features."""
    if isinstance(data, Statistics):
        return data
    return Statistics(moments=moments(data.values), stamp=data.stamp, path=as_path(data.stamp.source))


def features_of(data: Any, extractor: FeatureExtractor, *, name: str, layout: Layout | None = None) -> FeatureSet:
    """Return the features of an opened input.

    Parameters
    ----------
    data : ImageSource, FeatureSet, array, Tensor or iterable of batches
        See `compute_fid`. Features of arrays are not kept in the cache.
    name : str
        What the set is called. Images in memory have numbers, which are no names: image 3 of two sets need not come
        from one label map. So their ids are made to differ from those of other sets.
    layout : {"NHWC", "NCHW"}, optional
        Where the channels of arrays are, if not in the usual place.
    """
    if isinstance(data, FeatureSet):
        return data
    if isinstance(data, ImageSource):
        return extractor(data)
    if hasattr(data, "shape") or isinstance(data, list | tuple):
        features = extractor(ArraySource(data, layout=layout), keep=False)
    else:
        features = _features_of_batches(data, extractor, layout)
    return replace(features, ids=tuple(f"{name} {number}" for number in features.ids))


def _features_of_batches(batches: Iterable[Any], extractor: FeatureExtractor, layout: Layout | None) -> FeatureSet:
    from p2phd_eval.features.metric import FeatureStream
    from p2phd_eval.features.pipeline import assemble

    blocks: list[FeatureBlock] = []
    stream = FeatureStream(extractor.network(), blocks.append)
    for batch in batches:
        stream.add(batch, layout=layout)
    stream.flush()
    count = sum(len(block.values) for block in blocks)
    if count == 0:
        raise InputError("images", expected="at least one batch", found="none")
    names = [f"{index:06}" for index in range(count)]
    return assemble(blocks, extractor.network(), source=f"{count} images of an iterable", names=names, ids=names)
