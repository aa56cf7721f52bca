"""The adversarial and the feature matching loss of pix2pixHD, always computed in at least float32."""

from typing import Any

import torch
from torch.nn import functional

from p2phd_eval.generators.networks.layers import at_least_float32

Activations = list[list[torch.Tensor]]
_SLICE = 2**23  # elements


class _MeanAbsoluteDifference(torch.autograd.Function):
    """`l1_loss` in float32 of inputs in any dtype, without float32 copies of them waiting for backward."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, target)
        # In slices of channels, since one float32 copy of the largest activations would be the peak of all memory.
        slices = -(-x.numel() // _SLICE)
        pairs = zip(x.chunk(slices, dim=1), target.chunk(slices, dim=1), strict=True)
        sums = [(at_least_float32(a) - at_least_float32(b)).abs_().sum() for a, b in pairs]
        return torch.stack(sums).sum() / x.numel()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        x, target = ctx.saved_tensors
        # Gradual underflow makes the sign right in any dtype.
        return (x - target).sign_() * (gradient / x.numel()), None


def mean_absolute_difference(x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the mean of |x - target| as a scalar in at least float32; no gradient flows into `target`.

    `x` and `target`: Tensor, of one shape and dtype.
    """
    difference: torch.Tensor = _MeanAbsoluteDifference.apply(x, target.detach())  # type: ignore[no-untyped-call]
    return difference


def gan_loss(activations: Activations, *, target_real: bool, kind: str) -> torch.Tensor:
    """Sum over the scales of the mean loss of the logits against "real" (1) or "fake" (0).

    `activations`: what `MultiscaleDiscriminator` gives; the last of each scale are the logits. `kind`: "lsgan", mean
    squared error (Mao et al. 2017), or "vanilla", binary cross-entropy on logits.
    """
    total = torch.zeros((), device=activations[0][-1].device)
    for scale in activations:
        logits = at_least_float32(scale[-1])
        target = torch.ones_like(logits) if target_real else torch.zeros_like(logits)
        criterion = functional.mse_loss if kind == "lsgan" else functional.binary_cross_entropy_with_logits
        total = total + criterion(logits, target)
    return total


def feature_matching_loss(fake: Activations, real: Activations) -> torch.Tensor:
    """L1 between the discriminators' features of sample and photo (equation 4), without its weight lambda.

    Layers are weighted 4 / (number of layers with features) and scales 1 / (number of scales), as the original
    does; no gradient flows into `real`.
    """
    n_features = len(fake[0]) - 1
    total = torch.zeros((), device=fake[0][0].device)
    for fake_scale, real_scale in zip(fake, real, strict=True):
        for fake_layer, real_layer in zip(fake_scale[:-1], real_scale[:-1], strict=True):
            distance = mean_absolute_difference(fake_layer, real_layer)
            total = total + distance * (4.0 / n_features / len(fake))
    return total
