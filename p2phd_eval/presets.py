"""Settings by name: those of the original's training scripts, and a small one for a CPU."""

from __future__ import annotations

from dataclasses import replace

from p2phd_eval.config import (
    DataConfig,
    DiscriminatorConfig,
    FeatureConfig,
    GeneratorConfig,
    ObjectiveConfig,
    TrainConfig,
)

_INSTANCE_FEATURES = FeatureConfig(kind="instance")
_PERCEPTUAL = ObjectiveConfig(vgg="torchvision")

#: `scripts/train_512p.sh` of the original: 1024 x 512 pixels.
_512P = TrainConfig(objective=_PERCEPTUAL)

#: `scripts/train_1024p_24G.sh`: 2048 x 1024 pixels, after a 512p run that `load_pretrain` names.
_1024P = TrainConfig(
    data=DataConfig(resize="none"),
    generator=GeneratorConfig(kind="local", ngf=32),
    discriminator=DiscriminatorConfig(n_scales=3),
    objective=_PERCEPTUAL,
    epochs=50,
    epochs_decay=50,
    epochs_fix_global=10,
)

PRESETS: dict[str, TrainConfig] = {
    "512p": _512P,
    "1024p": _1024P,
    "512p-feat": replace(_512P, features=_INSTANCE_FEATURES),
    "1024p-feat": replace(_1024P, features=replace(_INSTANCE_FEATURES, precomputed=True)),
    # Trains in minutes on a CPU.
    "demo": TrainConfig(
        data=DataConfig(load_size=128, crop_size=64),
        generator=GeneratorConfig(ngf=16, n_downsample=2, n_blocks=3),
        discriminator=DiscriminatorConfig(ndf=16),
        # More than the original's 2e-4: there are only minutes to learn in.
        lr=5e-4,
        epochs=4,
        epochs_decay=4,
        grid_every=400,
        checkpoint_every=400,
    ),
}
