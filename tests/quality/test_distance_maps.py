"""Distances at each pixel: their means are the distances of whole images, and they tell where images differ."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from p2phd_eval.errors import InputError
from p2phd_eval.quality.distance_maps import LPIPS, MSE, SSIM, DistanceMaps
from p2phd_eval.quality.lpips import Lpips
from p2phd_eval.quality.lpips_weights import find_lpips_weights
from p2phd_eval.torchvision_ops import declare_missing_operators
from tests.quality.alexnet import write_random_alexnet

declare_missing_operators()


@pytest.fixture(scope="module")
def lpips(tmp_path_factory: pytest.TempPathFactory) -> Lpips:
    return Lpips(find_lpips_weights(write_random_alexnet(tmp_path_factory.mktemp("alexnet") / "random.pth")), "cpu")


@pytest.fixture(scope="module")
def pair() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 256, (2, 48, 64, 3), dtype=np.uint8)
    noise = rng.integers(-40, 41, first.shape)
    return first, np.clip(first + noise, 0, 255).astype(np.uint8)


def test_means_of_maps_are_the_distances_of_images(
    pair: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]], lpips: Lpips
) -> None:
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    maps = DistanceMaps(lpips, "cpu")(*pair)
    tensors = [torch.from_numpy(each).permute(0, 3, 1, 2).float() / 255 for each in pair]
    ssim = structural_similarity_index_measure(tensors[1], tensors[0], data_range=1.0, reduction="none")
    psnr = peak_signal_noise_ratio(tensors[1], tensors[0], data_range=1.0, reduction="none", dim=(1, 2, 3))
    assert isinstance(ssim, torch.Tensor)
    np.testing.assert_allclose(1 - maps[SSIM.name].mean((1, 2)), ssim.numpy(), rtol=1e-5)
    np.testing.assert_allclose(10 * np.log10(255**2 / maps[MSE.name].mean((1, 2))), psnr.numpy(), rtol=1e-5)
    # Enlarging changes the mean of a layer's map a little.
    whole = lpips(2 * tensors[0] - 1, 2 * tensors[1] - 1).numpy()
    np.testing.assert_allclose(maps[LPIPS.name].mean((1, 2)), whole, rtol=0.05)


def test_only_where_images_differ_there_is_a_distance(lpips: Lpips) -> None:
    rng = np.random.default_rng(1)
    first = rng.integers(0, 256, (1, 64, 96, 3), dtype=np.uint8)
    second = first.copy()
    second[:, 20:30, 40:60] = 255 - second[:, 20:30, 40:60]
    maps = DistanceMaps(lpips, "cpu")(first, second)
    where = np.zeros((64, 96), bool)
    where[20:30, 40:60] = True
    assert (maps[MSE.name][0] > 0)[where].mean() > 0.9
    assert not maps[MSE.name][0][~where].any()
    seen = np.zeros((64, 96), bool)
    seen[15:35, 35:65] = True  # SSIM's window reaches five pixels
    assert not maps[SSIM.name][0][~seen].any()
    assert maps[SSIM.name][0][where].mean() > 0.5
    assert maps[LPIPS.name][0][where].mean() > 2 * maps[LPIPS.name][0][~where].mean()


def test_the_same_images_have_no_distance(pair: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]) -> None:
    maps = DistanceMaps(None, "cpu")(pair[0], pair[0])
    assert set(maps) == {MSE.name, SSIM.name}
    assert not maps[MSE.name].any()
    assert maps[SSIM.name].max() < 1e-6
    assert maps[SSIM.name].min() >= 0


def test_images_that_are_too_small_are_refused(lpips: Lpips) -> None:
    DistanceMaps(None, "cpu").require_size(11, 20, "a")
    with pytest.raises(InputError, match="11 pixels or more"):
        DistanceMaps(None, "cpu").require_size(11, 10, "a")
    with pytest.raises(InputError, match="31 pixels or more"):
        DistanceMaps(lpips, "cpu").require_size(30, 40, "a")
