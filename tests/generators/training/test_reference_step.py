"""The gradients of a whole training step against pix2pixHD's formulae written out plainly, both in float64.

Nothing of the package computes here but the model under test: the networks are functions of a state dict, edges and
instance-wise pooling are loops, the discriminators run three times as in the original.
"""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from p2phd_eval.generators.data.batch import Batch
from p2phd_eval.generators.training.step import Pix2PixHD
from tests.generators.golden import fill, random_vgg19
from tests.generators.trajectory_data import Arrays, batch_of, config_of, drawn_batch, networks_of

RELATIVE = 1e-6  # of the largest entry of a gradient
State = dict[str, Tensor]
Options = dict[str, Any]

BASE: Options = {
    **{"netG": "global", "ngf": 4, "n_downsample_global": 2, "n_blocks_global": 1, "norm": "instance"},
    **{"n_local_enhancers": 1, "n_blocks_local": 1, "ndf": 4, "n_layers_D": 2, "num_D": 2},
    **{"no_lsgan": False, "no_ganFeat_loss": False, "no_vgg_loss": True, "lambda_feat": 10.0, "pool_size": 0},
    **{"instance_feat": False, "label_feat": False, "load_features": False, "feat_num": 3, "nef": 4},
    **{"n_downsample_E": 2, "label_nc": 5, "no_instance": False, "niter_decay": 100, "niter_fix_global": 0},
    **{"lr": 2e-4, "beta1": 0.5, "batch": 2, "h": 32, "w": 64, "data_seed": 0},
    "n_instances": None,
}
CROSSED: list[Options] = [
    {"netG": kind, "no_lsgan": vanilla, "instance_feat": features, "num_D": scales, "n_layers_D": layers}
    for kind, vanilla, features, (scales, layers) in itertools.product(
        ("global", "local"), (False, True), (False, True), ((1, 4), (2, 3), (3, 1))
    )
]
OTHERS: list[Options] = [
    {"netG": "local", "n_local_enhancers": 2, "ngf": 2, "n_blocks_local": 2},
    {"netG": "local", "norm": "batch", "instance_feat": True},
    {"norm": "batch", "no_ganFeat_loss": True, "no_lsgan": True},
    {"no_ganFeat_loss": True, "num_D": 3},
    {"no_instance": True, "label_feat": True},
    {"label_feat": True, "load_features": True},
    {"label_nc": 0, "instance_feat": True},
    {"label_nc": 0, "no_instance": True, "netG": "local"},
    {"instance_feat": True, "feat_num": 5, "n_downsample_E": 3},
    {"instance_feat": True, "n_instances": 5000},
    {"no_vgg_loss": False, "batch": 1, "w": 32},
    {"netG": "local", "niter_fix_global": 1, "instance_feat": True},
]


def norm(x: Tensor, state: State, key: str) -> Tensor:
    """Batch norm where the state has its weights, else instance norm."""
    axes = (0, 2, 3) if f"{key}.weight" in state else (2, 3)
    centred = x - x.mean(dim=axes, keepdim=True)
    x = centred / torch.sqrt((centred**2).mean(dim=axes, keepdim=True) + 1e-5)
    if f"{key}.weight" in state:
        x = x * state[f"{key}.weight"].view(1, -1, 1, 1) + state[f"{key}.bias"].view(1, -1, 1, 1)
    return x


def conv(x: Tensor, state: State, key: str, *, reflect: int = 0, stride: int = 1, padding: int = 0) -> Tensor:
    if reflect:
        x = F.pad(x, (reflect,) * 4, mode="reflect")
    return F.conv2d(x, state[f"{key}.weight"], state[f"{key}.bias"], stride=stride, padding=padding)


def down(x: Tensor, state: State, prefix: str, i: int) -> tuple[Tensor, int]:
    x = conv(x, state, f"{prefix}.{i}", stride=2, padding=1)
    return norm(x, state, f"{prefix}.{i + 1}").relu(), i + 3


def up(x: Tensor, state: State, prefix: str, i: int) -> tuple[Tensor, int]:
    weight, bias = state[f"{prefix}.{i}.weight"], state[f"{prefix}.{i}.bias"]
    x = F.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)
    return norm(x, state, f"{prefix}.{i + 1}").relu(), i + 3


def stem(x: Tensor, state: State, prefix: str) -> Tensor:
    return norm(conv(x, state, f"{prefix}.1", reflect=3), state, f"{prefix}.2").relu()


def head(x: Tensor, state: State, prefix: str, i: int) -> Tensor:
    return conv(x, state, f"{prefix}.{i + 1}", reflect=3).tanh()


def residual(x: Tensor, state: State, key: str) -> Tensor:
    y = norm(conv(x, state, f"{key}.conv_block.1", reflect=1), state, f"{key}.conv_block.2").relu()
    return x + norm(conv(y, state, f"{key}.conv_block.5", reflect=1), state, f"{key}.conv_block.6")


def hourglass(x: Tensor, state: State, prefix: str, n_downsample: int, n_blocks: int) -> tuple[Tensor, int]:
    """Return G1 up to its last layers, and the number of the first of those."""
    x, i = stem(x, state, prefix), 4
    for _ in range(n_downsample):
        x, i = down(x, state, prefix, i)
    for _ in range(n_blocks):
        x, i = residual(x, state, f"{prefix}.{i}"), i + 1
    for _ in range(n_downsample):
        x, i = up(x, state, prefix, i)
    return x, i


def half(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)


def generate(x: Tensor, state: State, o: Options) -> Tensor:
    if o["netG"] == "global":
        features, i = hourglass(x, state, "model", o["n_downsample_global"], o["n_blocks_global"])
        return head(features, state, "model", i)
    pyramid = [x]
    for _ in range(o["n_local_enhancers"]):
        pyramid.insert(0, half(pyramid[0]))
    y, _ = hourglass(pyramid[0], state, "model", o["n_downsample_global"], o["n_blocks_global"])
    for n, level in enumerate(pyramid[1:], start=1):
        y, i = down(stem(level, state, f"model{n}_1"), state, f"model{n}_1", 4)[0] + y, 0
        for _ in range(o["n_blocks_local"]):
            y, i = residual(y, state, f"model{n}_2.{i}"), i + 1
        y, i = up(y, state, f"model{n}_2", i)
    return head(y, state, f"model{n}_2", i)


def discriminate(x: Tensor, state: State, o: Options) -> list[list[Tensor]]:
    scales = []
    for scale in reversed(range(o["num_D"])):
        y, layers, i = x, [], 0
        for j in range(o["n_layers_D"] + 2):
            if o["no_ganFeat_loss"]:
                key, following, i = f"layer{scale}.{i}", f"layer{scale}.{i + 1}", i + (3 if j else 2)
            else:
                key, following = f"scale{scale}_layer{j}.0", f"scale{scale}_layer{j}.1"
            y = conv(y, state, key, stride=2 if j < o["n_layers_D"] else 1, padding=2)
            if 0 < j <= o["n_layers_D"]:
                y = norm(y, state, following)
            if j <= o["n_layers_D"]:
                y = torch.where(y > 0, y, 0.2 * y)
            layers.append(y)
        scales.append(layers)
        x = half(x)
    return scales


def vgg_activations(x: Tensor, state: State) -> list[Tensor]:
    found = []
    for i, key in enumerate([key for key in state if key.endswith(".weight")][:13]):
        if i in (2, 4, 8, 12):
            x = F.max_pool2d(x, 2)
        x = conv(x, state, key.removesuffix(".weight"), padding=1).relu()
        if i in (0, 2, 4, 8, 12):
            found.append(x)
    return found


def edges(instances: Tensor) -> Tensor:
    n, _, height, width = instances.shape
    found, numbers = np.zeros((n, 1, height, width)), instances[:, 0].tolist()  # lists, whose entries are fast to read
    for s, y, x in itertools.product(range(n), range(height), range(width)):
        neighbours = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        inside = [numbers[s][v][u] for v, u in neighbours if 0 <= v < height and 0 <= u < width]
        found[s, 0, y, x] = any(other != numbers[s][y][x] for other in inside)
    return torch.from_numpy(found)


def pool(features: Tensor, regions: Tensor) -> Tensor:
    pooled = torch.zeros_like(features)
    for s, sample in enumerate(regions[:, 0]):
        for region in np.unique(sample):
            inside = torch.from_numpy(np.asarray(sample == region))
            pooled[s, :, inside] = features[s, :, inside].mean(dim=1, keepdim=True)
    return pooled


def gan(scales: list[list[Tensor]], *, real: bool, vanilla: bool) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for scale in scales:
        if vanilla:
            p = torch.sigmoid(scale[-1])
            total = total - torch.log(p if real else 1.0 - p).mean()
        else:
            total = total + ((scale[-1] - float(real)) ** 2).mean()
    return total


def reference_losses(o: Options, drawn: Arrays, states: dict[str, State]) -> tuple[dict[str, Tensor], Tensor]:
    photo, label = torch.from_numpy(drawn["real"]).double(), torch.from_numpy(drawn["label"])
    if o["label_nc"]:
        x = torch.eye(o["label_nc"], dtype=torch.float64)[label[:, 0].long()].permute(0, 3, 1, 2)
    else:
        x = label.double()
    if not o["no_instance"]:
        x = torch.cat((x, edges(torch.from_numpy(drawn["inst"]))), dim=1)
    seen = [x]
    if o["load_features"]:
        seen.append(torch.from_numpy(drawn["feat"]).double())
    elif "E" in states:
        encoded, i = hourglass(photo, states["E"], "model", o["n_downsample_E"], 0)
        regions = drawn["inst"] if o["instance_feat"] else drawn["label"]
        seen.append(pool(head(encoded, states["E"], "model", i), torch.from_numpy(regions)))
    fake = generate(torch.cat(seen, dim=1), states["G"], o)

    on_fake = discriminate(torch.cat((x, fake.detach()), dim=1), states["D"], o)
    on_real = discriminate(torch.cat((x, photo), dim=1), states["D"], o)
    judged = discriminate(torch.cat((x, fake), dim=1), states["D"], o)
    losses = {
        "G_GAN": gan(judged, real=True, vanilla=o["no_lsgan"]),
        "D_real": gan(on_real, real=True, vanilla=o["no_lsgan"]),
        "D_fake": gan(on_fake, real=False, vanilla=o["no_lsgan"]),
    }
    if not o["no_ganFeat_loss"]:
        weight = o["lambda_feat"] * 4.0 / (o["n_layers_D"] + 1) / o["num_D"]
        pairs = [
            (fakes[j], reals[j]) for fakes, reals in zip(judged, on_real, strict=True) for j in range(len(fakes) - 1)
        ]
        losses["G_GAN_Feat"] = weight * torch.stack([(a - b.detach()).abs().mean() for a, b in pairs]).sum()
    if not o["no_vgg_loss"]:
        vgg = {key: value.double() for key, value in random_vgg19().items()}
        pairs = list(zip(vgg_activations(fake, vgg), vgg_activations(photo, vgg), strict=True))
        distances = torch.stack([(a - b).abs().mean() for a, b in pairs])
        weights = torch.tensor([1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0], dtype=torch.float64)
        losses["G_VGG"] = o["lambda_feat"] * (weights * distances).sum()
    return losses, fake


def reference_gradients(o: Options, losses: dict[str, Tensor], states: dict[str, State]) -> State:
    """Of what each optimizer updates: all of G (or of its outermost enhancer) and E; all of D."""
    fixed = f"model{o['n_local_enhancers']}" if o["niter_fix_global"] else ""
    updated = {
        f"{name}.{key}": value
        for name, state in states.items()
        for key, value in state.items()
        if value.requires_grad and (name != "G" or key.startswith(fixed))
    }
    generator_losses = [loss for name, loss in losses.items() if name.startswith("G_")]
    found: State = {}
    for parts, names in ((generator_losses, "GE"), ([0.5 * losses["D_real"], 0.5 * losses["D_fake"]], "D")):
        keys = [key for key in updated if key[0] in names]
        weights = [updated[key] for key in keys]
        found.update(zip(keys, torch.autograd.grad(torch.stack(parts).sum(), weights, retain_graph=True), strict=True))
    return found


def gradients_of_a_step(model: Pix2PixHD, batch: Batch) -> tuple[dict[str, Tensor], Tensor, State]:
    """Return losses, sample and the gradients that each optimizer is about to apply."""
    gradients: State = {}

    def collect(names: str) -> None:
        for name, network in networks_of(model).items():
            if name in names:
                for key, parameter in network.named_parameters():
                    if parameter.grad is not None:
                        gradients[f"{name}.{key}"] = parameter.grad.clone()

    model.generator_optimizer.optimizer.register_step_pre_hook(lambda *_: collect("GE"))
    model.discriminator_optimizer.optimizer.register_step_pre_hook(lambda *_: collect("D"))
    losses, fake = model.train_step(batch)
    return losses, fake, gradients


@pytest.mark.parametrize("options", CROSSED + OTHERS, ids=lambda o: "-".join(f"{k}={v}" for k, v in o.items()))
def test_gradients_of_a_whole_step(options: Options, request: pytest.FixtureRequest) -> None:
    o = {**BASE, **options}
    vgg: Path | str = "none" if o["no_vgg_loss"] else request.getfixturevalue("vgg_file")
    model = Pix2PixHD(dataclasses.replace(config_of(o, str(vgg)), precision="fp64"), torch.device("cpu"))
    states: dict[str, State] = {}
    for name, network in networks_of(model).items():
        fill(network, 0.1)
        trained = {key for key, _ in network.named_parameters()}
        states[name] = {
            key: value.detach().clone().requires_grad_(key in trained) for key, value in network.state_dict().items()
        }
    drawn = drawn_batch(o, 0)
    batch = dataclasses.replace(batch_of(o, drawn), n_instances=o["n_instances"])
    losses, fake, gradients = gradients_of_a_step(model, batch)
    expected_losses, expected_fake = reference_losses(o, drawn, states)
    expected = reference_gradients(o, expected_losses, states)

    assert {key: loss.item() for key, loss in losses.items()} == pytest.approx(
        {key: loss.item() for key, loss in expected_losses.items()}, rel=RELATIVE
    )
    torch.testing.assert_close(fake, expected_fake.detach(), rtol=0, atol=RELATIVE)
    assert gradients.keys() == expected.keys()
    # A bias before a norm has no gradient but rounding noise: below this share of a network's largest gradient.
    noise = {
        name: 1e-12 * max(g.abs().max().item() for key, g in expected.items() if key[0] == name) for name in states
    }
    for key, gradient in expected.items():
        assert gradients[key].dtype == torch.float64
        allowed = RELATIVE * gradient.abs().max().item() + noise[key[0]]
        assert (gradients[key] - gradient).abs().max().item() <= allowed, key
