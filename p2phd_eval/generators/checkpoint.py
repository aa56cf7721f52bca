"""Whole, atomic, self-describing checkpoints that are read without executing anything."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import torch
from torch import nn

from p2phd_eval.config import TrainConfig
from p2phd_eval.errors import DivergenceError, InputError, shown
from p2phd_eval.files import atomic_write
from p2phd_eval.tensor_files import is_finite, read_tensors, tensor_fault
from p2phd_eval.versions import versions

FORMAT = "p2phd-eval checkpoint"
FORMAT_VERSION = 2
NETWORKS = ("G", "D", "E")
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
    data_sha256: str | None = None  # of names and contents of its files; None of an earlier version
    pool: dict[str, Any] | None = None  # what the ImagePool holds
    amax_history: dict[str, torch.Tensor] | None = None  # what the scales of an 8-bit training follow from, by weight


def save_checkpoint(
    path: Path,
    *,
    config: TrainConfig,
    step: int,
    state: Mapping[str, Any],
    n_samples: int | None = None,
    data_sha256: str | None = None,
) -> None:
    """Write a checkpoint atomically: a full disk or a kill leaves the one before as it was.

    `step`: finished training steps. `state`: what `Pix2PixHD.state_dict` returned. `n_samples`: how many the training
    set has; a resumed run must find as many. `data_sha256`: of their files, which it must find again. Raises
    `InputError` if the disk refuses.
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
        "data_sha256": data_sha256,
        **state,
        "rng": rng,
        "versions": versions(),
    }
    try:
        with atomic_write(path) as stream:
            torch.save(_canonical(document), stream)
    except OSError as error:
        kept = "the checkpoint before is intact" if path.exists() else "nothing was left behind"
        raise InputError(
            str(path),
            expected=f"room to save the checkpoint of step {step}",
            found=error.strerror or str(error),
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
        If the file is missing, damaged, holds anything but data, or is of another format; or if a part is missing or
        has another type, which is named. Whether networks and optimizers fit is found out by who loads them.
    """
    where = str(path)
    document = read_tensors(path, expected=f"a {FORMAT}", fix="Use a checkpoint that p2phd-eval wrote.")
    if not isinstance(document, dict) or shown(document.get("format")) != repr(FORMAT):
        raise InputError(
            where,
            expected=f"a {FORMAT}",
            found=f"something else ({type(document).__name__})",
            fix="If it is a network of the original, give the folder that it lies in.",
        )
    missing = [key for key in ("format_version", *_KEYS) if key not in document]
    if missing:
        raise InputError(f"{where}, key {missing[0]!r}", expected="a value", found="nothing")
    if shown(document["format_version"]) != str(FORMAT_VERSION):
        raise InputError(
            where,
            expected=f"format version {FORMAT_VERSION}",
            found=shown(document["format_version"]),
            fix="Use the version of p2phd-eval that wrote it.",
        )
    networks = {
        name: stored_tensors(state, f"{where}, networks, {shown(name)}")
        for name, state in _named(document["networks"], f"{where}, networks").items()
    }
    for name in ("G", *networks):
        if name not in networks or name not in NETWORKS:
            expected, found = ("a network", "nothing") if name == "G" else (f"one of {', '.join(NETWORKS)}", "another")
            raise InputError(f"{where}, networks, key {shown(name)}", expected=expected, found=found)
    rng = _named(document["rng"], f"{where}, rng")
    for name, state in rng.items():
        if not isinstance(state, torch.Tensor) or state.dtype != torch.uint8 or state.layout is not torch.strided:
            raise InputError(f"{where}, rng, key {name!r}", expected="a tensor of uint8", found=shown(state))
    n_samples, pool, history = (document.get(key) for key in ("n_samples", "pool", "amax_history"))
    data_sha256 = document.get("data_sha256")
    if data_sha256 is not None and not isinstance(data_sha256, str):
        raise InputError(f"{where}, data_sha256", expected="a hash", found=shown(data_sha256))
    return Checkpoint(
        config=TrainConfig.from_dict(document["config"], f"{where}, config"),
        step=stored_count(document["step"], f"{where}, step"),
        networks=networks,
        optimizers=_named(document["optimizers"], f"{where}, optimizers"),
        rng=rng,
        versions=_named(document["versions"], f"{where}, versions", str),
        n_samples=None if n_samples is None else stored_count(n_samples, f"{where}, n_samples"),
        data_sha256=data_sha256,
        pool=None if pool is None else _named(pool, f"{where}, pool"),
        amax_history=None if history is None else stored_tensors(history, f"{where}, amax_history"),
    )


def stored_tensors(value: object, where: str) -> dict[str, torch.Tensor]:
    """Return a state dict that was read, if it is one: real numbers, or whole ones, by name; else raise `InputError`
    that names the first key at fault."""
    state = _named(value, where)
    for key, tensor in state.items():
        fault = tensor_fault(tensor)
        if fault is not None and tensor_fault(tensor, whole=True) is not None:
            raise InputError(
                f"{where}, key {key!r}", expected="a tensor of real numbers", found=fault, fix="The file is damaged."
            )
    return state


def stored_count(value: object, where: str) -> int:
    """Return a number that was read, if it counts something; else raise `InputError`."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise InputError(where, expected="a whole number of 0 or more", found=shown(value))
    return value


def _named(value: object, where: str, kind: type = object) -> dict[str, Any]:
    """Return values by name, if that is what was read; else raise `InputError`."""
    if not isinstance(value, dict):
        raise InputError(where, expected="values by name", found=shown(value))
    for key, each in value.items():
        if not isinstance(key, str):
            raise InputError(where, expected="values by name", found=f"the key {shown(key)}")
        if not isinstance(each, kind):
            raise InputError(f"{where}, key {key!r}", expected=f"a {kind.__name__}", found=shown(each))
    return value


def load_network(network: nn.Module, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Load a state dict into a network in place; one on the device "meta" comes onto the CPU.

    Raises `InputError` if a key is missing, superfluous, of another shape or of another kind of number;
    `DivergenceError` if there is NaN or infinity in it. The first key at fault is named.
    """
    require_fitting(network, state, where)
    for key, tensor in state.items():
        if tensor.is_floating_point() and not is_finite(tensor):
            raise DivergenceError(
                f"{where}, key {key!r}",
                expected="finite numbers",
                found="NaN or infinity",
                fix="The training had diverged, or the file is damaged; use an earlier checkpoint.",
            )
    if any(parameter.is_meta for parameter in network.parameters()):
        # Not by `to_empty`, for which torch imports a library of symbols: half a second.
        own = network.state_dict()
        state = {
            key: tensor.to("cpu", own[key].dtype, copy=True, memory_format=torch.contiguous_format)
            for key, tensor in state.items()
        }
        network.load_state_dict(state, assign=True)
    else:
        network.load_state_dict(state)


def require_fitting(network: nn.Module, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Raise `InputError` unless a state dict has a network's keys, their shapes and kinds of numbers; see
    `load_network`."""
    own = network.state_dict()
    for key in [*own, *(key for key in state if key not in own)]:
        expected = f"shape {tuple(own[key].shape)}" if key in own else "no such key"
        found = f"shape {tuple(state[key].shape)}" if key in state else "nothing"
        if expected == found:
            expected = "real numbers" if own[key].is_floating_point() else "whole numbers"
            found = tensor_fault(state[key], whole=not own[key].is_floating_point()) or expected
        if expected != found:
            raise InputError(
                f"{where}, key {key!r}",
                expected=expected,
                found=found,
                fix="The checkpoint belongs to another configuration; use the one that is stored in it.",
            )


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
            fix=f"Train first: p2phd-eval train DATA --out {quote(str(run))}",
        )
    return path


def latest_path(run: Path) -> Path:
    """Return where a run folder keeps its newest checkpoint."""
    return run / "checkpoints" / "latest.pt"
