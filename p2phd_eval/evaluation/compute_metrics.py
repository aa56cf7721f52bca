"""All metrics of generated images in one call, whatever holds the images."""

from dataclasses import replace
from typing import Any

from p2phd_eval.errors import LARGEST_SEED, require_whole
from p2phd_eval.evaluation.metrics_of_sets import MetricsResult, evaluate_metrics
from p2phd_eval.evaluation.precision_shifts import precision_shifts
from p2phd_eval.features.extraction import FeatureExtractor
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.inputs import features_of, name_of, naming_choices, open_images_or_features, source_warnings
from p2phd_eval.images.sources.arrays import Layout
from p2phd_eval.progress import Note, ProgressFactory, silent, unheard


def compute_metrics(
    real: Any,
    fake: Any,
    *,
    seed: int = 0,
    force: bool = False,
    settings: FeatureSettings | None = None,
    layout: Layout | None = None,
    progress: ProgressFactory = silent,
    note: Note = unheard,
) -> MetricsResult:
    """FID, KID, FID-infinity, precision, recall, density and coverage: what the command `metrics` does.

    Parameters
    ----------
    real, fake : path-like, ImageSource, array, Tensor, iterable of batches or FeatureSet
        See `compute_fid`.
    seed, force
        See `evaluate_metrics`.
    settings, layout, progress, note
        See `compute_fid`.

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
    inputs = [open_images_or_features(real, generated=False), open_images_or_features(fake)]
    extractor = FeatureExtractor(settings or FeatureSettings(), progress=progress, note=note)
    features = [
        features_of(each, extractor, name=side, layout=layout)
        for each, side in zip(inputs, ("real", "generated"), strict=True)
    ]
    with naming_choices(inputs), progress("metrics", "%") as on_progress:
        result = evaluate_metrics(*features, seed=seed, force=force, on_progress=on_progress)
    return replace(
        result,
        warnings=(*source_warnings(inputs), *result.warnings),
        precision_shifts=precision_shifts(extractor, inputs, features, [name_of(fake)]),
    )
