from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.compute_fid import compute_fid
from p2phd_eval.evaluation.fid_of_sets import FidResult
from p2phd_eval.features.feature_settings import FeatureSettings
from p2phd_eval.features.metric import FidMetric
from p2phd_eval.features.networks.inception import FidInception, load_inception
from p2phd_eval.features.pipeline import compute_features
from p2phd_eval.features.statistics import save_statistics
from p2phd_eval.features.weights.index import WeightsFile
from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.arrays import ArraySource
from p2phd_eval.images.sources.generated import GeneratedSource
from p2phd_eval.images.sources.open import open_source
from p2phd_eval.stats.distances.frechet import frechet_distance
from p2phd_eval.stats.distances.moments import moments

DIMS = 64
SETTINGS = FeatureSettings(dims=DIMS, device="cpu", workers=0, cache=False)


@pytest.fixture(scope="module")
def network(inception_weights: WeightsFile) -> FidInception:
    return load_inception(inception_weights, "cpu", dims=DIMS)


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray]:
    """Real and generated: uint8 (n, h, w, 3)."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (13, 24, 40, 3), dtype=np.uint8), rng.integers(0, 200, (11, 24, 40, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def expected(images: tuple[np.ndarray, np.ndarray], network: FidInception) -> float:
    features = [compute_features(ArraySource(each), network, workers=0).values for each in images]
    return frechet_distance(*features).value


def test_batches_of_any_size_and_layout_give_the_same_bits(
    images: tuple[np.ndarray, np.ndarray], network: FidInception, expected: float
) -> None:
    found = []
    for size in (1, 3, 8, 13):
        metric = FidMetric(network)
        for array, real in zip(images, (True, False), strict=True):
            for start in range(0, len(array), size):
                batch = array[start : start + size]
                tensor = torch.from_numpy(batch).permute(0, 3, 1, 2)
                metric.update(tensor if size % 2 else batch, real=real)
        found.append(metric.compute().value)
    assert len(set(found)) == 1
    # From moments here, from rows there.
    assert found[0] == pytest.approx(expected, abs=DIMS * 1e-7)


def test_more_images_may_follow_a_result(
    images: tuple[np.ndarray, np.ndarray], network: FidInception, expected: float
) -> None:
    metric = FidMetric(network)
    metric.update(images[0][:5], real=True)
    metric.update(images[1], real=False)
    early = metric.compute().value
    metric.update(images[0][5:], real=True)
    assert metric.compute().value == pytest.approx(expected, abs=DIMS * 1e-7)
    assert early != pytest.approx(expected, rel=1e-3)


def test_reset_keeps_the_real_images(images: tuple[np.ndarray, np.ndarray], network: FidInception) -> None:
    metric = FidMetric(network)
    metric.update(images[0], real=True)
    metric.update(images[0], real=False)
    metric.reset()
    metric.update(images[1], real=False)
    value = metric.compute().value
    metric.reset(keep_real=False)
    metric.update(images[1], real=False)
    with pytest.raises(InputError, match="at least 2 images"):
        metric.compute()
    metric.update(images[0], real=True)
    assert metric.compute().value == value


def test_floats_are_refused(network: FidInception) -> None:
    with pytest.raises(InputError, match="dtype uint8"):
        FidMetric(network).update(torch.zeros(2, 3, 8, 8), real=True)


def write(folder: Path, images: np.ndarray) -> Path:
    for index, image in enumerate(images):
        write_png(folder / f"{index:02}.png", image)
    return folder


def fid_of(real: object, fake: object) -> float:
    return compute_fid(real, fake, settings=SETTINGS, replicates=0).fid


def test_one_number_whatever_holds_the_images(
    images: tuple[np.ndarray, np.ndarray], expected: float, network: FidInception, tmp_path: Path
) -> None:
    real, fake = images
    folder = write(tmp_path / "real", real)

    def batches() -> Iterator[np.ndarray]:
        yield from (fake[:4], fake[4:])

    features = compute_features(open_source(folder), network, workers=0)
    features.save(tmp_path / "features.npz")
    close = pytest.approx(expected, rel=1e-9)
    assert fid_of(folder, fake) == close
    assert fid_of(str(folder), torch.from_numpy(fake).permute(0, 3, 1, 2)) == close
    assert fid_of(tmp_path / "features.npz", batches()) == close
    assert fid_of(open_source(folder), list(fake)) == close
    labels = ArraySource(np.repeat(np.arange(11, dtype=np.uint8)[:, None, None, None], 3, axis=3))
    assert fid_of(folder, GeneratedSource(labels, lambda label: fake[label[0, 0, 0]])) == close
    save_statistics(tmp_path / "statistics.npz", moments(features.values), features.stamp)
    statistics = compute_fid(tmp_path / "statistics.npz", fake, settings=SETTINGS)
    assert statistics.fid == pytest.approx(expected, abs=DIMS * 1e-7)
    assert not hasattr(statistics, "fid_se")


def test_numbers_are_no_names_to_pair_by(images: tuple[np.ndarray, np.ndarray]) -> None:
    real, fake = images[0][:11], images[1]
    unnamed = compute_fid(real, fake, settings=SETTINGS, replicates=0)
    assert isinstance(unnamed, FidResult)
    assert unnamed.pairing == "independent"
    ids = [f"scene {index}" for index in range(11)]
    named = compute_fid(ArraySource(real, ids=ids), ArraySource(fake, ids=ids), settings=SETTINGS, replicates=0)
    assert isinstance(named, FidResult)
    assert (named.pairing, named.fid) == ("paired", unnamed.fid)


def test_an_empty_iterable_is_refused(images: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(InputError, match="at least one batch, found none"):
        compute_fid(images[0], iter([]), settings=SETTINGS)
