"""torch.compile for the networks of a training."""

import shutil
from collections.abc import Iterable
from typing import Any

import torch
import torch._functorch.config
from torch import nn

from p2phd_eval.errors import InputError


def compile_networks(networks: Iterable[nn.Module], device: torch.device, where: str = "--compile") -> None:
    """Compile networks in place at their first call; their state-dict keys stay.

    Raises `InputError`, naming `where`, if there is no C++ compiler, which torch needs for code for a CPU.
    """
    if device.type == "cpu" and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        raise InputError(
            where, expected="a C++ compiler on the path (g++ or clang++)", found="none", fix="Leave it out."
        )
    # The generator's loss runs backward through the discriminators, and their own does after it: what the compiled
    # backward may not do is overwrite what it reads. torch has no public switch for it; its own message names this one.
    settings: Any = torch._functorch.config
    settings.donated_buffer = False
    for network in networks:
        network.compile()
