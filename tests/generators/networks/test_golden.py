"""Networks, conditioning and losses against numbers of the original implementation (float32, CPU)."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from p2phd_eval.generators.networks.conditioning import encode, instance_edges
from p2phd_eval.generators.networks.discriminator import MultiscaleDiscriminator
from p2phd_eval.generators.networks.encoder import Encoder
from p2phd_eval.generators.networks.generator import GlobalGenerator, LocalEnhancer
from p2phd_eval.generators.networks.losses import feature_matching_loss, gan_loss
from tests.generators.golden import Golden, fill, load_golden

ABSOLUTE = 1e-4  # of outputs in [-1, 1]


@pytest.fixture(scope="module")
def golden() -> Golden:
    return load_golden("pix2pixhd_small")


@pytest.fixture(scope="module")
def networks(golden: Golden) -> dict[str, nn.Module]:
    c = golden.document["config"]
    in_channels = c["label_nc"] + 1
    built: dict[str, nn.Module] = {
        "global": GlobalGenerator(
            in_channels, 3, ngf=c["ngf"], n_downsample=c["n_down"], n_blocks=c["n_blocks"], norm="instance"
        ),
        "local": LocalEnhancer(
            in_channels,
            3,
            ngf=c["ngf"] // 2,
            n_downsample=c["n_down"],
            n_blocks=c["n_blocks"],
            n_local_enhancers=c["n_enh"],
            n_blocks_local=c["n_blocks_local"],
            norm="instance",
        ),
        "encoder": Encoder(3, 3, nef=c["nef"], n_downsample=c["n_down"], norm="instance"),
        "discriminator": MultiscaleDiscriminator(
            in_channels + 3, ndf=c["ndf"], n_layers=3, n_scales=c["num_D"], norm="instance", expose_features=True
        ),
    }
    for network in built.values():
        fill(network, c["scale"])
    return built


@pytest.fixture(scope="module")
def conditioning(golden: Golden) -> torch.Tensor:
    return encode(golden.tensor("label"), golden.tensor("inst"), golden.document["config"]["label_nc"])


def assert_close(actual: torch.Tensor, expected: torch.Tensor, absolute: float = ABSOLUTE) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=absolute)


@pytest.mark.parametrize("name", ["global", "local", "encoder", "discriminator"])
def test_state_dict_keys_and_shapes(golden: Golden, networks: dict[str, nn.Module], name: str) -> None:
    found = {key: list(tensor.shape) for key, tensor in networks[name].state_dict().items()}
    assert found == golden.document["keys"][name]
    assert list(found) == list(golden.document["keys"][name])  # the order too: optimizers count by it


def test_edges(golden: Golden) -> None:
    assert torch.equal(instance_edges(golden.tensor("inst")).to(torch.uint8), golden.tensor("edges"))


@pytest.mark.parametrize("name", ["global", "local"])
def test_generator_output(
    golden: Golden, networks: dict[str, nn.Module], conditioning: torch.Tensor, name: str
) -> None:
    with torch.no_grad():
        assert_close(networks[name](conditioning), golden.tensor(f"{name}_out"))


def test_encoder_output(golden: Golden, networks: dict[str, nn.Module]) -> None:
    with torch.no_grad():
        assert_close(networks["encoder"](golden.tensor("real"), golden.tensor("inst")), golden.tensor("encoder_out"))


def test_discriminator_activations(golden: Golden, networks: dict[str, nn.Module], conditioning: torch.Tensor) -> None:
    with torch.no_grad():
        (scales,) = networks["discriminator"](conditioning, golden.tensor("global_out"))
    assert [len(scale) for scale in scales] == [5, 5]
    for i, scale in enumerate(scales):
        for j, activation in enumerate(scale):
            expected = golden.tensor(f"D_fake_{i}_{j}")
            assert_close(activation[:, : expected.shape[1]], expected)


def test_losses_and_gradient_at_the_sample(
    golden: Golden, networks: dict[str, nn.Module], conditioning: torch.Tensor
) -> None:
    discriminator, expected = networks["discriminator"], golden.document["losses"]
    fake = golden.tensor("global_out").clone().requires_grad_()
    on_fake, on_real = discriminator(conditioning, fake, golden.tensor("real"))
    losses = {
        "G_GAN": gan_loss(on_fake, target_real=True, kind="lsgan"),
        "G_GAN_Feat": 10.0 * feature_matching_loss(on_fake, on_real),
        "D_real": gan_loss(on_real, target_real=True, kind="lsgan"),
        "D_fake": gan_loss(on_fake, target_real=False, kind="lsgan"),
    }
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(expected, rel=1e-5)
    (gradient,) = torch.autograd.grad(losses["G_GAN"] + losses["G_GAN_Feat"], fake)
    reference = golden.tensor("grad_fake")
    assert_close(gradient, reference, absolute=1e-4 * reference.abs().max().item())
