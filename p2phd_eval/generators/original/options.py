"""The original's `opt.txt`, in which it records the options of a training, in terms of our configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError, shown

OPTIONS_FILE = "opt.txt"
_LARGEST = 1 << 20  # bytes; the original writes two thousand


@dataclass(frozen=True)
class _Option:
    setting: str  # ours, dotted
    name: str  # the original's
    # The type of its values; for a switch, what False and True are in our terms.
    kind: type | Mapping[bool, Any]


_NEGATED = {False: True, True: False}
_OPTIONS = (
    _Option("data.label_nc", "label_nc", int),
    _Option("data.instances", "no_instance", _NEGATED),
    _Option("data.resize", "resize_or_crop", str),
    _Option("data.load_size", "loadSize", int),
    _Option("data.crop_size", "fineSize", int),
    _Option("data.flip", "no_flip", _NEGATED),
    _Option("generator.kind", "netG", str),
    _Option("generator.ngf", "ngf", int),
    _Option("generator.n_downsample", "n_downsample_global", int),
    _Option("generator.n_blocks", "n_blocks_global", int),
    _Option("generator.n_local_enhancers", "n_local_enhancers", int),
    _Option("generator.n_blocks_local", "n_blocks_local", int),
    _Option("generator.norm", "norm", str),
    _Option("features.n_features", "feat_num", int),
    _Option("features.nef", "nef", int),
    _Option("features.n_downsample", "n_downsample_E", int),
    _Option("features.precomputed", "load_features", {False: False, True: True}),
    _Option("discriminator.ndf", "ndf", int),
    _Option("discriminator.n_layers", "n_layers_D", int),
    _Option("discriminator.n_scales", "num_D", int),
    _Option("discriminator.norm", "norm", str),
    _Option("objective.gan", "no_lsgan", {False: "lsgan", True: "vanilla"}),
    _Option("objective.feature_matching", "no_ganFeat_loss", _NEGATED),
    _Option("objective.lambda_feat", "lambda_feat", float),
    _Option("objective.vgg", "no_vgg_loss", {False: "torchvision", True: "none"}),
    _Option("objective.pool_size", "pool_size", int),
    # The original's --fp16 is apex at O1.
    _Option("precision", "fp16", {False: "fp32", True: "apex-O1"}),
    _Option("lr", "lr", float),
    _Option("beta1", "beta1", float),
    _Option("epochs", "niter", int),
    _Option("epochs_decay", "niter_decay", int),
    _Option("epochs_fix_global", "niter_fix_global", int),
    _Option("batch_size", "batchSize", int),
)
# `features.kind` is spread over two switches, of which the original looks at label_feat first.
_FEATURE_SWITCHES = ("label_feat", "instance_feat")


def original_name(setting: str) -> str:
    """Return the original's option for one of our dotted settings."""
    if setting == "features.kind":
        return "instance_feat"
    return next(option.name for option in _OPTIONS if option.setting == setting)


def read_options(path: Path) -> dict[str, Any]:
    """Read an `opt.txt`.

    The result has our dotted settings, such as "generator.ngf", for all that the file has; it is empty without the
    file. Raises `InputError` if a value is not of its option's type; the option is named.
    """
    if not path.is_file():
        return {}
    with path.open("rb") as stream:
        content = stream.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise InputError(
            str(path), expected="options, one a line", found=f"more than {_LARGEST >> 10} KiB", fix="Remove the file."
        )
    lines = content.decode("utf-8", errors="replace").splitlines()
    stored = {name.strip(): value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}
    settings = {
        option.setting: _parse(f"{path}, {option.name}", stored[option.name], option.kind)
        for option in _OPTIONS
        if option.name in stored
    }
    for name in _FEATURE_SWITCHES:
        if name in stored:
            settings.setdefault("features.kind", "none")
            if settings["features.kind"] == "none" and _parse(f"{path}, {name}", stored[name], {False: 0, True: 1}):
                settings["features.kind"] = name.removesuffix("_feat")
    return settings


def original_options(config: TrainConfig) -> dict[str, Any]:
    """Return a configuration as the original's options, without those in which it has nothing like it."""
    document = config.to_dict()
    options: dict[str, Any] = {}
    for option in _OPTIONS:
        value = document
        for key in option.setting.split("."):
            value = value[key]
        if not isinstance(option.kind, Mapping):
            options[option.name] = value
        elif value in option.kind.values():
            options[option.name] = value == option.kind[True]
    return options | {name: name == f"{config.features.kind}_feat" for name in _FEATURE_SWITCHES}


def options_text(config: TrainConfig) -> str:
    """Return the `opt.txt` of a configuration; see `original_options`."""
    lines = [f"{name}: {value}" for name, value in sorted(original_options(config).items())]
    return "\n".join(["------------ Options -------------", *lines, ""])


def _parse(where: str, text: str, kind: type | Mapping[bool, Any]) -> Any:
    try:
        if isinstance(kind, Mapping):
            return kind[{"False": False, "True": True}[text]]
        return kind(text)
    except (KeyError, ValueError) as error:
        expected = "True or False" if isinstance(kind, Mapping) else f"a value of type {kind.__name__}"
        raise InputError(where, expected=expected, found=shown(text), fix="Correct the file, or remove it.") from error
