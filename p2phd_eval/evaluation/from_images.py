"""FID in one call from Python, whatever holds the images."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.fid_of_moments import StatisticsFidResult, fid_from_statistics
from p2phd_eval.evaluation.fid_of_sets import FidResult, evaluate_fid
from p2phd_eval.features.extraction import FeatureExtractor, FeatureSettings
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.inputs import Input, as_statistics, open_input
from p2phd_eval.features.statistics import Statistics
from p2phd_eval.images.sources.arrays import ArraySource, Layout
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.progress import ProgressFactory, silent

if TYPE_CHECKING:
    from p2phd_eval.features.prepared import FeatureBlock


def compute_fid(
    real: Any,
    fake: Any,
    *,
    settings: FeatureSettings | None = None,
    layout: Layout | None = None,
    replicates: int | None = None,
    seed: int = 0,
    force: bool = False,
    progress: ProgressFactory = silent,
) -> FidResult | StatisticsFidResult:
    """FID between real and generated images, with its standard errors.

    Parameters
    ----------
    real, fake : path-like, ImageSource, array, Tensor, iterable of batches, FeatureSet or Statistics
        Paths as for `p2phd-eval fid`. Arrays of uint8 (n, h, w, 3) and tensors of uint8 (n, 3, h, w), RGB in [0, 255],
        whole or batch by batch from any iterable; they have no names, so the standard errors take them as independent
        (an `ArraySource` with ids makes pairs). A generator that makes images of label maps is a `GeneratedSource`.
    settings : FeatureSettings, optional
        Network, resize, device and so on; by default pytorch-fid's features.
    layout : {"NHWC", "NCHW"}, optional
        Of arrays, where it is not the usual one.
    replicates, seed, force
        See `evaluate_fid`.
    progress : ProgressFactory, optional
        Opened for each long piece of work.

    Returns
    -------
    FidResult, or StatisticsFidResult where one side is statistics alone

    Raises
    ------
    InputError
        If something cannot be read or computed, or the sets were made differently.

    Examples
    --------
    >>> compute_fid("real/", "fake.zip").fid
    >>> labels = open_source("data/test_label")
    >>> compute_fid("data/test_img", GeneratedSource(labels, my_generator)).fid
    """
    # Cheap failures first: paths are opened before anything is computed.
    inputs = [_as_input(data) for data in (real, fake)]
    extractor = FeatureExtractor(settings or FeatureSettings(), progress=progress)
    sets = [_features(data, extractor, layout, side) for data, side in zip(inputs, ("real", "generated"), strict=True)]
    features = [each for each in sets if isinstance(each, FeatureSet)]
    if len(features) < 2:
        return fid_from_statistics(*map(as_statistics, sets), force=force)
    return evaluate_fid(*features, replicates=replicates, seed=seed, force=force, progress=progress)


def _as_input(data: Any) -> Any:
    return open_input(data) if isinstance(data, str | os.PathLike) else data


def _features(
    data: Input | Any, extractor: FeatureExtractor, layout: Layout | None, side: str
) -> FeatureSet | Statistics:
    if isinstance(data, FeatureSet | Statistics):
        return data
    if isinstance(data, ImageSource):
        return extractor(data)
    if hasattr(data, "shape") or isinstance(data, list | tuple):
        features = extractor(ArraySource(data, layout=layout), keep=False)
    else:
        features = _features_of_batches(data, extractor, layout)
    # Numbers are no names: image 3 of both sides need not come from one label map.
    return replace(features, ids=tuple(f"{side} {number}" for number in features.ids))


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
