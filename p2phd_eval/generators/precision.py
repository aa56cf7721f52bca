"""Precision as data: what runs in which dtype, and the one order of scale, unscale, step and update.

| name     | weights | convolutions     | norms, losses | loss scaling |
|----------|---------|------------------|---------------|--------------|
| fp32     | float32 | float32, TF32 off| float32       | none         |
| tf32     | float32 | TF32 on CUDA     | float32       | none         |
| amp-fp16 | float32 | float16 autocast | float32       | one GradScaler a network |
| amp-bf16 | float32 | bfloat16 autocast| float32       | none (bfloat16 has float32's range) |
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from p2phd_eval.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Precision:
    """A training or sampling precision; see the table of this module."""

    name: str
    autocast_dtype: torch.dtype | None = None  # None: no autocast
    scales_loss: bool = False  # float16's range is too small for most gradients
    tf32: bool = False

    def autocast(self, device: torch.device) -> torch.autocast:
        """Return the autocast context for forward passes on `device`."""
        dtype = self.autocast_dtype or torch.get_autocast_dtype(device.type)
        return torch.autocast(device.type, dtype=dtype, enabled=self.autocast_dtype is not None)


PRECISIONS: dict[str, Precision] = {
    precision.name: precision
    for precision in (
        Precision(name="fp32"),
        Precision(name="tf32", tf32=True),
        Precision(name="amp-fp16", autocast_dtype=torch.float16, scales_loss=True),
        Precision(name="amp-bf16", autocast_dtype=torch.bfloat16),
    )
}


def amp_name(device: torch.device) -> str:
    """Return the precision that `--amp` means on `device`: amp-fp16 on CUDA, amp-bf16 elsewhere."""
    return "amp-fp16" if device.type == "cuda" else "amp-bf16"


def find_precision(name: str, device: torch.device) -> Precision:
    """Look a precision up and check that `device` can run it.

    Raises
    ------
    InputError
        If the name is unknown or the device cannot run it.
    """
    if name not in PRECISIONS:
        raise InputError("--precision", expected=" | ".join(PRECISIONS), found=repr(name))
    precision = PRECISIONS[name]
    if precision.tf32 and device.type != "cuda":
        raise InputError(
            "--precision tf32", expected="a CUDA device (TF32 is a mode of its tensor cores)", found=str(device)
        )
    return precision


@contextmanager
def tensor_core_flags(precision: Precision) -> Iterator[None]:
    """Set the TF32 flags of matmul and cuDNN explicitly, and restore them afterwards.

    PyTorch's default is TF32 off for matmuls and on for convolutions, so "fp32" without this would not be float32.
    """
    before = (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)
    torch.backends.cuda.matmul.allow_tf32 = precision.tf32
    torch.backends.cudnn.allow_tf32 = precision.tf32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


class ScaledOptimizer:
    """An optimizer with its own loss scaler: the only place where gradients are made and applied.

    The order of `step` is: clear gradients; *scale* the loss and run backward; *unscale* the gradients; *step*,
    which the scaler leaves out if any gradient is infinite or NaN; *update* the scale (halved after a skipped
    step, doubled after 2000 good ones in a row). Nothing is clipped. Without loss scaling this is the plain
    backward and step. Skipped steps are counted, never hidden.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
    precision : Precision
    device : torch.device
    """

    def __init__(self, optimizer: torch.optim.Optimizer, precision: Precision, device: torch.device) -> None:
        self.optimizer = optimizer
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision.scales_loss)
        self.skipped = 0  # steps left out so far because of overflow

    @property
    def scale(self) -> float | None:
        """The current loss scale; None without loss scaling."""
        return self.scaler.get_scale() if self.scaler.is_enabled() else None

    def step(self, loss: torch.Tensor) -> None:
        """Apply one update from the scalar `loss`."""
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimizer)
        self.scaler.step(self.optimizer)
        before = self.scale
        self.scaler.update()
        # The scale falls exactly when the step was left out; GradScaler has no public flag for it.
        if before is not None and self.scaler.get_scale() < before:
            self.skipped += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the state of optimizer, scaler and counter."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "skipped": self.skipped,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.skipped = state["skipped"]
