"""What the keys and shapes of the original's state dicts say about the networks they belong to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from p2phd_eval.errors import InputError

State = Mapping[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What a state dict determines."""

    in_channels: int
    settings: dict[str, Any]  # by our dotted names, such as "generator.ngf"


def generator_architecture(state: State, where: str) -> Architecture:
    """Read a global generator or one with local enhancers off its keys and shapes.

    Raises `InputError` if the keys are not those of such a network.
    """
    trunk = _trunk(state, where, "a generator of pix2pixHD")
    settings = {
        "generator.kind": "global",
        "generator.ngf": trunk.width,
        "generator.n_downsample": trunk.n_downsample,
        "generator.n_blocks": _n_blocks(state, "model."),
        "generator.norm": trunk.norm,
        # Dropout shifts the second convolution of a residual block by one.
        "generator.dropout": any(key.endswith(".conv_block.6.weight") and state[key].dim() == 4 for key in state),
    }
    enhancers = len({key.partition(".")[0] for key in state if re.match(r"model\d+_1\.", key)})
    if enhancers:
        stem = state.get(f"model{enhancers}_1.1.weight")
        settings |= {
            "generator.kind": "local",
            # Where there is none, loading names the key.
            "generator.ngf": trunk.width // 2**enhancers if stem is None else stem.shape[0],
            "generator.n_local_enhancers": enhancers,
            "generator.n_blocks_local": _n_blocks(state, "model1_2."),
        }
    return Architecture(in_channels=trunk.in_channels, settings=settings)


def encoder_architecture(state: State, where: str) -> Architecture:
    """Read a feature encoder off its keys and shapes; see `generator_architecture`."""
    trunk = _trunk(state, where, "a feature encoder of pix2pixHD")
    settings = {
        "features.n_features": trunk.out_channels,
        "features.nef": trunk.width,
        "features.n_downsample": trunk.n_downsample,
    }
    return Architecture(in_channels=trunk.in_channels, settings=settings)


def discriminator_architecture(state: State, where: str) -> Architecture:
    """Read the discriminators off their keys and shapes; see `generator_architecture`."""
    # With feature matching the layers are modules of their own, without they are one sequence.
    exposed = "scale0_layer0.0.weight" in state
    found = [
        re.match(r"scale(\d{1,4})_layer\d+\.0\.weight$" if exposed else r"layer(\d{1,4})\.\d+\.weight$", k)
        for k in state
    ]
    convolutions = [(int(m[1]), state[m.string]) for m in found if m and state[m.string].dim() == 4]
    first = [weight for scale, weight in convolutions if scale == 0]
    if len(first) < 3 or first[0].shape[2:] != (4, 4):
        raise _another_network(where, "discriminators of pix2pixHD", state)
    settings = {
        "discriminator.ndf": first[0].shape[0],
        "discriminator.n_layers": len(first) - 2,
        "discriminator.n_scales": len({scale for scale, _ in convolutions}),
        "discriminator.norm": _norm(state, "scale0_layer1.1" if exposed else "layer0.3"),
        "objective.feature_matching": exposed,
    }
    return Architecture(in_channels=first[0].shape[1], settings=settings)


@dataclass(frozen=True, kw_only=True)
class _Trunk:
    in_channels: int
    width: int
    n_downsample: int
    norm: str
    out_channels: int  # what the last convolution gives


def _trunk(state: State, where: str, wanted: str) -> _Trunk:
    """Read the sequence `model`: a 7x7 convolution, halvings, residual blocks, doublings, perhaps a head."""
    found = {int(m[1]): state[m.string] for key in state if (m := re.match(r"model\.(\d{1,4})\.weight$", key))}
    convolutions = {i: weight for i, weight in sorted(found.items()) if weight.dim() == 4}
    # After the head, a second 7x7 convolution, comes nothing that belongs to the network.
    sevens = [i for i, weight in convolutions.items() if weight.shape[2:] == (7, 7)]
    convolutions = {i: weight for i, weight in convolutions.items() if len(sevens) < 2 or i <= sevens[1]}
    # Each halving has its doubling.
    n_downsample = sum(weight.shape[2:] == (3, 3) for weight in convolutions.values()) // 2
    stem = convolutions.get(1)
    if stem is None or stem.shape[2:] != (7, 7) or n_downsample == 0:
        raise _another_network(where, wanted, state)
    return _Trunk(
        in_channels=stem.shape[1],
        width=stem.shape[0],
        n_downsample=n_downsample,
        norm=_norm(state, "model.2"),
        out_channels=list(convolutions.values())[-1].shape[0],
    )


def _n_blocks(state: State, prefix: str) -> int:
    return len({m[1] for key in state if (m := re.match(re.escape(prefix) + r"(\d+)\.conv_block\.", key))})


def _norm(state: State, layer: str) -> str:
    return "batch" if f"{layer}.weight" in state else "instance"


def _another_network(where: str, wanted: str, state: State) -> InputError:
    keys = ", ".join(list(state)[:3])
    return InputError(
        where,
        expected=wanted,
        found=f"another network (its first keys: {keys})" if keys else "no tensors",
        fix="Use a file that NVIDIA/pix2pixHD's training wrote.",
    )
