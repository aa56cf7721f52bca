"""The file of a segmenter that the tool trained: tensors, and a header that says how it is to be read."""

import json
from pathlib import Path

import msgspec
import torch

from p2phd_eval.errors import InputError
from p2phd_eval.files import atomic_write, file_sha256
from p2phd_eval.json_files import convert_json, decode_json
from p2phd_eval.segmentation.module_segmenter import ModuleSegmenter
from p2phd_eval.segmentation.u_net import UNet
from p2phd_eval.tensor_files import is_finite, tensor_fault

_KEY = "p2phd_eval_segmenter"  # of the one entry of the metadata, a JSON text
_FORMAT = 1
_EXPECTED = "a segmenter that `p2phd-eval segment train` wrote"
_LARGEST_HEADER = 16 << 20  # bytes


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a segmenter's training is decided by, beside its photos."""

    width: int  # pixels, of photos as the network sees them
    channels: int
    depth: int
    steps: int
    batch_size: int
    learning_rate: float
    seed: int
    ignore: tuple[int, ...]  # labels that stood for no class


class HeldOut(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a trained segmenter reads photos that it was not trained on."""

    photos: int
    pixel_accuracy: float  # percent, as all scores here
    mean_iou: float  # over the classes that their label maps have
    iou: tuple[float | None, ...]  # by class; None: it occurs nowhere


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file says beside its tensors."""

    format: int
    classes: tuple[str, ...]
    recipe: Recipe
    photos: int  # of training
    data_sha256: str
    held_out: HeldOut


def write_trained(path: Path, network: UNet, header: Header) -> None:
    """Write a network and its header as one safetensors file, whole or not at all; its bytes depend on both alone."""
    from safetensors.torch import save

    state = {key: tensor.detach().cpu().contiguous() for key, tensor in network.state_dict().items()}
    # One entry: the order in which several would be written is not fixed.
    text = json.dumps(msgspec.to_builtins(header), sort_keys=True, allow_nan=False)
    with atomic_write(path) as stream:
        stream.write(save(state, metadata={_KEY: text}))


def read_header(path: Path) -> Header:
    """Return what a trained segmenter's file says of itself; raise `InputError` if it is none."""
    with path.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        content = stream.read(size) if 2 <= size <= _LARGEST_HEADER else b""
    if len(content) != size or not content.startswith(b"{"):
        raise _unusable(path, "another kind of file")
    whole = decode_json(content, str(path), expected=_EXPECTED)
    text = whole.get("__metadata__", {}).get(_KEY) if isinstance(whole, dict) else None
    if not isinstance(text, str):
        raise _unusable(path, "safetensors of another tool")
    header = convert_json(decode_json(text, f"{path}, header", expected=_EXPECTED), Header, f"{path}, header")
    if header.format != _FORMAT:
        raise _unusable(path, f"format {header.format}, of another version")
    recipe = header.recipe
    if not (2 <= len(header.classes) == len(set(header.classes)) <= 2**15):
        raise _unusable(path, f"{len(header.classes)} classes, or a name twice")
    if not (1 <= recipe.width <= 2**16 and 1 <= recipe.channels <= 512 and 1 <= recipe.depth <= 8):
        raise _unusable(path, "a network of impossible size")
    return header


def read_trained(path: Path, device: torch.device) -> ModuleSegmenter:
    """Return the segmenter of a file; its identity is the SHA-256 of the file.

    Raises `InputError` if there is no such file, or it is not what `write_trained` writes, whole and finite.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    header = read_header(path)
    recipe = header.recipe
    network = UNet(len(header.classes), channels=recipe.channels, depth=recipe.depth)
    try:
        stored = load(path.read_bytes())
    except (SafetensorError, ValueError, TypeError, LookupError) as error:
        raise _unusable(path, f"a damaged file ({type(error).__name__})") from error
    own = network.state_dict()
    for key in sorted(own.keys() | stored.keys()):
        if key not in stored or key not in own:
            raise _unusable(path, f"{'no' if key in own else 'a'} tensor {key!r}")
        whole = own[key].dtype == torch.int64  # batch normalisation counts its batches
        if (fault := tensor_fault(stored[key], own[key].shape, whole=whole)) is not None:
            raise _unusable(path, f"{key!r}: {fault}")
        if not is_finite(stored[key]):
            raise _unusable(path, f"NaN or infinity in {key!r}")
    network.load_state_dict(stored)
    segmenter = ModuleSegmenter(network, name="trained", classes=header.classes, device=device, width=recipe.width)
    segmenter.identity = file_sha256(path)
    return segmenter


def _unusable(path: Path, found: str) -> InputError:
    fix = "Train one: p2phd-eval segment train DATA --out segmenter.safetensors."
    return InputError(str(path), expected=_EXPECTED, found=found, fix=fix)
