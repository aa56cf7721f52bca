"""The ways in which FID tools bring an image to the size and range of the Inception network."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from p2phd_eval.features.identity import Resize

SIDE = 299  # pixels, the network's input
_LARGE = 1 << 24  # pixels

Pixels = npt.NDArray[np.uint8]  # (h, w, 3), RGB in [0, 255]


@contextmanager
def _one_thread() -> Iterator[None]:
    # torch rounds differently where it splits an image over threads; the decoding processes have one.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@_one_thread()
def legacy_pytorch(pixels: Pixels) -> Tensor:
    """pytorch-fid's: bilinear of [0, 1], corners not aligned, not antialiased; then 2 x - 1."""
    return 2 * _bilinear(pixels, antialias=False, most=255) - 1


@_one_thread()
def legacy_tensorflow(pixels: Pixels) -> Tensor:
    """torch-fidelity's and StyleGAN's: bilinear of TensorFlow 1 without half-pixel centres; then (x - 128) / 128.

    Output pixel i takes its value from position i * (input size / output size) in float32, so the image moves by up
    to half an output pixel to the upper left: the behaviour under which most published FIDs were made.
    """
    values = torch.from_numpy(pixels)
    above, below, down = _tensorflow_positions(pixels.shape[0])
    left, right, across = _tensorflow_positions(pixels.shape[1])
    rows = values[torch.cat([above, below])].to(torch.float32)  # (2 * 299, w, 3)
    from_left, from_right = rows[:, left], rows[:, right]
    top, bottom = torch.split(torch.lerp(from_left, from_right, across[None, :, None]), SIDE)
    return _to_unit((top + (bottom - top) * down[:, None, None]).permute(2, 0, 1))


def clean(pixels: Pixels) -> Tensor:
    """clean-fid's: Pillow's bicubic, which antialiases, on float channels, clipped to [0, 255]; (x - 128) / 128."""
    channels = [
        np.asarray(
            Image.fromarray(pixels[:, :, channel].astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        )
        for channel in range(3)
    ]
    return _to_unit(torch.from_numpy(np.stack(channels).clip(0, 255)))


@_one_thread()
def torchmetrics(pixels: Pixels) -> Tensor:
    """torchmetrics': bilinear, antialiased, of [0, 255]; then (x - 128) / 128."""
    return _to_unit(_bilinear(pixels, antialias=True, most=1))


#: uint8 (h, w, 3) -> float32 (3, 299, 299) in about [-1, 1]; an image of 299 x 299 changes its range alone.
RESIZES: dict[Resize, Callable[[Pixels], Tensor]] = {
    Resize.LEGACY_PYTORCH: legacy_pytorch,
    Resize.LEGACY_TENSORFLOW: legacy_tensorflow,
    Resize.CLEAN: clean,
    Resize.TORCHMETRICS: torchmetrics,
}


def _planes(pixels: Pixels) -> Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1).to(torch.float32)


_interpolate = partial(functional.interpolate, size=(SIDE, SIDE), mode="bilinear", align_corners=False)


def _bilinear(pixels: Pixels, *, antialias: bool, most: int) -> Tensor:
    """Scale `pixels / most` to (3, 299, 299)."""
    if pixels.shape[0] * pixels.shape[1] > _LARGE and pixels.shape[2] > 1:
        # By its channels: of a gigapixel, float32 of all of them would be 12 GB.
        parts = [pixels[:, :, channel : channel + 1] for channel in range(pixels.shape[2])]
        return torch.cat([_bilinear(part, antialias=antialias, most=most) for part in parts])
    scaled: Tensor = _interpolate(_planes(pixels).div_(most)[None], antialias=antialias)
    return scaled[0]


def _to_unit(values: Tensor) -> Tensor:
    return (values - 128) / 128


def _tensorflow_positions(size: int) -> tuple[Tensor, Tensor, Tensor]:
    """The two input positions of each of the 299 output positions, and the weight of the second."""
    position = torch.arange(SIDE, dtype=torch.float32) * torch.tensor(size / SIDE, dtype=torch.float32)
    lower = position.floor().to(torch.int64)
    return lower, (lower + 1).clamp(max=size - 1), position - lower
