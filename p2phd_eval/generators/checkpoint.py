"""Whole, atomic, self-describing checkpoints that are read without executing anything."""

import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.files import atomic_write
from p2phd_eval.versions import versions

FORMAT = "p2phd-eval checkpoint"
FORMAT_VERSION = 2
_KEYS = ("config", "step", "networks", "optimizers", "rng", "versions")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a checkpoint holds."""

    config: TrainConfig
    step: int  # finished training steps
    networks: dict[str, dict[str, torch.Tensor]]  # "G", "D", "E" where there is an encoder: state dicts on the CPU
    optimizers: dict[str, Any]  # "G", "D": of ScaledOptimizer, scaler included; empty in a converted checkpoint
    rng: dict[str, torch.Tensor]  # "torch", and "cuda" where there is one: generator states, uint8
    versions: dict[str, str]  # which libraries wrote it
    n_samples: int | None = None  # how many the training set has
    pool: dict[str, Any] | None = None  # what the ImagePool holds


def save_checkpoint(
    path: Path, *, config: TrainConfig, step: int, state: Mapping[str, Any], n_samples: int | None = None
) -> None:
    """Write a checkpoint atomically: a full disk or a kill leaves the one before as it was.

    `step`: finished training steps. `state`: what `Pix2PixHD.state_dict` returned. `n_samples`: how many the training
    set has; a resumed run must find as many. Raises `InputError` if the disk refuses.
    """
    rng = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        rng["cuda"] = torch.cuda.get_rng_state()
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "config": config.to_dict(),
        "step": step,
        "n_samples": n_samples,
        **state,
        "rng": rng,
        "versions": versions(),
    }
    try:
        with atomic_write(path) as stream:
            torch.save(_canonical(document), stream)
    # torch's zip writer reports a failed write as RuntimeError.
    except (OSError, RuntimeError) as error:
        kept = "the checkpoint before is intact" if path.exists() else "nothing was left behind"
        raise InputError(
            str(path),
            expected=f"room to save the checkpoint of step {step}",
            found=str(error).partition("\n")[0].rstrip("."),
            fix=f"Free space and continue with --resume; {kept}.",
        ) from error


def _canonical(value: Any) -> Any:
    """Return a value whose pickle depends on its content alone.

    Pickle writes an object that it meets again as a reference. Which equal strings are one object differs between a
    run and the same run resumed, and the hash of a checkpoint must not.
    """
    if type(value) is str:
        return sys.intern(value)
    if isinstance(value, dict):
        copy = type(value)((_canonical(key), _canonical(each)) for key, each in value.items())
        if hasattr(value, "_metadata"):  # a module's state dict has it
            copy._metadata = _canonical(value._metadata)  # type: ignore[attr-defined]
        return copy
    if type(value) in (list, tuple):
        return type(value)(map(_canonical, value))
    return value


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint onto the CPU with `weights_only=True`: pickled code is refused, never run.

    Raises
    ------
    InputError
        If the file is missing, damaged, holds anything but data, or is of another format.
    """
    where = str(path)
    wanted = f"a {FORMAT}"
    document = load_safely(path, wanted, fix="Use a checkpoint that p2phd-eval wrote.")
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError(
            where,
            expected=wanted,
            found=f"something else ({type(document).__name__})",
            fix="If it is a network of the original, give the folder that it lies in.",
        )
    if document["format_version"] != FORMAT_VERSION:
        raise InputError(
            where,
            expected=f"format version {FORMAT_VERSION}",
            found=str(document["format_version"]),
            fix="Use the version of p2phd-eval that wrote it.",
        )
    missing = [key for key in _KEYS if key not in document]
    if missing:
        raise InputError(f"{where}, key {missing[0]!r}", expected="a value", found="nothing")
    fields = {key: document[key] for key in _KEYS}
    fields.update((key, document[key]) for key in ("n_samples", "pool") if key in document)
    fields["config"] = TrainConfig.from_dict(document["config"], f"{where}, config")
    return Checkpoint(**fields)


def load_safely(path: Path, wanted: str, *, fix: str) -> Any:
    """Read what `torch.save` wrote onto the CPU, of any version of its format; pickled code is refused, never run.

    `wanted` and `fix`, for errors: what the file should be, and what to do if it is not. Raises `InputError` if the
    file is missing, damaged, or holds anything but data.
    """
    if not path.is_file():
        raise InputError(str(path), expected=wanted, found="no such file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what the error says better
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises a different type for each way in which a file is wrong
        with path.open("rb") as stream:
            holds_pickle = stream.read(1) in (b"P", b"\x80")  # in a zip archive, or plain
        refused = holds_pickle and "unsupported" in str(error).lower()
        raise InputError(
            str(path),
            expected=wanted,
            found="pickled objects other than tensors, which could run code when loaded (nothing was run)"
            if refused
            else f"a damaged or foreign file ({type(error).__name__})",
            fix=fix,
        ) from error


def load_network(network: nn.Module, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Load a state dict into a network in place.

    Raises `InputError` if a key is missing, superfluous or of another shape; the first is named.
    """
    own = network.state_dict()
    for key in [*own, *(key for key in state if key not in own)]:
        expected = f"shape {tuple(own[key].shape)}" if key in own else "no such key"
        found = f"shape {tuple(state[key].shape)}" if key in state else "nothing"
        if expected != found:
            raise InputError(
                f"{where}, key {key!r}",
                expected=expected,
                found=found,
                fix="The checkpoint belongs to another configuration; use the one that is stored in it.",
            )
    network.load_state_dict(state)


def find_checkpoint(run: Path) -> Path:
    """Return the newest checkpoint of a run folder, or `run` itself where it is a file.

    Raises `InputError` if there is none.
    """
    if run.is_file():
        return run
    path = latest_path(run)
    if not path.is_file():
        raise InputError(
            str(run),
            expected="a run folder or a checkpoint",
            found=f"no {path.relative_to(run)} in it" if run.is_dir() else "nothing there",
            fix=f"Train first: p2phd-eval train DATA --out {run}",
        )
    return path


def latest_path(run: Path) -> Path:
    """Return where a run folder keeps its newest checkpoint."""
    return run / "checkpoints" / "latest.pt"
