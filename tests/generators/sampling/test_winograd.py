"""Convolutions in fewer products: equal to torch's own but for rounding."""

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from torch import nn

from p2phd_eval.config import GeneratorConfig
from p2phd_eval.generators.networks.generator import build_generator
from p2phd_eval.generators.networks.layers import ResnetBlock
from p2phd_eval.generators.sampling.inference import for_inference
from p2phd_eval.generators.sampling.winograd import WinogradConv2d, transforms
from p2phd_eval.generators.training.precision import PRECISIONS

CPU = torch.device("cpu")


def test_the_transforms_correlate() -> None:
    """Against SciPy, in float64: A ((G g G') * (B d B')) A' of one tile."""
    a, b, g = transforms()
    rng = np.random.default_rng(0)
    tile, kernel = rng.normal(size=(6, 6)), rng.normal(size=(3, 3))
    result = a @ ((g @ kernel @ g.T) * (b @ tile @ b.T)) @ a.T
    np.testing.assert_allclose(result, correlate2d(tile, kernel, mode="valid"), atol=1e-12)


@pytest.mark.parametrize("size", [(6, 6), (3, 3), (34, 66), (9, 20), (17, 23)])
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_a_convolution(size: tuple[int, int], bias: bool) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(40, 24, 3, bias=bias)
    x = torch.randn(2, 40, *size)
    with torch.inference_mode():
        exact = nn.functional.conv2d(x.double(), convolution.weight.double(), _double(convolution.bias))
        error = (WinogradConv2d(convolution)(x) - exact).abs()
    assert error.mean() < 2e-6 * exact.abs().mean()
    assert error.max() < 2e-5 * exact.abs().mean()


def _double(bias: torch.Tensor | None) -> torch.Tensor | None:
    return None if bias is None else bias.double()


@pytest.mark.parametrize("size", [(10, 14), (18, 18)])
def test_an_image_does_not_depend_on_its_batch(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layer = WinogradConv2d(nn.Conv2d(16, 16, 3))
    x = torch.randn(3, 16, *size)
    with torch.inference_mode():
        assert torch.equal(layer(x)[1], layer(x[1:2])[0])


@pytest.mark.parametrize(("size", "direct"), [((14, 18), True), ((15, 18), False)])
def test_few_tiles_are_not_worth_their_weights(size: tuple[int, int], direct: bool) -> None:
    """12 results in each column are 3 rows of tiles, 13 are 4."""
    convolution = nn.Conv2d(16, 16, 3)
    x = torch.randn(1, 16, *size)
    with torch.inference_mode():
        assert torch.equal(WinogradConv2d(convolution)(x), convolution(x)) is direct


def test_a_generator_samples_the_same_photos() -> None:
    """Within the rounding of float32, as far from float64 as torch's own convolutions are."""
    config = GeneratorConfig(ngf=64, n_downsample=1, n_blocks=2)
    torch.manual_seed(0)
    network = build_generator(config, 5)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    x = torch.randn(1, 5, 24, 36)
    with torch.inference_mode():
        exact = network.double()(x.double())
        direct = build_generator(config, 5)
        direct.load_state_dict(state)
        own = (direct(x) - exact).abs().max()
        fast = for_inference(build_generator(config, 5), state, "G", device=CPU, precision=PRECISIONS["fp32"])
        assert (fast(x) - exact).abs().max() < 10 * own
    blocks = [block for block in fast.modules() if isinstance(block, ResnetBlock)]
    assert sum(isinstance(layer, WinogradConv2d) for block in blocks for layer in block.conv_block) == 4


@pytest.mark.parametrize(("precision", "ngf"), [("amp-bf16", 64), ("bf16", 64), ("fp64", 64), ("fp32", 32)])
def test_other_precisions_and_narrow_networks_keep_their_convolutions(precision: str, ngf: int) -> None:
    config = GeneratorConfig(ngf=ngf, n_downsample=1, n_blocks=1)
    state = build_generator(config, 5).state_dict()
    network = for_inference(build_generator(config, 5), state, "G", device=CPU, precision=PRECISIONS[precision])
    assert not any(isinstance(layer, WinogradConv2d) for layer in network.modules())
