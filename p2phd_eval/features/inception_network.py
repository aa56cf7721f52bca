"""The FID Inception network without its weights: its layers as data, from which shapes and the network follow.

Inception v3 (Szegedy et al. 2016, arXiv:1512.00567) as TensorFlow published it on 2015-12-05 for FID. It differs from
later Inception v3 networks in its pooling: averages leave padding out, and the last block takes maxima. Names of the
tensors are those of pytorch-fid, whose file everyone has.
"""

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

LAYERS = 94  # convolutions, each followed by batch normalisation
TENSORS_A_LAYER = ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")
_EPS = 0.001  # of all batch normalisations


@dataclass(frozen=True)
class _Conv:
    """A convolution without bias, batch normalisation and ReLU."""

    name: str
    channels: tuple[int, int]  # in, out
    kernel: tuple[int, int] = (1, 1)  # height, width
    stride: int = 1
    padding: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class _Pool:
    """A pooling over 3 x 3; of stride 1 it keeps the size."""

    kind: type[nn.MaxPool2d] | type[nn.AvgPool2d]
    stride: int


_Branch = Sequence["_Conv | _Pool | _Branches"]


@dataclass(frozen=True)
class _Branches:
    """Branches over the same input, their outputs joined along the channels."""

    branches: tuple[_Branch, ...]


def _same(name: str, channels: tuple[int, int], *kernel: int) -> _Conv:
    height, width = kernel if len(kernel) == 2 else kernel * 2
    return _Conv(name, channels, (height, width), padding=(height // 2, width // 2))


def _halving(name: str, channels: tuple[int, int]) -> _Conv:
    return _Conv(name, channels, (3, 3), stride=2)


_AVERAGE, _MAXIMUM = _Pool(nn.AvgPool2d, 1), _Pool(nn.MaxPool2d, 1)
_HALVING_POOL = _Pool(nn.MaxPool2d, 2)


def _block_a(inputs: int, pooled: int) -> _Branches:
    """Figure 5 of the paper."""
    return _Branches(
        (
            [_Conv("branch1x1", (inputs, 64))],
            [_Conv("branch5x5_1", (inputs, 48)), _same("branch5x5_2", (48, 64), 5)],
            [
                _Conv("branch3x3dbl_1", (inputs, 64)),
                _same("branch3x3dbl_2", (64, 96), 3),
                _same("branch3x3dbl_3", (96, 96), 3),
            ],
            [_AVERAGE, _Conv("branch_pool", (inputs, pooled))],
        )
    )


def _block_b(inputs: int) -> _Branches:
    """Figure 10: from 35 x 35 to 17 x 17."""
    return _Branches(
        (
            [_halving("branch3x3", (inputs, 384))],
            [
                _Conv("branch3x3dbl_1", (inputs, 64)),
                _same("branch3x3dbl_2", (64, 96), 3),
                _halving("branch3x3dbl_3", (96, 96)),
            ],
            [_HALVING_POOL],
        )
    )


def _block_c(inner: int) -> _Branches:
    """Figure 6, with n = 7."""
    return _Branches(
        (
            [_Conv("branch1x1", (768, 192))],
            [
                _Conv("branch7x7_1", (768, inner)),
                _same("branch7x7_2", (inner, inner), 1, 7),
                _same("branch7x7_3", (inner, 192), 7, 1),
            ],
            [
                _Conv("branch7x7dbl_1", (768, inner)),
                _same("branch7x7dbl_2", (inner, inner), 7, 1),
                _same("branch7x7dbl_3", (inner, inner), 1, 7),
                _same("branch7x7dbl_4", (inner, inner), 7, 1),
                _same("branch7x7dbl_5", (inner, 192), 1, 7),
            ],
            [_AVERAGE, _Conv("branch_pool", (768, 192))],
        )
    )


def _block_d() -> _Branches:
    """From 17 x 17 to 8 x 8, as in Figure 10 with the convolutions of Figure 6."""
    return _Branches(
        (
            [_Conv("branch3x3_1", (768, 192)), _halving("branch3x3_2", (192, 320))],
            [
                _Conv("branch7x7x3_1", (768, 192)),
                _same("branch7x7x3_2", (192, 192), 1, 7),
                _same("branch7x7x3_3", (192, 192), 7, 1),
                _halving("branch7x7x3_4", (192, 192)),
            ],
            [_HALVING_POOL],
        )
    )


def _block_e(inputs: int, pool: _Pool) -> _Branches:
    """Figure 7."""

    def split(name: str) -> _Branches:
        return _Branches(([_same(f"{name}a", (384, 384), 1, 3)], [_same(f"{name}b", (384, 384), 3, 1)]))

    return _Branches(
        (
            [_Conv("branch1x1", (inputs, 320))],
            [_Conv("branch3x3_1", (inputs, 384)), split("branch3x3_2")],
            [_Conv("branch3x3dbl_1", (inputs, 448)), _same("branch3x3dbl_2", (448, 384), 3), split("branch3x3dbl_3")],
            [pool, _Conv("branch_pool", (inputs, 192))],
        )
    )


#: The whole network but for the classifier: FID takes the 2048 features below it.
_NETWORK: Mapping[str, _Conv | _Pool | _Branches] = {
    "Conv2d_1a_3x3": _halving("", (3, 32)),
    "Conv2d_2a_3x3": _Conv("", (32, 32), (3, 3)),
    "Conv2d_2b_3x3": _same("", (32, 64), 3),
    "maxpool1": _HALVING_POOL,
    "Conv2d_3b_1x1": _Conv("", (64, 80)),
    "Conv2d_4a_3x3": _Conv("", (80, 192), (3, 3)),
    "maxpool2": _HALVING_POOL,
    "Mixed_5b": _block_a(192, 32),
    "Mixed_5c": _block_a(256, 64),
    "Mixed_5d": _block_a(288, 64),
    "Mixed_6a": _block_b(288),
    "Mixed_6b": _block_c(128),
    "Mixed_6c": _block_c(160),
    "Mixed_6d": _block_c(160),
    "Mixed_6e": _block_c(192),
    "Mixed_7a": _block_d(),
    "Mixed_7b": _block_e(1280, _AVERAGE),
    "Mixed_7c": _block_e(2048, _MAXIMUM),
}

#: The last part of the network for each of the four layers that FID tools offer, by their number of features.
_LAST = {64: "maxpool1", 192: "maxpool2", 768: "Mixed_6e", 2048: "Mixed_7c"}


@functools.cache
def tensor_shapes() -> MappingProxyType[str, tuple[int, ...]]:
    """Name and shape of each of the network's tensors (94 layers of 5), in the order of its modules.

    The names are pytorch-fid's: ``Conv2d_1a_3x3.conv.weight``. Left out is batch normalisation's counter of batches,
    which training alone reads.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for where, part in _NETWORK.items():
        for conv in _convolutions(part):
            layer = ".".join(filter(None, (where, conv.name)))
            inputs, outputs = conv.channels
            weight = (outputs, inputs, *conv.kernel)
            shapes |= {
                f"{layer}.{name}": (outputs,) if name != TENSORS_A_LAYER[0] else weight for name in TENSORS_A_LAYER
            }
    return MappingProxyType(shapes)


def _convolutions(part: _Conv | _Pool | _Branches) -> Iterator[_Conv]:
    if isinstance(part, _Conv):
        yield part
    elif isinstance(part, _Branches):
        for layer in itertools.chain.from_iterable(part.branches):
            yield from _convolutions(layer)


def build_features(state: Mapping[str, Tensor], dims: int) -> nn.Sequential:
    """Build the network from its weights up to one of the four layers that FID tools offer, for inference.

    Batch normalisation is folded into the convolutions, in float64: the same function, up to the rounding of float32,
    in a fifth less time on a CPU.

    It maps float32 (n, 3, 299, 299) in [-1, 1] to float32 (n, dims, h, w), in eval mode, on the CPU. The features are
    averages over h and w, at every one of the layers, as in pytorch-fid.

    `state`: the weights, named as in `tensor_shapes`. `dims`: one of `p2phd_eval.features.identity.INCEPTION_DIMS`.
    """
    names = list(_NETWORK)
    used = names[: names.index(_LAST[dims]) + 1]
    return nn.Sequential(*(_module(_NETWORK[name], name, state) for name in used)).eval().requires_grad_(False)


def _module(part: _Conv | _Pool | _Branches, where: str, state: Mapping[str, Tensor]) -> nn.Module:
    if isinstance(part, _Conv):
        # In place, since the convolution's output is nobody else's.
        return nn.Sequential(_folded(part, ".".join(filter(None, (where, part.name))), state), nn.ReLU(inplace=True))
    if isinstance(part, _Pool):
        padding = 1 if part.stride == 1 else 0
        if part.kind is nn.AvgPool2d:
            return nn.AvgPool2d(3, part.stride, padding, count_include_pad=False)
        return nn.MaxPool2d(3, part.stride, padding)
    return _Joined(nn.Sequential(*(_module(layer, where, state) for layer in branch)) for branch in part.branches)


class _Joined(nn.ModuleList):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self], dim=1)


def _folded(part: _Conv, layer: str, state: Mapping[str, Tensor]) -> nn.Conv2d:
    """A convolution with its batch normalisation in it."""
    inputs, outputs = part.channels
    with torch.device("meta"):  # where nothing is allocated or drawn at random
        conv = nn.Conv2d(inputs, outputs, part.kernel, part.stride, part.padding, bias=False)
        norm = nn.BatchNorm2d(outputs, eps=_EPS)
    tensors = {name: state[f"{layer}.{name}"].to(torch.float64) for name in TENSORS_A_LAYER}
    for module, prefix in ((conv, "conv."), (norm, "bn.")):
        own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        module.load_state_dict(own, assign=True, strict=False)  # its counter of batches stays where it is
    folded = fuse_conv_bn_eval(conv.eval(), norm.eval()).to(torch.float32)
    # Convolutions over channels-last tensors are faster on both kinds of device.
    folded.weight = nn.Parameter(folded.weight.contiguous(memory_format=torch.channels_last))
    return folded
