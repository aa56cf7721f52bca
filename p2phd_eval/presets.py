"""Settings by name: those of the original's training scripts, and a small one for a CPU; and what changes them."""

from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from p2phd_eval.config import (
    SETTINGS,
    DataConfig,
    DiscriminatorConfig,
    FeatureConfig,
    GeneratorConfig,
    ObjectiveConfig,
    TrainConfig,
)
from p2phd_eval.errors import InputError, shown

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


def configure(data: Path, preset: str | TrainConfig = "512p", **options: Any) -> TrainConfig:
    """Apply options to a preset, or to a configuration; what is left out, or None, stays as it is there.

    `data`: the data set: its `classes.json` and `<phase>_inst` give a preset the number of classes, and say whether
    there are instances. `preset`: a name of `PRESETS`, or a configuration. `**options`: named as on the command line of
    `train`: `ngf=32` is `--ngf 32`, `compile=True` is `--compile`. Raises `InputError` if the preset or an option is
    unknown, or the values do not go together.
    """
    from p2phd_eval.generators.data.triplets import stored_label_nc

    given = {name: value for name, value in options.items() if value is not None}
    known = dict.fromkeys(setting.option for setting in SETTINGS)
    for name in (each for each in given if each not in known):
        fix = "".join(f"Did you mean {close}?" for close in get_close_matches(name, known, n=1))
        raise InputError("options", expected=", ".join(known), found=shown(name), fix=fix)
    if isinstance(preset, str):
        if preset not in PRESETS:
            raise InputError("--preset", expected=" | ".join(PRESETS), found=shown(preset))
        base = PRESETS[preset]
        phase = given.get("phase", base.data.phase)
        given.setdefault("instances", isinstance(phase, str) and (data / f"{phase}_inst").is_dir())
        if "label_nc" not in given and (label_nc := stored_label_nc(data)) is not None:
            given["label_nc"] = label_nc
    else:
        base = preset
    document = base.to_dict()
    for setting in SETTINGS:
        if setting.option in given:
            value = given[setting.option]
            part, _, name = setting.key.rpartition(".")
            (document[part] if part else document)[name] = str(value) if isinstance(value, Path) else value
    config = TrainConfig.from_dict(document)
    if config.epochs_fix_global and config.load_pretrain is None:
        raise InputError(
            (f"--preset {preset}, " if isinstance(preset, str) else "")
            + f"--niter-fix-global {config.epochs_fix_global}",
            expected="--load-pretrain with a trained global generator, which stays fixed at first",
            found="none",
            fix="Pass --load-pretrain RUN, or train everything from the start with --niter-fix-global 0.",
        )
    return config
