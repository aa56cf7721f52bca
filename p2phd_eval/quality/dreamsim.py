"""DreamSim, the distance of two images in embeddings that were fitted to what people call similar."""

import contextlib
import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from p2phd_eval.errors import InputError
from p2phd_eval.features.networks.float32_products import float32_products
from p2phd_eval.json_files import read_json
from p2phd_eval.quality.distance_weights import weights_sha256
from p2phd_eval.quality.image_distance import ImageDistance, QualityMetric
from p2phd_eval.quality.pillow_resize import resized
from p2phd_eval.tensor_files import is_finite, read_tensors
from p2phd_eval.torchvision_ops import declare_missing_operators

# The released models that the package loads from a folder alone, by its own names: the tower and its fitted adapter.
# The others (the ensemble, DINO's) run code that the package fetches from GitHub whenever it loads them.
KINDS = {name: (f"{name}_pretrain.pth.tar", f"{name}_single_lora") for name in ("open_clip_vitb32", "clip_vitb32")}

_SIDE = 224  # pixels
_SMALLEST_SIDE = 16  # pixels
_WANTED = "a folder with DreamSim's single model: " + ", or ".join(
    f"{tower} and {adapter}/" for tower, adapter in KINDS.values()
)
_GET = (
    "Unpack dreamsim_open_clip_vitb32_checkpoint.zip of\n"
    "https://github.com/ssundaram21/dreamsim/releases/tag/v0.2.0-checkpoints there."
)


class DreamSim:
    """DreamSim by its authors' package, of one of the released single models: 1 minus the cosine of two embeddings.

    As in the package, images are scaled whole to 224 x 224 (Pillow, bicubic, antialiased, on uint8). The ensemble that
    the authors recommend cannot be had from files alone: the package fetches the code of DINO, a part of it, from
    GitHub.

    `folder`: what the authors' zip file unpacks to. Nothing is downloaded, and no code in a file is run. Raises
    `InputError` if the package is not installed, or the folder does not hold such a model, whole and finite.

    References
    ----------
    Fu, Tamir, Sundaram et al. (2023), "DreamSim: Learning New Dimensions of Human Visual Similarity using Synthetic
    Data", section 4.
    """

    def __init__(self, folder: Path, device: torch.device | str) -> None:
        kind = _kind_of(folder)
        _require_data(folder, kind)
        self._model = _load(folder, kind, device)
        self._network = f"dreamsim {kind}"
        self._sha256 = weights_sha256(folder)
        #: What the reader should know of the weights.
        self.notes = (f"DreamSim is that of the single model {kind}: it does not compare with the ensemble's.",)

    def as_distance(self) -> ImageDistance:
        """Return it as one of the distances of two images."""
        metric = QualityMetric(
            name="DreamSim", unit="", better="lower", network=self._network, weights_sha256=self._sha256
        )
        return ImageDistance(metric=metric, smallest_side=_SMALLEST_SIDE, function=self)

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the distance of each pair of images, float32 (N,); 0 for identical ones, at most 2.

        `first`, `second`: float32 (N, 3, H, W), RGB in [0, 1], which came of 8 bits; on the device.
        """
        small = [
            torch.cat([resized(image, (_SIDE, _SIDE), "bicubic") for image in torch.split(images, 1)])
            for images in (first, second)
        ]
        with torch.no_grad(), float32_products():
            distance: Tensor = self._model(*small)
        return distance.clamp(min=0)  # rounding, where two images are alike


def _kind_of(folder: Path) -> str:
    if not folder.is_dir():
        raise _unusable(folder, "a file" if folder.is_file() else "no such folder")
    for kind, (tower, adapter) in KINDS.items():
        parts = {tower: (folder / tower).is_file(), f"{adapter}/": (folder / adapter).is_dir()}
        if all(parts.values()):
            return kind
        if any(parts.values()):
            raise _unusable(folder, f"no {next(name for name, there in parts.items() if not there)}")
    others = sorted(each.name for each in folder.glob("*_lora"))
    found = f"{others[0]}, whose model takes code from the network" if others else "neither"
    raise _unusable(folder, found)


def _require_data(folder: Path, kind: str) -> None:
    """Refuse files that hold more than data, or numbers that are none, before the package reads them."""
    tower, adapter = (folder / part for part in KINDS[kind])
    read_json(adapter / "adapter_config.json", expected=_WANTED, fix=_GET)
    files = [tower]
    if not (adapter / "adapter_model.safetensors").is_file():
        files.append(adapter / "adapter_model.bin")
    for file in files:
        stored = read_tensors(file, expected=_WANTED, fix=_GET)
        state = stored.get("state_dict", stored) if isinstance(stored, Mapping) else stored
        if not isinstance(state, Mapping) or not all(isinstance(each, Tensor) for each in state.values()):
            raise _unusable(file, "something else than a state dict")
        for name, tensor in state.items():
            if not is_finite(tensor):
                raise _unusable(file, f"NaN or infinity in {name!r}")


def _load(folder: Path, kind: str, device: torch.device | str) -> Any:
    declare_missing_operators()
    try:
        from dreamsim import dreamsim
    except ImportError as error:
        raise InputError(
            f"--distance-weights dreamsim={folder}",
            expected="the package dreamsim",
            found=str(error),
            fix='Install it: pip install "p2phd-eval[dreamsim]", or pip install "dreamsim>=0.2.1".',
        ) from error
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            # With both parts there it downloads nothing.
            model, _ = dreamsim(device=str(device), cache_dir=str(folder), dreamsim_type=kind)
        except Exception as error:  # several libraries raise it
            reason = " ".join(str(error).split())[:200].rstrip(".")
            raise _unusable(folder, f"what the package cannot load ({type(error).__name__}: {reason})") from error
    # peft takes an adapter of other layers for one that changes nothing, with a warning.
    for warning in said:
        if "missing adapter keys" in str(warning.message):
            raise _unusable(folder / KINDS[kind][1], "an adapter that is not of this model")
    if not all(is_finite(parameter) for parameter in model.parameters()):
        raise _unusable(folder, "NaN or infinity in its adapter")
    return model


def _unusable(where: Path, found: str) -> InputError:
    return InputError(str(where), expected=_WANTED, found=found, fix=_GET)
