"""Any PyTorch module as a feature network: Pillow's resize, a normalisation, the module, a mean over space."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn

from p2phd_eval.errors import InputError
from p2phd_eval.features.identity import NetworkIdentity
from p2phd_eval.features.networks.float32_products import float32_products
from p2phd_eval.features.networks.protocol import usual_batch_size

Channels = tuple[float, float, float]  # a number for each of red, green and blue

#: Mean and standard deviation of ImageNet's photos in [0, 1], by which most image networks normalise.
IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)

_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True, kw_only=True)
class PillowResize:
    """Brings an image to a module's size and range.

    Pillow scales all of the image, or its central square, to a square, antialiased and rounded to uint8, as
    ``torchvision.transforms.Resize`` does with a Pillow image and as dgm-eval (Stein et al. 2023) does by default for
    DINOv2. clean-fid's resize differs: it keeps floating point, and is ``--resize clean`` of the Inception network.
    """

    side: int  # pixels
    mean: Channels  # for values in [0, 1]
    std: Channels  # for values in [0, 1]
    interpolation: str  # "bilinear", "bicubic" or "lanczos"
    central_square: bool = False  # what lies outside it is cut off

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> Tensor:
        """Scale and normalise.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (h, w, 3)
            RGB.

        Returns
        -------
        Tensor of float32, shape (3, side, side)
            (x / 255 - mean) / std.
        """
        if self.central_square:
            height, width, _ = pixels.shape
            own = min(height, width)
            top, left = (height - own) // 2, (width - own) // 2
            pixels = pixels[top : top + own, left : left + own]
        scaled = Image.fromarray(pixels).resize((self.side, self.side), _FILTERS[self.interpolation])
        values = torch.from_numpy(np.array(scaled)).permute(2, 0, 1).to(torch.float32).contiguous() / 255
        mean, std = (torch.tensor(numbers, dtype=torch.float32)[:, None, None] for numbers in (self.mean, self.std))
        return (values - mean) / std


class ModuleFeatures:
    """A `FeatureNetwork` made of a module from images to features, computed in float32.

    Parameters
    ----------
    module : nn.Module
        Takes float32 (n, 3, side, side) and returns (n, d), or (n, d, h, w), which is averaged over space.
        It is taken over: put in evaluation mode, in float32 and on the device.
    name : str
        Names the feature space, for people, the cache and the refusal of unlike features. Choose another when the
        module computes something else from the same weights, such as another layer's output.
    device : str or torch.device
        Where to compute.
    side : int
        Height and width of the module's input in pixels.
    mean, std : tuple of float, optional
        By which the module's images are normalised after scaling to [0, 1]; ImageNet's by default.
    interpolation : str, optional
        Pillow's filter: "bilinear", "bicubic" or "lanczos".
    central_square : bool, optional
        Cut images to their central square before they are scaled; by default they are scaled whole.
    batch_size : int, optional
        Images a forward pass.

    Raises
    ------
    InputError
        If `interpolation`, `side` or `std` is none of those offered, or the module returns something else.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        name: str,
        device: str | torch.device,
        side: int,
        mean: Channels = IMAGENET_MEAN,
        std: Channels = IMAGENET_STD,
        interpolation: str = "bicubic",
        central_square: bool = False,
        batch_size: int | None = None,
    ) -> None:
        if interpolation not in _FILTERS:
            raise InputError(f"interpolation of {name}", expected=" or ".join(_FILTERS), found=repr(interpolation))
        if side < 1:
            raise InputError(f"side of {name}", expected="at least 1 pixel", found=str(side))
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise InputError(
                f"mean and std of {name}", expected="three numbers each, those of std above 0", found=f"{mean}, {std}"
            )
        self.device = torch.device(device)
        self.batch_size = usual_batch_size(self.device) if batch_size is None else batch_size
        self.prepare = PillowResize(
            side=side, mean=mean, std=std, interpolation=interpolation, central_square=central_square
        )
        self._name = name
        self._module = module.to(self.device, torch.float32).eval()
        self.identity = NetworkIdentity(
            weights=name,
            weights_sha256=_sha256(name, self._module, mean, std),
            resize=f"pillow-{interpolation}-{side}{'-central-square' if central_square else ''}",
            dims=self.embed(torch.zeros(1, 3, side, side)).shape[1],
            dtype="float32",
        )

    @torch.no_grad()
    def embed(self, batch: Tensor) -> Tensor:
        """Compute the features of prepared images.

        Parameters
        ----------
        batch : Tensor of float32, shape (n, 3, side, side)
            As `prepare` returns, on any device.

        Returns
        -------
        Tensor of float32, shape (n, dims)
            On the network's device.

        Raises
        ------
        InputError
            If the module returns another shape.
        """
        with torch.autocast(self.device.type, enabled=False), float32_products():
            output = self._module(batch.to(self.device, torch.float32, non_blocking=True))
        if not isinstance(output, Tensor) or output.ndim not in (2, 4) or len(output) != len(batch):
            found = str(tuple(output.shape)) if isinstance(output, Tensor) else f"a {type(output).__name__}"
            raise InputError(
                f"the module of {self._name}",
                expected=f"features (n, d) or (n, d, h, w) of n = {len(batch)} images",
                found=found,
                fix="Wrap it in a module that picks one vector an image, such as the class token.",
            )
        features: Tensor = output.to(torch.float32)
        return features.mean(dim=(2, 3)) if features.ndim == 4 else features


def _sha256(name: str, module: nn.Module, mean: Channels, std: Channels) -> str:
    """SHA-256 over the name, the normalisation, and name, shape, dtype and little-endian values of each tensor.

    Features are comparable where this hash agrees. So the name is part of it, which alone tells layers of the same
    weights apart, and the normalisation, which could as well be a part of the first layer's weights.
    """
    return module_sha256(f"{name}\n", module, mean, std)


def module_sha256(head: str, module: nn.Module, mean: Channels, std: Channels) -> str:
    """SHA-256 over a text, the normalisation, and name, shape, dtype and little-endian values of each tensor."""
    digest = hashlib.sha256(head.encode())
    digest.update(np.array([mean, std], dtype="<f8").tobytes())
    for key, tensor in module.state_dict().items():
        values = tensor.detach().cpu().contiguous().numpy()
        digest.update(f"{key} {tuple(values.shape)} {values.dtype.name}\n".encode())
        digest.update(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()
