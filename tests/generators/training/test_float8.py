"""Operands of 8 bits: their rounding, and scales that follow the history of largest magnitudes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from p2phd_eval.config import ExecutionConfig, TrainConfig
from p2phd_eval.distributed import SINGLE
from p2phd_eval.errors import InputError
from p2phd_eval.generators.training.emulation import EmulatedProducts, Operand
from p2phd_eval.generators.training.float8 import AmaxHistory, round_by_image, round_plainly
from p2phd_eval.generators.training.step import Pix2PixHD
from tests.generators.training.random_batch import random_batch
from tests.generators.training.rounding import FORMATS, trying_values

CPU = torch.device("cpu")
E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2
DTYPES = [(Operand.INPUT, E4M3), (Operand.WEIGHT, E4M3), (Operand.GRADIENT, E5M2)]


@pytest.mark.parametrize(("operand", "dtype"), DTYPES)
def test_plainly_rounded_values_are_those_of_the_format(operand: Operand, dtype: torch.dtype) -> None:
    values = trying_values(dtype)
    found = round_plainly(torch.from_numpy(values.astype(np.float32)), 0, operand)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.double().numpy(), FORMATS[dtype](values))


@pytest.mark.parametrize("operand", Operand)
def test_what_is_no_number_stays_none_and_infinity_becomes_the_largest_number(operand: Operand) -> None:
    found = round_plainly(torch.tensor([torch.nan, torch.inf, -torch.inf]), 0, operand)
    limit = 57344.0 if operand is Operand.GRADIENT else 448.0
    assert found.isnan().tolist() == [True, False, False]
    assert found[1:].tolist() == [limit, -limit]


@pytest.mark.parametrize(("operand", "dtype"), DTYPES)
def test_a_scale_brings_the_largest_magnitude_to_the_largest_number(operand: Operand, dtype: torch.dtype) -> None:
    """Transformer Engine's rule: scale = FP8_MAX / amax. So a tensor of tiny numbers keeps as many digits as others."""
    x = torch.randn(1, 100, generator=torch.Generator().manual_seed(0)) * 1e-7
    scale = torch.finfo(dtype).max / x.abs().max().double()
    expected = FORMATS[dtype]((x.double() * scale).numpy()) / scale.item()
    found = round_by_image(x, 0, operand)
    np.testing.assert_allclose(found.double().numpy(), expected, rtol=3e-7)
    assert found.abs().max() == pytest.approx(x.abs().max().item(), rel=1e-6)
    assert torch.equal(round_by_image(torch.zeros(1, 3), 0, operand), torch.zeros(1, 3))
    assert (round_plainly(x, 0, operand) == 0).all()


def test_without_a_history_each_image_has_its_own_scale() -> None:
    x = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 1e-3, 1e4]).view(
        -1, 1, 1, 1
    )
    together = round_by_image(x, 0, Operand.INPUT)
    assert torch.equal(together, torch.cat([round_by_image(image[None], 0, Operand.INPUT) for image in x]))


def history_of(*names: str) -> tuple[AmaxHistory, list[nn.Parameter]]:
    weights = [nn.Parameter(torch.ones(1, 1)) for _ in names]
    return AmaxHistory(dict(zip(names, weights, strict=True)), CPU), weights


def test_scales_follow_the_largest_magnitude_of_the_steps_before() -> None:
    history, (weight, other) = history_of("a", "b")

    def rounded(x: float, largest: float) -> float:
        scale = np.float32(57344.0) / np.float32(largest)
        with np.errstate(over="ignore"):
            return FORMATS[E5M2](np.array([x * scale])).item() / scale

    def round_gradient(x: float) -> float:
        return history(torch.tensor([x]), id(weight), Operand.GRADIENT).item()

    assert round_gradient(3.3) == pytest.approx(3.3, rel=1e-6)  # nothing is known yet: scaled by itself
    assert round_gradient(0.7) == pytest.approx(0.7, rel=1e-6)
    history.update(SINGLE)
    # A step later the larger of the two is known, and what is larger still is cut off.
    assert round_gradient(5.0) == pytest.approx(3.3, rel=1e-6)
    assert round_gradient(0.7) == pytest.approx(rounded(0.7, 3.3), rel=1e-6) != pytest.approx(0.7, rel=1e-6)
    assert history(torch.tensor([9.1]), id(weight), Operand.INPUT).item() == pytest.approx(9.1, rel=1e-6)
    assert history(torch.tensor([9.1]), id(other), Operand.GRADIENT).item() == pytest.approx(9.1, rel=1e-6)
    history.update(SINGLE)
    assert round_gradient(0.7) == pytest.approx(rounded(0.7, 5.0), rel=1e-6)
    assert round_gradient(torch.inf) == pytest.approx(5.0)
    # The one of a step that overflowed is not remembered; 1024 steps are.
    for _ in range(1023):
        history.update(SINGLE)
    assert round_gradient(6.0) == pytest.approx(5.0, rel=1e-6)
    history.update(SINGLE)
    assert round_gradient(0.7) == pytest.approx(rounded(0.7, 6.0), rel=1e-6)


def test_a_history_is_stored_by_name_and_comes_back() -> None:
    history, weights = history_of("G.a", "D.b")
    for value, operand in ((2.0, Operand.INPUT), (3.0, Operand.WEIGHT), (4.0, Operand.GRADIENT)):
        history(torch.tensor([value]), id(weights[1]), operand)
    history.update(SINGLE)
    history.update(SINGLE)
    state = history.state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == {"G.a": (3, 1024), "D.b": (3, 1024)}
    assert state["D.b"][:, :3].tolist() == [[0, 2, 0], [0, 3, 0], [0, 4, 0]]
    again, (_, weight) = history_of("G.a", "D.b")
    again.load_state_dict(state, "x.pt, amax_history")
    assert again(torch.tensor([9.0]), id(weight), Operand.GRADIENT).item() == pytest.approx(4.0)
    assert all(torch.equal(value, state[name]) for name, value in again.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: None, "x.pt: expected values by name, found None"),
        (lambda state: {"G.a": state["G.a"]}, "x.pt, key 'D.b': expected a value, found nothing"),
        (lambda state: {**state, "D.b": torch.zeros(2)}, r"x.pt, key 'D.b': expected shape \(3, 1024\)"),
        (lambda state: {**state, "D.b": -torch.ones(3, 1024)}, "found negative or infinite ones, or NaN"),
        (lambda state: {**state, "D.b": torch.full((3, 1024), torch.nan)}, "found negative or infinite ones, or NaN"),
    ],
)
def test_a_history_of_other_networks_is_refused(change: Callable[..., object], message: str) -> None:
    history, _ = history_of("G.a", "D.b")
    with pytest.raises(InputError, match=message):
        history.load_state_dict(change(history.state_dict()), "x.pt")


def test_products_of_8_bits_and_their_gradients() -> None:
    """Against float64, with operands rounded by the formats' definition; results are bfloat16's."""
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(shape, generator=generator).bfloat16().float() for shape in ((1, 3, 8, 8), (4, 3, 3, 3)))
    gradient = torch.randn(1, 4, 6, 6, generator=generator).bfloat16()
    operands = [x.requires_grad_(), nn.Parameter(weight)]
    with EmulatedProducts(torch.bfloat16, round_plainly):
        found = torch.conv2d(*operands)
    found.backward(gradient)
    assert found.dtype == torch.bfloat16
    rounded = [torch.from_numpy(FORMATS[E4M3](each.detach().double().numpy())).requires_grad_() for each in operands]
    exact = torch.conv2d(*rounded)
    exact.backward(torch.from_numpy(FORMATS[E5M2](gradient.double().numpy())))
    for ours, theirs in ((found, exact), *((a.grad, b.grad) for a, b in zip(operands, rounded, strict=True))):
        assert ours is not None
        assert theirs is not None
        ulp = FORMATS[torch.bfloat16].ulp(theirs.detach().numpy())
        assert (np.abs((ours.double() - theirs).detach().numpy()) <= 0.5 * ulp + 1e-5).all()


def test_a_step_takes_note_of_every_product(tiny: TrainConfig) -> None:
    model = Pix2PixHD(replace(tiny, precision="amp-fp8"), CPU)
    model.train_step(random_batch(CPU))
    history = model.state_dict()["amax_history"]
    convolutions = {
        f"{name}.{key}" for name in ("G", "D") for key in model.state_dict()["networks"][name] if "weight" in key
    }
    assert set(history) == convolutions
    assert all((value[:, 0] > 0).all() and (value[:, 1:] == 0).all() for value in history.values())


def test_8_bits_are_not_compiled(tiny: TrainConfig) -> None:
    with pytest.raises(InputError, match="--compile: expected a precision of 16 bits or more"):
        Pix2PixHD(replace(tiny, precision="fp8-plain", execution=ExecutionConfig(compile=True)), CPU)
