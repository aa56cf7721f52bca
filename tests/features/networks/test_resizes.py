from __future__ import annotations

import numpy as np
import pytest
import torch

from p2phd_eval.features.identity import Resize
from p2phd_eval.features.networks import resizes
from p2phd_eval.features.networks.resizes import RESIZES, SIDE
from p2phd_eval.torchvision_ops import declare_missing_operators

# Height and width: larger and smaller than 299, not square, the network's own size, a single row.
SHAPES = [(360, 480), (32, 32), (299, 299), (100, 700), (1, 5)]


def pixels(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def planes(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].to(torch.float32)


def test_every_resize_has_its_function() -> None:
    assert set(RESIZES) == set(Resize)


@pytest.mark.parametrize("shape", SHAPES)
def test_legacy_tensorflow_is_torch_fidelitys(shape: tuple[int, int]) -> None:
    declare_missing_operators()
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x as peer

    image = pixels(shape)
    expected = (peer(planes(image), size=(SIDE, SIDE), align_corners=False)[0] - 128) / 128
    # One level is 1/128; the sums are in another order.
    torch.testing.assert_close(RESIZES[Resize.LEGACY_TENSORFLOW](image), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_clean_is_clean_fids(shape: tuple[int, int]) -> None:
    from cleanfid.resize import build_resizer

    image = pixels(shape)
    expected = (build_resizer("clean")(image).transpose(2, 0, 1) - 128) / 128
    np.testing.assert_array_equal(RESIZES[Resize.CLEAN](image).numpy(), expected)


@pytest.mark.parametrize("resize", Resize)
def test_flat_images_keep_their_level_and_range(resize: Resize) -> None:
    unit = resize is Resize.LEGACY_PYTORCH
    for level in (0, 77, 255):
        got = RESIZES[resize](np.full((40, 60, 3), level, dtype=np.uint8))
        expected = level / 127.5 - 1 if unit else (level - 128) / 128
        assert got.shape == (3, SIDE, SIDE)
        torch.testing.assert_close(got, torch.full_like(got, expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize("resize", Resize)
def test_the_networks_own_size_is_left_as_it_is(resize: Resize) -> None:
    image = pixels((SIDE, SIDE))
    span = 127.5 if resize is Resize.LEGACY_PYTORCH else 128
    torch.testing.assert_close(RESIZES[resize](image) * span + span, planes(image)[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("resize", Resize)
def test_channels_do_not_mix(resize: Resize) -> None:
    image = pixels((50, 70))
    flipped = RESIZES[resize](np.ascontiguousarray(image[:, :, ::-1]))
    torch.testing.assert_close(flipped.flip(0), RESIZES[resize](image), rtol=0, atol=0)


def test_antialiasing_is_what_tells_the_modes_apart() -> None:
    """A fine checkerboard averages to grey where a resize antialiases, and aliases where it does not."""
    board = np.indices((1196, 1196)).sum(axis=0) % 2 * 255
    image = np.repeat(board[:, :, None].astype(np.uint8), 3, axis=2)
    level = {resize: abs(float(RESIZES[resize](image).mean())) for resize in Resize}
    assert max(level[Resize.CLEAN], level[Resize.TORCHMETRICS]) < 0.05
    assert level[Resize.LEGACY_TENSORFLOW] > 0.9  # takes every fourth pixel, all of one colour


@pytest.mark.parametrize("resize", Resize)
def test_threads_do_not_matter(resize: Resize) -> None:
    """To the bit: decoding processes have one thread, and this one as many as there are cores."""
    image, threads = pixels((360, 480)), torch.get_num_threads()
    try:
        results = []
        for n in (1, 2, 3):
            torch.set_num_threads(n)
            results.append(RESIZES[resize](image))
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


@pytest.mark.parametrize("resize", [Resize.LEGACY_PYTORCH, Resize.TORCHMETRICS])
def test_a_large_image_is_resized_by_its_channels(resize: Resize, monkeypatch: pytest.MonkeyPatch) -> None:
    image = pixels((310, 420))
    whole = RESIZES[resize](image)
    monkeypatch.setattr(resizes, "_LARGE", 1000)
    torch.testing.assert_close(RESIZES[resize](image), whole, rtol=0, atol=1e-6)
