"""A segmentation network of transformers' (SegFormer, Mask2Former and their like) from a folder on this machine."""

import hashlib
from collections import Counter
from pathlib import Path

import torch
from torch import Tensor

from p2phd_eval.errors import InputError
from p2phd_eval.features.networks.float32_products import float32_products
from p2phd_eval.features.networks.quiet_transformers import import_transformers, quiet_transformers
from p2phd_eval.files import file_sha256
from p2phd_eval.json_files import read_json
from p2phd_eval.tensor_files import is_finite

_FILES = ("config.json", "preprocessor_config.json", "model.safetensors")
_WANTED = f"a folder of a segmentation network in Hugging Face's layout: {', '.join(_FILES)}"
_GET = "Get these files of one such as nvidia/segformer-b0-finetuned-cityscapes-512-1024 from huggingface.co."
# Which name masks, and the class of each, where others name each pixel's class.
_OF_MASKS = ("mask2former", "maskformer")


class TransformersSegmenter:
    """A `Segmenter` of transformers': its own image processor before the network, and its own reading of the answer.

    Photos are scaled and normalised as `preprocessor_config.json` says, and the logits come back to the photo's size as
    the processor's `post_process_semantic_segmentation` does it. The classes are the `id2label` of `config.json`. One
    photo a forward pass.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        kind = _require_folder(folder)
        transformers = import_transformers("--segmenter", "segmenters")
        loader = (
            transformers.AutoModelForUniversalSegmentation
            if kind in _OF_MASKS
            else transformers.AutoModelForSemanticSegmentation
        )
        try:
            with quiet_transformers():
                network, found = loader.from_pretrained(
                    folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
                )
                self._processor = transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # transformers and safetensors raise a different type for each way to be wrong
            reason = (str(error).splitlines() or [""])[0].rstrip(".")
            raise _unusable(folder, f"what transformers cannot load ({type(error).__name__}: {reason})") from error
        for keys, what in ((found["missing_keys"], "no tensor"), (found["mismatched_keys"], "another shape in")):
            if keys:
                raise _unusable(folder, f"{what} {sorted(map(str, keys))[0]!r}")
        for key, tensor in network.state_dict().items():
            if tensor.is_floating_point() and not is_finite(tensor):
                raise _unusable(folder, f"NaN or infinity in {key!r}")
        if not hasattr(self._processor, "post_process_semantic_segmentation"):
            raise _unusable(folder, f"an image processor without semantic classes, of {kind!r}")
        self._network = network.to(device).eval()
        self._device = device
        self.name = folder.name
        self.classes = _names(network.config.id2label)
        self.identity = hashlib.sha256("\n".join(file_sha256(folder / name) for name in _FILES).encode()).hexdigest()

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """See `Segmenter`."""
        size = [tuple(images.shape[1:3])]
        answers = []
        with torch.autocast(self._device.type, enabled=False), float32_products():
            for image in images.cpu():
                given = self._processor(images=image.permute(2, 0, 1), return_tensors="pt")
                output = self._network(pixel_values=given["pixel_values"].to(self._device))
                (numbers,) = self._processor.post_process_semantic_segmentation(output, target_sizes=size)
                answers.append(numbers.long())
        return torch.stack(answers)


def _names(id2label: dict[int, str]) -> tuple[str, ...]:
    """The classes' names by number; where one stands twice, with their numbers."""
    names = [str(name) for _, name in sorted(id2label.items())]
    often = Counter(names)
    return tuple(name if often[name] == 1 else f"{name} ({number})" for number, name in enumerate(names))


def _require_folder(folder: Path) -> str:
    """Return the model's type; raise InputError if files are missing."""
    for name in _FILES:
        if not (folder / name).is_file():
            raise _unusable(folder, f"no {name} in it")
    config = read_json(folder / "config.json", expected=_WANTED, fix=_GET)
    kind = config.get("model_type") if isinstance(config, dict) else None
    if not isinstance(kind, str):
        raise _unusable(folder, "a config.json without model_type")
    return kind


def _unusable(folder: Path, found: str) -> InputError:
    return InputError(str(folder), expected=_WANTED, found=found, fix=_GET)
