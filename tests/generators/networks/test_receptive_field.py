"""How far a pixel sees, against what changes when one pixel does."""

import pytest
import torch

from p2phd_eval.config import GeneratorConfig
from p2phd_eval.generators.networks.generator import build_generator
from p2phd_eval.generators.networks.receptive_field import receptive_radius


@pytest.mark.parametrize(
    "config",
    [
        GeneratorConfig(ngf=4, n_downsample=2, n_blocks=1, norm="batch"),
        GeneratorConfig(ngf=4, n_downsample=1, n_blocks=3, norm="batch"),
        GeneratorConfig(kind="local", ngf=4, n_downsample=1, n_blocks=1, n_blocks_local=1, norm="batch"),
    ],
    ids=str,
)
def test_nothing_changes_beyond_it_and_something_nearly_as_far(config: GeneratorConfig) -> None:
    torch.manual_seed(0)
    # In float64, so that no change is lost to rounding.
    network = build_generator(config, 3).double().eval()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.normal_(module.weight, std=0.2)  # with those of a training's start changes fade on the way
    radius = receptive_radius(config)
    assert radius is not None
    side = 2 * radius + 48 & ~15
    before = torch.rand(1, 3, side, side, dtype=torch.float64)
    after = before.clone()
    after[..., side // 2, side // 2] += 10
    with torch.no_grad():
        changed = (network(before) != network(after)).any(1)[0]
    rows, columns = torch.nonzero(changed, as_tuple=True)
    reached = int(torch.maximum((rows - side // 2).abs(), (columns - side // 2).abs()).max())
    assert 0.5 * radius < reached <= radius


def test_instance_norm_sees_everything() -> None:
    assert receptive_radius(GeneratorConfig(norm="instance")) is None
