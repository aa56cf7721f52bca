"""Configurations: frozen, checked on construction, JSON both ways. Names are the field's, not the original's flags.

What is known of a field stands at the field, once: what it means, what it is called on the command line, which values
it takes, and whether it is part of the recipe. Checks, options, the documentation and the answer to "is this the same
recipe?" follow from it.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, ClassVar, TypeVar, get_args, get_type_hints

from p2phd_eval.errors import MOST, InputError, shown

RESIZE_MODES = ("scale_width", "scale_width_and_crop", "resize_and_crop", "crop", "none")
GENERATORS = ("global", "local")
NORMS = ("instance", "batch")
GAN_LOSSES = ("lsgan", "vanilla")
FEATURES = ("none", "instance", "label")
ARITHMETICS = ("native", "emulated")

_Config = TypeVar("_Config", bound="_Checked")

# The most that a field takes. Beyond lies no training, but memory that no machine has, or numbers that overflow.
_MOST_SIDE = 2**15  # pixels
_MOST_CHANNELS = 2**16  # of one convolution: its weights alone would take 150 GB
_MOST_TIMES = 10**6  # epochs, samples of a batch
_MOST_STEPS = 10**12
_MOST_FLOAT32 = 3.4e38


class Role(Enum):
    """What a field is to a training."""

    RECIPE = "recipe"  # shapes the weights; runs that differ in it are no seeds of one arm
    LENGTH = "length"  # shapes the weights, too, but a run may go on for longer than it was begun
    RUN = "run"  # tells the runs of a study apart
    EXECUTION = "execution"  # how steps are computed: the result is the same but for rounding
    WATCHING = "watching"  # how often things are written


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """One field of a training's configuration, and what its line in this file says of it."""

    key: str  # where it is, such as "generator.ngf"
    kind: type  # the type of its values, but for None
    help: str  # a sentence, for the command line and for the documentation
    option: str  # "ngf": `--ngf` on the command line, `ngf=` in Python
    panel: str  # under which the command line shows it
    role: Role
    choices: tuple[str, ...]  # all values that it takes; empty: any of its kind
    metavar: str | None  # what stands for the option's value in its help
    default: str | None  # in words, where it is not the preset's


def setting(
    default: Any,
    help: str,
    *,
    option: str | None = None,  # None: the name of the field
    role: Role | None = None,  # None: the `ROLE` of its class
    zero: bool = False,  # whether a number may be 0
    most: float | None = None,  # the largest number; None: any that is finite
    below: float | None = None,  # a number that all are smaller than
    choices: tuple[str, ...] = (),
    metavar: str | None = None,
    default_is: str | None = None,
    before: str | None = None,  # its value in configurations of versions that did not know it; None: there are none
) -> Any:
    """Return a dataclass field that knows what `Setting` says."""
    known: dict[str, Any] = {"help": help, "option": option, "role": role, "zero": zero, "choices": choices}
    known |= {"most": most, "below": below, "metavar": metavar, "default": default_is, "before": before}
    return dataclasses.field(default=default, metadata=known)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Checked:
    """Base: values have their field's type and are one of its choices; numbers are finite, positive (or 0 where the
    field allows it) and within its bounds."""

    ROLE: ClassVar[Role] = Role.RECIPE  # the role of fields that say nothing else

    def __post_init__(self) -> None:
        kinds = _kinds(type(self))
        for field in dataclasses.fields(self):
            value, known = getattr(self, field.name), field.metadata
            option = f"--{known.get('option') or field.name}".replace("_", "-")
            if type(value) not in kinds[field.name] and not (type(value) is int and float in kinds[field.name]):
                names = " or ".join(kind.__name__ for kind in kinds[field.name])
                raise InputError(option, expected=names, found=shown(value))
            choices = known.get("choices")
            if choices and value is not None and value not in choices:
                raise InputError(option, expected=" | ".join(choices), found=shown(value))
            if type(value) in (int, float) and (expected := _bound_broken(value, known)):
                raise InputError(option, expected=expected, found=shown(value))

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as nested dictionaries of JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls: type[_Config], document: object, where: str | None = None) -> _Config:
        """Build the configuration from what `to_dict` returned.

        `where`: what the document is, for errors; by default those about a value name its option alone.

        Raises
        ------
        InputError
            If a key is unknown or missing or a value has the wrong type or is out of bounds; the key is named.
        """
        return cls._read(document, where or "configuration", "" if where is None else f"{where}, ")

    @classmethod
    def _read(cls: type[_Config], document: object, place: str, before_options: str) -> _Config:
        if not isinstance(document, Mapping):
            raise InputError(place, expected="names with their values", found=shown(document))
        hints = get_type_hints(cls)
        names = [field.name for field in dataclasses.fields(cls)]
        for key in document:
            if key not in names:
                expected = f"one of {', '.join(names)}"
                raise InputError(f"{place}, key {shown(key)}", expected=expected, found="an unknown key")
        values: dict[str, Any] = {}
        before = {
            field.name: field.metadata["before"] for field in dataclasses.fields(cls) if field.metadata.get("before")
        }
        for name in names:
            if name not in document and name in before:
                values[name] = before[name]
                continue
            if name not in document:
                raise InputError(f"{place}, key {name!r}", expected="a value", found="nothing")
            value, hint = document[name], hints[name]
            if isinstance(hint, type) and issubclass(hint, _Checked):
                values[name] = hint._read(value, f"{place}, {name}", before_options)
                continue
            allowed = _kinds(cls)[name]
            if type(value) is int and float in allowed and abs(value) < 2**1000:
                value = float(value)
            elif type(value) not in allowed:
                kinds = " or ".join(kind.__name__ for kind in allowed)
                raise InputError(f"{place}, key {name!r}", expected=kinds, found=shown(value))
            values[name] = value
        try:
            return cls(**values)
        except InputError as error:
            raise InputError(
                f"{before_options}{error.where}", expected=error.expected, found=error.found, fix=error.fix
            ) from error


def _kinds(part: type[_Checked]) -> dict[str, tuple[type, ...]]:
    """Return the types that the values of each field may have."""
    return {name: get_args(hint) or (hint,) for name, hint in get_type_hints(part).items()}


def _bound_broken(value: float, known: Mapping[str, Any]) -> str | None:
    """Say which numbers a field takes where the value is none of them."""
    most, below = known.get("most"), known.get("below")
    if not (value >= 0 if known.get("zero") else value > 0):
        return "a number that is 0 or more" if known.get("zero") else "a number above 0"
    if most is not None and value > most:
        return f"a number of at most {most}"
    if below is not None and value >= below:
        return f"a number below {below}"
    return None if value < math.inf else "a finite number"


def _require_width(option: str, width: int, halvings: int, halve: str) -> None:
    """Refuse networks whose innermost convolutions are wider than any; each halving doubles the width."""
    if width << halvings > _MOST_CHANNELS:
        raise InputError(
            f"{option}, {halve}",
            expected=f"at most {_MOST_CHANNELS} channels in the innermost convolutions",
            found=f"{width} x 2**{halvings}",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig(_Checked):
    """What the networks see of a data set."""

    label_nc: int = setting(
        35,
        "Classes; 0: photos to photos (folders PHASE_A and PHASE_B).",
        zero=True,
        default_is="that of classes.json, else 35",
        most=_MOST_CHANNELS,
    )
    instances: bool = setting(
        True, "Use the edges of the instance map as one more input channel.", default_is="if there is a PHASE_inst"
    )
    resize: str = setting(
        "scale_width", "How images are made to fit, as in the original.", option="resize_or_crop", choices=RESIZE_MODES
    )
    load_size: int = setting(
        1024, "Width in pixels after scaling; with resize_and_crop height and width.", most=_MOST_SIDE
    )
    crop_size: int = setting(512, "Side of the square crop in pixels.", most=_MOST_SIDE)
    flip: bool = setting(True, "Mirror half of the training samples.")
    phase: str = setting("train", "Part of the data set to train on: folders PHASE_label and so on.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratorConfig(_Checked):
    """The coarse-to-fine generator (pix2pixHD, section 3.1)."""

    kind: str = setting(
        "global",
        "The global generator alone, or with local enhancers around it.",
        option="generator",
        choices=GENERATORS,
    )
    ngf: int = setting(64, "Filters of the generator's first convolution at full resolution.", most=_MOST_CHANNELS)
    n_downsample: int = setting(4, "Halvings in the global generator.", most=15)
    n_blocks: int = setting(9, "Residual blocks in the global generator.", zero=True, most=1000)
    n_local_enhancers: int = setting(1, "Local enhancers.", most=15)
    n_blocks_local: int = setting(3, "Residual blocks in each local enhancer.", zero=True, most=1000)
    norm: str = setting("instance", "Normalisation; the option sets it in all networks.", choices=NORMS)
    dropout: bool = setting(False, "Dropout with probability 0.5 in the residual blocks.")

    @property
    def size_multiple(self) -> int:
        """Height and width of the input must be multiples of this number of pixels."""
        return int(2**self._halvings)

    @property
    def _halvings(self) -> int:
        return self.n_downsample + (self.n_local_enhancers if self.kind == "local" else 0)

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_width("--ngf", self.ngf, self._halvings, "--n-downsample")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureConfig(_Checked):
    """The feature encoder, whose output is averaged over regions and joins the input (pix2pixHD, section 3.4)."""

    kind: str = setting(
        "none",
        "What encoded features are averaged over: instances, or all regions of a label.",
        option="features",
        choices=FEATURES,
    )
    n_features: int = setting(3, "Channels of the feature map.", most=_MOST_CHANNELS)
    nef: int = setting(16, "Filters of the encoder's first convolution.", most=_MOST_CHANNELS)
    n_downsample: int = setting(4, "Halvings in the encoder.", option="n_downsample_e", most=15)
    precomputed: bool = setting(
        False, "Read PHASE_feat (see `encode precompute`) instead of encoding the photo.", option="load_features"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_width("--nef", self.nef, self.n_downsample, "--n-downsample-e")
        if self.precomputed and self.n_features != 3:
            raise InputError("--n-features", expected="3, the channels of a PNG", found=str(self.n_features))

    @property
    def channels(self) -> int:
        """Number of channels that features add to the generator's input."""
        return 0 if self.kind == "none" else self.n_features

    @property
    def encodes(self) -> bool:
        """Whether an encoder is trained along."""
        return self.kind != "none" and not self.precomputed


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig(_Checked):
    """The multi-scale PatchGAN discriminators (pix2pixHD, section 3.2)."""

    ndf: int = setting(64, "Filters of the discriminators' first convolution.", most=_MOST_CHANNELS)
    n_layers: int = setting(3, "Strided convolutions of each discriminator.", option="n_layers_d", most=15)
    n_scales: int = setting(
        2, "Discriminators, each at half the resolution of the one before.", option="num_d", most=15
    )
    norm: str = setting("instance", "Normalisation; the option sets it in all networks.", choices=NORMS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObjectiveConfig(_Checked):
    """The training objective (pix2pixHD, equation 5 and the VGG term)."""

    gan: str = setting("lsgan", "GAN loss: least squares, or cross-entropy (vanilla).", choices=GAN_LOSSES)
    feature_matching: bool = setting(True, "Feature matching: L1 between discriminator features of photo and sample.")
    lambda_feat: float = setting(10.0, "Weight of feature matching and of the VGG loss.", zero=True, most=_MOST_FLOAT32)
    vgg: str = setting(
        "none", "VGG loss: none, torchvision (fetches its ImageNet weights), or a file of VGG19 weights."
    )
    pool_size: int = setting(
        0, "Earlier samples kept to train the discriminators on; 0: always the newest.", zero=True, most=_MOST_TIMES
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExecutionConfig(_Checked):
    """How steps are computed; the result is the same but for rounding, so a resumed run may change it."""

    ROLE = Role.EXECUTION

    grad_accum: int = setting(
        1, "Parts in which each rank computes its share of a batch, one after the other.", most=_MOST_TIMES
    )
    deterministic: bool = setting(False, "Equal bits from one seed on a GPU too; slower.")
    channels_last: bool = setting(False, "NHWC memory layout.")
    compile: bool = setting(False, "torch.compile; the first steps take minutes.")
    arithmetic: str | None = setting(
        None,
        "How convolutions in 16 bits are computed: by instructions for them, or in float32 with the same roundings.",
        # It shapes results, a little, as the precision does.
        role=Role.RUN,
        choices=ARITHMETICS,
        default_is="native where the device has such instructions",
        before="native",
    )
    workers: int | None = setting(
        None, "Processes that load data.", zero=True, default_is="4 beside a GPU, else 0", most=1024
    )
    cache: str | None = setting(
        None, "Folder that keeps images decoded and resized between epochs.", option="decoded_cache", metavar="FOLDER"
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig(_Checked):
    """One training run; written to the run folder before it starts and into every checkpoint."""

    data: DataConfig = DataConfig()
    generator: GeneratorConfig = GeneratorConfig()
    features: FeatureConfig = FeatureConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    execution: ExecutionConfig = ExecutionConfig()
    precision: str = setting("fp32", "Precision of the training, a name of `PRECISIONS`.", role=Role.RUN)
    lr: float = setting(2e-4, "Adam's learning rate.", most=_MOST_FLOAT32)
    beta1: float = setting(0.5, "Adam's decay of the first moment; that of the second is 0.999.", zero=True, below=1)
    epochs: int = setting(100, "Epochs at the constant learning rate.", role=Role.LENGTH, zero=True, most=_MOST_TIMES)
    epochs_decay: int = setting(
        100,
        "Epochs in which the learning rate decays linearly towards 0.",
        zero=True,
        role=Role.LENGTH,
        most=_MOST_TIMES,
    )
    epochs_fix_global: int = setting(
        0,
        "First epochs, in which only the outermost local enhancer is trained.",
        option="niter_fix_global",
        zero=True,
        most=_MOST_TIMES,
    )
    load_pretrain: str | None = setting(
        None, "Run, checkpoint or folder of the original that the weights start from.", metavar="RUN"
    )
    batch_size: int = setting(1, "Samples of one step, over all ranks and accumulated parts.", most=_MOST_TIMES)
    seed: int = setting(0, "Seed of initial weights, data order, crops and flips.", zero=True, role=Role.RUN, most=MOST)
    log_every: int = setting(50, "Steps between two lines of the log.", role=Role.WATCHING, most=_MOST_STEPS)
    grid_every: int = setting(500, "Steps between two pictures of samples.", role=Role.WATCHING, most=_MOST_STEPS)
    checkpoint_every: int = setting(1000, "Steps between two checkpoints.", role=Role.WATCHING, most=_MOST_STEPS)
    keep_every: int = setting(
        0,
        "Epochs between two checkpoints that stay; 0: only the newest stays.",
        zero=True,
        role=Role.WATCHING,
        most=_MOST_TIMES,
    )
    validate_every: int = setting(
        0, "Epochs between two FIDs on held-out photos; 0: none.", zero=True, role=Role.WATCHING, most=_MOST_TIMES
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.total_epochs:
            raise InputError("--epochs, --epochs-decay", expected="at least one epoch in all", found="0")
        multiple, least = self.size_multiple, self.least_side
        data = self.data
        for option, side, used in (
            ("--crop-size", data.crop_size, "crop" in data.resize),
            ("--load-size", data.load_size, data.resize == "scale_width"),
        ):
            if used and side < least:
                raise InputError(
                    option,
                    expected=f"at least {least} pixels, of which the networks' halvings leave something",
                    found=str(side),
                    fix="Use more pixels, or a smaller --n-downsample or --num-d.",
                )
            if used and side % multiple:
                below = side // multiple * multiple
                fits = " or ".join(str(size) for size in (below, below + multiple) if size)
                raise InputError(
                    option,
                    expected=f"a multiple of {multiple} pixels (the networks halve their input that often)",
                    found=str(side),
                    fix=f"Use {fits}.",
                )
        if data.resize in ("scale_width_and_crop", "resize_and_crop") and data.crop_size > data.load_size:
            raise InputError(
                "--crop-size", expected=f"at most --load-size ({data.load_size})", found=str(data.crop_size)
            )
        if self.epochs_fix_global and self.generator.kind != "local":
            raise InputError(
                "--niter-fix-global",
                expected="0, or a generator with local enhancers (--generator local)",
                found=str(self.epochs_fix_global),
            )
        if self.features.kind == "instance" and not data.instances:
            raise InputError("--features instance", expected="instance maps", found="none")
        if self.features.kind == "label" and not data.label_nc:
            raise InputError("--features label", expected="label maps", found="--label-nc 0")

    @property
    def size_multiple(self) -> int:
        """Height and width of the input must be multiples of this number of pixels."""
        encoder = 1 if self.features.kind == "none" else 2**self.features.n_downsample
        return max(self.generator.size_multiple, int(encoder))

    @property
    def least_side(self) -> int:
        """Least height and width in pixels of what the networks can be trained on."""
        # No norm works on a single pixel: the generator's innermost maps have two, and so has what the coarsest
        # discriminator sees. VGG19 halves four times.
        coarsest = 2 ** (self.discriminator.n_scales - 1) + 1
        return max(2 * self.size_multiple, int(coarsest), 1 if self.objective.vgg == "none" else 16)

    def samples_at_once(self, ranks: int) -> int:
        """Return how many samples go through the networks at once where `ranks` processes share a batch.

        Raises `InputError` if the batch cannot be shared equally.
        """
        parts = ranks * self.execution.grad_accum
        if self.batch_size % parts:
            raise InputError(
                "--batch-size",
                expected=f"a multiple of {ranks} ranks x {self.execution.grad_accum} parts (--grad-accum)",
                found=str(self.batch_size),
                fix="It counts the samples of a step over all ranks: raise it, or start fewer processes.",
            )
        return self.batch_size // parts

    @property
    def total_epochs(self) -> int:
        """Number of epochs, those of the decay included."""
        return self.epochs + self.epochs_decay


def _settings(part: type[_Checked], above: str = "", panel: str = "") -> Iterator[Setting]:
    hints = get_type_hints(part)
    for field in dataclasses.fields(part):
        hint, known = hints[field.name], field.metadata
        if isinstance(hint, type) and issubclass(hint, _Checked):
            named = "Feature encoder" if hint is FeatureConfig else field.name.capitalize()
            yield from _settings(hint, f"{field.name}.", named)
            continue
        role = known["role"] or part.ROLE
        yield Setting(
            key=f"{above}{field.name}",
            kind=next(iter(get_args(hint)), hint),
            help=known["help"],
            option=known["option"] or field.name,
            panel=panel or ("Watching" if role is Role.WATCHING else "Training"),
            role=role,
            choices=known["choices"],
            metavar=known["metavar"],
            default=known["default"],
        )


#: Every setting of a training, in the order of the fields.
SETTINGS = tuple(_settings(TrainConfig))
_ROLES = {setting.key: setting.role for setting in SETTINGS}


def flat(document: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return nested values by their dotted keys, such as "generator.ngf"."""
    values: dict[str, Any] = {}
    for key, value in document.items():
        values |= flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return values


def values_of(document: Mapping[str, Any], *roles: Role) -> dict[str, Any]:
    """Return those values of a configuration's JSON that have one of the roles, by dotted keys.

    A key that this version does not know is taken for a part of the recipe.
    """
    return {key: value for key, value in flat(document).items() if _ROLES.get(key, Role.RECIPE) in roles}


def recipe_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what shapes the weights, of a configuration's JSON: all that runs of one study have in common."""
    return values_of(document, Role.RECIPE, Role.LENGTH)
