"""Emulated products against their definition: rounded operands, exact products and sums, rounded results."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from p2phd_eval.config import ExecutionConfig, FeatureConfig, TrainConfig
from p2phd_eval.generators.training.emulation import EmulatedProducts
from p2phd_eval.generators.training.precision import PRECISIONS
from p2phd_eval.generators.training.step import Pix2PixHD
from tests.generators.training.random_batch import random_batch
from tests.generators.training.rounding import FORMATS, trying_values

CPU = torch.device("cpu")
EMULATED = ExecutionConfig(arithmetic="emulated")

Product = Callable[..., torch.Tensor]
# Shapes of the two operands and of the bias, and what is done with them.
PRODUCTS: dict[str, tuple[tuple[tuple[int, ...], ...], Product]] = {
    "3x3": (((2, 3, 6, 5), (4, 3, 3, 3), (4,)), lambda x, w, b: functional.conv2d(x, w, b, padding=1)),
    "strided": (
        ((2, 3, 9, 7), (4, 3, 4, 4), (4,)),
        lambda x, w, b: functional.conv2d(x, w, b, stride=2, padding=(2, 1)),
    ),
    "dilated, in groups": (
        ((1, 4, 9, 9), (6, 2, 3, 3)),
        lambda x, w: torch.conv2d(x, w, stride=(1, 2), dilation=2, groups=2),
    ),
    "7x7, of any padding": (((2, 3, 12, 12), (2, 3, 7, 7), (2,)), torch.conv2d),
    "to few channels, even sides": (((2, 3, 9, 11), (3, 3, 4, 4), (3,)), torch.conv2d),
    "1d": (((2, 3, 8), (4, 3, 3)), torch.conv1d),
    "3d": (((1, 2, 4, 4, 4), (3, 2, 2, 2, 2), (3,)), torch.conv3d),
    "transposed": (
        ((2, 4, 5, 4), (4, 3, 3, 3), (3,)),
        lambda x, w, b: functional.conv_transpose2d(x, w, b, stride=2, padding=1, output_padding=1),
    ),
    "transposed, in groups": (
        ((1, 4, 5, 5), (4, 2, 2, 2)),
        lambda x, w: torch.conv_transpose2d(x, w, groups=2, dilation=2),
    ),
    "linear": (((2, 5, 7), (3, 7), (3,)), functional.linear),
    "linear, a vector": (((7,), (3, 7)), functional.linear),
    "mm": (((4, 6), (6, 3)), torch.mm),
    "bmm": (((2, 4, 6), (2, 6, 3)), torch.bmm),
    "broadcast": (((2, 1, 4, 6), (5, 6, 3)), torch.matmul),
    "vector by matrix": (((6,), (2, 6, 3)), lambda a, b: a @ b),
    "matrix by vector": (((4, 6), (6,)), lambda a, b: a.matmul(b)),
    "vector by vector": (((6,), (6,)), torch.matmul),
}


def drawn(shapes: tuple[tuple[int, ...], ...]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


def assert_rounds(found: torch.Tensor, exact: torch.Tensor, dtype: torch.dtype, n_terms: int) -> None:
    """Half a last digit, and what a sum in float32 may lose of terms of about 1 before."""
    values, expected = found.detach().double().numpy(), exact.detach().numpy()
    allowed = FORMATS[dtype].ulp(expected) / 2 + n_terms * 2.0**-23
    assert (np.abs(values - expected) <= allowed).all()
    assert np.array_equal(values, FORMATS[dtype](values))


@pytest.mark.parametrize("dtype", FORMATS)
def test_torch_rounds_to_the_nearest_and_gradually_to_zero(dtype: torch.dtype) -> None:
    """torch's casts do the rounding: bit for bit as the format is defined."""
    values = trying_values(dtype)
    form = FORMATS[dtype]
    clamped = np.clip(values, -form.largest, form.largest) if form.saturates else values
    found = torch.from_numpy(clamped.astype(np.float32)).to(dtype).float().double().numpy()
    np.testing.assert_array_equal(found, form(values))
    assert np.array_equal(np.signbit(found), np.signbit(values))
    if dtype == torch.float16:  # NumPy has it too
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(values.astype(np.float16).astype(np.float64), form(values))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_are_those_of_rounded_operands(name: str, dtype: torch.dtype) -> None:
    shapes, product = PRODUCTS[name]
    operands = drawn(shapes)
    with EmulatedProducts(dtype):
        found = product(*operands)
    assert found.dtype == dtype
    rounded = [operand.detach().to(dtype).double().requires_grad_() for operand in operands]
    exact = product(*rounded)
    assert found.shape == exact.shape
    assert_rounds(found, exact, dtype, 200)
    # Gradients: of a gradient that is a number of the format.
    gradient = torch.randn(exact.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    found.backward(gradient)
    exact.backward(gradient.double())
    for operand, reference in zip(operands, rounded, strict=True):
        assert operand.grad is not None
        assert reference.grad is not None
        assert operand.grad.dtype == torch.float32  # the operand's own, as under autocast
        assert_rounds(operand.grad, reference.grad, dtype, 200)


def test_a_result_beyond_the_format_is_infinite_and_one_below_is_gradually_lost() -> None:
    def square(x: float) -> torch.Tensor:
        with EmulatedProducts(torch.float16):
            return torch.mm(torch.tensor([[x]]), torch.tensor([[x]]))

    assert square(256.0).isinf().all()  # 65536; the largest number is 65504, and from 65520 on all are rounded up
    assert square(255.875).item() == 65472.0
    assert square(2.0**-12).item() == 2.0**-24  # the least number
    assert square(2.0**-13).item() == 0.0


def test_a_weight_is_cast_once_and_its_gradients_are_added_in_the_narrow_dtype() -> None:
    """As autocast does it; 1 and 2**-9 make 1 in bfloat16, whose neighbours of 1 are 2**-7 apart."""
    weight = nn.Parameter(torch.ones(1, 1))
    with EmulatedProducts(torch.bfloat16):
        results = [functional.linear(torch.tensor([[value]]), weight) for value in (1.0, 2.0**-9)]
    torch.stack(results).sum().backward()
    assert weight.grad is not None
    assert weight.grad.item() == 1.0
    native = nn.Parameter(torch.ones(1, 1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        results = [functional.linear(torch.tensor([[value]]), native) for value in (1.0, 2.0**-9)]
    torch.stack(results).sum().backward()
    assert torch.equal(torch.as_tensor(native.grad), weight.grad)


def test_what_is_no_product_and_what_is_wider_stays_as_it_is() -> None:
    x = torch.full((2, 2), 1 + 2.0**-20)
    with EmulatedProducts(torch.float16):
        assert torch.equal(x * x, torch.full((2, 2), 1 + 2.0**-19))
        assert (x + x).dtype == torch.float32
    assert torch.mm(x, x).dtype == torch.float32


def test_layer_by_layer_as_torchs_autocast(tiny: TrainConfig) -> None:
    """In bfloat16, which torch's own convolutions sum in float32 too: few values differ, by the order of sums."""
    model = Pix2PixHD(replace(tiny, features=FeatureConfig(kind="instance", nef=4, n_downsample=2)), CPU)
    assert model.encoder is not None
    seen: list[tuple[nn.Module, torch.Tensor, torch.Tensor]] = []
    convolutions = [
        module
        for network in (model.generator, model.discriminator, model.encoder)
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    ]
    for module in convolutions:
        module.register_forward_hook(
            lambda layer, inputs, output: seen.append((layer, inputs[0].clone(), output.clone()))
        )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        conditioning = model._conditioning(random_batch(CPU))
        photo = model._synthesis(conditioning, **model._style(random_batch(CPU)))
        model.discriminator(conditioning, photo)
    layers = list(seen)  # what is called below is seen too
    assert len(layers) >= len(convolutions)
    for layer, x, expected in layers:
        with EmulatedProducts(torch.bfloat16):
            found = layer(x)
        assert found.dtype == expected.dtype == torch.bfloat16
        different = found != expected
        assert different.float().mean().item() < 0.01
        ulp = FORMATS[torch.bfloat16].ulp(expected.detach().double().numpy())
        assert (np.abs((found - expected).detach().double().numpy()) <= 2 * ulp + 1e-6).all()


@pytest.mark.parametrize("name", ["amp-fp16", "amp-bf16", "fp16", "bf16"])
def test_a_step_as_torchs_own(tiny: TrainConfig, name: str) -> None:
    config = replace(tiny, precision=name)
    models = [
        Pix2PixHD(replace(config, execution=ExecutionConfig(arithmetic=each)), CPU) for each in ("native", "emulated")
    ]
    for _ in range(3):
        (expected, _), (found, fake) = (model.train_step(random_batch(CPU)) for model in models)
        for key, loss in expected.items():
            assert found[key].dtype == torch.float32
            assert found[key].item() == pytest.approx(loss.item(), rel=0.02)
    assert fake.dtype == torch.float32
    native, emulated = (model.generator_optimizer for model in models)
    assert (native.skipped, native.scale) == (emulated.skipped, emulated.scale)


def test_what_flows_between_layers_has_the_narrow_dtype(tiny: TrainConfig) -> None:
    model = Pix2PixHD(replace(tiny, precision="amp-fp16", execution=EMULATED), CPU)
    found = []
    for module in model.generator.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda layer, inputs, output: found.append(output.dtype))
    model.train_step(random_batch(CPU))
    assert set(found) == {torch.float16}


def test_fp32_is_computed_as_ever(tiny: TrainConfig) -> None:
    """Whatever the arithmetic of the other arms is: to the bit."""
    models = [Pix2PixHD(replace(tiny, execution=ExecutionConfig(arithmetic=each)), CPU) for each in (None, "emulated")]
    assert [model.precision for model in models] == [PRECISIONS["fp32"]] * 2
    states = []
    for model in models:
        model.train_step(random_batch(CPU))
        states.append(model.state_dict()["networks"])
    for network, tensors in states[0].items():
        assert all(torch.equal(value, states[1][network][key]) for key, value in tensors.items())


@pytest.mark.parametrize("name", ["amp-fp16", "amp-fp8", "fp8-plain", "fp4-plain"])
def test_emulated_steps_are_reproducible(tiny: TrainConfig, name: str) -> None:
    config = replace(tiny, precision=name, execution=EMULATED)
    first, second = (Pix2PixHD(config, CPU) for _ in range(2))
    for model in (first, second):
        for _ in range(2):
            model.train_step(random_batch(CPU))
    a, b = (copy.deepcopy(model.state_dict()["networks"]["G"]) for model in (first, second))
    assert all(torch.equal(a[key], b[key]) for key in a)
