"""LPIPS, the distance between two images in the activations of AlexNet, through torchmetrics' network."""

from __future__ import annotations

import torch
from torch import Tensor

from p2phd_eval.features.networks.float32_products import float32_products
from p2phd_eval.quality.lpips_weights import LpipsWeights, load_lpips_state
from p2phd_eval.torchvision_ops import declare_missing_operators

#: Pixels an image needs each way: AlexNet's strides leave nothing of smaller ones.
SMALLEST_SIDE = 31


class Lpips:
    """LPIPS, version 0.1, with AlexNet.

    Parameters
    ----------
    weights : LpipsWeights
        Of AlexNet. The weights of its channels, fitted to people's judgements, come with torchmetrics.
    device : torch.device or str

    Raises
    ------
    InputError
        If the file does not hold AlexNet's weights.

    References
    ----------
    Zhang, Isola, Efros, Shechtman and Wang (2018), "The Unreasonable Effectiveness of Deep Features as a Perceptual
    Metric", eq. 1.
    """

    def __init__(self, weights: LpipsWeights, device: torch.device | str) -> None:
        backbone = load_lpips_state(weights)
        declare_missing_operators()
        # torchmetrics' public class would fetch the backbone's weights itself, unchecked.
        from torchmetrics.functional.image.lpips import _NoTrainLpips

        # The random backbone is replaced at once; who seeded torch does not notice.
        with torch.random.fork_rng(devices=[]):
            network = _NoTrainLpips(net="alex", pnet_rand=True)
        convolutions = {name: layer for part in network.net.children() for name, layer in part.named_children()}
        for name, value in backbone.items():
            _, number, kind = name.split(".")
            getattr(convolutions[number], kind).copy_(value)
        self._network = network.to(device)
        self.network = weights.network  # what a result calls it

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the distance of each pair of images.

        Parameters
        ----------
        first, second : Tensor, float32 (N, 3, H, W) in [-1, 1], RGB
            On the device; H and W at least `SMALLEST_SIDE`.

        Returns
        -------
        Tensor, float32 (N,)
            0 for identical images.
        """
        with torch.no_grad(), float32_products():
            distances: Tensor = self._network(first, second)
        return distances.flatten()
