"""The perceptual loss of pix2pixHD on VGG19 activations, and where its weights come from."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from p2phd_eval.errors import InputError, shown
from p2phd_eval.generators.networks.losses import mean_absolute_difference
from p2phd_eval.tensor_files import is_finite, read_tensors, tensor_fault
from p2phd_eval.torchvision_ops import declare_missing_operators

UNTRAINED = "untrained"  # source of weights for timing only


class VGGLoss(nn.Module):
    """L1 between VGG19 activations of sample and photo after relu1_1 to relu5_1, weights 1/32 to 1.

    As the original, it feeds images in [-1, 1] without ImageNet's mean and standard deviation.

    `source`: "torchvision" for its ImageNet weights (downloaded to torch's hub cache), "untrained" for random ones,
    which take the same time and memory and are of no other use, or the path of a state dict with torchvision's names
    (`features.0.weight` ...), of the whole network or of its features alone, or of another VGG19 with the same 16
    convolutions, whose values then give another loss. Raises `InputError` if the weights cannot be had or are not those
    of a VGG19; the first convolution at fault is named.
    """

    _WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
    _SLICE_ENDS = (2, 7, 12, 21, 30)  # just after relu1_1, relu2_1, relu3_1, relu4_1, relu5_1

    def __init__(self, source: str) -> None:
        super().__init__()
        declare_missing_operators()
        from torchvision.models import VGG19_Weights, vgg19

        if source == "torchvision":
            try:
                features = vgg19(weights=VGG19_Weights.IMAGENET1K_V1, progress=False).features
            except Exception as error:  # what torch.hub keeps may be cut short, and is then refused in many ways
                raise InputError(
                    "--vgg torchvision",
                    expected="torchvision's VGG19 weights in torch's hub cache or from the network",
                    found=str(error).partition("\n")[0] or type(error).__name__,
                    fix="Delete the file in the cache if it is damaged; or pass --vgg FILE with a state dict of them, "
                    "or --vgg none.",
                ) from error
        elif source == UNTRAINED:
            features = untrained_vgg19_features()
        else:
            with torch.device("meta"):
                features = vgg19(weights=None).features
            features.load_state_dict(_read_vgg_features(Path(source), features), assign=True)
        self.layers = features[: self._SLICE_ENDS[-1]].eval().requires_grad_(False)

    def _activations(self, x: torch.Tensor) -> list[torch.Tensor]:
        found = []
        for i, layer in enumerate(self.layers, start=1):
            x = layer(x)
            if i in self._SLICE_ENDS:
                # torchvision's ReLUs work in place, so what is kept here is what follows them.
                found.append(x)
        return found

    def forward(self, fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss of two image batches (N, 3, H, W) in [-1, 1]; no gradient flows into `real`."""
        with torch.no_grad():
            targets = self._activations(real)
        total = torch.zeros((), device=fake.device)
        for weight, x, target in zip(self._WEIGHTS, self._activations(fake), targets, strict=True):
            total = total + weight * mean_absolute_difference(x, target)
        return total


def untrained_vgg19_features() -> nn.Sequential:
    """Return the convolutions of VGG19 with He's random weights, drawn from torch's global generator; for timing only.

    They keep activations and gradients at the size at which trained ones have them, so that loss scaling is not misled.
    """
    declare_missing_operators()
    from torchvision.models.vgg import cfgs, make_layers

    # Not the whole network: its classifier, which is not needed, has 120 million weights to draw.
    features: nn.Sequential = make_layers(cfgs["E"])
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # typed for convolutions without one
    return features


def _read_vgg_features(path: Path, features: nn.Module) -> dict[str, torch.Tensor]:
    where = f"--vgg {path}"
    wanted = features.state_dict()
    state = read_tensors(path, expected="a file of tensors (a VGG19 state dict)", where=where)
    if not isinstance(state, dict):
        raise InputError(where, expected="a state dict", found=shown(state))
    convolutions = _convolutions(state, where)
    weights = [name for name in wanted if name.endswith(".weight")]
    for i, name in enumerate(weights):
        place = f"{where}, convolution {i + 1} of VGG19"
        for kind in (0, 1):
            shape = tuple(wanted[name if kind == 0 else name.replace(".weight", ".bias")].shape)
            found = tuple(convolutions[i][kind].shape) if i < len(convolutions) else "nothing"
            if found != shape:
                raise InputError(place, expected=f"shape {shape}", found=f"{found}")
    values = [tensor.float() for pair in convolutions for tensor in pair]
    return dict(zip(wanted, values, strict=False))


def _convolutions(state: Mapping[object, object], where: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Weights and biases by the number of their layer, which differs where padding layers are counted too."""
    found: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in state.items():
        layer = re.fullmatch(r"(?:features\.)?(\d{1,4})\.(weight|bias)", str(key))
        if layer is None:
            continue
        fault = tensor_fault(tensor)
        if fault is None and isinstance(tensor, torch.Tensor) and is_finite(tensor):
            found.setdefault(int(layer[1]), {})[layer[2]] = tensor
        else:
            place = f"{where}, key {shown(key)}"
            raise InputError(place, expected="finite real numbers", found=fault or "NaN or infinity")
    pairs = [(layer["weight"], layer["bias"]) for _, layer in sorted(found.items()) if len(layer) == 2]
    return _without_colour_layer(pairs)


def _without_colour_layer(found: list[tuple[torch.Tensor, torch.Tensor]]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    first = [tensor.shape for pair in found[:2] for tensor in pair]
    if [list(shape) for shape in first] == [[3, 3, 1, 1], [3], [64, 3, 3, 3], [64]]:
        # The style transfer port (AdaIN's "normalised" VGG19) begins with a layer that maps RGB to the colours of
        # its training. It is linear, so it goes into the convolution after it.
        (colour, offset), (weight, bias), *rest = found
        mixed = torch.einsum("ochw,ci->oihw", weight, colour[:, :, 0, 0])
        found = [(mixed, bias + torch.einsum("ochw,c->o", weight, offset)), *rest]
    return found
