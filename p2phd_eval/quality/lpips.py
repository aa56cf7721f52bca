"""LPIPS, the distance between two images in the activations of AlexNet."""

from pathlib import Path

import torch
from torch import Tensor

from p2phd_eval.errors import InputError
from p2phd_eval.features.networks.float32_products import float32_products
from p2phd_eval.quality.fitted_weights import fitted_weights
from p2phd_eval.quality.image_distance import ImageDistance, QualityMetric
from p2phd_eval.quality.lpips_weights import URL, LpipsWeights, find_lpips_weights, load_lpips_state
from p2phd_eval.torchvision_ops import declare_missing_operators

#: Pixels an image needs each way: AlexNet's strides leave nothing of smaller ones.
SMALLEST_SIDE = 31

# What LPIPS takes for the mean and the standard deviation of photos in [-1, 1], by channel.
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class Lpips:
    """LPIPS, version 0.1, with AlexNet.

    torchmetrics has it too, but its public class fetches AlexNet's weights itself, unchecked, and takes no file. The
    weights of AlexNet's channels, fitted to people's judgements, are those that come with torchmetrics.

    `weights`: a file of AlexNet's. Raises `InputError` if the file does not hold AlexNet's weights.

    References
    ----------
    Zhang, Isola, Efros, Shechtman and Wang (2018), "The Unreasonable Effectiveness of Deep Features as a Perceptual
    Metric", eq. 1.
    """

    def __init__(self, weights: LpipsWeights, device: torch.device | str) -> None:
        state = load_lpips_state(weights)
        declare_missing_operators()
        from torchvision.models import alexnet

        # Without memory and random numbers, until the weights take the place of its own. The last layer only pools.
        with torch.device("meta"):
            convolutions = alexnet(weights=None).features[:-1]
        convolutions.load_state_dict(
            {name.removeprefix("features."): value for name, value in state.items()}, assign=True
        )
        fitted = fitted_weights("lpips_models/alex.pth", device)
        self._layers = convolutions.to(device)
        self._channels = [fitted[f"lin{k}.model.1.weight"] for k in range(len(fitted))]  # each (1, C, 1, 1)
        self._shift, self._scale = (torch.tensor(each, device=device)[:, None, None] for each in (_SHIFT, _SCALE))
        self.network = weights.network  # what a result calls it
        self._sha256 = weights.sha256

    def as_distance(self) -> ImageDistance:
        """Return it as one of the distances of two images."""
        metric = QualityMetric(name="LPIPS", unit="", better="lower", network=self.network, weights_sha256=self._sha256)
        return ImageDistance(
            metric=metric,
            smallest_side=SMALLEST_SIDE,
            function=lambda first, second: self(2 * first - 1, 2 * second - 1),
        )

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
        distance = torch.zeros(len(first), device=first.device)
        for layer in self._by_layer(first, second):
            distance += layer.mean((1, 2, 3))
        return distance

    def maps(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the distance at each pixel, float32 (N, H, W): each layer's map, enlarged bilinearly to the image's.

        It is what the authors' code returns with `spatial`. Its mean over an image is near the image's distance, not
        equal to it. For arguments see `__call__`.
        """
        height, width = first.shape[-2:]
        distance = torch.zeros(len(first), 1, height, width, device=first.device)
        for layer in self._by_layer(first, second):
            distance += torch.nn.functional.interpolate(layer, (height, width), mode="bilinear", align_corners=False)
        return distance[:, 0]

    def _by_layer(self, first: Tensor, second: Tensor) -> list[Tensor]:
        """Return the distance at each place of each layer, (N, 1, h, w)."""
        channels = iter(self._channels)
        maps = []
        with torch.no_grad(), float32_products():
            first, second = ((each - self._shift) / self._scale for each in (first, second))
            for layer in self._layers:
                first, second = layer(first), layer(second)
                if isinstance(layer, torch.nn.ReLU):
                    squares = (_unit(first) - _unit(second)) ** 2
                    maps.append(torch.nn.functional.conv2d(squares, next(channels)))
        return maps


def find_lpips(given: Path | None, device: torch.device | str) -> tuple[Lpips | None, tuple[str, ...]]:
    """Return the network, or None where its weights cannot be had, and a note on that or on weights of another kind.

    `given`: see `find_lpips_weights`, which raises `InputError` if given weights cannot be used.
    """
    try:
        weights = find_lpips_weights(given)
    except InputError:
        if given is not None:
            raise
        # The error's own words name folders of this machine; a report is read elsewhere.
        missing = "LPIPS is left out: its AlexNet weights are not here and could not be fetched."
        return None, (f"{missing} Get them from {URL} and pass --lpips-weights FILE.",)
    own = (f"LPIPS is computed with {weights.network}: it does not compare with published values.",)
    return Lpips(weights, device), () if weights.standard else own


def _unit(activations: Tensor) -> Tensor:
    """Scale the activations (N, C, H, W) at each place to length one."""
    return activations / torch.sqrt(1e-8 + torch.sum(activations**2, dim=1, keepdim=True))
