"""Image sets to feature sets: weights, network and features in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from p2phd_eval.images import ImageSet
from p2phd_eval.stats.feature_set import FeatureSet
from p2phd_eval.stats.features import extract_features
from p2phd_eval.stats.inception import load_inception
from p2phd_eval.stats.weights import find_weights

#: Opens the progress of one piece of work: (description, unit) to a context that gives `on_progress`.
ProgressFactory = Callable[[str, str], AbstractContextManager[Callable[[int, int], None]]]


def extract_all(
    image_sets: Sequence[ImageSet],
    *,
    weights: Path | None,
    device: torch.device,
    progress: ProgressFactory,
    batch_size: int = 32,
) -> list[FeatureSet]:
    """Find the Inception weights, fetching them where they are missing, and compute the features of each set.

    Parameters
    ----------
    image_sets : sequence of ImageSet
    weights : Path or None
        See `find_weights`.
    device : torch.device
    progress : ProgressFactory
        Opened for the download and for each set.
    batch_size : int
        Images a forward pass.

    Raises
    ------
    InputError
        As `find_weights`, `load_inception` and `extract_features` do.
    """
    with progress("fetch Inception weights", "bytes") as on_progress:
        found = find_weights(weights, on_progress=on_progress)
    network = load_inception(found, device)
    features = []
    for images in image_sets:
        with progress(f"features of {images.root}", "images") as on_progress:
            features.append(extract_features(images, network, batch_size=batch_size, on_progress=on_progress))
    return features
