"""The FID Inception network without its weights: pytorch-fid's architecture and the names of its tensors."""

import functools
import itertools
from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from p2phd_eval.torchvision_ops import declare_missing_operators

LAYERS = 94  # convolutions, each followed by batch normalisation
TENSORS_A_LAYER = ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")


def build_network() -> nn.Module:
    """Build the network on the meta device, in eval mode; `load_state_dict(state, assign=True)` fills it.

    The blocks are pytorch-fid's, which differ from torchvision's Inception v3 in their pooling, as the
    TensorFlow network of 2015 does. pytorch-fid's own constructor downloads the weights, hence this one. The
    classifier is left out: FID takes the 2048 features below it.

    It maps float32 (n, 3, 299, 299) in [-1, 1] to float32 (n, 2048).
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


def build_features(state: Mapping[str, Tensor], dims: int) -> nn.Sequential:
    """Build the network from its weights up to one of the four layers that FID tools offer, for inference.

    Batch normalisation is folded into the convolutions, in float64: the same function, up to the rounding of float32,
    in a fifth less time on a CPU.

    It maps float32 (n, 3, 299, 299) in [-1, 1] to float32 (n, dims, h, w), in eval mode, on the CPU. The features are
    averages over h and w, at every one of the layers, as in pytorch-fid.

    `state`: the weights, named as in `tensor_shapes`. `dims`: one of `p2phd_eval.features.identity.INCEPTION_DIMS`.
    """
    network = build_network()
    network.load_state_dict({name: tensor.to(torch.float64) for name, tensor in state.items()}, assign=True)
    layers = list(network.named_children())
    last = {64: "maxpool1", 192: "maxpool2", 768: "Mixed_6e", 2048: "Mixed_7c"}[dims]
    used = itertools.islice(layers, [name for name, _ in layers].index(last) + 1)
    features = nn.Sequential(*(_folded(layer) for _, layer in used)).to(torch.float32)
    for layer in features.modules():
        if isinstance(layer, nn.Conv2d):
            # Convolutions over channels-last tensors are faster on both kinds of device.
            layer.weight = nn.Parameter(layer.weight.contiguous(memory_format=torch.channels_last))
    return features.requires_grad_(False)


def _folded(module: nn.Module) -> nn.Module:
    """Fold batch normalisation into the convolutions of a module, in place where it is a block."""
    conv, norm = getattr(module, "conv", None), getattr(module, "bn", None)
    if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
        # relu in place: the convolution's output is nobody else's.
        return nn.Sequential(fuse_conv_bn_eval(conv, norm), nn.ReLU(inplace=True))
    for name, child in list(module.named_children()):
        setattr(module, name, _folded(child))
    return module
