"""A key of the cache and features to keep under it; processes that the tests start import it too."""

from __future__ import annotations

import numpy as np

from p2phd_eval.features.cache.entry import FeatureKey
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.identity import NetworkIdentity
from tests.features.feature_sets import feature_set

IDENTITY = NetworkIdentity(weights="test", weights_sha256="0" * 64, resize="clean", dims=6, dtype="float32")
KEY = FeatureKey(identity=IDENTITY, images_sha256="a" * 64)


def make(seed: int = 0, n: int = 8) -> FeatureSet:
    """A set of odd names and sizes."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, IDENTITY.dims)).astype(np.float32)
    return feature_set(values, ids=[f"bild {k} ü/名" for k in range(n)], size=(640, 480), source="Bilder für alle")
