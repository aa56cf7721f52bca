"""Features of whole sources by a network that a test has, past settings and cache."""

from __future__ import annotations

from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.networks.protocol import FeatureNetwork
from p2phd_eval.features.pipeline import feature_set_of, read_features
from p2phd_eval.images.sources.source import ImageSource
from p2phd_eval.progress import OnProgress, unwatched


def all_features(
    source: ImageSource, network: FeatureNetwork, *, workers: int | None = None, on_progress: OnProgress = unwatched
) -> FeatureSet:
    blocks = list(read_features(source, network, range(len(source)), workers=workers, on_progress=on_progress))
    return feature_set_of(source, network, blocks)
