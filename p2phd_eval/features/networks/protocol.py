"""What a network must offer for FID to be computed in its feature space."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from p2phd_eval.features.identity import NetworkIdentity


class FeatureNetwork(Protocol):
    """A network from images to features: `FidInception`, or one of your own (`features.networks.plugins`)."""

    identity: NetworkIdentity
    device: torch.device
    #: Images a forward pass. Every pass has this many, the last one padded, so that features cannot depend on it.
    batch_size: int
    #: uint8 (h, w, 3) RGB -> the tensor that `embed` takes of one image. Picklable: it runs in the decoding processes.
    prepare: Callable[[npt.NDArray[np.uint8]], Tensor]

    def embed(self, batch: Tensor) -> Tensor:
        """Compute features.

        Parameters
        ----------
        batch : Tensor, shape (batch_size, ...)
            Prepared images, on any device.

        Returns
        -------
        Tensor of float32, shape (batch_size, dims)
            On the network's device.
        """
        ...


def usual_batch_size(device: torch.device) -> int:
    """Return the images a forward pass at which Inception was fastest: few on a CPU, where caches count."""
    return 8 if device.type == "cpu" else 64


def embed_all(network: FeatureNetwork, prepared: Tensor) -> Tensor:
    """Embed any number of prepared images in passes of the network's own size, the last one padded.

    The result is float32 (n, dims), on the network's device.
    """
    parts = []
    for chunk in torch.split(prepared, network.batch_size):
        missing = network.batch_size - len(chunk)
        # Zeros would do as well: images of a batch do not see each other.
        padded = torch.cat([chunk, chunk[-1:].expand(missing, *chunk.shape[1:])]) if missing else chunk
        parts.append(network.embed(padded)[: len(chunk)])
    return torch.cat(parts)
