"""SSIM and PSNR against their equations, and what does not change them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from scipy import ndimage

from p2phd_eval.errors import InputError
from p2phd_eval.images.png import write_png
from p2phd_eval.images.sources.arrays import ArraySource
from p2phd_eval.images.sources.folder import FolderSource
from p2phd_eval.quality import paired_reading
from p2phd_eval.quality.image_distance import PSNR, PSNR_MOST, SSIM, ImageDistance
from p2phd_eval.quality.image_quality import ImageQuality, per_image_quality
from p2phd_eval.quality.lpips import Lpips
from p2phd_eval.quality.lpips_weights import find_lpips_weights
from p2phd_eval.torchvision_ops import declare_missing_operators
from tests.quality.alexnet import write_random_alexnet

Pixels = npt.NDArray[np.uint8]


def pictures(seed: int, n: int = 4, height: int = 40, width: int = 56) -> Pixels:
    """Smooth random images with some noise, (n, height, width, 3)."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(n, height, width, 3)), (0, 4, 4, 0))
    values = 128 + 60 * smooth / smooth.std() + rng.normal(scale=5, size=smooth.shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def source(images: Pixels, ids: list[str] | None = None) -> ArraySource:
    return ArraySource(images, ids=ids)


@pytest.fixture(scope="module")
def lpips(tmp_path_factory: pytest.TempPathFactory) -> Lpips:
    path = write_random_alexnet(tmp_path_factory.mktemp("alexnet") / "random.pth")
    return Lpips(find_lpips_weights(path), "cpu")


@pytest.fixture(scope="module")
def all_three(lpips: Lpips) -> tuple[ImageDistance, ...]:
    return SSIM, PSNR, lpips.as_distance()


def plain_ssim(first: Pixels, second: Pixels) -> float:
    """Wang et al. (2004), eq. 13, in [0, 255] and float64, as SciPy filters: mean over pixels and channels."""

    def local_mean(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        # 11 x 11 pixels; SciPy calls the reflection without the border pixel "mirror".
        return ndimage.gaussian_filter(x, (1.5, 1.5, 0), radius=(5, 5, 0), mode="mirror")

    x, y = first.astype(np.float64), second.astype(np.float64)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mx, my = local_mean(x), local_mean(y)
    vx, vy, cov = local_mean(x * x) - mx**2, local_mean(y * y) - my**2, local_mean(x * y) - mx * my
    return float(np.mean((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))))


def test_values_follow_their_equations() -> None:
    photos, samples = pictures(0), pictures(1)
    samples[2] = np.clip(photos[2] + 7.0, 0, 255)  # a good one
    found = per_image_quality(source(photos), [source(samples)])
    mse = ((photos.astype(float) - samples) ** 2).mean(axis=(1, 2, 3))
    assert found.to_photo["PSNR"][0] == pytest.approx(10 * np.log10(255**2 / mse), rel=1e-5)
    ssim = [plain_ssim(*pair) for pair in zip(photos, samples, strict=True)]
    assert found.to_photo["SSIM"][0] == pytest.approx(ssim, abs=1e-5)
    assert [(m.name, m.unit, m.better, m.network) for m in found.metrics] == [
        ("SSIM", "", "higher", None),
        ("PSNR", "dB", "higher", None),
    ]


def test_values_are_torchmetrics_own(lpips: Lpips, all_three: tuple[ImageDistance, ...]) -> None:
    declare_missing_operators()
    from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

    photos, samples = pictures(2), pictures(3)
    found = per_image_quality(source(photos), [source(samples)], distances=all_three)
    tensors = [torch.from_numpy(images.transpose(0, 3, 1, 2).copy()) / 255 for images in (samples, photos)]
    for k in range(len(photos)):
        pair = [images[[k]] for images in tensors]
        ssim = StructuralSimilarityIndexMeasure(data_range=1.0)(*pair)
        psnr = PeakSignalNoiseRatio(data_range=1.0)(*pair)
        assert found.to_photo["SSIM"][0, k] == pytest.approx(ssim.item(), abs=1e-6)
        assert found.to_photo["PSNR"][0, k] == pytest.approx(psnr.item(), rel=1e-6)
        assert found.to_photo["LPIPS"][0, k] == pytest.approx(lpips(*(2 * x - 1 for x in pair)).item(), abs=1e-6)


def test_identical_images_have_the_psnr_of_rounding(all_three: tuple[ImageDistance, ...]) -> None:
    photos = pictures(4)
    found = per_image_quality(source(photos), [source(photos)], distances=all_three)
    assert found.to_photo["SSIM"].tolist() == [[1.0] * 4]
    assert found.to_photo["LPIPS"].tolist() == [[0.0] * 4]
    assert found.to_photo["PSNR"].tolist() == [[PSNR_MOST] * 4]
    # The mean squared error of rounding, by simulation.
    values = np.random.default_rng(0).uniform(0, 255, size=200_000)
    error = np.mean((values - np.rint(values)) ** 2)
    assert 10 * math.log10(255**2 / error) == pytest.approx(PSNR_MOST, abs=0.05)


def test_pairs_of_samples_are_compared_symmetrically_and_as_photos_are(all_three: tuple[ImageDistance, ...]) -> None:
    sources = [source(pictures(seed)) for seed in (5, 6, 7)]
    found = per_image_quality(sources[0], sources, pairs=[(0, 1), (2, 1)], distances=all_three)
    for name, table in found.between.items():
        assert table.shape == (2, 4)
        assert table[0] == pytest.approx(found.to_photo[name][1], rel=1e-5)  # the first sample is the photo
        turned = per_image_quality(sources[0], sources, pairs=[(1, 2)], distances=all_three).between[name]
        assert table[1] == pytest.approx(turned[0], rel=1e-5)


def test_images_pair_up_by_their_ids_in_the_order_of_the_ids() -> None:
    photos, samples = pictures(8), pictures(9)
    straight = per_image_quality(source(photos, list("abcd")), [source(samples, list("abcd"))])
    order = [2, 0, 3, 1]
    shuffled = source(samples[order], [list("abcd")[k] for k in order])
    assert_same(per_image_quality(source(photos, list("abcd")), [shuffled]), straight)
    fewer = per_image_quality(source(photos[[3, 1]], ["d", "b"]), [shuffled])
    assert fewer.ids == ("b", "d")
    assert fewer.to_photo["SSIM"][0] == pytest.approx(straight.to_photo["SSIM"][0, [1, 3]], abs=1e-6)


def test_batches_do_not_change_values(all_three: tuple[ImageDistance, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    photos, samples = source(pictures(10)), [source(pictures(seed)) for seed in (11, 12)]
    whole = per_image_quality(photos, samples, pairs=[(0, 1)], distances=all_three)
    for images in (1, 3):
        monkeypatch.setattr(paired_reading, "BATCH_PIXELS", images * 40 * 56)
        assert_same(per_image_quality(photos, samples, pairs=[(0, 1)], distances=all_three), whole)


def test_sizes_may_change_from_image_to_image() -> None:
    sizes = [(40, 56), (40, 56), (24, 32), (40, 56)]
    photos, samples = ([pictures(10 * k + seed, 1, *size)[0] for k, size in enumerate(sizes)] for seed in (0, 1))
    seen: list[tuple[int, int]] = []
    found = per_image_quality(
        ArraySource(photos), [ArraySource(samples)], on_progress=lambda done, total: seen.append((done, total))
    )
    ssim = [plain_ssim(*pair) for pair in zip(photos, samples, strict=True)]
    assert found.to_photo["SSIM"][0] == pytest.approx(ssim, abs=1e-5)
    assert seen == [(2, 4), (3, 4), (4, 4)]


def test_photos_are_resized_to_their_samples_as_training_does() -> None:
    photos, samples = pictures(13, height=80, width=112), pictures(14)
    small = [np.asarray(Image.fromarray(photo).resize((56, 40), Image.Resampling.BICUBIC)) for photo in photos]
    found = per_image_quality(source(photos), [source(samples)])
    expected = per_image_quality(ArraySource(small), [source(samples)])
    assert (found.resized, expected.resized) == (4, 0)
    assert_same(found, expected)


def test_unusable_images_are_named(tmp_path: Path, all_three: tuple[ImageDistance, ...]) -> None:
    photos = source(pictures(15), list("abcd"))
    small = source(pictures(16, height=10, width=56), list("abcd"))
    with pytest.raises(InputError, match="image 0 of 4 arrays: expected an image of 11 pixels or more"):
        per_image_quality(photos, [small])
    window = source(pictures(16, height=11, width=30), list("abcd"))
    assert np.isfinite(per_image_quality(photos, [window]).to_photo["SSIM"]).all()
    with pytest.raises(InputError, match="31 pixels or more"):
        per_image_quality(photos, [window], distances=all_three)
    with pytest.raises(InputError, match="the same image of 4 arrays, 56 x 40, found 30 x 11"):
        per_image_quality(photos, [photos, window])
    with pytest.raises(InputError, match="2 images with the id 'a'"):
        per_image_quality(photos, [source(pictures(17), list("aabc"))])
    with pytest.raises(InputError, match="at least 2 ids that all sets share"):
        per_image_quality(photos, [source(pictures(17), list("dxyz"))])
    for name, image in zip("ab", pictures(18), strict=False):
        write_png(tmp_path / f"{name}.png", image)
    (tmp_path / "b.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"b\.png"):
        per_image_quality(photos, [FolderSource(tmp_path)])


def assert_same(found: ImageQuality, expected: ImageQuality) -> None:
    assert found.ids == expected.ids
    for tables, others in ((found.to_photo, expected.to_photo), (found.between, expected.between)):
        for name, table in tables.items():
            assert table == pytest.approx(others[name], rel=0, abs=1e-6 if name != "PSNR" else 1e-4), name
