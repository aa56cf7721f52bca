"""Images in tensors scaled as Pillow scales them, which is how the published numbers of some distances were made."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def resized(image: Tensor, size: tuple[int, int], interpolation: str) -> Tensor:
    """Scale an image, antialiased and rounded to 8 bits.

    `image`: float32 (1, 3, H, W) in [0, 1], which came of 8 bits. `size`: height and width wanted. `interpolation`:
    "bilinear" or "bicubic". The result is float32 (1, 3, height, width) in [0, 1], on the image's device.
    """
    pixels = (255 * image[0]).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    scaled = np.array(Image.fromarray(pixels).resize(size[::-1], _FILTERS[interpolation]))
    return torch.from_numpy(scaled).permute(2, 0, 1)[None].to(image.device).float() / 255
