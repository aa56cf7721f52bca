"""Weights of an earlier run as the start of a new one: coarse to fine, or another data set (pix2pixHD, section 3.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from p2phd_eval.errors import InputError
from p2phd_eval.generators.checkpoint import find_checkpoint, load_checkpoint
from p2phd_eval.generators.original.checkpoint_folder import is_original_folder, read_original


@dataclass(frozen=True, kw_only=True)
class Matched:
    """A network's state, in part from an earlier one."""

    state: dict[str, torch.Tensor]
    fresh: tuple[str, ...]  # parts of the network that keep their initial weights, such as "model1_1"


def read_networks(source: Path) -> dict[str, dict[str, torch.Tensor]]:
    """Return the state dicts "G", "D" and, where there is one, "E" of a run, a checkpoint or an original's folder.

    Raises `InputError` if there is none, or it cannot be read.
    """
    if is_original_folder(source):
        return read_original(source).networks
    return load_checkpoint(find_checkpoint(source)).networks


def match(
    network: nn.Module, own: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor], where: str
) -> Matched:
    """Take over what an earlier network has under the same name, as G1 is taken over into a local enhancer.

    `network`: the new network, whose first convolutions may see other input channels than before. `own`: its state.
    `state`: the earlier network's state. What only it has is left. `where`: for errors. Raises `InputError` if nothing
    matches, or a shape differs in more than the number of input channels; the key is named.
    """
    taken: dict[str, torch.Tensor] = {}
    for key, tensor in own.items():
        before = state.get(key)
        if before is None:
            continue
        if before.shape == tensor.shape:
            taken[key] = before
        elif not _differs_in_input_channels(network, key, before, tensor):
            raise InputError(
                f"{where}, key {key!r}",
                expected=f"shape {tuple(tensor.shape)}",
                found=f"{tuple(before.shape)}",
                fix="Train with the widths of the earlier run; with n local enhancers --ngf is its ngf / 2**n.",
            )
    if not taken:
        raise InputError(where, expected="weights of this kind of network", found="no key in common")
    return Matched(state={**own, **taken}, fresh=_fresh_parts(own, taken))


def _fresh_parts(own: Mapping[str, torch.Tensor], taken: Mapping[str, torch.Tensor]) -> tuple[str, ...]:
    """Name the parts that were not taken over: a whole part by its first name, a piece of one by its own."""
    partly = {key.partition(".")[0] for key in taken}
    parts = (key.partition(".")[0] if key.partition(".")[0] not in partly else key for key in own if key not in taken)
    return tuple(dict.fromkeys(parts))


def _differs_in_input_channels(network: nn.Module, key: str, before: torch.Tensor, now: torch.Tensor) -> bool:
    module = network.get_submodule(key.rpartition(".")[0])
    if not isinstance(module, nn.Conv2d) or before.dim() != now.dim():
        return False
    return before.shape[0] == now.shape[0] and before.shape[2:] == now.shape[2:] and key.endswith("weight")
