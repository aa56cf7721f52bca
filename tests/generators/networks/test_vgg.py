"""The weights of VGG19 that bench times with."""

from __future__ import annotations

import torch

from p2phd_eval.generators.networks.vgg import VGGLoss


def test_untrained_vgg19_keeps_the_size_of_activations() -> None:
    """As trained weights do, so that float16's range means the same; PyTorch's own initial weights lose 3 digits."""
    loss = VGGLoss("untrained")
    widths = [layer.out_channels for layer in loss.layers if isinstance(layer, torch.nn.Conv2d)]
    # Table 1, column E of the VGG paper; relu5_1 is the last that the loss looks at.
    assert widths == [64, 64, 128, 128, *[256] * 4, *[512] * 5]
    with torch.no_grad():
        activations = torch.nn.Sequential(*loss.layers)(torch.randn(1, 3, 32, 32))
    assert 0.1 < activations.std() < 10
    assert not any(parameter.requires_grad for parameter in loss.parameters())
