"""Features, statistics, the cache of both, and weights of the networks that features and distances come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_target import Case, Target, files_of

from p2phd_eval.features.feature_set import FeatureSet, FeatureStamp

_N, _D = 12, 4


STAMP = FeatureStamp(
    weights="w",
    weights_sha256="0" * 64,
    resize="legacy-pytorch",
    dims=_D,
    dtype="float32",
    device="cpu",
    source="photos",
    images_sha256="1" * 64,
    n=_N,
    formats={"PNG": _N},
    duplicates=0,
    tool="0",
    torch="0",
    pillow="0",
)


def made_features(seed: int) -> FeatureSet:
    return FeatureSet(
        values=np.abs(np.random.default_rng(seed).normal(size=(_N, _D))).astype(np.float32),
        ids=tuple(f"i{k:02}" for k in range(_N)),
        sizes=np.full((_N, 2), 8, np.int32),
        stamp=STAMP,
    )


def _feature_seeds(work: Path) -> list[Case]:
    cases = []
    for compressed in (False, True):
        for seed in range(2):
            made_features(seed).save(work / "features.npz")
            if compressed:
                with np.load(work / "features.npz") as arrays:
                    np.savez_compressed(work / "packed.npz", **arrays)
                (work / "packed.npz").replace(work / "features.npz")
            cases.append({"features.npz": (work / "features.npz").read_bytes(), "good.npz": _good(work)})
    return cases


def _good(work: Path) -> bytes:
    made_features(7).save(work / "good.npz")
    return (work / "good.npz").read_bytes()


def _settings() -> dict[str, Any]:
    """The options of the feature network, as a command line without any gives them."""
    from p2phd_eval.features.feature_settings import FeatureSettings

    return {each.name: each.default for each in fields(FeatureSettings)}


def _read_features(folder: Path) -> None:
    from p2phd_eval.commands.fid import fid
    from p2phd_eval.commands.metrics import metrics

    good, given, written = folder / "good.npz", folder / "features.npz", folder / "out.json"
    fid(real=good, fake=given, replicates=2, json_target=str(written), **_settings())
    metrics(real=given, fake=good, json_target=str(written), **_settings())


def _statistics_seeds(work: Path) -> list[Case]:
    from p2phd_eval.features.statistics import save_statistics
    from p2phd_eval.stats.distances.moments import moments

    cases = []
    for stamp in (STAMP, None):
        save_statistics(work / "s.npz", moments(made_features(1).values), stamp)
        cases.append({"statistics.npz": (work / "s.npz").read_bytes(), "good.npz": _good(work)})
    return cases


def _torch_statistics_seeds(work: Path) -> list[Case]:
    import torch

    cases = []
    for as_tensors in (False, True):
        values = made_features(1).values.astype(np.float64)
        found: dict[str, Any] = {"mu": values.mean(0), "sigma": np.cov(values, rowvar=False)}
        if as_tensors:
            found = {name: torch.from_numpy(value) for name, value in found.items()}
        torch.save(found, work / "s.pt")
        cases.append({"statistics.pt": (work / "s.pt").read_bytes(), "good.npz": _good(work)})
    return cases


def _read_statistics(folder: Path) -> None:
    from p2phd_eval.commands.fid import fid

    given = next(iter(sorted(folder.glob("statistics.*"))), folder / "statistics.npz")
    fid(real=folder / "good.npz", fake=given, json_target=str(folder / "out.json"), **_settings())


def _entry_seeds(work: Path) -> list[Case]:
    from p2phd_eval.features.cache.store import FeatureCache

    FeatureCache(work / "cache").put(_key(), made_features(1))
    return [files_of(work / "cache")]


def _key() -> Any:
    from p2phd_eval.features.cache.entry import FeatureKey
    from p2phd_eval.features.identity import NetworkIdentity

    named = {name: getattr(STAMP, name) for name in ("weights", "weights_sha256", "resize", "dims", "dtype")}
    return FeatureKey(identity=NetworkIdentity(**named), images_sha256="1" * 64)


def _read_entry(folder: Path) -> None:
    from p2phd_eval.features.cache.store import FeatureCache

    cache = FeatureCache(folder)
    cache.entries()
    cache.get(_key())


def _state_seeds(names: Mapping[str, tuple[int, ...]], file: str) -> Callable[[Path], list[Case]]:
    """The first tensors of a network: with all of them a file is too large to be damaged ten thousand times."""

    def seeds(work: Path) -> list[Case]:
        import torch

        state = {name: torch.zeros(shape) for name, shape in list(names.items())[:6] if np.prod(shape) < 50_000}
        cases = []
        for zipped in (True, False):
            torch.save(state, work / file, _use_new_zipfile_serialization=zipped)
            cases.append({file: (work / file).read_bytes()})
        return cases

    return seeds


def _inception_seeds(work: Path) -> list[Case]:
    from p2phd_eval.features.inception_network import tensor_shapes

    return _state_seeds(tensor_shapes(), "weights.pth")(work)


def _read_inception(folder: Path) -> None:
    from p2phd_eval.features.weights.file import read_inception

    read_inception(folder / "weights.pth")


def _lpips_seeds(work: Path) -> list[Case]:
    from p2phd_eval.quality.lpips_weights import TENSOR_SHAPES

    return _state_seeds(TENSOR_SHAPES, "weights.pth")(work)


def _read_lpips(folder: Path) -> None:
    from p2phd_eval.quality.lpips_weights import LpipsWeights, load_lpips_state

    load_lpips_state(LpipsWeights(path=folder / "weights.pth", sha256="0" * 64))


def _vgg_seeds(work: Path) -> list[Case]:
    from p2phd_eval.generators.networks.vgg import untrained_vgg19_features

    shapes = {f"features.{name}": tuple(each.shape) for name, each in untrained_vgg19_features().state_dict().items()}
    return _state_seeds(shapes, "weights.pth")(work)


def _read_vgg(folder: Path) -> None:
    from p2phd_eval.generators.networks.vgg import VGGLoss

    VGGLoss(str(folder / "weights.pth"))


FEATURE_TARGETS = (
    Target(name="features", seeds=_feature_seeds, read=_read_features, kept=("good.npz",)),
    Target(name="statistics", seeds=_statistics_seeds, read=_read_statistics, kept=("good.npz",)),
    Target(name="statistics-pt", seeds=_torch_statistics_seeds, read=_read_statistics, kept=("good.npz",)),
    Target(name="feature-cache", seeds=_entry_seeds, read=_read_entry),
    Target(name="inception-weights", seeds=_inception_seeds, read=_read_inception, whole=False),
    Target(name="lpips-weights", seeds=_lpips_seeds, read=_read_lpips, whole=False),
    Target(name="vgg-weights", seeds=_vgg_seeds, read=_read_vgg, whole=False),
)
