from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
import torch

from p2phd_eval.errors import InputError
from p2phd_eval.features.identity import FeaturePrecision, NetworkIdentity, Resize
from p2phd_eval.features.networks.inception import FidInception, load_inception
from p2phd_eval.features.weights.index import WeightsFile
from tests.features.peer import pytorch_fid_network

# Both sides are float32 networks of 94 layers; they differ in the order of their sums (channels last).
TOLERANCE = 1e-4


def _images(shape: tuple[int, int, int, int]) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


# Smaller and larger than 299, not square, and 299 itself.
@pytest.mark.parametrize("shape", [(2, 3, 64, 128), (1, 3, 400, 310), (1, 3, 299, 299)])
def test_features_are_pytorch_fids(
    inception: FidInception,
    inception_weights: WeightsFile,
    monkeypatch: pytest.MonkeyPatch,
    shape: tuple[int, int, int, int],
) -> None:
    images = _images(shape)
    monkeypatch.setattr(inception, "batch_size", len(images))  # a pass of the usual size takes several times as long
    with torch.no_grad():
        expected = pytorch_fid_network(inception_weights)(images / 255)[0][:, :, 0, 0]
    got = inception.features(images)
    assert got.dtype == torch.float32
    assert got.shape == (shape[0], 2048)
    torch.testing.assert_close(got, expected, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize(
    "context", [torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode()], ids=["autocast", "inference"]
)
def test_the_callers_contexts_do_not_change_features(
    inception: FidInception, monkeypatch: pytest.MonkeyPatch, context: contextlib.AbstractContextManager[object]
) -> None:
    images = _images((1, 3, 50, 60))
    monkeypatch.setattr(inception, "batch_size", 1)
    expected = inception.features(images)
    flags = (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark)
    with context:
        got = inception.features(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(got, expected, rtol=0, atol=0)
    assert not got.requires_grad
    assert flags == (
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark,
    )


def test_the_network_knows_its_weights_and_its_space(inception_weights: WeightsFile) -> None:
    network = load_inception(inception_weights, "cpu", resize=Resize.CLEAN, dims=192, precision=FeaturePrecision.BF16)
    assert network.identity == NetworkIdentity(
        weights=inception_weights.name,
        weights_sha256=inception_weights.sha256,
        resize="clean",
        dims=192,
        dtype="bfloat16",
    )


def test_reduced_precision_is_near_float32(inception_weights: WeightsFile) -> None:
    """And not float32 itself: bfloat16 has 8 bits, so a relative error of some 2^-8 in the features."""
    exact = load_inception(inception_weights, "cpu", dims=192)
    reduced = load_inception(inception_weights, "cpu", dims=192, precision=FeaturePrecision.BF16)
    images = _images((1, 3, 60, 80))
    error = (reduced.features(images) - exact.features(images)).norm() / exact.features(images).norm()
    assert 2**-14 < error < 2**-5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dims": 100}, "--dims: expected 64 or 192 or 768 or 2048, found 100"),
        ({"precision": FeaturePrecision.TF32}, "tf32: expected an NVIDIA GPU"),
    ],
)
def test_what_the_network_does_not_offer_is_refused(
    inception_weights: WeightsFile, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load_inception(inception_weights, "cpu", **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_an_input_error(inception_weights: WeightsFile) -> None:
    with pytest.raises(InputError, match="device cuda"):
        load_inception(inception_weights, "cuda")


@pytest.mark.cuda
def test_a_gpu_gives_the_same_features(inception: FidInception, inception_weights: WeightsFile) -> None:
    on_gpu = load_inception(inception_weights, "cuda")
    images = _images((2, 3, 64, 128))
    torch.testing.assert_close(on_gpu.features(images).cpu(), inception.features(images), rtol=1e-3, atol=1e-3)
