from __future__ import annotations

import numpy as np
import pytest
import torch

from p2phd_eval.errors import InputError
from p2phd_eval.features.metric import FidMetric
from p2phd_eval.features.networks.module_features import ModuleFeatures
from p2phd_eval.images.sources.arrays import ArraySource
from p2phd_eval.stats.distances.frechet import frechet_distance
from tests.features import tiny_network
from tests.features.all_features import all_features


@pytest.fixture(scope="module")
def network() -> ModuleFeatures:
    return tiny_network.build(torch.device("cpu"), None)


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray]:
    """Real and generated: uint8 (n, h, w, 3)."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (13, 24, 40, 3), dtype=np.uint8), rng.integers(0, 200, (11, 24, 40, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def expected(images: tuple[np.ndarray, np.ndarray], network: ModuleFeatures) -> float:
    features = [all_features(ArraySource(each), network, workers=0).values for each in images]
    return frechet_distance(*features).value


def test_batches_of_any_size_and_layout_give_the_same_bits(
    images: tuple[np.ndarray, np.ndarray], network: ModuleFeatures, expected: float
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
    assert found[0] == pytest.approx(expected, abs=tiny_network.DIMS * 1e-7)


def test_more_images_may_follow_a_result(
    images: tuple[np.ndarray, np.ndarray], network: ModuleFeatures, expected: float
) -> None:
    metric = FidMetric(network)
    metric.update(images[0][:5], real=True)
    metric.update(images[1], real=False)
    early = metric.compute().value
    metric.update(images[0][5:], real=True)
    assert metric.compute().value == pytest.approx(expected, abs=tiny_network.DIMS * 1e-7)
    assert early != pytest.approx(expected, rel=1e-3)


def test_reset_keeps_the_real_images(images: tuple[np.ndarray, np.ndarray], network: ModuleFeatures) -> None:
    metric = FidMetric(network)
    assert repr(metric) == "FidMetric: tiny on cpu"
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


def test_floats_are_refused(network: ModuleFeatures) -> None:
    with pytest.raises(InputError, match="dtype uint8"):
        FidMetric(network).update(torch.zeros(2, 3, 8, 8), real=True)


def test_floats_that_were_cast_to_bytes_are_warned_of(
    images: tuple[np.ndarray, np.ndarray], network: ModuleFeatures
) -> None:
    metric = FidMetric(network)
    metric.update(images[0][:4], real=True)
    metric.update((images[1][:5] / 255).astype(np.uint8), real=False)
    metric.update(images[1][:5], real=False)
    with pytest.warns(UserWarning, match="the generated images: 5 of 10, such as number 0, are black, without"):
        metric.compute()


def test_batches_with_labels_or_targets_are_refused(
    images: tuple[np.ndarray, np.ndarray], network: ModuleFeatures
) -> None:
    metric = FidMetric(network)
    for batch in ([images[0], np.zeros(13)], (images[0], images[1])):
        with pytest.raises(InputError, match=r"\(batch\[0\] for batch in loader\)"):
            metric.update(batch, real=True)
    metric.update(images[0][0], real=True)  # a single image is one
