"""Properties that the golden numbers do not show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from p2phd_eval.config import DiscriminatorConfig, GeneratorConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.networks import losses
from p2phd_eval.generators.networks.conditioning import encode, instance_edges
from p2phd_eval.generators.networks.discriminator import build_discriminator
from p2phd_eval.generators.networks.encoder import instance_average_pool
from p2phd_eval.generators.networks.generator import build_generator
from p2phd_eval.generators.networks.layers import FewChannelsConv2d, InstanceNorm2d, ReflectionPad2d
from p2phd_eval.generators.networks.losses import feature_matching_loss, gan_loss
from p2phd_eval.generators.networks.vgg import VGGLoss
from p2phd_eval.torchvision_ops import declare_missing_operators


def test_pooling_keeps_samples_apart() -> None:
    """Instance 5 is in both samples; a mean over both would be 2.5."""
    features = torch.tensor([[1.0, 3.0], [2.0, 4.0]]).view(2, 1, 1, 2)
    instances = torch.tensor([[5, 5], [5, 6]]).view(2, 1, 1, 2)
    expected = torch.tensor([[2.0, 2.0], [2.0, 4.0]]).view(2, 1, 1, 2)
    assert torch.equal(instance_average_pool(features, instances), expected)


def test_pooling_is_a_projection_with_the_gradient_of_the_mean() -> None:
    features = torch.randn(2, 3, 5, 7, dtype=torch.float64, requires_grad=True)
    instances = torch.randint(4, (2, 1, 5, 7))
    pooled = instance_average_pool(features, instances)
    torch.testing.assert_close(instance_average_pool(pooled, instances), pooled)
    assert torch.autograd.gradcheck(lambda x: instance_average_pool(x, instances), (features,))


def test_edges_against_a_loop_over_pixels() -> None:
    instances = torch.randint(3, (2, 1, 6, 5))
    edges = instance_edges(instances)
    for n in range(2):
        for y in range(6):
            for x in range(5):
                here = instances[n, 0, y, x]
                neighbours = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
                differs = any(0 <= r < 6 and 0 <= c < 5 and bool(instances[n, 0, r, c] != here) for r, c in neighbours)
                assert bool(edges[n, 0, y, x]) == differs


def test_encoding_is_one_hot_then_edges() -> None:
    label = torch.tensor([[0, 2], [1, 2]], dtype=torch.int32).view(1, 1, 2, 2)
    encoded = encode(label, label, 3)
    assert torch.equal(encoded[:, :3].argmax(1, keepdim=True).int(), label)
    assert torch.equal(encoded[:, :3].sum(1), torch.ones(1, 2, 2))
    assert torch.equal(encoded[:, 3:], instance_edges(label).float())


@pytest.mark.parametrize("kind", ["global", "local"])
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_generators_keep_the_size(kind: str, norm: str) -> None:
    config = GeneratorConfig(kind=kind, ngf=4, n_downsample=2, n_blocks=1, n_local_enhancers=2, norm=norm)
    multiple = config.size_multiple
    assert multiple == (16 if kind == "local" else 4)
    photo = build_generator(config, 5)(torch.rand(2, 5, multiple * 2, multiple * 3))
    assert photo.shape == (2, 3, multiple * 2, multiple * 3)
    assert photo.abs().max() <= 1


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_instance_norm_in_every_layout(samples: int, layout: torch.memory_format) -> None:
    """torch 2.13's own has wrong gradients in channels-last for one sample on a CPU."""
    generator = torch.Generator().manual_seed(0)
    x, gradient = (torch.randn(samples, 16, 24, 32, generator=generator) for _ in range(2))
    x += 10
    exact = x.double().requires_grad_()
    mean, variance = exact.mean((2, 3), keepdim=True), exact.var((2, 3), keepdim=True, unbiased=False)
    expected = (exact - mean) / (variance + 1e-5).sqrt()
    given = x.contiguous(memory_format=layout).requires_grad_()
    found = InstanceNorm2d(16)(given)
    torch.testing.assert_close(found, expected.float(), rtol=0, atol=1e-5)
    (back,) = torch.autograd.grad(found, given, gradient.contiguous(memory_format=layout))
    (exact_back,) = torch.autograd.grad(expected, exact, gradient.double())
    torch.testing.assert_close(back, exact_back.float(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("expose_features", [True, False])
def test_images_that_are_judged_together_are_judged_as_each_by_itself(expose_features: bool) -> None:
    """In float64 conditioning and image are convolved apart, under autocast as one; so they are by hand."""
    config = DiscriminatorConfig(ndf=4, n_layers=2, n_scales=2)
    network = build_discriminator(config, 2, expose_features=expose_features).double()
    generator = torch.Generator().manual_seed(0)
    drawn = (torch.rand(2, n, 32, 48, generator=generator, dtype=torch.float64) for n in (2, 3, 3))
    conditioning, a, b = drawn
    a.requires_grad_()
    together = network(conditioning, a, b)
    apart = [network(conditioning, image)[0] for image in (a, b)]
    torch.testing.assert_close(together, apart, rtol=0, atol=0)
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    joint = first(torch.cat((network.downsample(conditioning), network.downsample(a)), dim=1))
    found = together[0][1][0]
    if expose_features:
        torch.testing.assert_close(found, functional.leaky_relu(joint, 0.2))
    (gradient,) = torch.autograd.grad(found.sum(), a)
    assert gradient.abs().min() > 0


@pytest.mark.parametrize("shape", [(1, 5, 20, 30), (2, 5, 20, 30), (1, 5, 19, 30), (1, 5, 20, 29)])
def test_a_convolution_to_few_channels_is_torchs(shape: tuple[int, ...]) -> None:
    layer = FewChannelsConv2d(5, 3, 7).double()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
    expected = functional.conv2d(x, layer.weight, layer.bias)
    gradient = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    inputs = (x, layer.weight, layer.bias)
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(
        torch.autograd.grad(layer(x), inputs, gradient), torch.autograd.grad(expected, inputs, gradient)
    )


def test_discriminator_keys_without_features_are_the_originals() -> None:
    config = DiscriminatorConfig(ndf=4, n_layers=2, n_scales=2)
    network = build_discriminator(config, 2, expose_features=False)
    assert {key.split(".")[0] for key in network.state_dict()} == {"layer0", "layer1"}
    (outputs,) = network(torch.rand(1, 2, 32, 32), torch.rand(1, 3, 32, 32))
    assert [len(scale) for scale in outputs] == [1, 1]
    assert outputs[0][0].shape[-1] > outputs[1][0].shape[-1]  # full resolution first


def test_gan_losses_against_their_definitions() -> None:
    logits = [torch.tensor([0.3, -1.2]), torch.tensor([2.0])]
    activations = [[value] for value in logits]
    least_squares = sum(((value - 1) ** 2).mean() for value in logits)
    torch.testing.assert_close(gan_loss(activations, target_real=True, kind="lsgan"), least_squares)
    entropy = sum(functional.binary_cross_entropy(value.sigmoid(), torch.zeros_like(value)) for value in logits)
    torch.testing.assert_close(gan_loss(activations, target_real=False, kind="vanilla"), entropy)


def test_losses_are_float32_whatever_comes_in() -> None:
    # 300 squared overflows float16; the loss must not.
    half = [[torch.full((1, 1, 2, 2), 300.0, dtype=torch.float16), torch.full((1, 1, 2, 2), 300.0).half()]]
    zero = [[torch.zeros(1, 1, 2, 2).half(), torch.zeros(1, 1, 2, 2).half()]]
    assert gan_loss(half, target_real=False, kind="lsgan").item() == 90000
    assert feature_matching_loss(half, zero).dtype == torch.float32


def test_feature_matching_pulls_only_the_sample() -> None:
    fake, real = torch.ones(1, 1, 2, 2, requires_grad=True), torch.zeros(1, 1, 2, 2, requires_grad=True)
    feature_matching_loss([[fake, fake]], [[real, real]]).backward()
    assert fake.grad is not None
    assert real.grad is None


def torchvisions_vgg19() -> nn.Sequential:
    """The `features` of its VGG19, without the classifier of 124 million weights that would be drawn beside them."""
    declare_missing_operators()
    from torchvision.models.vgg import cfgs, make_layers

    return make_layers(cfgs["E"])


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """VGG19 with random weights: the real architecture, so real keys and shapes; 80 MB."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("vgg") / "vgg.pt"
    torch.save(torchvisions_vgg19().state_dict(), path)
    return str(path)


def test_vgg_loss_from_a_file(vgg_file: str) -> None:
    loss = VGGLoss(vgg_file)
    real, fake = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32, requires_grad=True)
    assert loss(real, real).item() == 0
    value = loss(fake, real)
    value.backward()
    assert fake.grad is not None
    assert fake.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in loss.parameters())
    # The original's slices end after the ReLUs 1, 3, 5, 9 and 13, with weights 1/32 to 1.
    network = torchvisions_vgg19()
    network.load_state_dict(torch.load(vgg_file, weights_only=True))
    expected, x, y = 0.0, fake.detach(), real
    weights = {1: 1 / 32, 6: 1 / 16, 11: 1 / 8, 20: 1 / 4, 29: 1.0}
    with torch.no_grad():
        for i, layer in enumerate(network[:30]):
            x, y = layer(x), layer(y)
            if i in weights:
                expected += weights[i] * (x - y).abs().mean().item()
    assert value.item() == pytest.approx(expected, rel=1e-5)


def test_vgg_files_that_are_none(vgg_file: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a file of tensors \(a VGG19 state dict\), found no such file"):
        VGGLoss("/nowhere/vgg.pth")
    state = torch.load(vgg_file, weights_only=True)
    state.pop("28.bias")
    path = f"{tmp_path}/short.pt"
    torch.save(state, path)
    with pytest.raises(InputError, match=r"convolution 16 of VGG19: expected shape \(512, 512, 3, 3\), found nothing"):
        VGGLoss(path)


@pytest.mark.parametrize(
    ("key", "change", "found"),
    [
        ("0.weight", lambda t: t * 1j, "finite real numbers, found numbers of complex64"),
        ("0.weight", lambda t: t.to("meta"), "finite real numbers, found a tensor on the device meta"),
        ("2.bias", lambda t: t / 0, "finite real numbers, found NaN or infinity"),
        ("2.bias", lambda t: t[:3], r"convolution 2 of VGG19: expected shape \(64,\), found \(3,\)"),
        ("0.weight", lambda t: torch.zeros(3, 3, 1, 1), r"convolution 1 of VGG19: expected shape \(64, 3, 3, 3\)"),
    ],
)
def test_vgg_weights_that_are_none(
    vgg_file: str, tmp_path: Path, key: str, change: Callable[[torch.Tensor], torch.Tensor], found: str
) -> None:
    state = torch.load(vgg_file, weights_only=True)
    state[key] = change(state[key])
    torch.save(state, tmp_path / "odd.pt")
    with pytest.raises(InputError, match=found):
        VGGLoss(str(tmp_path / "odd.pt"))


def test_vgg_of_the_style_transfer_port(vgg_file: str, tmp_path: Path) -> None:
    """Other layer numbers, and a colour layer in front: away from the border the same activations."""
    state = torch.load(vgg_file, weights_only=True)
    torch.manual_seed(1)
    colour = torch.nn.Conv2d(3, 3, 1)
    numbers = sorted({int(key.split(".")[0]) for key in state})
    ported = {"0.weight": colour.weight.detach(), "0.bias": colour.bias.detach()}  # type: ignore[union-attr]
    for n in numbers:
        ported |= {f"{3 * n + 2}.{kind}": state[f"{n}.{kind}"] for kind in ("weight", "bias")}
    torch.save(ported, tmp_path / "ported.pt")
    plain, folded = VGGLoss(vgg_file), VGGLoss(str(tmp_path / "ported.pt"))
    photo = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        expected, found = plain.layers[:2](colour(photo)), folded.layers[:2](photo)
    torch.testing.assert_close(found[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", [1, 3])
def test_the_deterministic_reflection_pad_is_the_usual_one(padding: int) -> None:
    pad = ReflectionPad2d(padding)
    x = torch.randn(2, 3, 6, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    usual = pad(x)
    (usual_gradient,) = torch.autograd.grad((usual * usual).sum(), x)
    torch.use_deterministic_algorithms(True)
    try:
        ours = pad(x)
        (gradient,) = torch.autograd.grad((ours * ours).sum(), x)
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(ours, usual)
    torch.testing.assert_close(gradient, usual_gradient)


def test_dropout_stands_between_the_convolutions_of_a_block_with_the_originals_keys() -> None:
    config = GeneratorConfig(ngf=4, n_downsample=1, n_blocks=2, dropout=True)
    network = build_generator(config, 3)
    keys = [key for key in network.state_dict() if "conv_block" in key]
    assert {key.split("conv_block.")[1] for key in keys} == {"1.weight", "1.bias", "6.weight", "6.bias"}
    x = torch.rand(1, 3, 8, 8)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_lean_l1_is_the_usual_one(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "_SLICE", 100)  # several slices
    generator = torch.Generator().manual_seed(0)
    x, target = (torch.randn(2, 6, 5, 7, generator=generator).to(dtype) for _ in range(2))
    x[0, 0] = target[0, 0]  # where they are equal the gradient is 0
    x.requires_grad_()
    ours = losses.mean_absolute_difference(x, target)
    usual = functional.l1_loss(x.float(), target.float())
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, usual)
    (gradient,), (expected,) = (torch.autograd.grad(1000 * loss, x) for loss in (ours, usual))
    torch.testing.assert_close(gradient, expected)
