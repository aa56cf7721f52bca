"""What benchmarks/gpu.py times in the place of the training step computes the same."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

from p2phd_eval.generators.training.step import Pix2PixHD
from p2phd_eval.presets import configure
from tests.generators.training.random_batch import random_batch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CPU = torch.device("cpu")
TINY = {"load_size": 64, "ngf": 4, "n_downsample": 2, "n_blocks": 1, "ndf": 4, "n_layers_d": 2, "vgg": "none"}
LABEL = 36  # channels: 35 classes and edges


@pytest.fixture(scope="module")
def candidates() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("step_candidates")
    sys.modules.pop("step_candidates", None)


@pytest.mark.parametrize(
    ("preset", "precision", "tolerance", "padded_convolutions"),
    [("512p", "fp64", 1e-9, 1 + 2), ("1024p", "fp64", 1e-9, 2 + 3), ("512p", "amp-bf16", 0.02, 1 + 2)],
)
def test_padded_channels_change_nothing_but_roundings(
    candidates: ModuleType, preset: str, precision: str, tolerance: float, padded_convolutions: int
) -> None:
    """Not even these on most CPUs; but a kernel for more channels may sum in another order."""
    config = configure(Path(), preset, label_nc=LABEL - 1, instances=True, niter_fix_global=0, **TINY)
    plain, padded = (Pix2PixHD(replace(config, precision=precision), CPU) for _ in range(2))
    candidates.pad_input_channels(padded)
    batch = random_batch(CPU)
    for _ in range(3):
        expected, _ = plain.train_step(batch)
        found, _ = padded.train_step(batch)
        for name, loss in expected.items():
            assert found[name].item() == pytest.approx(loss.item(), rel=tolerance)
    with_zeros = 0
    for network in ("generator", "discriminator"):
        pairs = zip(getattr(plain, network).parameters(), getattr(padded, network).parameters(), strict=True)
        for a, b in pairs:
            gradient = b.grad
            if a.shape != b.shape:
                assert b.shape[1] == 40
                added = slice(LABEL, LABEL + b.shape[1] - a.shape[1])
                # To the bit, after three updates.
                assert not b[:, added].any()
                assert not gradient[:, added].any()
                gradient = torch.cat((gradient[:, : added.start], gradient[:, added.stop :]), dim=1)
                with_zeros += 1
            scale = a.grad.abs().max().item()
            torch.testing.assert_close(gradient, a.grad, rtol=0, atol=tolerance * max(scale, 1e-3))
    assert with_zeros == padded_convolutions
