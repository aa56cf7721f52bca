"""The weights of a network as it runs them, and as the optimizer updates them."""

from collections.abc import Mapping

import torch
from torch import nn

from p2phd_eval.generators.checkpoint import load_network
from p2phd_eval.generators.networks.layers import BatchNorm2d
from p2phd_eval.generators.training.precision import Precision, Weight


def cast_weights(network: nn.Module, dtype: torch.dtype) -> None:
    """Cast the weights of a network in place; a batch norm's stay in float32 where `dtype` is narrower."""
    if dtype.itemsize >= torch.float32.itemsize:
        network.to(dtype)
        return
    for module in network.modules():
        if not isinstance(module, BatchNorm2d):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(dtype)


class NetworkWeights:
    """A network's weights in a precision, with float32 master copies where the precision has them.

    Reduced weights alone lose every update that is smaller than half their last digit; float32 copies collect them
    (Micikevicius et al. 2018, section 3.1).

    `network`: in float32; cast in place.
    """

    def __init__(self, network: nn.Module, precision: Precision) -> None:
        self.network = network
        originals = {name: parameter.detach() for name, parameter in network.named_parameters()}
        cast_weights(network, precision.weights_dtype)
        self._masters: dict[str, nn.Parameter] = {}
        if precision.master_weights:
            for name, parameter in network.named_parameters():
                if parameter.dtype != originals[name].dtype:
                    self._masters[name] = nn.Parameter(originals[name].clone())

    def pairs(self, prefix: str = "") -> list[Weight]:
        """Return the weights whose names begin with `prefix`, each as the network and as the optimizer has it."""
        named = self.network.named_parameters()
        return [(run, self._masters.get(name, run)) for name, run in named if name.startswith(prefix)]

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the network's state, with the master copies in the place of what they are copies of."""
        state = self.network.state_dict()
        return {name: self._masters[name].detach() if name in self._masters else state[name] for name in state}

    def load(self, state: Mapping[str, torch.Tensor], where: str) -> None:
        """Load what `state_dict` returned; see `load_network`."""
        load_network(self.network, state, where)
        with torch.no_grad():
            for name, master in self._masters.items():
                master.copy_(state[name])
