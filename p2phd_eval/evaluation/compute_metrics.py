"""All metrics of generated images in one call, whatever holds the images."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from p2phd_eval.errors import LARGEST_SEED, require_whole
from p2phd_eval.evaluation.metrics_of_sets import MetricsResult, evaluate_metrics
from p2phd_eval.evaluation.precision_shifts import precision_shifts
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.inputs import features_of, name_of, naming_choices, open_images_or_features, source_warnings
from p2phd_eval.features.under_protocol import all_under_protocol
from p2phd_eval.images.protocols import Protocol
from p2phd_eval.images.sources.arrays import Layout
from p2phd_eval.progress import Note, ProgressFactory, silent, unheard
from p2phd_eval.stats.distances.products import Multiply, multiply_on_cpu


def compute_metrics(
    real: Any,
    fake: Any,
    *,
    seed: int = 0,
    force: bool = False,
    protocol: str | Protocol | None = None,
    settings: FeatureSettings | None = None,
    layout: Layout | None = None,
    progress: ProgressFactory = silent,
    note: Note = unheard,
) -> MetricsResult:
    """FID, KID, CMMD, FID-infinity, precision, recall, density and coverage: what the command `metrics` does.

    Parameters
    ----------
    real, fake : path-like, ImageSource, array, Tensor, iterable of batches or FeatureSet
        See `compute_fid`.
    seed, force
        See `evaluate_metrics`.
    protocol, settings, layout, progress, note
        See `compute_fid`. The products of KID and of the metrics of neighbours are computed on a GPU where the
        features were, or where `settings` names one.

    Returns
    -------
    MetricsResult

    Raises
    ------
    InputError
        As `compute_fid`, and if a set holds fewer than 8 images or is statistics alone.

    Examples
    --------
    >>> compute_metrics("real/", "fake/").neighbours.coverage
    """
    require_whole(0, LARGEST_SEED, {"--seed": seed})
    settings = settings or FeatureSettings()
    inputs = [open_images_or_features(real, generated=False), open_images_or_features(fake)]
    inputs, _ = all_under_protocol(protocol, settings, inputs)
    extractor = FeatureExtractor(settings, progress=progress, note=note)
    features = [
        features_of(each, extractor, name=side, layout=layout)
        for each, side in zip(inputs, ("real", "generated"), strict=True)
    ]
    with naming_choices(inputs), progress("metrics", "%") as on_progress, _multiply(extractor) as multiply:
        result = evaluate_metrics(*features, seed=seed, force=force, multiply=multiply, on_progress=on_progress)
    return replace(
        result,
        warnings=(*source_warnings(inputs), *result.warnings),
        precision_shifts=precision_shifts(extractor, inputs, features, [name_of(fake)]),
    )


def _multiply(extractor: FeatureExtractor) -> AbstractContextManager[Multiply]:
    if extractor.device in (None, "cpu"):  # without loading torch
        return nullcontext(multiply_on_cpu)
    from p2phd_eval.features.device_products import multiply_on

    return multiply_on(extractor.device)
