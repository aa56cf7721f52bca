"""The least memory that networks take, known before any is taken: what does not fit at all is refused at once."""

import math

import torch
from torch import nn

from p2phd_eval.config import TrainConfig
from p2phd_eval.generators.networks.conditioning import conditioning_channels
from p2phd_eval.generators.networks.discriminator import build_discriminator
from p2phd_eval.generators.networks.encoder import build_encoder
from p2phd_eval.generators.networks.generator import build_generator
from p2phd_eval.generators.training.precision import Precision

_UPDATED = 4  # a weight, its gradient and Adam's two moments


def least_training_bytes(config: TrainConfig, size: tuple[int, int], precision: Precision, samples: int) -> int:
    """Return bytes that a training step takes in any case: weights, their gradients and moments, and the input and
    first maps of the samples that go through the networks together.

    `size`: width and height of the networks' input in pixels. See `estimate` for what a step really takes.
    """
    channels = conditioning_channels(config.data)
    with torch.device("meta"):  # without memory
        networks: list[nn.Module] = [
            build_generator(config.generator, channels + config.features.channels),
            build_discriminator(config.discriminator, channels, expose_features=config.objective.feature_matching),
        ]
        if config.features.encodes:
            networks.append(build_encoder(config.features, config.generator.norm))
    weights = sum(parameter.numel() for network in networks for parameter in network.parameters())
    return _UPDATED * weights * precision.weights_dtype.itemsize + least_sampling_bytes(
        config, size, precision, samples
    )


def least_sampling_bytes(config: TrainConfig, size: tuple[int, int], precision: Precision, samples: int) -> int:
    """Return bytes that generating some samples at once takes in any case, beside the weights: input and first maps."""
    channels = conditioning_channels(config.data) + config.features.channels + config.generator.ngf
    return samples * math.prod(size) * channels * precision.input_dtype.itemsize
