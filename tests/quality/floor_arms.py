"""Arms of pictures, for the tests of the noise floor."""

from __future__ import annotations

import numpy as np

from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.quality.floor_arms import FloorArm, FloorRun
from tests.features.feature_sets import feature_set
from tests.quality.pictures import Pixels, names_of, source


def arm(name: str, *images: Pixels, features: float | None = None, seeds: tuple[int, ...] | None = None) -> FloorArm:
    """An arm of these runs, whose features are shifted by so much."""
    return FloorArm(
        name=name,
        runs=tuple(
            FloorRun(
                seed=k if seeds is None else seeds[k],
                images=source(each),
                features=None if features is None else shifted(features, seed=k + len(name)),
            )
            for k, each in enumerate(images)
        ),
    )


def shifted(shift: float, seed: int, noise: float = 0.3, n: int = 60) -> FeatureSet:
    scene = np.random.default_rng(5).normal(size=(n, 6))
    return feature_set(scene + noise * np.random.default_rng(seed).normal(size=(n, 6)) + shift, ids=names_of(n))
