from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from p2phd_eval.config import ARITHMETICS, ExecutionConfig, TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.data.batch import Batch
from p2phd_eval.generators.networks.conditioning import encode
from p2phd_eval.generators.networks.layers import BatchNorm2d, InstanceNorm2d
from p2phd_eval.generators.training.emulation import computes_natively
from p2phd_eval.generators.training.master_weights import NetworkWeights
from p2phd_eval.generators.training.precision import (
    PRECISIONS,
    ScaledOptimizer,
    amp_name,
    backend_flags,
    find_precision,
)
from p2phd_eval.generators.training.step import Pix2PixHD

CPU = torch.device("cpu")


def test_amp_is_fp16_with_a_scaler_on_cuda_and_bf16_on_the_cpu() -> None:
    assert amp_name(torch.device("cuda")) == "amp-fp16"
    assert amp_name(CPU) == "amp-bf16"
    assert [name for name, precision in PRECISIONS.items() if precision.full] == ["fp64", "fp32"]
    assert PRECISIONS["amp-fp16"].scales_loss
    assert not PRECISIONS["amp-bf16"].scales_loss


CUDA = torch.device("cuda")


@pytest.mark.parametrize("name", PRECISIONS)
def test_arithmetic_is_settled_by_name_device_and_what_is_asked(name: str) -> None:
    expected = dict.fromkeys(("amp-fp16", "amp-bf16", "fp16", "bf16"), ("native", "emulated"))
    expected |= dict.fromkeys(("amp-fp8", "fp8-plain", "fp4-plain"), ("emulated", "emulated"))
    if PRECISIONS[name].apex_level is None:
        found = find_precision(name, CUDA), find_precision(name, CUDA, "emulated")
        assert tuple(each.arithmetic for each in found) == expected.get(name, ("native", "native"))
        assert replace(found[1], emulated=False) == PRECISIONS[name]  # what runs in which dtype is the same


@pytest.mark.parametrize(("name", "dtype"), [("amp-fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_a_cpu_without_the_instructions_emulates(name: str, dtype: torch.dtype) -> None:
    assert find_precision(name, CPU).emulated != computes_natively(dtype, CPU)
    assert not find_precision(name, CPU, "native").emulated
    assert find_precision(name, CPU, "emulated").emulated


def test_arithmetics_that_cannot_be() -> None:
    with pytest.raises(InputError, match=r"--arithmetic: expected native \| emulated, found 'exact'"):
        find_precision("fp32", CPU, "exact")
    with pytest.raises(InputError, match="--arithmetic native: expected emulated for amp-fp8"):
        find_precision("amp-fp8", CUDA, "native")


def test_unknown_and_impossible_precisions_are_refused() -> None:
    with pytest.raises(InputError, match=r"expected fp64 \| fp32 \| tf32 \| amp-fp16 .*, found 'fp8'"):
        find_precision("fp8", CPU)
    with pytest.raises(InputError, match="a CUDA device"):
        find_precision("tf32", CPU)


@pytest.mark.parametrize(("name", "allowed"), [("fp32", False), ("tf32", True), ("amp-fp16", False)])
def test_tf32_is_set_explicitly_and_restored(name: str, allowed: bool) -> None:
    flags = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [flag.allow_tf32 for flag in flags]
    with backend_flags(PRECISIONS[name]):
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
    """A parameter of ones under Adam, whose first step moves it by the learning rate against the gradient's sign."""
    parameter = torch.nn.Parameter(torch.ones(3))
    return parameter, ScaledOptimizer([(parameter, parameter)], PRECISIONS[name], CPU, lr=0.1, beta1=0.5)


def step(scaled: ScaledOptimizer, loss: torch.Tensor) -> None:
    scaled.zero_grad()
    with scaled.scaled(loss) as scaled_loss:
        scaled_loss.backward()
    scaled.step()


def test_an_overflow_skips_the_step_halves_the_scale_and_is_counted() -> None:
    parameter, scaled = scaled_parameter("amp-fp16")
    start = scaled.scale
    assert start is not None
    step(scaled, (parameter * torch.inf).sum())
    assert torch.equal(parameter.detach(), torch.ones(3))
    assert scaled.skipped == 1
    assert scaled.scale == start / 2
    step(scaled, parameter.sum())
    torch.testing.assert_close(parameter.detach(), torch.full((3,), 0.9))
    assert parameter.grad is not None
    torch.testing.assert_close(parameter.grad, torch.ones(3))  # the scale is taken out again
    assert scaled.skipped == 1


def test_scaler_and_counter_survive_saving_and_a_new_optimizer() -> None:
    parameter, scaled = scaled_parameter("amp-fp16")
    step(scaled, (parameter * torch.nan).sum())
    _, restored = scaled_parameter("amp-fp16")
    restored.load_state_dict(copy.deepcopy(scaled.state_dict()), "run.pt")
    assert (restored.scale, restored.skipped) == (scaled.scale, 1)
    _, successor = scaled_parameter("amp-fp16")
    successor.take_over(restored)
    assert (successor.scale, successor.skipped) == (scaled.scale, 1)


def test_without_scaling_the_step_is_the_plain_one() -> None:
    parameter, scaled = scaled_parameter("fp32")
    step(scaled, (2.0 * parameter).sum())
    torch.testing.assert_close(parameter.detach(), torch.full((3,), 0.9))
    assert parameter.grad is not None
    torch.testing.assert_close(parameter.grad, torch.full((3,), 2.0))
    assert (scaled.scale, scaled.skipped) == (None, 0)


@pytest.mark.parametrize("name", ["fp16", "bf16"])
def test_master_copies_collect_what_is_too_small_for_reduced_weights(tiny: TrainConfig, name: str) -> None:
    """A step of 1e-5 on a weight of 1 is below half a last digit of both float16 (2**-11) and bfloat16 (2**-8)."""
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(network.weight)
    weights = NetworkWeights(network, PRECISIONS[name])
    scaled = ScaledOptimizer(weights.pairs(), PRECISIONS[name], CPU, lr=1e-5, beta1=0.5)
    x = torch.ones(1, 1, dtype=network.weight.dtype)
    for _ in range(200):
        step(scaled, network(x).float().sum())
    saved = weights.state_dict()["weight"].float().item()
    if name == "fp16":
        assert saved == pytest.approx(1 - 200e-5, abs=1e-5)
        assert network.weight.dtype == torch.float16
        assert network.weight.item() == pytest.approx(saved, abs=2**-11)
    else:
        assert saved == 1.0


def random_batch(config: TrainConfig) -> Batch:
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(config.data.label_nc, (2, 1, 32, 64), generator=generator, dtype=torch.int32)
    photo = torch.rand(2, 3, 32, 64, generator=generator) * 2 - 1
    return Batch(triplets=(), label=label, instance=label, photo=photo)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_an_overflow_of_the_discriminator_leaves_the_generators_step_and_scale_alone(
    tiny: TrainConfig, arithmetic: str
) -> None:
    config = replace(tiny, precision="amp-fp16", execution=ExecutionConfig(arithmetic=arithmetic))
    model = Pix2PixHD(config, CPU)
    before = copy.deepcopy(model.state_dict()["networks"])
    # G's scale keeps its gradients in float16's range; D's does not even fit them into float32: a real overflow.
    for scaled, scale in ((model.generator_optimizer, 128.0), (model.discriminator_optimizer, 1e38)):
        state = scaled.state_dict()
        state["scaler"]["scale"] = scale
        scaled.load_state_dict(state, "run.pt")
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


@pytest.mark.parametrize("name", ["amp-fp16", "amp-bf16", "fp16", "bf16", "amp-fp8", "fp8-plain"])
def test_reduced_precision_starts_from_the_weights_of_fp32_and_stays_near_it(tiny: TrainConfig, name: str) -> None:
    batch = random_batch(tiny)
    reference, reduced = Pix2PixHD(tiny, CPU), Pix2PixHD(replace_precision(tiny, name), CPU)
    for key, value in reference.state_dict()["networks"]["G"].items():
        assert torch.equal(
            value.to(reduced.state_dict()["networks"]["G"][key].dtype), reduced.state_dict()["networks"]["G"][key]
        )
    expected, _ = reference.train_step(batch)
    found, fake = reduced.train_step(batch)
    # bfloat16 has 8 bits of significand: 2**-8 a rounding; a few of them add up along the layers. E4M3 has 4.
    for key, loss in expected.items():
        assert found[key].dtype == torch.float32
        assert found[key].item() == pytest.approx(loss.item(), rel=0.2 if "fp8" in name else 0.05)
        assert found[key].item() != loss.item()
    assert fake.dtype == torch.float32


@pytest.mark.parametrize("name", ["fp32", "amp-bf16"])
def test_the_discriminators_gradients_are_those_of_their_own_loss(tiny: TrainConfig, name: str) -> None:
    """One forward serves both losses: what the generator's sends back through it must not stay in the weights."""
    model = Pix2PixHD(replace_precision(tiny, name), CPU)
    batch = random_batch(tiny)
    twin = Pix2PixHD(replace_precision(tiny, name), CPU)
    with twin.precision.autocast(CPU):
        x = encode(batch.label, batch.instance, tiny.data.label_nc)
        fake = twin.generator(x).detach()
        assert batch.photo is not None
        # As the first convolution would cast them.
        dtype = twin.precision.autocast_dtype or torch.float32
        on_fake, on_real = twin.discriminator(x.to(dtype), fake.to(dtype), batch.photo.to(dtype))
    logits = [(f[-1].float(), r[-1].float()) for f, r in zip(on_fake, on_real, strict=True)]
    loss = sum(0.5 * ((f**2).mean() + ((r - 1) ** 2).mean()) for f, r in logits)
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    model.train_step(batch)
    for found, expected in zip(model.discriminator.parameters(), twin.discriminator.parameters(), strict=True):
        assert found.grad is not None
        torch.testing.assert_close(found.grad, expected.grad)
