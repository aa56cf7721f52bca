"""Products of float32 features by torch: those of NumPy on a CPU, and float32's own on a GPU."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from p2phd_eval.features.device_products import multiply_in_torch, multiply_on
from p2phd_eval.stats.distances.kernel import kernel_distance
from p2phd_eval.stats.distances.neighbours import neighbour_metrics
from p2phd_eval.stats.distances.products import multiply_on_cpu


def features(n: int, seed: int, d: int = 300) -> npt.NDArray[np.float32]:
    return (3 + np.random.default_rng(seed).normal(size=(n, d))).astype(np.float32)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def test_products_are_those_of_float32(device: str) -> None:
    left, right = features(40, 0), features(30, 1)
    products = multiply_in_torch(torch.device(device), left, right)
    assert products.dtype == np.float32
    np.testing.assert_allclose(products, multiply_on_cpu(left, right), rtol=1e-5)


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_elsewhere_the_cpu_multiplies(device: str) -> None:
    with multiply_on(device) as multiply:
        assert multiply is multiply_on_cpu


@pytest.mark.cuda
def test_a_gpu_gives_the_same_metrics_whatever_the_process_allows() -> None:
    real, fake = features(1500, 0), features(1200, 1)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with multiply_on("cuda") as multiply:
            near = neighbour_metrics(real, fake, multiply=multiply)
            kid = kernel_distance(real, fake, paired=False, multiply=multiply)
    finally:
        torch.set_float32_matmul_precision(before)
    assert near == neighbour_metrics(real, fake)
    expected = kernel_distance(real, fake, paired=False)
    assert (kid.value, kid.se) == pytest.approx((expected.value, expected.se), abs=1e-5 * expected.se)
