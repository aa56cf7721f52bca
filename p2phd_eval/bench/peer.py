"""The training step of NVIDIA's own pix2pixHD, run from a local checkout of it so that its time stands beside ours."""

import contextlib
import importlib
import io
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.data.batch import Batch
from p2phd_eval.generators.networks.vgg import untrained_vgg19_features
from p2phd_eval.generators.original.options import original_options
from p2phd_eval.torchvision_ops import declare_missing_operators

_MODEL = Path("models") / "pix2pixHD_model.py"
_PACKAGES = ("models", "util", "options", "data")  # names of the original's that other modules may bear too


def require_checkout(checkout: Path, device: torch.device) -> None:
    """Raise InputError if the folder is no checkout of NVIDIA/pix2pixHD, or its code cannot run on the device."""
    if not (checkout / _MODEL).is_file():
        raise InputError(
            f"--against {checkout}",
            expected=f"a checkout of NVIDIA/pix2pixHD, with {_MODEL}",
            found="a folder without it" if checkout.is_dir() else "no folder",
            fix="git clone https://github.com/NVIDIA/pix2pixHD, and name that folder.",
        )
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"--against {checkout}", expected="a CPU or a CUDA device", found=str(device))


@contextlib.contextmanager
def original_step(checkout: Path, config: TrainConfig, device: torch.device) -> Iterator[Callable[[Batch], None]]:
    """Build the original's `Pix2PixHDModel` and give its training step, as its `train.py` takes it in fp32.

    It runs the code of the folder, so it must be one that is trusted. Nothing of it is changed but for what keeps it
    from running today: `Variable` is told of no `volatile`, which PyTorch 0.4 dropped; the weights of its VGG19 are
    random instead of downloaded; and on the CPU, which it was not made for, its calls of `cuda` do nothing. Its
    `DataParallel` around one GPU is left out, and what it prints is not shown. It sets `cudnn.benchmark` as it
    always does, where it does; the caller restores that (`precision.backend_flags`).

    `checkout`: folder of NVIDIA/pix2pixHD. `config`: without dropout, which the original's options do not switch on.
    `device`: a CPU or a CUDA device. Raises `InputError` as `require_checkout` does, or if the code in the folder is
    not that of the original.

    Yields
    ------
    callable
        Takes a batch on `device` and updates generator and discriminators once. On leaving, imports, `sys.path` and
        torch are as they were.
    """
    require_checkout(checkout, device)
    with contextlib.ExitStack() as stack:
        if device.type == "cpu":
            stack.enter_context(_cuda_on_the_cpu())
        else:
            stack.enter_context(torch.cuda.device(device))
        yield _Original(_build(checkout, config, device)).step


class _Original:
    def __init__(self, model: Any) -> None:
        self._model = model

    def step(self, batch: Batch) -> None:
        # Where it reads no map, its loader gives a zero a sample.
        nothing = torch.zeros(len(batch.label))
        instance = nothing if batch.instance is None else batch.instance
        features = nothing if batch.features is None else batch.features
        values, _ = self._model(batch.label, instance, batch.photo, features, infer=False)
        losses = dict(zip(self._model.loss_names, values, strict=True))
        loss_d = 0.5 * (losses["D_fake"] + losses["D_real"])
        loss_g = losses["G_GAN"] + losses.get("G_GAN_Feat", 0.0) + losses.get("G_VGG", 0.0)
        for optimizer, loss in ((self._model.optimizer_G, loss_g), (self._model.optimizer_D, loss_d)):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def _build(checkout: Path, config: TrainConfig, device: torch.device) -> Any:
    declare_missing_operators()
    import torchvision.models

    def vgg19(**_: object) -> SimpleNamespace:
        return SimpleNamespace(features=untrained_vgg19_features())

    def variable(data: torch.Tensor, **_: object) -> torch.Tensor:
        return data

    with (
        _imports_from(checkout),
        _replaced(torchvision.models, "vgg19", vgg19),
        _replaced(torch.autograd, "Variable", variable),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        try:
            module = importlib.import_module("models.pix2pixHD_model")
            model = module.Pix2PixHDModel()
        except (ImportError, SyntaxError, AttributeError) as error:
            raise InputError(
                f"--against {checkout}",
                expected=f"the original's Pix2PixHDModel in {_MODEL}",
                found=f"{type(error).__name__}: {error}",
            ) from error
        torch.manual_seed(config.seed)
        model.initialize(_options(config, device))
    return model


def _options(config: TrainConfig, device: torch.device) -> Namespace:
    """Return what the original's command line would have made of the configuration."""
    return Namespace(
        **original_options(config)
        # Also for weights that its option has no word for.
        | {"no_vgg_loss": config.objective.vgg == "none"},
        gpu_ids=[] if device.type == "cpu" else [torch.cuda.current_device()],
        isTrain=True,
        continue_train=False,
        load_pretrain="",
        verbose=False,
        data_type=32,
        checkpoints_dir="",
        name="",
        input_nc=3,
        output_nc=3,
    )


@contextlib.contextmanager
def _imports_from(folder: Path) -> Iterator[None]:
    """Let the original's package names mean those in `folder`, and write no bytecode there."""

    def theirs() -> list[str]:
        return [name for name in sys.modules if name.partition(".")[0] in _PACKAGES]

    others = {name: sys.modules.pop(name) for name in theirs()}
    path, writes_none = list(sys.path), sys.dont_write_bytecode
    sys.path.insert(0, str(folder.resolve()))
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path
        sys.dont_write_bytecode = writes_none
        for name in theirs():
            del sys.modules[name]
        sys.modules.update(others)


@contextlib.contextmanager
def _cuda_on_the_cpu() -> Iterator[None]:
    def stay(self: Any, *_: object, **__: object) -> Any:
        return self

    with (
        _replaced(torch.Tensor, "cuda", stay),
        _replaced(nn.Module, "cuda", stay),
        _replaced(torch.cuda, "FloatTensor", torch.FloatTensor),
        _replaced(torch.cuda, "ByteTensor", torch.ByteTensor),
    ):
        yield


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    # An attribute may be a base's: it is then uncovered again, not copied.
    is_own, before = name in vars(owner), getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if is_own:
            setattr(owner, name, before)
        else:
            delattr(owner, name)
