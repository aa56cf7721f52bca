"""One pix2pixHD under training: networks, optimizers and the step that updates both."""

from __future__ import annotations

from typing import Any

import torch

from p2phd_eval.config import TrainConfig
from p2phd_eval.generators.conditioning import conditioning_channels, encode
from p2phd_eval.generators.dataset import Batch
from p2phd_eval.generators.losses import feature_matching_loss, gan_loss
from p2phd_eval.generators.networks import build_discriminator, build_generator
from p2phd_eval.generators.precision import ScaledOptimizer, find_precision
from p2phd_eval.generators.vgg import VGGLoss

Losses = dict[str, torch.Tensor]


class Pix2PixHD:
    """Generator, discriminators, their optimizers and the training step.

    Parameters
    ----------
    config : TrainConfig
    device : torch.device

    Notes
    -----
    Initial weights are drawn from torch's generator on the CPU, seeded with `config.seed`, so they do not depend
    on the device or the precision: an fp32 and an AMP run of one seed start from the same weights.
    """

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        self.config = config
        self.device = device
        self.precision = find_precision(config.precision, device)
        objective = config.objective
        channels = conditioning_channels(config.data)
        torch.manual_seed(config.seed)
        self.generator = build_generator(config.generator, channels).to(device)
        self.discriminator = build_discriminator(
            config.discriminator, channels, expose_features=objective.feature_matching
        ).to(device)
        self.vgg = None if objective.vgg == "none" else VGGLoss(objective.vgg).to(device)

        def adam(network: torch.nn.Module) -> ScaledOptimizer:
            optimizer = torch.optim.Adam(network.parameters(), lr=config.lr, betas=(config.beta1, 0.999))
            return ScaledOptimizer(optimizer, self.precision, device)

        self.generator_optimizer = adam(self.generator)
        self.discriminator_optimizer = adam(self.discriminator)

    def set_learning_rate(self, lr: float) -> None:
        """Set the rate of both optimizers."""
        for scaled in (self.generator_optimizer, self.discriminator_optimizer):
            for group in scaled.optimizer.param_groups:
                group["lr"] = lr

    def train_step(self, batch: Batch) -> tuple[Losses, torch.Tensor]:
        """Update the generator, then the discriminators, from losses that both belong to the weights before.

        Parameters
        ----------
        batch : Batch
            With photos, on the model's device.

        Returns
        -------
        losses : dict of str to scalar Tensor
            `G_GAN`, `G_GAN_Feat`, `G_VGG` (weights included, absent where switched off), `D_real`, `D_fake`;
            detached, still on the device.
        fake : Tensor, float32, shape (N, 3, H, W)
            The generated photos in [-1, 1], detached.
        """
        assert batch.photo is not None
        objective, photo = self.config.objective, batch.photo
        conditioning = encode(batch.label, batch.instance, self.config.data.label_nc)
        # Autocast keeps the half-precision copies of weights until its context ends, and a copy made under gradient
        # would carry gradients of the generator's loss into the discriminators: so three contexts.
        with self._autocast():
            fake = self.generator(conditioning).float()
        with self._autocast():
            on_fake = self.discriminator(torch.cat((conditioning, fake.detach()), dim=1))
            on_real = self.discriminator(torch.cat((conditioning, photo), dim=1))
        losses = {
            "D_real": gan_loss(on_real, target_real=True, kind=objective.gan),
            "D_fake": gan_loss(on_fake, target_real=False, kind=objective.gan),
        }
        # Only the gradient with respect to the sample is wanted here.
        self.discriminator.requires_grad_(False)
        with self._autocast():
            judged = self.discriminator(torch.cat((conditioning, fake), dim=1))
            if self.vgg is not None:
                losses["G_VGG"] = objective.lambda_feat * self.vgg(fake, photo)
        self.discriminator.requires_grad_(True)
        losses["G_GAN"] = gan_loss(judged, target_real=True, kind=objective.gan)
        if objective.feature_matching:
            losses["G_GAN_Feat"] = objective.lambda_feat * feature_matching_loss(judged, on_real)

        generator_losses = [loss for name, loss in losses.items() if name.startswith("G_")]
        self.generator_optimizer.step(torch.stack(generator_losses).sum())
        self.discriminator_optimizer.step(0.5 * (losses["D_real"] + losses["D_fake"]))
        return {name: loss.detach() for name, loss in losses.items()}, fake.detach()

    def _autocast(self) -> torch.autocast:
        return self.precision.autocast(self.device)

    def state_dict(self) -> dict[str, Any]:
        """Return networks and optimizers (scalers and counters included)."""
        return {
            "networks": {"G": self.generator.state_dict(), "D": self.discriminator.state_dict()},
            "optimizers": {
                "G": self.generator_optimizer.state_dict(),
                "D": self.discriminator_optimizer.state_dict(),
            },
        }
