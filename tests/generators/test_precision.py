from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.dataset import Batch
from p2phd_eval.generators.networks import BatchNorm2d, InstanceNorm2d
from p2phd_eval.generators.pix2pixhd import Pix2PixHD
from p2phd_eval.generators.precision import (
    PRECISIONS,
    ScaledOptimizer,
    amp_name,
    find_precision,
    tensor_core_flags,
)

CPU = torch.device("cpu")


def test_amp_is_fp16_with_a_scaler_on_cuda_and_bf16_on_the_cpu() -> None:
    assert amp_name(torch.device("cuda")) == "amp-fp16"
    assert amp_name(CPU) == "amp-bf16"
    assert PRECISIONS["amp-fp16"].scales_loss
    assert not PRECISIONS["amp-bf16"].scales_loss


def test_unknown_and_impossible_precisions_are_refused() -> None:
    with pytest.raises(InputError, match=r"expected fp32 \| tf32 \| amp-fp16 \| amp-bf16, found 'fp8'"):
        find_precision("fp8", CPU)
    with pytest.raises(InputError, match="a CUDA device"):
        find_precision("tf32", CPU)


@pytest.mark.parametrize(("name", "allowed"), [("fp32", False), ("tf32", True), ("amp-fp16", False)])
def test_tf32_is_set_explicitly_and_restored(name: str, allowed: bool) -> None:
    flags = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [flag.allow_tf32 for flag in flags]
    with tensor_core_flags(PRECISIONS[name]):
        assert [flag.allow_tf32 for flag in flags] == [allowed, allowed]
    assert [flag.allow_tf32 for flag in flags] == before


@pytest.mark.parametrize("norm", [InstanceNorm2d(2), BatchNorm2d(2)])
def test_norms_compute_in_float32_and_return_the_callers_dtype(norm: torch.nn.Module) -> None:
    # A mean of squares of 60000 overflows float16 (largest 65504), so a float16 norm would give NaN.
    x = torch.tensor([0.0, 60000.0]).half().repeat(1, 2, 4, 2)
    y = norm(x)
    assert y.dtype == torch.float16
    torch.testing.assert_close(y.float(), norm(x.float()), rtol=1e-3, atol=1e-3)
    assert y.isfinite().all()
    assert norm.double()(x.double()).dtype == torch.float64


def scaled_parameter(name: str) -> tuple[torch.nn.Parameter, ScaledOptimizer]:
    parameter = torch.nn.Parameter(torch.ones(3))
    return parameter, ScaledOptimizer(torch.optim.SGD([parameter], lr=0.1), PRECISIONS[name], CPU)


def test_an_overflow_skips_the_step_halves_the_scale_and_is_counted() -> None:
    parameter, scaled = scaled_parameter("amp-fp16")
    start = scaled.scale
    assert start is not None
    scaled.step((parameter * torch.inf).sum())
    assert torch.equal(parameter.detach(), torch.ones(3))
    assert scaled.skipped == 1
    assert scaled.scale == start / 2
    scaled.step(parameter.sum())
    torch.testing.assert_close(parameter.detach(), torch.full((3,), 0.9))  # 1 - 0.1 * 1: the scale is taken out again
    assert scaled.skipped == 1


def test_scaler_and_counter_survive_saving() -> None:
    parameter, scaled = scaled_parameter("amp-fp16")
    scaled.step((parameter * torch.nan).sum())
    _, restored = scaled_parameter("amp-fp16")
    restored.load_state_dict(copy.deepcopy(scaled.state_dict()))
    assert (restored.scale, restored.skipped) == (scaled.scale, 1)


def test_without_scaling_the_step_is_the_plain_one() -> None:
    parameter, scaled = scaled_parameter("fp32")
    scaled.step((2.0 * parameter).sum())
    torch.testing.assert_close(parameter.detach(), torch.full((3,), 0.8))
    assert scaled.scale is None


def random_batch(config: TrainConfig) -> Batch:
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(config.data.label_nc, (2, 1, 32, 64), generator=generator, dtype=torch.int32)
    photo = torch.rand(2, 3, 32, 64, generator=generator) * 2 - 1
    return Batch(triplets=(), label=label, instance=label, photo=photo)


def test_an_overflow_of_the_discriminator_leaves_the_generators_step_and_scale_alone(tiny: TrainConfig) -> None:
    model = Pix2PixHD(replace_precision(tiny, "amp-fp16"), CPU)
    before = copy.deepcopy(model.state_dict()["networks"])
    # G's scale keeps its gradients in float16's range; D's does not even fit them into float32: a real overflow.
    for scaled, scale in ((model.generator_optimizer, 128.0), (model.discriminator_optimizer, 1e38)):
        state = scaled.state_dict()
        state["scaler"]["scale"] = scale
        scaled.load_state_dict(state)
    model.train_step(random_batch(tiny))
    after = model.state_dict()["networks"]
    assert model.discriminator_optimizer.skipped == 1
    assert model.generator_optimizer.skipped == 0
    assert model.generator_optimizer.scale == 128.0
    assert model.discriminator_optimizer.scale == pytest.approx(0.5e38)
    assert all(torch.equal(before["D"][key], after["D"][key]) for key in before["D"])
    assert any(not torch.equal(before["G"][key], after["G"][key]) for key in before["G"])


def replace_precision(config: TrainConfig, name: str) -> TrainConfig:
    return replace(config, precision=name)


@pytest.mark.parametrize("name", ["amp-fp16", "amp-bf16"])
def test_amp_starts_from_the_weights_of_fp32_and_stays_near_it(tiny: TrainConfig, name: str) -> None:
    batch = random_batch(tiny)
    reference, reduced = Pix2PixHD(tiny, CPU), Pix2PixHD(replace_precision(tiny, name), CPU)
    for a, b in zip(reference.generator.parameters(), reduced.generator.parameters(), strict=True):
        assert torch.equal(a, b)
    expected, _ = reference.train_step(batch)
    found, fake = reduced.train_step(batch)
    # bfloat16 has 8 bits of significand: 2**-8 a rounding; a few of them add up along the layers.
    for key, loss in expected.items():
        assert found[key].dtype == torch.float32
        assert found[key].item() == pytest.approx(loss.item(), rel=0.05)
        assert found[key].item() != loss.item()
    assert fake.dtype == torch.float32


@pytest.mark.parametrize("name", ["fp32", "amp-bf16"])
def test_the_generators_loss_leaves_no_gradient_in_the_discriminators(tiny: TrainConfig, name: str) -> None:
    """Autocast's cached half-precision weights could carry one; D's gradients must be those of its own loss."""
    model = Pix2PixHD(replace_precision(tiny, name), CPU)
    gradients: list[torch.Tensor] = []

    def record(*_: object) -> None:
        gradients.extend(p.grad for p in model.discriminator.parameters() if p.grad is not None)

    model.generator_optimizer.optimizer.register_step_pre_hook(record)
    model.train_step(random_batch(tiny))
    assert gradients == []
    assert all(p.grad is not None for p in model.discriminator.parameters())
