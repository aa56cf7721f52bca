"""Folders to features, with progress: what `fid`, `compare` and `demo` share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from p2phd_eval.images import ImageSet
from p2phd_eval.report.console import Output

if TYPE_CHECKING:
    import torch

    from p2phd_eval.stats.feature_set import FeatureSet


def extract(
    output: Output,
    image_sets: Sequence[ImageSet],
    *,
    weights: Path | None,
    device: torch.device,
    batch_size: int,
) -> list[FeatureSet]:
    """Load the Inception network, fetching its weights where they are missing, and compute the features of each set."""
    from p2phd_eval.stats.features import extract_features
    from p2phd_eval.stats.inception import load_inception
    from p2phd_eval.stats.weights import find_weights

    with output.progress("fetch Inception weights", "bytes") as on_progress:
        found = find_weights(weights, on_progress=on_progress)
    network = load_inception(found, device)
    output.note(f"device: {network.device_name}, weights: {found.name}")
    features = []
    for images in image_sets:
        with output.progress(f"features of {images.root}", "images") as on_progress:
            features.append(extract_features(images, network, batch_size=batch_size, on_progress=on_progress))
    return features
