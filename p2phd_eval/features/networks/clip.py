"""CLIP's image embeddings, in which CMMD is defined: `--feature-network clip --feature-weights FOLDER`."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from p2phd_eval.errors import InputError
from p2phd_eval.features.identity import CLIP
from p2phd_eval.features.networks.module_features import Channels, ModuleFeatures
from p2phd_eval.features.networks.quiet_transformers import import_transformers, quiet_transformers
from p2phd_eval.json_files import read_json
from p2phd_eval.tensor_files import is_finite

# OpenAI's, by which open_clip's and LAION's models normalise too.
MEAN: Channels = (0.48145466, 0.4578275, 0.40821073)
STD: Channels = (0.26862954, 0.26130258, 0.27577711)

# What papers call the towers, by their layers, width and patch.
_SIZES = {(12, 768): "B", (24, 1024): "L", (32, 1280): "H", (48, 1664): "bigG"}

_FILES = ("model.safetensors", "pytorch_model.bin")
_STANDARD = "openai/clip-vit-large-patch14-336"
_WANTED = f"a folder of CLIP in Hugging Face's layout: config.json, and {' or '.join(_FILES)}"
_GET = f"Get those files of {_STANDARD} from huggingface.co; other towers give other numbers."


def clip(device: torch.device, weights: Path | None) -> ModuleFeatures:
    """CLIP's image embeddings scaled to length one, as CMMD takes them: of ViT-L/14@336px, 768 features an image.

    As in the authors' code, images are cut to their central square, scaled by Pillow (bicubic, antialiased, on uint8)
    to the tower's size, and normalised by OpenAI's mean and standard deviation. Numbers compare with published ones
    where the weights are OpenAI's ViT-L/14@336px; the name of the feature space says which tower it is.

    `device`: where to compute. `weights`: a folder in Hugging Face's layout, of CLIP whole or of its vision tower.
    Nothing is downloaded. Raises `InputError` if transformers is not installed, or the folder does not hold such a
    network, whole and finite.

    References
    ----------
    Jayasumana et al. (2024), "Rethinking FID: Towards a Better Evaluation Metric for Image Generation",
    arXiv:2401.09603. Radford et al. (2021), "Learning Transferable Visual Models From Natural Language Supervision".
    """
    if weights is None:
        raise InputError("--feature-network clip", expected="--feature-weights FOLDER", found="none", fix=_GET)
    _require_folder(weights)
    transformers = import_transformers("--feature-network clip", "clip")
    with quiet_transformers():
        try:
            # Safetensors, or torch's format without code: transformers loads it with weights_only.
            tower, found = transformers.CLIPVisionModelWithProjection.from_pretrained(
                weights, local_files_only=True, dtype=torch.float32, output_loading_info=True
            )
        except Exception as error:  # transformers and safetensors raise a different type for each way to be wrong
            reason = (str(error).splitlines() or [""])[0].rstrip(".")
            raise _unusable(weights, f"what transformers cannot load ({type(error).__name__}: {reason})") from error
    for keys, what in ((found["missing_keys"], "no tensor"), (found["mismatched_keys"], "another shape in")):
        if keys:
            raise _unusable(weights, f"{what} {sorted(map(str, keys))[0]!r}")
    for name, tensor in tower.state_dict().items():
        if not is_finite(tensor):
            raise _unusable(weights, f"NaN or infinity in {name!r}")
    config = tower.config
    # On a CPU few images a pass were as fast as many, and a plug-in is tried out with whole passes.
    return ModuleFeatures(
        _UnitEmbeddings(tower),
        name=_name(config),
        device=device,
        side=config.image_size,
        mean=MEAN,
        std=STD,
        central_square=True,
        batch_size=2 if device.type == "cpu" else None,
    )


class _UnitEmbeddings(nn.Module):
    """Normalised images (n, 3, side, side) to embeddings (n, d) of length one."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.tower(pixel_values=images).image_embeds
        return functional.normalize(embeddings, dim=-1)


def _name(config: Any) -> str:
    shape = config.num_hidden_layers, config.hidden_size
    size = _SIZES.get(shape, f"{shape[0]}x{shape[1]}")
    return f"{CLIP}ViT-{size}/{config.patch_size}@{config.image_size}px"


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise _unusable(folder, "a file" if folder.is_file() else "no such folder")
    if not (folder / "config.json").is_file():
        raise _unusable(folder, "no config.json in it")
    if not any((folder / name).is_file() for name in _FILES):
        raise _unusable(folder, "a config.json without weights beside it")
    config = read_json(folder / "config.json", expected=_WANTED, fix=_GET)
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in ("clip", "clip_vision_model"):
        raise _unusable(folder, f"a config.json of the model type {kind!r}")


def _unusable(folder: Path, found: str) -> InputError:
    return InputError(str(folder), expected=_WANTED, found=found, fix=_GET)
