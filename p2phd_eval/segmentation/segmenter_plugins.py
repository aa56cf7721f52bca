"""Segmenters of one's own: from `--segmenter MODULE:CALLABLE` to one that has been tried out."""

import hashlib
import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from p2phd_eval.errors import InputError
from p2phd_eval.files import file_sha256
from p2phd_eval.plugin_import import Plugin

_CONTRACT = (
    "The callable takes (device: torch.device, weights: pathlib.Path | None) and returns a Segmenter; "
    "see docs/segmenters.md."
)
_PROBE_SHAPE = (256, 512, 3)  # sides that divide by 32, as most networks want them
# How many pixels may change their class with an image's companions: kernels may add in another order, so that ties
# fall otherwise; dropout and batch statistics change far more.
_MOST_CHANGED = 0.01


class PluginSegmenter:
    """A `Segmenter` of one's own, each of whose answers is looked at before it is counted.

    `identity` is the hash of the plug-in's own and of the file its callable stands in, so that an edited preparation of
    images is another segmenter, even where the weights are the same.
    """

    def __init__(self, plugin: Plugin, segmenter: Any) -> None:
        self._plugin, self._segmenter = plugin, segmenter
        _require_members(plugin, segmenter)
        self.name: str = segmenter.name
        self.classes: tuple[str, ...] = tuple(segmenter.classes)
        code = importlib.import_module(plugin.module).__file__
        parts = (segmenter.identity, file_sha256(code) if code else "", *self.classes)
        self.identity = hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def __call__(self, images: Tensor) -> Tensor:
        """See `Segmenter`; raises `InputError` if the plug-in raised an error or answered anything else."""
        numbers: Any = self._plugin.run(
            f"to be called with uint8 {tuple(images.shape)}", lambda: self._segmenter(images)
        )
        shape = tuple(images.shape[:3])
        expected = f"int64 {shape} of class numbers from 0 to {len(self.classes) - 1}"
        if not isinstance(numbers, Tensor):
            raise self._plugin.refused(expected=expected, found=f"a {type(numbers).__name__}")
        if tuple(numbers.shape) != shape or numbers.dtype != torch.int64:
            found = f"{str(numbers.dtype).removeprefix('torch.')} {tuple(numbers.shape)}"
            fix = "Logits of a coarser grid are resized to the image first; the largest of them is its .argmax."
            raise self._plugin.refused(expected=expected, found=found, fix=fix)
        if numbers.numel() and not 0 <= int(numbers.min()) <= int(numbers.max()) < len(self.classes):
            raise self._plugin.refused(expected=expected, found=f"{int(numbers.min())} to {int(numbers.max())}")
        return numbers


def load_segmenter(spec: str, *, device: torch.device, weights: Path | None) -> PluginSegmenter:
    """Import and call ``module:callable``, and try what it returns on images of noise.

    The module's code runs with the rights of this process. The current folder is searched last. Raises `InputError` if
    a member of `Segmenter` is missing or of another type, an answer is not one, or an image's answer depends on chance
    or on its companions.

    `spec`: the module's dotted name and the callable's name, such as ``"my_segmenter:build"``. The callable takes
    (device : torch.device, weights : Path or None). `device`, `weights`: handed on.
    """
    plugin = Plugin(option="--segmenter", spec=spec, contract=_CONTRACT)
    if weights is not None and not weights.exists():
        raise InputError(f"--segmenter-weights {weights}", expected="the plug-in's weights", found="nothing there")
    build = plugin.load()
    name = spec.partition(":")[2]
    made = plugin.run(f"{name}(device, weights) to return a segmenter", lambda: build(device, weights))
    segmenter = PluginSegmenter(plugin, made)
    _try_out(plugin, segmenter)
    return segmenter


def _require_members(plugin: Plugin, segmenter: Any) -> None:
    for member in ("name", "identity", "classes"):
        if not hasattr(segmenter, member):
            found = f"a {type(segmenter).__name__} without it"
            raise plugin.refused(expected=f"a segmenter with {member}", found=found)
    if not isinstance(segmenter.name, str) or not segmenter.name:
        raise plugin.refused(expected="the segmenter's name to be a str", found=f"{segmenter.name!r:.100}")
    identity = segmenter.identity
    if not isinstance(identity, str) or re.fullmatch("[0-9a-f]{64}", identity) is None:
        raise plugin.refused(
            expected="the segmenter's identity to be 64 lower-case hexadecimal digits", found=f"{identity!r:.100}"
        )
    classes = segmenter.classes
    if not isinstance(classes, tuple | list) or not classes or not all(isinstance(each, str) for each in classes):
        raise plugin.refused(expected="the segmenter's classes to be a tuple of str", found=f"{classes!r:.100}")
    if len(set(classes)) < len(classes):
        raise plugin.refused(
            expected="the segmenter's classes to have a name of its own each", found=f"{classes!r:.100}"
        )
    if not callable(segmenter):
        raise plugin.refused(expected="a segmenter that can be called", found=f"a {type(segmenter).__name__}")


def _try_out(plugin: Plugin, segmenter: PluginSegmenter) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, *_PROBE_SHAPE), dtype=np.uint8)
    image, other = torch.from_numpy(noise)
    alone, beside = segmenter(image[None])[0], segmenter(torch.stack([other, image]))[1]
    changed = float((alone != beside).double().mean())
    if changed > _MOST_CHANGED:
        raise plugin.refused(
            expected="an image's classes not to depend on chance or on the other images that come with it",
            found=f"{changed:.1%} of the pixels with another",
            fix="Put the module in evaluation mode with .eval().",
        )
