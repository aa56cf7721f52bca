"""What only a GPU can show; skipped by name where there is none."""

from __future__ import annotations

import collections.abc
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from p2phd_eval.config import ExecutionConfig, FeatureConfig, TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.checkpoint import load_checkpoint
from p2phd_eval.generators.training.apex_amp import import_apex_amp
from p2phd_eval.generators.training.emulation import EmulatedProducts
from p2phd_eval.generators.training.loop import train_networks
from p2phd_eval.generators.training.precision import PRECISIONS, backend_flags
from p2phd_eval.generators.training.step import Pix2PixHD
from tests.generators.training.random_batch import random_batch

pytestmark = pytest.mark.cuda

CUDA = torch.device("cuda", 0)
OURS = [name for name, precision in PRECISIONS.items() if precision.apex_level is None]


@pytest.mark.parametrize("name", OURS)
def test_every_precision_but_apexs_trains_near_fp64(tiny: TrainConfig, name: str) -> None:
    batch = random_batch(CUDA)
    with backend_flags(PRECISIONS[name]):
        model = Pix2PixHD(replace(tiny, precision=name), CUDA)
        found, fake = model.train_step(batch)
    expected, _ = Pix2PixHD(replace(tiny, precision="fp64"), CUDA).train_step(batch)
    for key, loss in expected.items():
        assert found[key].item() == pytest.approx(loss.item(), rel=0.2 if "fp8" in name else 0.05)
    assert fake.isfinite().all()


@pytest.mark.parametrize("name", ["amp-fp16", "amp-bf16"])
def test_emulated_products_are_those_of_tensor_cores(tiny: TrainConfig, name: str) -> None:
    """But for the order of sums, and what is kept of them between: a few values differ by a last digit."""
    dtype = PRECISIONS[name].autocast_dtype
    assert dtype is not None
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(shape, generator=generator).to(CUDA) for shape in ((2, 32, 32, 64), (64, 32, 3, 3)))
    with backend_flags(PRECISIONS[name]):
        with torch.autocast("cuda", dtype=dtype):
            expected = torch.conv2d(x, weight)
        with EmulatedProducts(dtype):
            found = torch.conv2d(x, weight)
    assert found.dtype == expected.dtype
    assert (found != expected).float().mean().item() < 0.02
    torch.testing.assert_close(found, expected, rtol=2 * torch.finfo(dtype).eps, atol=1e-3)


@pytest.mark.parametrize("name", ["fp32", "amp-fp16", "amp-bf16", "fp16", "bf16", "amp-fp8"])
def test_a_step_never_waits_for_the_gpu(tiny: TrainConfig, name: str) -> None:
    config = replace(tiny, precision=name, features=FeatureConfig(kind="instance", nef=2, n_downsample=2))
    batch = random_batch(CUDA)
    model = Pix2PixHD(config, CUDA)
    model.train_step(batch)  # the first makes the optimizers' states
    torch.cuda.set_sync_debug_mode("error")
    try:
        model.train_step(batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("name", ["fp32", "amp-fp16"])
def test_deterministic_runs_are_bitwise_equal(scenes: Path, tiny: TrainConfig, tmp_path: Path, name: str) -> None:
    config = replace(tiny, precision=name, execution=ExecutionConfig(deterministic=True))
    runs = [train_networks(config, scenes, tmp_path / str(i), device=CUDA).checkpoint for i in (0, 1)]
    a, b = (load_checkpoint(path).networks for path in runs)
    assert all(torch.equal(a[network][key], b[network][key]) for network in a for key in a[network])


def test_the_loss_scale_falls_on_overflow_and_the_step_is_skipped(tiny: TrainConfig) -> None:
    model = Pix2PixHD(replace(tiny, precision="amp-fp16"), CUDA)
    state = model.discriminator_optimizer.state_dict()
    state["scaler"]["scale"] = 1e38
    model.discriminator_optimizer.load_state_dict(state, "run.pt")
    model.train_step(random_batch(CUDA))
    assert (model.discriminator_optimizer.skipped, model.generator_optimizer.skipped) == (1, 0)
    assert model.discriminator_optimizer.scale == pytest.approx(0.5e38)


@pytest.fixture
def names_of_torch_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """What PyPI's pytorch-extension 0.2, NVIDIA's apex of 2021 without its kernels, still imports from torch."""
    module = types.ModuleType("torch._six")
    vars(module).update(string_classes=(str, bytes), container_abcs=collections.abc, inf=float("inf"))
    monkeypatch.setitem(sys.modules, "torch._six", module)


@pytest.mark.usefixtures("names_of_torch_1")
@pytest.mark.filterwarnings("ignore")  # of apex itself
@pytest.mark.parametrize("name", ["apex-O1", "apex-O2"])
def test_apex_trains_and_goes_on(scenes: Path, tiny: TrainConfig, tmp_path: Path, name: str) -> None:
    try:
        import_apex_amp(name)
    except InputError as error:
        pytest.skip(str(error))
    config = replace(tiny, precision=name, epochs_decay=0)
    train_networks(replace(config, epochs=1), scenes, tmp_path / "run", device=CUDA)
    result = train_networks(config, scenes, tmp_path / "run", device=CUDA, resume=True)
    optimizers = load_checkpoint(result.checkpoint).optimizers
    assert "loss_scaler0" in optimizers["G"]["amp"]
    assert result.last_record is not None
    assert all(value is not None for value in result.last_record.losses.values())
