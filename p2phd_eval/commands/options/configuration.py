"""The options of `train` to a configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.presets import PRESETS

# Options by the part of the configuration that they change; named after its fields.
_PARTS = {
    "data": ("label_nc", "instances", "resize", "load_size", "crop_size", "flip", "phase"),
    "generator": (
        *("kind", "ngf", "n_downsample", "n_blocks", "n_local_enhancers", "n_blocks_local", "norm", "dropout"),
    ),
    "discriminator": ("ndf", "n_layers", "n_scales", "norm"),
    "objective": ("gan", "feature_matching", "lambda_feat", "vgg", "pool_size"),
    "execution": ("grad_accum", "deterministic", "channels_last", "compile", "workers", "cache"),
}
_RUN = (
    *("seed", "lr", "beta1", "epochs", "epochs_decay", "epochs_fix_global", "load_pretrain", "batch_size"),
    *("log_every", "grid_every", "checkpoint_every", "keep_every", "validate_every"),
)
# Where the option is called otherwise, because the encoder's share their names with others'.
_FEATURES = {
    "features": "kind",
    "n_features": "n_features",
    "nef": "nef",
    "n_downsample_e": "n_downsample",
    "load_features": "precomputed",
}


def configuration(preset: str, data: Path, given: dict[str, Any], *, precision: str) -> TrainConfig:
    """Apply the options that were given to the preset; what was left out keeps the preset's value.

    Parameters
    ----------
    preset : str
        A name of `PRESETS`.
    data : Path
        The data set: its `classes.json` and `<phase>_inst` give the number of classes and whether there are instances.
    given : dict
        Options by name, None where left out; others than the configuration's are ignored.
    precision : str

    Raises
    ------
    InputError
        If the preset is unknown or the values do not go together.
    """
    from p2phd_eval.generators.data.triplets import stored_label_nc

    if preset not in PRESETS:
        raise InputError("--preset", expected=" | ".join(PRESETS), found=repr(preset))
    base = PRESETS[preset]
    given = dict(given)
    if given.get("label_nc") is None:
        given["label_nc"] = stored_label_nc(data)
    if given.get("instances") is None:
        given["instances"] = (data / f"{given.get('phase') or base.data.phase}_inst").is_dir()

    def chosen(names: dict[str, str]) -> dict[str, Any]:
        return {field: given[option] for option, field in names.items() if given.get(option) is not None}

    parts = {
        part: replace(getattr(base, part), **chosen({name: name for name in names})) for part, names in _PARTS.items()
    }
    parts["features"] = replace(base.features, **chosen(_FEATURES))
    config = replace(base, precision=precision, **chosen({name: name for name in _RUN}), **parts)
    if config.epochs_fix_global and config.load_pretrain is None:
        raise InputError(
            f"--preset {preset}, --niter-fix-global {config.epochs_fix_global}",
            expected="--load-pretrain with a trained global generator, which stays fixed at first",
            found="none",
            fix="Pass --load-pretrain RUN, or train everything from the start with --niter-fix-global 0.",
        )
    return config
