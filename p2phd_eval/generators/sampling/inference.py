"""Networks as they sample: loaded, cast to a precision, and with every image treated on its own."""

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import nn

from p2phd_eval.config import TrainConfig
from p2phd_eval.generators.checkpoint import load_network
from p2phd_eval.generators.networks.conditioning import conditioning_channels
from p2phd_eval.generators.networks.generator import GlobalGenerator, LocalEnhancer, build_generator
from p2phd_eval.generators.sampling.winograd import use_winograd
from p2phd_eval.generators.training.master_weights import cast_weights
from p2phd_eval.generators.training.precision import Precision

_Network = TypeVar("_Network", bound=nn.Module)


def unloaded_generator(config: TrainConfig) -> GlobalGenerator | LocalEnhancer:
    """Return the generator of a configuration on the device "meta": without data until a checkpoint's are loaded."""
    channels = conditioning_channels(config.data) + config.features.channels
    with torch.device("meta"):
        return build_generator(config.generator, channels)


def for_inference(
    network: _Network,
    state: Mapping[str, torch.Tensor],
    where: str,
    *,
    device: torch.device,
    precision: Precision,
    plain: bool = False,
) -> _Network:
    """Load a state into `network` and return it on `device`, in evaluation mode.

    The original samples in training mode, one image at a time: its batch norm uses the statistics of the image
    and not those collected while training. So does this one; dropout is off.

    `network`: on the device "meta", or on the CPU. `plain`: keep its layers, for who replaces them himself. Raises
    `InputError` if the state belongs to another network, `DivergenceError` if it is not finite; `where` and the key are
    named.
    """
    load_network(network, state, where)
    cast_weights(network, precision.weights_dtype)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = module.running_var = None
        elif isinstance(module, nn.ReLU):
            module.inplace = True  # no gradient asks for what it overwrites
    network = network.to(device).eval()
    if device.type == "cpu" and not plain and precision.input_dtype == torch.float32:
        use_winograd(network)
    return network


def most_at_once(config: TrainConfig, batch_size: int) -> int:
    """Return how many images may go through the networks together, so that none depends on the others."""
    return 1 if config.generator.norm == "batch" else batch_size
