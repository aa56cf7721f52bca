"""Configurations: frozen, checked on construction, JSON both ways. Names are the field's, not the original's flags."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_type_hints

from p2phd_eval.errors import InputError

RESIZE_MODES = ("scale_width", "scale_width_and_crop", "resize_and_crop", "crop", "none")
GENERATORS = ("global", "local")
NORMS = ("instance", "batch")
GAN_LOSSES = ("lsgan", "vanilla")
FEATURES = ("none", "instance", "label")

_Config = TypeVar("_Config", bound="_Checked")


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Checked:
    """Base: every integer and float field must be positive unless it is named in `_MAY_BE_ZERO`."""

    def __post_init__(self) -> None:
        may_be_zero = getattr(self, "_MAY_BE_ZERO", ())
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            zero_allowed = field.name in may_be_zero
            if not (value >= 0 if zero_allowed else value > 0):
                raise InputError(
                    field.name,
                    expected="a number that is 0 or more" if zero_allowed else "a number above 0",
                    found=repr(value),
                )

    def _check_choice(self, name: str, choices: tuple[str, ...]) -> None:
        value = getattr(self, name)
        if value not in choices:
            raise InputError(name, expected=" | ".join(choices), found=repr(value))

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as nested dictionaries of JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls: type[_Config], document: Mapping[str, Any], where: str = "configuration") -> _Config:
        """Build the configuration from what `to_dict` returned.

        Raises
        ------
        InputError
            If a key is unknown or missing or a value has the wrong type; the key is named.
        """
        hints = get_type_hints(cls)
        names = [field.name for field in dataclasses.fields(cls)]
        for key in document:
            if key not in names:
                raise InputError(f"{where}, key {key!r}", expected=f"one of {', '.join(names)}", found="an unknown key")
        values: dict[str, Any] = {}
        for name in names:
            if name not in document:
                raise InputError(f"{where}, key {name!r}", expected="a value", found="nothing")
            value, hint = document[name], hints[name]
            if isinstance(hint, type) and issubclass(hint, _Checked):
                values[name] = hint.from_dict(value, f"{where}, {name}")
                continue
            allowed = get_args(hint) or (hint,)
            if type(value) is int and float in allowed:
                value = float(value)
            if type(value) not in allowed:
                kinds = " or ".join(kind.__name__ for kind in allowed)
                raise InputError(f"{where}, key {name!r}", expected=kinds, found=repr(value))
            values[name] = value
        return cls(**values)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig(_Checked):
    """What the networks see of a data set."""

    _MAY_BE_ZERO = ("label_nc",)

    label_nc: int = 35  # number of classes; 0: the input is a photo (folders <phase>_A and <phase>_B)
    instances: bool = True  # the edges of the instance map are one more input channel
    resize: str = "scale_width"  # one of RESIZE_MODES, as in the original
    load_size: int = 1024  # pixels: width after scaling (scale_width*), or the side (resize_and_crop)
    crop_size: int = 512  # pixels: side of the square crop (*crop)
    flip: bool = True  # mirror half of the training samples
    phase: str = "train"  # training reads <phase>_label and so on

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_choice("resize", RESIZE_MODES)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratorConfig(_Checked):
    """The coarse-to-fine generator (pix2pixHD, section 3.1)."""

    _MAY_BE_ZERO = ("n_blocks", "n_blocks_local")

    kind: str = "global"  # G1 alone, or "local": G1 with enhancers around it
    ngf: int = 64  # filters of the first convolution at full resolution
    n_downsample: int = 4  # halvings in G1
    n_blocks: int = 9  # residual blocks in G1
    n_local_enhancers: int = 1  # enhancers; used by "local"
    n_blocks_local: int = 3  # residual blocks in an enhancer; used by "local"
    norm: str = "instance"
    dropout: bool = False  # with probability 0.5 between the convolutions of a residual block

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_choice("kind", GENERATORS)
        self._check_choice("norm", NORMS)

    @property
    def size_multiple(self) -> int:
        """Height and width of the input must be multiples of this number of pixels."""
        enhancers = self.n_local_enhancers if self.kind == "local" else 0
        return int(2 ** (self.n_downsample + enhancers))


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureConfig(_Checked):
    """The feature encoder, whose output is averaged over regions and joins the input (pix2pixHD, section 3.4)."""

    kind: str = "none"  # "instance": averaged over instances; "label": over classes
    n_features: int = 3  # channels of the feature map
    nef: int = 16  # filters of the encoder's first convolution
    n_downsample: int = 4  # halvings in the encoder
    precomputed: bool = False  # read from <phase>_feat instead of encoding the photo

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_choice("kind", FEATURES)
        if self.precomputed and self.n_features != 3:
            raise InputError("n_features", expected="3, the channels of a PNG", found=str(self.n_features))

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

    ndf: int = 64  # filters of the first convolution
    n_layers: int = 3  # strided convolutions of each PatchGAN
    n_scales: int = 2  # discriminators, each at half the resolution of the one before
    norm: str = "instance"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_choice("norm", NORMS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObjectiveConfig(_Checked):
    """The training objective (pix2pixHD, equation 5 and the VGG term)."""

    _MAY_BE_ZERO = ("pool_size",)

    gan: str = "lsgan"  # least squares, or "vanilla": cross-entropy
    feature_matching: bool = True  # L1 between discriminator features of photo and sample
    lambda_feat: float = 10.0  # weight of the feature matching and of the VGG loss
    vgg: str = "none"  # "none", "torchvision" (downloads its ImageNet weights), or a file of VGG19 weights
    pool_size: int = 0  # earlier samples kept to train the discriminators on; 0: always the newest

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_choice("gan", GAN_LOSSES)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExecutionConfig(_Checked):
    """How steps are computed; the result is the same but for rounding, so a resumed run may change it."""

    _MAY_BE_ZERO = ("workers",)

    grad_accum: int = 1  # parts that the batch of a rank is computed in, one after the other
    deterministic: bool = False  # bitwise equal runs on a GPU too, slower
    channels_last: bool = False  # NHWC memory layout
    compile: bool = False  # torch.compile
    workers: int | None = None  # processes that load data; None: 4 beside a GPU, else 0
    cache: str | None = None  # folder for decoded and resized images; None: decoded every time


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig(_Checked):
    """One training run; written to the run folder before it starts and into every checkpoint."""

    _MAY_BE_ZERO = ("seed", "epochs_decay", "epochs_fix_global", "keep_every", "validate_every")

    data: DataConfig = DataConfig()
    generator: GeneratorConfig = GeneratorConfig()
    features: FeatureConfig = FeatureConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    execution: ExecutionConfig = ExecutionConfig()
    precision: str = "fp32"  # a name of generators.precision.PRECISIONS
    lr: float = 2e-4  # Adam's learning rate
    beta1: float = 0.5  # Adam's first moment decay; the second is 0.999
    epochs: int = 100  # at the constant learning rate
    epochs_decay: int = 100  # in which it decays linearly towards 0
    epochs_fix_global: int = 0  # first epochs in which only the outermost local enhancer is trained
    load_pretrain: str | None = None  # run, checkpoint or folder of the original that the weights start from
    batch_size: int = 1  # samples of one step, over all ranks
    seed: int = 0  # of initial weights, data order, crops and flips
    log_every: int = 50  # steps between two lines of the log
    grid_every: int = 500  # steps between two pictures of samples
    checkpoint_every: int = 1000  # steps between two checkpoints
    keep_every: int = 0  # epochs between two checkpoints that stay; 0: only the newest stays
    validate_every: int = 0  # epochs between two validations; 0: none

    def __post_init__(self) -> None:
        super().__post_init__()
        multiple = self.size_multiple
        data = self.data
        for name, side, used in (
            ("crop_size", data.crop_size, "crop" in data.resize),
            ("load_size", data.load_size, data.resize == "scale_width"),
        ):
            if used and side % multiple:
                below = side // multiple * multiple
                fits = " or ".join(str(size) for size in (below, below + multiple) if size)
                raise InputError(
                    name,
                    expected=f"a multiple of {multiple} pixels (the networks halve their input that often)",
                    found=str(side),
                    fix=f"Use {fits}.",
                )
        if data.resize in ("scale_width_and_crop", "resize_and_crop") and data.crop_size > data.load_size:
            raise InputError("crop_size", expected=f"at most load_size ({data.load_size})", found=str(data.crop_size))
        if self.epochs_fix_global and self.generator.kind != "local":
            raise InputError(
                "epochs_fix_global",
                expected="0, or a generator with local enhancers",
                found=str(self.epochs_fix_global),
            )
        if self.features.kind == "instance" and not data.instances:
            raise InputError("features", expected="instance maps for features by instance", found="none")
        if self.features.kind == "label" and not data.label_nc:
            raise InputError("features", expected="label maps for features by label", found="label_nc 0")

    @property
    def size_multiple(self) -> int:
        """Height and width of the input must be multiples of this number of pixels."""
        encoder = 1 if self.features.kind == "none" else 2**self.features.n_downsample
        return max(self.generator.size_multiple, int(encoder))

    def samples_at_once(self, ranks: int) -> int:
        """Return how many samples go through the networks at once where `ranks` processes share a batch.

        Raises
        ------
        InputError
            If the batch cannot be shared equally.
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
