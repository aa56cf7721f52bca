"""A U-Net of few channels (Ronneberger et al. 2015), for training on a CPU."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class UNet(nn.Module):
    """Photos to logits: convolutions of 3 x 3 with batch normalisation, on a pyramid of halved sizes and back.

    Two departures from the paper: convolutions keep their input's size, and photos of any size are taken, since sizes
    are halved rounding up and the way back doubles to the size of what it joins.

    Parameters
    ----------
    n_classes : int
    channels : int
        At the photo's own size; they double with each halving.
    depth : int
        Halvings.

    References
    ----------
    Ronneberger, Fischer, Brox (2015), "U-Net: Convolutional Networks for Biomedical Image Segmentation",
    arXiv:1505.04597.
    """

    def __init__(self, n_classes: int, *, channels: int, depth: int) -> None:
        super().__init__()
        widths = [channels * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(_block(before, after) for before, after in zip([3, *widths], widths, strict=False))
        self.up = nn.ModuleList(_block(widths[level + 1] + widths[level], widths[level]) for level in range(depth))
        self.head = nn.Conv2d(channels, n_classes, 1)

    def forward(self, photos: Tensor) -> Tensor:
        """Compute logits (n, K, h, w) of normalised photos (n, 3, h, w)."""
        joined = []
        values = photos
        for level, block in enumerate(self.down):
            if level:
                joined.append(values)
                values = functional.max_pool2d(values, 2, ceil_mode=True)
            values = block(values)
        for block, beside in zip(reversed(self.up), reversed(joined), strict=True):
            values = functional.interpolate(values, size=beside.shape[2:], mode="nearest")
            values = block(torch.cat([values, beside], dim=1))
        logits: Tensor = self.head(values)
        return logits


def _block(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for given in (before, after):
        layers += [nn.Conv2d(given, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
