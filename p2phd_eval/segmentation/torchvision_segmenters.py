"""torchvision's segmentation networks, with weights from a file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from p2phd_eval.errors import InputError, shown
from p2phd_eval.segmentation.module_segmenter import ModuleSegmenter
from p2phd_eval.tensor_files import is_finite, read_tensors, tensor_fault
from p2phd_eval.torchvision_ops import declare_missing_operators

#: By name, the tensor whose length is the number of classes.
TORCHVISION_SEGMENTERS = {
    "deeplabv3_mobilenet_v3_large": "classifier.4.bias",
    "deeplabv3_resnet50": "classifier.4.bias",
    "deeplabv3_resnet101": "classifier.4.bias",
    "fcn_resnet50": "classifier.4.bias",
    "fcn_resnet101": "classifier.4.bias",
    "lraspp_mobilenet_v3_large": "classifier.low_classifier.bias",
}

_MOST_CLASSES = 2**15
_FIX = "Give a state dict of torchvision's, as .pth or .safetensors."
_CLASSES = "classes"  # the key of a safetensors file's metadata under which names may stand, as a JSON list
_AUXILIARY = "aux_classifier."  # a second head, of training alone


def torchvision_segmenter(name: str, weights: Path | None, device: torch.device) -> ModuleSegmenter:
    """Return a network of torchvision's; photos are seen at their own size, normalised as ImageNet's.

    `weights`: a state dict in a ``.pth`` file, as torchvision publishes them or its reference training saves them (as
    ``"model"``), or safetensors. With 21 classes they are called as PASCAL VOC's, in the order of torchvision's
    weights; else as a JSON list ``classes`` in safetensors' metadata says, else by their number. Raises `InputError` if
    there are none, or they are of another network; pickled code is never run.
    """
    if weights is None:
        raise InputError(f"--segmenter {name}", expected="--segmenter-weights FILE", found="none", fix=_FIX)
    state, names = _read(name, weights)
    head = state.get(TORCHVISION_SEGMENTERS[name])
    if not isinstance(head, Tensor) or head.ndim != 1 or not 2 <= len(head) <= _MOST_CLASSES:
        raise _unusable(weights, name, f"no tensor {TORCHVISION_SEGMENTERS[name]!r} of two numbers or more")
    network = _network(name, len(head))
    network.load_state_dict(_checked(weights, name, state, network.state_dict()))
    if names is None:
        names = _voc(len(head)) or tuple(map(str, range(len(head))))
    if len(names) != len(head) or len(set(names)) < len(names):
        raise _unusable(weights, name, f"{len(set(names))} names of {len(head)} classes in its metadata")
    return ModuleSegmenter(network, name=name, classes=names, device=device)


def _network(name: str, n_classes: int) -> nn.Module:
    declare_missing_operators()
    from torchvision.models import get_model

    network: nn.Module = get_model(name, weights=None, weights_backbone=None, num_classes=n_classes)
    return network


def _voc(n_classes: int) -> tuple[str, ...] | None:
    from torchvision.models.segmentation import DeepLabV3_ResNet50_Weights

    names: Sequence[str] = DeepLabV3_ResNet50_Weights.DEFAULT.meta["categories"]
    return tuple(names) if n_classes == len(names) else None


def _read(name: str, path: Path) -> tuple[Mapping[str, Any], tuple[str, ...] | None]:
    """Return tensors by name, and the names of the classes where the file has them; nothing in it is run."""
    if path.suffix.lower() != ".safetensors":
        raw = read_tensors(path, expected=_wanted(name), fix=_FIX)
        if isinstance(raw, Mapping) and isinstance(raw.get("model"), Mapping):
            raw = raw["model"]
        if not isinstance(raw, Mapping):
            raise _unusable(path, name, shown(raw))
        return raw, None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no mapping)
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, SafetensorError) as error:
        raise _unusable(path, name, f"a file that cannot be read ({type(error).__name__})") from error
    if _CLASSES not in metadata:
        return state, None
    try:
        names = json.loads(metadata[_CLASSES])
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise _unusable(path, name, f"{_CLASSES!r} in its metadata that is no JSON list of names")
    return state, tuple(names)


def _checked(path: Path, name: str, state: Mapping[str, Any], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    strangers = sorted(str(key) for key in state if key not in own and not str(key).startswith(_AUXILIARY))
    if strangers:
        raise _unusable(path, name, f"a tensor {strangers[0]!r} as well")
    checked = {}
    for key, like in own.items():
        if key not in state:
            raise _unusable(path, name, f"no tensor {key!r}")
        value = state[key]
        if (fault := tensor_fault(value, like.shape, whole=like.dtype == torch.int64)) is not None:
            raise _unusable(path, name, f"{key!r}: {fault}")
        if not is_finite(value):
            raise _unusable(path, name, f"NaN or infinity in {key!r}")
        checked[key] = value
    return checked


def _wanted(name: str) -> str:
    return f"a state dict of torchvision's {name}"


def _unusable(path: Path, name: str, found: str) -> InputError:
    return InputError(str(path), expected=_wanted(name), found=found, fix=_FIX)
