"""DISTS, the distance of two images in the structure and texture of VGG16's activations."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from p2phd_eval.features.networks.float32_products import float32_products
from p2phd_eval.quality.distance_weights import weights_sha256
from p2phd_eval.quality.fitted_weights import fitted_weights
from p2phd_eval.quality.image_distance import ImageDistance, QualityMetric
from p2phd_eval.quality.pillow_resize import resized
from p2phd_eval.tensor_files import read_state
from p2phd_eval.torchvision_ops import declare_missing_operators

FILE_NAME = "vgg16-397923af.pth"
URL = f"https://download.pytorch.org/models/{FILE_NAME}"
# Of torchvision's VGG16_Weights.IMAGENET1K_V1; its file names end in the first digits of the content's SHA-256.
_SHA256_START = "397923af"

_WANTED = "a state dict of VGG16 with torchvision's names, tensors alone"
_FIX = f"Give torchvision's file, {URL}."

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_STAGE_ENDS = (3, 8, 15, 22, 29)  # in torchvision's layers: the last ReLU before each pooling
_CHANNELS = [3, 64, 128, 256, 512, 512]  # of the image itself and of the five stages
_SHORTER_SIDE = 256  # pixels to which larger images are brought
_SMALLEST_SIDE = 32  # pixels: 2 are left of them at the last stage
_C = 1e-6  # c1 and c2


class Dists:
    """DISTS with VGG16: 1 minus the weighted likeness of the means (texture) and covariances (structure) of channels.

    torchmetrics has it too, but fetches VGG16's weights itself, and takes no file. The weights of the channels, alpha
    and beta, fitted by the authors, are those that come with torchmetrics. As in the authors' script, an image whose
    shorter side is above 256 pixels is first brought to that (Pillow, bilinear, antialiased, on uint8).

    `path`: a file of VGG16's, as torchvision publishes it. Raises `InputError` if it holds something else.

    References
    ----------
    Ding, Ma, Wang and Simoncelli (2020), "Image Quality Assessment: Unifying Structure and Texture Similarity", eq. 2
    (L2 pooling), 5, 6 and 7.
    """

    def __init__(self, path: Path, device: torch.device | str) -> None:
        declare_missing_operators()
        from torchvision.models import vgg16

        # Without memory and random numbers, until the weights take the place of its own.
        with torch.device("meta"):
            layers = vgg16(weights=None).features[:-1]
        shapes = {f"features.{name}": tuple(tensor.shape) for name, tensor in layers.state_dict().items()}
        state = read_state(path, shapes, expected=_WANTED, fix=_FIX)
        layers.load_state_dict({name.removeprefix("features."): each for name, each in state.items()}, assign=True)
        fitted = fitted_weights("dists_models/weights.pt", device)
        total = fitted["alpha"].sum() + fitted["beta"].sum()
        self._alpha, self._beta = (
            torch.split((fitted[name] / total).flatten(), _CHANNELS) for name in ("alpha", "beta")
        )
        self._layers = layers.to(device).requires_grad_(False)
        self._mean, self._std = (torch.tensor(each, device=device)[:, None, None] for each in (_MEAN, _STD))
        self._sha256 = weights_sha256(path)
        standard = self._sha256.startswith(_SHA256_START)
        self._network = "vgg16" if standard else f"vgg16, custom weights ({path.name}, SHA-256 {self._sha256[:8]})"
        #: What the reader should know of the weights.
        self.notes = (
            () if standard else (f"DISTS is computed with {self._network}: it does not compare with published values.",)
        )

    def as_distance(self) -> ImageDistance:
        """Return it as one of the distances of two images."""
        metric = QualityMetric(
            name="DISTS", unit="", better="lower", network=self._network, weights_sha256=self._sha256
        )
        return ImageDistance(metric=metric, smallest_side=_SMALLEST_SIDE, function=self)

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the distance of each pair of images, float32 (N,); 0 for identical ones.

        `first`, `second`: float32 (N, 3, H, W), RGB in [0, 1], which came of 8 bits; on the device.
        """
        # One pair at a time: VGG's first activations are 64 times an image.
        pairs = zip(torch.split(first, 1), torch.split(second, 1), strict=True)
        with torch.no_grad(), float32_products():
            return torch.stack([self._distance(*(_as_published(each) for each in pair)) for pair in pairs])

    def _distance(self, first: Tensor, second: Tensor) -> Tensor:
        likeness = torch.zeros((), device=first.device)
        stages = zip(self._activations(first), self._activations(second), strict=True)
        for alpha, beta, (x, y) in zip(self._alpha, self._beta, stages, strict=True):
            mean_x, mean_y = x.mean((1, 2)), y.mean((1, 2))
            texture = (2 * mean_x * mean_y + _C) / (mean_x**2 + mean_y**2 + _C)
            apart_x, apart_y = x - mean_x[:, None, None], y - mean_y[:, None, None]
            covariance = (apart_x * apart_y).mean((1, 2))
            variances = apart_x.square().mean((1, 2)) + apart_y.square().mean((1, 2))
            structure = (2 * covariance + _C) / (variances + _C)
            likeness += (alpha * texture + beta * structure).sum()
        return 1 - likeness

    def _activations(self, image: Tensor) -> list[Tensor]:
        """The image (1, 3, H, W) and its activations after each stage, each (C, h, w)."""
        found, values = [image[0]], (image - self._mean) / self._std
        for position, layer in enumerate(self._layers):
            values = _l2_pooled(values) if isinstance(layer, nn.MaxPool2d) else layer(values)
            if position in _STAGE_ENDS:
                found.append(values[0])
        return found


def _l2_pooled(values: Tensor) -> Tensor:
    """The root of the local mean of squares, with a Hanning window of 3 x 3 and stride 2 (eq. 2)."""
    line = torch.tensor([0.25, 0.5, 0.25], device=values.device)
    channels = values.shape[1]
    window = (line[:, None] * line).expand(channels, 1, 3, 3)
    squares = functional.conv2d(values.square(), window, stride=2, padding=1, groups=channels)
    return (squares + 1e-12).sqrt()


def _as_published(image: Tensor) -> Tensor:
    height, width = image.shape[-2:]
    shorter = min(height, width)
    if shorter <= _SHORTER_SIDE:
        return image
    return resized(image, (int(_SHORTER_SIDE * height / shorter), int(_SHORTER_SIDE * width / shorter)), "bilinear")
