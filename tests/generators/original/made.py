"""Folders as the original saves them, of networks small enough for a test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from p2phd_eval.config import (
    DataConfig,
    DiscriminatorConfig,
    FeatureConfig,
    GeneratorConfig,
    ObjectiveConfig,
    TrainConfig,
)
from p2phd_eval.generators.networks.conditioning import conditioning_channels
from p2phd_eval.generators.networks.discriminator import build_discriminator
from p2phd_eval.generators.networks.encoder import build_encoder
from p2phd_eval.generators.networks.generator import build_generator

TINY = TrainConfig(
    data=DataConfig(label_nc=12),
    generator=GeneratorConfig(ngf=4, n_downsample=2, n_blocks=1),
    discriminator=DiscriminatorConfig(ndf=4, n_layers=2),
)
LOCAL = GeneratorConfig(kind="local", ngf=2, n_downsample=2, n_blocks=2, n_local_enhancers=2, n_blocks_local=1)
BATCH = replace(
    TINY, generator=replace(TINY.generator, norm="batch"), discriminator=replace(TINY.discriminator, norm="batch")
)
ENCODED = replace(TINY, features=FeatureConfig(kind="instance", n_features=5, nef=4, n_downsample=3))
ARCHITECTURES = {
    "global": TINY,
    "no-blocks": replace(TINY, generator=replace(TINY.generator, n_blocks=0)),
    "dropout": replace(TINY, generator=replace(TINY.generator, dropout=True)),
    "local-1": replace(TINY, generator=replace(LOCAL, n_local_enhancers=1, n_blocks_local=2)),
    "local-2": replace(TINY, generator=LOCAL),
    "batch-norm": BATCH,
    "scales-3-layers-4": replace(TINY, discriminator=replace(TINY.discriminator, n_scales=3, n_layers=4)),
    "scale-1-no-matching": replace(
        TINY, discriminator=replace(TINY.discriminator, n_scales=1), objective=ObjectiveConfig(feature_matching=False)
    ),
    "batch-norm-no-matching": replace(BATCH, objective=ObjectiveConfig(feature_matching=False)),
    "encoder": ENCODED,
}


def build(config: TrainConfig) -> dict[str, nn.Module]:
    channels = conditioning_channels(config.data)
    torch.manual_seed(0)
    networks: dict[str, nn.Module] = {
        "G": build_generator(config.generator, channels + config.features.channels),
        "D": build_discriminator(config.discriminator, channels, expose_features=config.objective.feature_matching),
    }
    if config.features.encodes:
        networks["E"] = build_encoder(config.features, config.generator.norm)
    return networks


def save_original(folder: Path, config: TrainConfig, *, only: str = "GDE", options: str = "") -> Path:
    """A folder as the original saves it: state dicts, whose keys are ours."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, network in build(config).items():
        if name in only:
            torch.save(network.state_dict(), folder / f"latest_net_{name}.pth")
    if options:
        (folder / "opt.txt").write_text(f"------------ Options -------------\n{options}\n-------------- End ----\n")
    return folder
