"""One pix2pixHD under training: networks, optimizers and the step that updates both."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn

from p2phd_eval.config import TrainConfig
from p2phd_eval.distributed import SINGLE, Ranks, without_averaging
from p2phd_eval.errors import InputError
from p2phd_eval.generators.checkpoint import require_fitting
from p2phd_eval.generators.data.batch import Batch, regions_of
from p2phd_eval.generators.networks.conditioning import conditioning_channels, encode
from p2phd_eval.generators.networks.discriminator import build_discriminator
from p2phd_eval.generators.networks.encoder import build_encoder
from p2phd_eval.generators.networks.generator import build_generator
from p2phd_eval.generators.networks.layers import at_least_float32
from p2phd_eval.generators.networks.losses import Activations, feature_matching_loss, gan_loss
from p2phd_eval.generators.networks.synthesis import Synthesis
from p2phd_eval.generators.networks.vgg import VGGLoss
from p2phd_eval.generators.training.apex_optimizer import ApexOptimizer, initialise_apex
from p2phd_eval.generators.training.compilation import compile_networks
from p2phd_eval.generators.training.float8 import AmaxHistory
from p2phd_eval.generators.training.image_pool import ImagePool
from p2phd_eval.generators.training.master_weights import NetworkWeights, cast_weights
from p2phd_eval.generators.training.precision import Narrow, ScaledOptimizer, find_precision
from p2phd_eval.generators.training.pretrained import match
from p2phd_eval.generators.training.stored_state import stored_part

Losses = dict[str, torch.Tensor]


def learning_rate(config: TrainConfig, epoch: int) -> float:
    """Return the rate of an epoch counted from 1: constant, then falling linearly, as in the original."""
    if epoch <= config.epochs + 1:
        return config.lr
    return config.lr * (1.0 - (epoch - 1 - config.epochs) / config.epochs_decay)


def _product_weights(networks: Mapping[str, nn.Module | None]) -> dict[str, nn.Parameter]:
    """Return what convolutions multiply by, of all networks that there are, by network and key."""
    return {
        f"{name}.{key}": parameter
        for name, network in networks.items()
        if network is not None
        for key, parameter in network.named_parameters()
        if parameter.ndim > 1
    }


class Pix2PixHD:
    """Generator, encoder, discriminators, their optimizers and the training step.

    `ranks`: the processes that share a batch.

    Notes
    -----
    Initial weights are drawn from torch's generator on the CPU, seeded with `config.seed`, so they do not depend
    on the device, the precision or the number of ranks: an fp32 and an AMP run of one seed start from the same weights.
    """

    def __init__(self, config: TrainConfig, device: torch.device, ranks: Ranks = SINGLE) -> None:
        self.config = config
        self.device = device
        self.precision = find_precision(config.precision, device, config.execution.arithmetic)
        self._ranks = ranks
        objective, execution = config.objective, config.execution
        channels = conditioning_channels(config.data)
        torch.manual_seed(config.seed)
        self.generator = build_generator(config.generator, channels + config.features.channels)
        self.discriminator = build_discriminator(
            config.discriminator, channels, expose_features=objective.feature_matching
        )
        self.encoder = build_encoder(config.features, config.generator.norm) if config.features.encodes else None
        self.vgg = None if objective.vgg == "none" else VGGLoss(objective.vgg)
        self.pool = ImagePool(objective.pool_size, config.seed) if objective.pool_size else None

        self._carried: dict[str, dict[str, torch.Tensor]] = {}  # networks that are saved along but not trained

        self._synthesis = Synthesis(self.generator, self.encoder)
        for network in filter(None, (self._synthesis, self.discriminator, self.vgg)):
            network.to(device)
            if execution.channels_last:
                network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._weights = {"G": NetworkWeights(self.generator, self.precision)}
        self._weights["D"] = NetworkWeights(self.discriminator, self.precision)
        if self.encoder is not None:
            self._weights["E"] = NetworkWeights(self.encoder, self.precision)
        if self.vgg is not None:
            cast_weights(self.vgg, self.precision.weights_dtype)
        self._amax_history = None
        if self.precision.narrow is Narrow.SCALED_8_BITS:
            named = {"G": self.generator, "D": self.discriminator, "E": self.encoder, "VGG": self.vgg}
            self._amax_history = AmaxHistory(_product_weights(named), device)
        if execution.compile:
            if self.precision.narrow is not None:
                expected = "a precision of 16 bits or more: fewer are emulated by what cannot be compiled"
                raise InputError("--compile", expected=expected, found=self.precision.name, fix="Leave it out.")
            compile_networks(filter(None, (self._synthesis, self.discriminator, self.vgg)), device)

        self.generator_optimizer: ScaledOptimizer | ApexOptimizer
        self.discriminator_optimizer: ScaledOptimizer | ApexOptimizer
        self._fixes_global = config.epochs_fix_global > 0
        if self.precision.apex_level is None:
            self._set_trained()
            self.discriminator_optimizer = self._adam(self._weights["D"].pairs())
        else:
            if self._fixes_global:
                raise InputError(
                    "epochs_fix_global", expected=f"0 under {self.precision.name}", found=str(config.epochs_fix_global)
                )
            networks = (self._synthesis, self.discriminator)
            self.generator_optimizer, self.discriminator_optimizer = initialise_apex(
                self.precision.name, self.precision.apex_level, networks, lr=config.lr, beta1=config.beta1
            )
        self._share()
        self.set_epoch(1)

    def _adam(self, weights: list[tuple[nn.Parameter, nn.Parameter]]) -> ScaledOptimizer:
        return ScaledOptimizer(weights, self.precision, self.device, lr=self.config.lr, beta1=self.config.beta1)

    def _set_trained(self) -> None:
        """Choose the weights that the generator's optimizer updates; it starts afresh, as in the original."""
        # While the global generator is fixed, the original trains what belongs to the outermost enhancer.
        prefix = f"model{self.config.generator.n_local_enhancers}" if self._fixes_global else ""
        for name, parameter in self.generator.named_parameters():
            parameter.requires_grad_(name.startswith(prefix))
        encoder = self._weights["E"].pairs() if "E" in self._weights else []
        self.generator_optimizer = self._adam([*self._weights["G"].pairs(prefix), *encoder])

    def _share(self) -> None:
        self._synthesise = self._ranks.share(self._synthesis)
        self._discriminate = self._ranks.share(self.discriminator)

    def start_from(self, networks: Mapping[str, Mapping[str, torch.Tensor]], where: str) -> dict[str, tuple[str, ...]]:
        """Take over weights of an earlier run before the first step; see `match`.

        An encoder comes along even where its features are precomputed, untrained: sampling needs it.

        The result names for "G", "D" and "E" the parts that keep their initial weights.
        """
        fresh = {}
        for name, weights in self._weights.items():
            if name in networks:
                matched = match(weights.network, weights.state_dict(), networks[name], f"{where}, {name}")
                weights.load(matched.state, where)
                fresh[name] = matched.fresh
        if self.config.features.precomputed and "E" in networks:
            with torch.device("meta"):
                encoder = build_encoder(self.config.features, self.config.generator.norm)
            require_fitting(encoder, networks["E"], f"{where}, E")
            self._carried = {"E": dict(networks["E"])}
        return fresh

    def set_epoch(self, epoch: int) -> None:
        """Set what depends on the epoch, counted from 1: the learning rate and which weights are trained."""
        fixes_global = epoch <= self.config.epochs_fix_global
        if fixes_global != self._fixes_global:
            self._fixes_global = fixes_global
            before = self.generator_optimizer
            self._set_trained()
            if isinstance(before, ScaledOptimizer) and isinstance(self.generator_optimizer, ScaledOptimizer):
                self.generator_optimizer.take_over(before)
            self._share()
        for optimizer in (self.generator_optimizer, self.discriminator_optimizer):
            for group in optimizer.optimizer.param_groups:
                group["lr"] = learning_rate(self.config, epoch)

    def train_step(self, batch: Batch) -> tuple[Losses, torch.Tensor]:
        """Update the generator, then the discriminators, from losses that both belong to the weights before.

        `batch`: with photos, on the model's device: this rank's share.

        Returns
        -------
        losses : dict of str to scalar Tensor
            `G_GAN`, `G_GAN_Feat`, `G_VGG` (weights included, absent where switched off), `D_real`, `D_fake`;
            means over the batch, detached, still on the device.
        fake : Tensor, float32, shape (N, 3, H, W)
            The generated photos in [-1, 1], detached.
        """
        self.generator_optimizer.zero_grad()
        self.discriminator_optimizer.zero_grad()
        parts = batch.split(self.config.execution.grad_accum)
        done = []
        for i, part in enumerate(parts, start=1):
            with (
                without_averaging(self._synthesise, when=i < len(parts)),
                without_averaging(self._discriminate, when=i < len(parts)),
            ):
                done.append(self._add_gradients(part, 1.0 / len(parts)))
        self.generator_optimizer.step()
        self.discriminator_optimizer.step()
        if self._amax_history is not None:
            self._amax_history.update(self._ranks)
        losses = {name: torch.stack([losses[name] for losses, _ in done]).mean() for name in done[0][0]}
        return losses, torch.cat([fake for _, fake in done])

    def _add_gradients(self, batch: Batch, share: float) -> tuple[Losses, torch.Tensor]:
        assert batch.photo is not None
        objective = self.config.objective
        conditioning = self._conditioning(batch)
        photo = batch.photo.to(torch.promote_types(self.precision.weights_dtype, torch.float32))
        with self._autocast():
            generated = self._synthesise(conditioning, **self._style(batch))
        generated = at_least_float32(generated)
        # The discriminators see the sample cut off from the generator: one forward serves both losses, and the
        # generator's activations are freed while its backward runs.
        fake = generated.detach().requires_grad_()
        losses: Losses = {}
        with self._autocast():
            judged, on_fake, on_real = self._judge(conditioning, fake, photo)
            if self.vgg is not None:
                dtype = self.precision.weights_dtype
                losses["G_VGG"] = objective.lambda_feat * self.vgg(fake.to(dtype), photo.to(dtype))
        losses["G_GAN"] = gan_loss(judged, target_real=True, kind=objective.gan)
        if objective.feature_matching:
            losses["G_GAN_Feat"] = objective.lambda_feat * feature_matching_loss(judged, on_real)
        loss = torch.stack(list(losses.values())).sum()
        losses = {name: value.detach() for name, value in losses.items()}
        with self.generator_optimizer.scaled(share * loss) as scaled_loss:
            # Only the gradient with respect to the sample is computed, none of the discriminators' own.
            (gradient,) = torch.autograd.grad(scaled_loss, fake, retain_graph=True)
            del loss, scaled_loss
            torch.autograd.backward(generated, gradient)

        losses["D_real"] = gan_loss(on_real, target_real=True, kind=objective.gan)
        losses["D_fake"] = gan_loss(on_fake, target_real=False, kind=objective.gan)
        with self.discriminator_optimizer.scaled(share * 0.5 * (losses["D_real"] + losses["D_fake"])) as scaled_loss:
            torch.autograd.backward(scaled_loss, inputs=self.discriminator_optimizer.parameters)
        return {name: value.detach() for name, value in losses.items()}, generated.detach()

    def _judge(
        self, conditioning: torch.Tensor, fake: torch.Tensor, photo: torch.Tensor
    ) -> tuple[Activations, Activations, Activations]:
        """Return the discriminators' activations on the sample for G's loss, and on sample and photo for D's."""
        sample, real = (self._laid_out(image.to(conditioning.dtype)) for image in (fake, photo))
        if self.pool is None and self.config.discriminator.norm == "instance":
            # Not joined into one batch: the generator's loss runs backward through the sample alone.
            on_fake, on_real = self._discriminate(conditioning, sample, real)
            return on_fake, on_fake, on_real
        # A pool shows D other samples than G is judged by, and batch norm counts what goes through.
        if self.pool is None:
            on_fake, on_real = self._discriminate(conditioning, sample.detach(), real)
        else:
            pooled = self.pool.query(torch.cat((conditioning, sample), dim=1))
            channels = conditioning.shape[1]
            (on_fake,) = self._discriminate(pooled[:, :channels], pooled[:, channels:])
            (on_real,) = self._discriminate(conditioning, real)
        (judged,) = self.discriminator(conditioning, sample)
        return judged, on_fake, on_real

    def _conditioning(self, batch: Batch) -> torch.Tensor:
        encoded = encode(batch.label, batch.instance, self.config.data.label_nc)
        return self._laid_out(encoded.to(self.precision.input_dtype))

    def _laid_out(self, x: torch.Tensor) -> torch.Tensor:
        return x.contiguous(memory_format=torch.channels_last) if self.config.execution.channels_last else x

    def _style(self, batch: Batch) -> dict[str, Any]:
        """Return what `Synthesis` needs beside the conditioning."""
        if self.config.features.kind == "none":
            return {}
        if self.encoder is None:
            return {"features": batch.features}
        assert batch.photo is not None
        regions, n_regions = regions_of(batch, self.config)
        photo = self._laid_out(batch.photo.to(self.precision.weights_dtype))
        return {"photo": photo, "regions": regions, "n_regions": n_regions}

    def _autocast(self) -> AbstractContextManager[Any]:
        return self.precision.autocast(self.device, self._amax_history)

    def state_dict(self) -> dict[str, Any]:
        """Return networks, optimizers (scalers and counters included), the pool and the history of float8's scales."""
        state: dict[str, Any] = {
            "networks": {name: weights.state_dict() for name, weights in self._weights.items()} | self._carried,
            "optimizers": {"G": self.generator_optimizer.state_dict(), "D": self.discriminator_optimizer.state_dict()},
        }
        if self._amax_history is not None:
            state["amax_history"] = self._amax_history.state_dict()
        return state if self.pool is None else {**state, "pool": self.pool.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any], where: str) -> None:
        """Restore what `state_dict` returned; `set_epoch` comes first.

        Raises `InputError` if a network, an optimizer, the pool or the history does not fit; `where` and the key are
        named.
        """
        networks, optimizers = (stored_part(state, key, where) for key in ("networks", "optimizers"))
        for name, weights in self._weights.items():
            weights.load(stored_part(networks, name, f"{where}, networks"), f"{where}, {name}")
        self._carried = {name: kept for name, kept in networks.items() if name not in self._weights}
        for name, optimizer in (("G", self.generator_optimizer), ("D", self.discriminator_optimizer)):
            optimizer.load_state_dict(
                stored_part(optimizers, name, f"{where}, optimizers"), f"{where}, optimizers, {name}"
            )
        if self.pool is not None:
            self.pool.load_state_dict(state.get("pool"), self.device, f"{where}, pool")
        if self._amax_history is not None:
            self._amax_history.load_state_dict(state.get("amax_history"), f"{where}, amax_history")
