"""FID in one call, whatever holds the images."""

import os
from dataclasses import replace
from typing import Any

from p2phd_eval.errors import LARGEST_SEED, MOST_REPLICATES, require_whole
from p2phd_eval.evaluation.cluster_rules import ClusterRule, as_rule
from p2phd_eval.evaluation.fid_of_moments import StatisticsFidResult, fid_from_statistics
from p2phd_eval.evaluation.fid_of_sets import FidResult, evaluate_fid
from p2phd_eval.evaluation.precision_shifts import precision_shifts
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.inputs import (
    as_statistics,
    features_of,
    name_of,
    naming_choices,
    open_images_or_features,
    open_input,
    source_warnings,
)
from p2phd_eval.features.statistics import Statistics
from p2phd_eval.features.under_protocol import all_under_protocol
from p2phd_eval.images.protocols import Protocol
from p2phd_eval.images.sources.arrays import Layout
from p2phd_eval.progress import Note, ProgressFactory, silent, unheard
from p2phd_eval.stats.confidence import require_confidence


def compute_fid(
    real: Any,
    fake: Any,
    *,
    reference: Any = None,
    confidence: float = 0.95,
    cluster_by: str | os.PathLike[str] | ClusterRule | None = None,
    replicates: int | None = None,
    seed: int = 0,
    force: bool = False,
    protocol: str | Protocol | None = None,
    settings: FeatureSettings | None = None,
    layout: Layout | None = None,
    progress: ProgressFactory = silent,
    note: Note = unheard,
) -> FidResult | StatisticsFidResult:
    """FID between real and generated images, with its standard errors: what the command `fid` does.

    Parameters
    ----------
    real, fake : path-like, ImageSource, array, Tensor, iterable of batches, FeatureSet or Statistics
        Paths as for `p2phd-eval fid`. Arrays of uint8 (n, h, w, 3) and tensors of uint8 (n, 3, h, w), RGB in [0, 255],
        whole or batch by batch from any iterable; they have no names, so the standard errors take them as independent
        (an `ArraySource` with ids makes pairs). A generator that makes images of label maps is a `GeneratedSource`.
    reference : as `real`, optional
        Other real images, such as the training photos: the block FID takes their principal axes.
    cluster_by : str, path-like or ClusterRule, optional
        Which images are alike, as `parse_rule` reads it; by default each is its own.
    confidence, replicates, seed, force
        See `evaluate_fid`.
    protocol : str or Protocol, optional
        Hold the images against a paper's protocol, one of `PROTOCOLS` or one of your own: which they are, at which
        size, and how photos come to it. Features are then pytorch-fid's.
    settings : FeatureSettings, optional
        Network, resize, device and so on; by default pytorch-fid's features.
    layout : {"NHWC", "NCHW"}, optional
        Where the channels of arrays are, if not in the usual place.
    progress : ProgressFactory
        Opened for each long piece of work.
    note : callable
        Told which device computes, and what else is worth a sentence.

    Returns
    -------
    FidResult, or StatisticsFidResult where one side is statistics alone

    Raises
    ------
    InputError
        If something cannot be read or computed, the sets were made differently, the reference shares images with one
        of them, there is a reference beside statistics, or images are not those of the protocol.

    Examples
    --------
    >>> compute_fid("real/", "fake.zip").fid
    >>> labels = open_source("data/test_label")
    >>> compute_fid("data/test_img", GeneratedSource(labels, my_generator)).fid
    """
    # Cheap failures first: options are checked, both sets found and listed, before torch is loaded.
    require_confidence(confidence)
    require_whole(0, MOST_REPLICATES, {"--replicates": replicates})
    require_whole(0, LARGEST_SEED, {"--seed": seed})
    rule = as_rule(cluster_by)
    settings = settings or FeatureSettings()
    opened = open_input if reference is None else open_images_or_features  # blocks take single images
    inputs = [opened(real, generated=False), opened(fake)]
    reference_input = None if reference is None else open_images_or_features(reference, generated=False)
    inputs, reference_input = all_under_protocol(protocol, settings, inputs, reference_input)
    if rule is not None:
        for each in inputs:
            rule.labels(getattr(each, "ids", ()))
    extractor = FeatureExtractor(settings, progress=progress, note=note)
    sets = [
        each if isinstance(each, Statistics) else features_of(each, extractor, name=side, layout=layout)
        for each, side in zip(inputs, ("real", "generated"), strict=True)
    ]
    features = [each for each in sets if not isinstance(each, Statistics)]
    if len(features) < len(sets):
        with naming_choices(inputs):
            from_statistics = fid_from_statistics(*map(as_statistics, sets), force=force)
        return replace(from_statistics, warnings=(*source_warnings(inputs), *from_statistics.warnings))
    of_reference = None
    if reference_input is not None:
        of_reference = features_of(reference_input, extractor, name="reference", layout=layout)
    with naming_choices([*inputs, reference_input]):
        result = evaluate_fid(
            *features,
            reference=of_reference,
            confidence=confidence,
            cluster_by=rule,
            replicates=replicates,
            seed=seed,
            force=force,
            progress=progress,
        )
    return replace(
        result,
        warnings=(*source_warnings([*inputs, reference_input]), *result.warnings),
        precision_shifts=precision_shifts(extractor, inputs, features, [name_of(fake)]),
    )
