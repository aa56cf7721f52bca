"""The adversarial and the feature matching loss of pix2pixHD, always computed in at least float32."""

from __future__ import annotations

import torch
from torch.nn import functional

from p2phd_eval.generators.layers import at_least_float32

Activations = list[list[torch.Tensor]]


def gan_loss(activations: Activations, *, target_real: bool, kind: str) -> torch.Tensor:
    """Sum over the scales of the mean loss of the logits against "real" (1) or "fake" (0).

    Parameters
    ----------
    activations : list of lists of Tensor
        Of `MultiscaleDiscriminator`; the last of each scale are the logits.
    target_real : bool
        The target.
    kind : str
        "lsgan": mean squared error (Mao et al. 2017); "vanilla": binary cross-entropy on logits.

    Returns
    -------
    Tensor, scalar
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
            distance = functional.l1_loss(at_least_float32(fake_layer), at_least_float32(real_layer.detach()))
            total = total + distance * (4.0 / n_features / len(fake))
    return total
