"""The FID Inception network without its weights: pytorch-fid's architecture and the names of its tensors."""

from __future__ import annotations

import functools
from types import MappingProxyType

import torch
from torch import nn

from p2phd_eval.torchvision_ops import declare_missing_operators

LAYERS = 94  # convolutions, each followed by batch normalisation
TENSORS_A_LAYER = ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")


def build_network() -> nn.Module:
    """Build the network on the meta device, in eval mode; `load_state_dict(state, assign=True)` fills it.

    The blocks are pytorch-fid's, which differ from torchvision's Inception v3 in their pooling, as the
    TensorFlow network of 2015 does. pytorch-fid's own constructor downloads the weights, hence this one. The
    classifier is left out: FID takes the 2048 features below it.

    Returns
    -------
    torch.nn.Module
        float32 (n, 3, 299, 299) in [-1, 1] -> float32 (n, 2048).
    """
    declare_missing_operators()
    from pytorch_fid import inception as blocks
    from torchvision.models.inception import Inception3

    # On the meta device nothing is allocated or drawn at random.
    with torch.device("meta"):
        network: nn.Module = Inception3(num_classes=1008, aux_logits=False, init_weights=False)
        network.Mixed_5b = blocks.FIDInceptionA(192, pool_features=32)
        network.Mixed_5c = blocks.FIDInceptionA(256, pool_features=64)
        network.Mixed_5d = blocks.FIDInceptionA(288, pool_features=64)
        network.Mixed_6b = blocks.FIDInceptionC(768, channels_7x7=128)
        network.Mixed_6c = blocks.FIDInceptionC(768, channels_7x7=160)
        network.Mixed_6d = blocks.FIDInceptionC(768, channels_7x7=160)
        network.Mixed_6e = blocks.FIDInceptionC(768, channels_7x7=192)
        network.Mixed_7b = blocks.FIDInceptionE_1(1280)
        network.Mixed_7c = blocks.FIDInceptionE_2(2048)
    network.fc = nn.Identity()
    return network.eval().requires_grad_(False)


@functools.cache
def tensor_shapes() -> MappingProxyType[str, tuple[int, ...]]:
    """Name and shape of each of the network's tensors (94 layers of 5), in the order of its modules.

    The names are pytorch-fid's, which are torchvision's: ``Conv2d_1a_3x3.conv.weight``. Left out is batch
    normalisation's counter of batches, which training alone reads; torch fills it in where it is missing.
    """
    state = build_network().state_dict()
    return MappingProxyType(
        {name: tuple(tensor.shape) for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    )
