"""Generator and feature encoder as one network, since one optimizer trains both."""

import torch
from torch import nn

from p2phd_eval.generators.networks.encoder import Encoder
from p2phd_eval.generators.networks.generator import GlobalGenerator, LocalEnhancer


class Synthesis(nn.Module):
    """Conditioning, and features of the photo where the generator takes some, to a photo."""

    def __init__(self, generator: GlobalGenerator | LocalEnhancer, encoder: Encoder | None) -> None:
        super().__init__()
        self.generator = generator
        self.encoder = encoder

    def forward(
        self,
        conditioning: torch.Tensor,
        photo: torch.Tensor | None = None,
        regions: torch.Tensor | None = None,
        n_regions: int | None = None,
        features: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return a photo (N, 3, H, W) in [-1, 1].

        Parameters
        ----------
        conditioning : Tensor, float, shape (N, channels, H, W)
            What `encode` returned.
        photo, regions, n_regions
            What the encoder sees and averages over, see `Encoder`; used where there is one and no `features`.
        features : Tensor, float, shape (N, n_features, H, W), optional
            Given features: precomputed ones, or a style.
        """
        if features is None and self.encoder is not None:
            features = self.encoder(photo, regions, n_regions)
        if features is not None:
            conditioning = torch.cat((conditioning, features.to(conditioning.dtype)), dim=1)
        generated: torch.Tensor = self.generator(conditioning)
        return generated
