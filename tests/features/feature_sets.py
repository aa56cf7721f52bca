"""Feature sets of invented images for the tests of whole evaluations."""

import dataclasses
from pathlib import Path

import numpy as np

from p2phd_eval.features.feature_set import FeatureSet, FeatureStamp

CITIES = ("aachen", "bochum", "celle")
STAMP = FeatureStamp(
    weights="test",
    weights_sha256="0" * 64,
    resize="legacy-pytorch",
    dims=6,
    dtype="float32",
    device="cpu",
    source="test",
    images_sha256="1" * 64,
    n=0,
    formats={"PNG": 0},
    duplicates=0,
    tool="test",
    torch="test",
    pillow="test",
    oddities={},
)


def feature_set(values, ids=None, size=(64, 32), **stamp):
    """A set whose images are called scene_000 and so on, all of one size (width, height)."""
    n, dims = values.shape
    return FeatureSet(
        values=np.asarray(values, dtype=np.float32),
        ids=tuple(f"scene_{k:03}" for k in range(n)) if ids is None else tuple(ids),
        sizes=np.tile(np.array(size, dtype=np.int32), (n, 1)),
        stamp=dataclasses.replace(STAMP, dims=dims, n=n, **stamp),
    )


def reordered(features, order):
    """The same images in another order."""
    return FeatureSet(
        values=features.values[order],
        ids=tuple(features.ids[k] for k in order),
        sizes=features.sizes[order],
        stamp=features.stamp,
    )


def triplets(n=80, d=6, seed=0):
    """Real, baseline and candidate, whose images share a scene; the candidate is worse."""
    rng = np.random.default_rng(seed)
    scene = rng.normal(size=(n, d))
    return tuple(feature_set(scene + shift + 0.5 * rng.normal(size=(n, d))) for shift in (0.0, 0.3, 1.0))


def samples_of_conditions(conditions=40, seeds=3, d=6, seed=0, name="scene_{:03}"):
    """A photo of each condition, and a baseline's and a candidate's samples of it, "scene_000@0" and so on."""
    rng = np.random.default_rng(seed)
    scene = rng.normal(size=(conditions, d))
    names = [name.format(k) for k in range(conditions)]
    ids = [f"{each}@{k}" for each in names for k in range(seeds)]
    real = feature_set(scene + 0.5 * rng.normal(size=(conditions, d)), names)
    made = np.repeat(scene, seeds, axis=0)
    return real, *(feature_set(made + shift + 0.5 * rng.normal(size=made.shape), ids) for shift in (0.3, 1.0))


def renamed(features, rename):
    """The same images under other ids."""
    return dataclasses.replace(features, ids=tuple(map(rename, features.ids)))


def arm_file(
    path: Path, *, seed: int, shift: float = 0.0, n: int = 60, first: int = 0, prefix: str = "i", cities: bool = False
) -> Path:
    """Features of n label maps, alike in all files, plus noise of this file's own."""
    scenes = np.random.default_rng(99).normal(size=(1000, 6))[first : first + n]
    values = scenes + 0.5 * np.random.default_rng(seed).normal(size=(n, 6)) + shift
    names = [f"{CITIES[i % 3]}_{i:06d}_000019" if cities else f"{prefix}{i:03d}" for i in range(first, first + n)]
    feature_set(values, ids=names).save(path)
    return path
