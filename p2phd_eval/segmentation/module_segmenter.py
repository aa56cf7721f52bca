"""Any PyTorch module as a segmenter: a normalisation, the module, its logits brought to the photo's size."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from p2phd_eval.errors import InputError
from p2phd_eval.features.networks.float32_products import float32_products
from p2phd_eval.features.networks.module_features import IMAGENET_MEAN, IMAGENET_STD, Channels, module_sha256


class ModuleSegmenter:
    """A `Segmenter` made of a module from photos to logits, computed in float32.

    Parameters
    ----------
    module : nn.Module
        Takes float32 (n, 3, h, w) and returns logits (n, K, h', w'), or a dict with them as ``"out"``, as torchvision's
        do. Logits of a coarser grid are resized to the photo bilinearly before the largest is taken. The module is
        taken over: put in evaluation mode, in float32 and on the device.
    name : str
        For people; part of the identity.
    classes : sequence of str
        The names of the K classes.
    device : str or torch.device
        Where to compute.
    mean, std : tuple of float, optional
        By which photos are normalised after scaling to [0, 1]; ImageNet's by default.
    width : int, optional
        Photos are brought to this width for the module, antialiased; None: it sees them as they are.
    batch_size : int, optional
        Photos a forward pass. Every pass has this many, the last one padded, so that answers do not depend on it. By
        default 1 on a CPU and 8 elsewhere.

    Raises
    ------
    InputError
        When it is called, if the module returns something else.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        name: str,
        classes: Sequence[str],
        device: str | torch.device,
        mean: Channels = IMAGENET_MEAN,
        std: Channels = IMAGENET_STD,
        width: int | None = None,
        batch_size: int | None = None,
    ) -> None:
        self.name = name
        self.classes = tuple(classes)
        self._device = torch.device(device)
        self._module = module.to(self._device, torch.float32).eval()
        self._batch_size = (1 if self._device.type == "cpu" else 8) if batch_size is None else batch_size
        self._width = width
        self._mean, self._std = (
            torch.tensor(numbers, dtype=torch.float32, device=self._device)[:, None, None] for numbers in (mean, std)
        )
        head = "\n".join((name, *self.classes, f"width {width}", ""))
        self.identity = module_sha256(head, module, mean, std)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """See `Segmenter`."""
        parts = []
        with torch.autocast(self._device.type, enabled=False), float32_products():
            for chunk in torch.split(images, self._batch_size):
                missing = self._batch_size - len(chunk)
                padded = torch.cat([chunk, chunk[-1:].expand(missing, *chunk.shape[1:])]) if missing else chunk
                parts.append(self._numbers(padded.to(self._device))[: len(chunk)])
        return torch.cat(parts)

    def _numbers(self, images: Tensor) -> Tensor:
        size = images.shape[1:3]
        if self._width is not None:
            images = at_width(images, self._width)
        answer = self._module((images.permute(0, 3, 1, 2).to(torch.float32) / 255 - self._mean) / self._std)
        logits = answer.get("out") if isinstance(answer, dict) else answer
        expected = f"logits (n, {len(self.classes)}, h, w) of n = {len(images)} photos"
        if not isinstance(logits, Tensor):
            raise InputError(f"the module of {self.name}", expected=expected, found=f"a {type(logits).__name__}")
        if logits.ndim != 4 or logits.shape[:2] != (len(images), len(self.classes)):
            raise InputError(f"the module of {self.name}", expected=expected, found=str(tuple(logits.shape)))
        if logits.shape[2:] != size:
            logits = functional.interpolate(logits.float(), size=size, mode="bilinear", align_corners=False)
        return logits.argmax(dim=1)


def at_width(images: Tensor, width: int) -> Tensor:
    """Scale photos to a width, keeping their shape, bilinearly and antialiased.

    `images`: uint8 (n, h, w, 3). The result is uint8 (n, round(h width / w), width, 3).
    """
    height, own = images.shape[1:3]
    if own == width:
        return images
    size = (max(1, round(height * width / own)), width)
    values = images.permute(0, 3, 1, 2).to(torch.float32)
    scaled = functional.interpolate(values, size=size, mode="bilinear", align_corners=False, antialias=True)
    return scaled.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
