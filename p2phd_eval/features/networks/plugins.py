"""Feature networks of one's own: from `--feature-network MODULE:CALLABLE` to a network that has been tried out."""

import pickle
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from p2phd_eval.errors import InputError, shown
from p2phd_eval.features.identity import NetworkIdentity
from p2phd_eval.features.networks.protocol import FeatureNetwork
from p2phd_eval.plugin_import import Plugin

_CONTRACT = (
    "The callable takes (device: torch.device, weights: pathlib.Path | None) and returns a FeatureNetwork; "
    "see docs/feature-spaces.md."
)
_PROBE_SHAPE = (240, 320, 3)
# By how much an image's features may change with its companions, as a share of the largest: kernels may add in
# another order, in half precision even; dropout and batch statistics change features by far more.
_BATCH_TOLERANCE = 1e-2


def load_plugin(spec: str, *, device: torch.device, weights: Path | None) -> FeatureNetwork:
    """Import and call ``module:callable``, and check what it returns on images of noise.

    The module's code runs with the rights of this process. The current folder is searched last: nothing in it takes the
    place of a module of Python or of a package that is installed.

    What it returns has members of the protocol's types; `prepare` can be pickled; `embed` returned finite float32
    (batch_size, dims) without gradients, and an image's features did not depend on the others of its batch. Raises
    `InputError` if any of that is not so, or the plug-in's own code raised an error.

    `spec`: the module's dotted name and the callable's name, such as ``"my_features:build"``. The callable takes
    (device : torch.device, weights : Path or None) and returns a `FeatureNetwork`. `device`: where to compute; handed
    on. `weights`: the network's weights; handed on.
    """
    plugin = Plugin(option="--feature-network", spec=spec, contract=_CONTRACT)
    if weights is not None and not weights.exists():
        raise InputError(f"--feature-weights {weights}", expected="the plug-in's weights", found="nothing there")
    build = plugin.load()
    name = spec.partition(":")[2]
    network = plugin.run(f"{name}(device, weights) to return a network", lambda: build(device, weights))
    _check_members(plugin, network)
    checked = cast(FeatureNetwork, network)
    _try_out(plugin, checked)
    return checked


def _check_members(plugin: Plugin, network: Any) -> None:
    requirements: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "identity": ("a NetworkIdentity", lambda value: isinstance(value, NetworkIdentity)),
        "device": ("a torch.device", lambda value: isinstance(value, torch.device)),
        "batch_size": ("an int of at least 1", lambda value: type(value) is int and value >= 1),
        "prepare": ("a callable", callable),
        "embed": ("a callable", callable),
    }
    for name, (expected, holds) in requirements.items():
        if not hasattr(network, name):
            raise plugin.refused(
                expected=f"a network with {name}, {expected}", found=f"a {type(network).__name__} without it"
            )
        value = getattr(network, name)
        if not holds(value):
            raise plugin.refused(expected=f"the network's {name} to be {expected}", found=shown(value))
    sha256 = network.identity.weights_sha256
    # The cache and the refusal of unlike feature spaces rest on it.
    if not isinstance(sha256, str) or re.fullmatch("[0-9a-f]{64}", sha256) is None:
        raise plugin.refused(
            expected="identity.weights_sha256 to be 64 lower-case hexadecimal digits", found=shown(sha256)
        )


def _try_out(plugin: Plugin, network: FeatureNetwork) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, *_PROBE_SHAPE), dtype=np.uint8)
    # As the decoding processes have it.
    prepare = plugin.run(
        "prepare to be picklable, as a function of a module or an instance of its class is",
        lambda: pickle.loads(pickle.dumps(network.prepare)),
    )
    image, other = (plugin.run(f"prepare to take uint8 {_PROBE_SHAPE}", partial(prepare, pixels)) for pixels in images)
    for prepared in (image, other):
        if not isinstance(prepared, Tensor):
            raise plugin.refused(expected="prepare to return a Tensor", found=f"a {type(prepared).__name__}")
    alike = torch.stack([image] * network.batch_size)
    mixed = torch.stack([image] + [other] * (network.batch_size - 1))
    features, again = (
        plugin.run(f"embed to take {tuple(batch.shape)}", partial(network.embed, batch)) for batch in (alike, mixed)
    )
    for answer in (features, again):
        _check_features(plugin, network, answer)
    change = float((features[0] - again[0]).abs().max())
    if change > _BATCH_TOLERANCE * float(features[0].abs().max()):
        raise plugin.refused(
            expected="an image's features not to depend on chance or on the other images of its batch",
            found=f"features that changed by {change:.2g}",
            fix="Put the module in evaluation mode with .eval().",
        )


def _check_features(plugin: Plugin, network: FeatureNetwork, features: Any) -> None:
    shape = (network.batch_size, network.identity.dims)
    expected = f"embed to return float32 {shape}, which is (batch_size, identity.dims)"
    if not isinstance(features, Tensor):
        raise plugin.refused(expected=expected, found=f"a {type(features).__name__}")
    if tuple(features.shape) != shape or features.dtype != torch.float32:
        found = f"{str(features.dtype).removeprefix('torch.')} {tuple(features.shape)}"
        raise plugin.refused(expected=expected, found=found)
    if features.requires_grad:
        fix = "Decorate embed with @torch.no_grad()."
        raise plugin.refused(expected="features without gradients", found="features that carry them", fix=fix)
    if not bool(torch.isfinite(features).all()):
        raise plugin.refused(expected="finite features", found="NaN or infinity for an image of noise")
