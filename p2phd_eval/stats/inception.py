"""The FID Inception network: images to features."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from p2phd_eval.errors import InputError
from p2phd_eval.stats.inception_network import build_network
from p2phd_eval.stats.weights_file import WeightsFile, load_state

DIMS = 2048  # features an image
SIDE = 299  # pixels, the network's input
RESIZE = "legacy-pytorch"  # bilinear, align_corners=False, not antialiased: as pytorch-fid


class FidInception:
    """Inception v3 of 2015-12-05 as ported by pytorch-fid, computing in float32.

    The result is that of ``pytorch_fid.inception.InceptionV3`` with its defaults.

    Parameters
    ----------
    state : mapping of str to Tensor
        The weights, as `load_state` returns them.
    device : str or torch.device
        Where to compute.
    weights_name : str
        Name of the weights, for people.
    weights_sha256 : str
        SHA-256 of the weights' tensors, hexadecimal.
    """

    def __init__(
        self, state: Mapping[str, Tensor], *, device: str | torch.device, weights_name: str, weights_sha256: str
    ) -> None:
        self.device = torch.device(device)
        self.weights_name = weights_name
        self.weights_sha256 = weights_sha256
        self._network = build_network()
        # Channels-last convolutions are faster on both kinds of device.
        layout = {1: torch.contiguous_format, 4: torch.channels_last}
        self._network.load_state_dict(
            {name: tensor.to(self.device, memory_format=layout[tensor.ndim]) for name, tensor in state.items()},
            assign=True,
        )

    def features(self, images: Tensor) -> Tensor:
        """Compute the features of images of one size.

        Parameters
        ----------
        images : Tensor of uint8, shape (n, 3, h, w)
            RGB in [0, 255], on any device.

        Returns
        -------
        Tensor of float32, shape (n, 2048)
            The pooled features, on the network's device.
        """
        return self.embed(self.resize(images))

    def resize(self, images: Tensor) -> Tensor:
        """Scale images as pytorch-fid does: bilinear without antialiasing, corners not aligned.

        Parameters
        ----------
        images : Tensor of uint8, shape (n, 3, h, w)
            RGB in [0, 255], on any device.

        Returns
        -------
        Tensor of float32, shape (n, 3, 299, 299)
            In [-1, 1], on the network's device.
        """
        unit = images.to(self.device).to(torch.float32) / 255
        scaled = functional.interpolate(unit, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        return 2 * scaled - 1

    @torch.no_grad()
    def embed(self, resized: Tensor) -> Tensor:
        """Compute the features of resized images.

        Parameters
        ----------
        resized : Tensor of float32, shape (n, 3, 299, 299)
            In [-1, 1], on the network's device, as `resize` returns.

        Returns
        -------
        Tensor of float32, shape (n, 2048)
            The pooled features, on the network's device.
        """
        # TensorFloat-32, a surrounding autocast or a search for the fastest kernel would change the features
        # by more than the differences that are to be measured, or differently from run to run.
        with (
            torch.autocast(self.device.type, enabled=False),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
        ):
            features: Tensor = self._network(resized.contiguous(memory_format=torch.channels_last))
        return features


def load_inception(weights: WeightsFile, device: str | torch.device) -> FidInception:
    """Build the network from a weights file.

    Parameters
    ----------
    weights : WeightsFile
        From `p2phd_eval.stats.weights.find_weights`.
    device : str or torch.device
        Where to compute, such as ``"cpu"`` or ``"cuda:0"``.

    Raises
    ------
    InputError
        If the file changed since it was found, or the device is not there.
    """
    if torch.device(device).type == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"device {device}", expected="a GPU", found="a torch that sees none", fix="Use the device cpu."
        )
    return FidInception(load_state(weights), device=device, weights_name=weights.name, weights_sha256=weights.sha256)
