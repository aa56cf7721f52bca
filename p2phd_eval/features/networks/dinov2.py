"""DINOv2's feature spaces, as plug-ins: `--feature-network p2phd_eval.features.networks.dinov2:dinov2_vitl14`."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional

from p2phd_eval.errors import InputError, shown
from p2phd_eval.features.networks.module_features import ModuleFeatures
from p2phd_eval.tensor_files import read_tensors, select_tensors
from p2phd_eval.torchvision_ops import declare_missing_operators

SIDE = 224  # pixels, the network's input here
PATCH = 14  # pixels
_TRAINED_GRID = 37  # patches a side of the published weights' position embeddings, which are of 518 pixels
_URL = "https://dl.fbaipublicfiles.com/dinov2/{name}/{name}_pretrain.pth"


def dinov2_vits14(device: torch.device, weights: Path | None) -> ModuleFeatures:
    """DINOv2 ViT-S/14, 384 features an image; see `dinov2_vitl14`."""
    return _load("dinov2_vits14", "vit_small_patch14_dinov2.lvd142m", device, weights)


def dinov2_vitb14(device: torch.device, weights: Path | None) -> ModuleFeatures:
    """DINOv2 ViT-B/14, 768 features an image; see `dinov2_vitl14`."""
    return _load("dinov2_vitb14", "vit_base_patch14_dinov2.lvd142m", device, weights)


def dinov2_vitl14(device: torch.device, weights: Path | None) -> ModuleFeatures:
    """DINOv2 ViT-L/14, 1024 features an image: the network preferred by Stein et al. (2023).

    Images are scaled by Pillow (bicubic, antialiased) to 224 x 224 and normalised by ImageNet's mean and standard
    deviation; the features are the class token after the last normalisation, as dgm-eval takes them.

    `device`: where to compute. `weights`: Meta's ``dinov2_vitl14_pretrain.pth``, or timm's ``model.safetensors`` of the
    same weights. Without a file timm downloads them, or takes them from its cache. Raises `InputError` if timm is not
    installed, the weights cannot be had, or the file is not of this network.

    References
    ----------
    Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", 2023, arXiv:2304.07193.
    Stein et al., "Exposing flaws of generative model evaluation metrics and their unfair treatment of diffusion
    models", NeurIPS 2023, arXiv:2306.04675.
    """
    return _load("dinov2_vitl14", "vit_large_patch14_dinov2.lvd142m", device, weights)


def positions_at(embedding: Tensor, grid: int) -> Tensor:
    """Interpolate position embeddings as Meta's code does at run time.

    timm does it otherwise when it loads (antialiased, and without the offset), which gives other features.

    `embedding`: float32 (1, 1 + 37 * 37, d), the class token's first. `grid`: patches a side wanted. The result is
    float32 (1, 1 + grid * grid, d).
    """
    own, patches = embedding[:, :1], embedding[:, 1:]
    maps = patches.reshape(1, _TRAINED_GRID, _TRAINED_GRID, -1).permute(0, 3, 1, 2)
    # Meta's `interpolate_offset`: it was meant against rounding to a patch too few, and it widens the sampling
    # step from 37 / 16 to 37 / 16.1, on which the published features rest.
    scale = (grid + 0.1) / _TRAINED_GRID
    scaled = functional.interpolate(maps, scale_factor=(scale, scale), mode="bicubic", antialias=False)
    return torch.cat([own, scaled.permute(0, 2, 3, 1).reshape(1, grid * grid, -1)], dim=1)


def _load(name: str, architecture: str, device: torch.device, weights: Path | None) -> ModuleFeatures:
    timm = _timm(name)
    where = str(weights or architecture)
    raw = _read(name, weights) if weights is not None else _download(timm, name, architecture)
    network = timm.create_model(architecture, img_size=SIDE, num_classes=0)
    shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    shapes["pos_embed"] = (1, 1 + _TRAINED_GRID**2, shapes["cls_token"][-1])
    state = _selected(where, name, raw, shapes)
    state["pos_embed"] = positions_at(state["pos_embed"], SIDE // PATCH)
    network.load_state_dict(state)
    # On a CPU two images a pass were as fast as eight, and a plug-in is tried out with whole passes.
    batch_size = 2 if device.type == "cpu" else None
    return ModuleFeatures(network, name=name, device=device, side=SIDE, batch_size=batch_size)


def _timm(name: str) -> ModuleType:
    try:
        declare_missing_operators()
        import timm
    except ImportError as error:
        raise InputError(
            f"--feature-network {name}",
            expected="the package timm",
            found=str(error),
            fix='Install it: pip install "p2phd-eval[dinov2]", or pip install "timm>=1.0".',
        ) from error
    module: ModuleType = timm
    return module


def _download(timm: ModuleType, name: str, architecture: str) -> Mapping[str, Tensor]:
    try:
        # At the weights' own 518 pixels, so that timm leaves the position embeddings as they are.
        state: Mapping[str, Tensor] = timm.create_model(architecture, pretrained=True, num_classes=0).state_dict()
    except Exception as error:  # several libraries raise it: hubs, HTTP clients, files
        raise InputError(
            f"--feature-network {name}",
            expected="the weights in timm's cache, or a hub from which they can be downloaded",
            found=f"{type(error).__name__}: {(str(error).splitlines() or [''])[0].rstrip('.')}",
            fix=f"Download {_URL.format(name=name)} where the network allows it, and give it with\n"
            "--feature-weights FILE.",
        ) from error
    return state


def _read(name: str, path: Path) -> Mapping[str, object]:
    """Read a state dict without running any code that the file may carry."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix.lower() == ".safetensors":
        try:
            return load_file(path)
        except (OSError, RuntimeError, ValueError, LookupError, TypeError, SafetensorError) as error:
            raise _unusable(str(path), name, f"a file that cannot be read ({type(error).__name__})") from error
    raw = read_tensors(path, expected=_wanted(name), fix=_get(name))
    if not isinstance(raw, Mapping):
        raise _unusable(str(path), name, shown(raw))
    return raw


def _selected(
    where: str, name: str, raw: Mapping[str, object], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Tensor]:
    """Return the network's tensors in float32. Meta's names are timm's but for one tensor, which is of training."""
    state = select_tensors(raw, shapes, partial(_unusable, where, name))
    strangers = sorted(str(key) for key in set(raw) - set(shapes) - {"mask_token"})
    if strangers:
        raise _unusable(where, name, f"a tensor {strangers[0]!r} as well, which is of another network")
    return state


def _unusable(where: str, name: str, found: str) -> InputError:
    return InputError(where, expected=_wanted(name), found=found, fix=_get(name))


def _wanted(name: str) -> str:
    return f"a state dict of {name} without registers, as Meta ({name}_pretrain.pth) and timm publish it"


def _get(name: str) -> str:
    return f"Get {_URL.format(name=name)}"
