"""Precision as data: what runs in which dtype, and the one order of scale, unscale, step and update.

| name      | weights                      | convolutions              | norms, losses | loss scaling |
|-----------|------------------------------|---------------------------|---------------|--------------|
| fp64      | float64                      | float64                   | float64       | none; a reference |
| fp32      | float32                      | float32, TF32 off         | float32       | none |
| tf32      | float32                      | TF32 on CUDA              | float32       | none |
| amp-fp16  | float32                      | float16 autocast          | float32       | one GradScaler a network |
| amp-bf16  | float32                      | bfloat16 autocast         | float32       | none (float32's range) |
| amp-fp8   | float32                      | E4M3, gradients E5M2;     | float32       | none: each tensor has a scale |
|           |                              | between them bfloat16     |               | of its own, by its history |
| fp8-plain | float32                      | as amp-fp8, not scaled    | float32       | none, which is a bad idea |
| fp4-plain | float32                      | E2M1, not scaled; between | float32       | none: it is too narrow    |
|           |                              | them bfloat16             |               |                           |
| fp16      | float16, float32 master copy | float16                   | float32       | one GradScaler a network |
| bf16      | bfloat16, Adam's state too   | bfloat16                  | float32       | none |
| apex-O1   | float32                      | float16 by apex's list    | by the list   | one of apex's a network |
| apex-O2   | float16, float32 master copy | float16                   | float32       | one of apex's a network |

Arithmetic is how convolutions in 16 bits are computed: "native", by torch, or "emulated", see `emulation`; the dtypes
are the same. Those in 8 and 4 bits are emulated everywhere, see `float8` and `float4`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import torch
from torch import nn

from p2phd_eval.config import ARITHMETICS, TrainConfig
from p2phd_eval.errors import InputError
from p2phd_eval.generators.training.apex_amp import import_apex_amp
from p2phd_eval.generators.training.emulation import EmulatedProducts, Rounding, computes_natively
from p2phd_eval.generators.training.float4 import round_to_four_bits
from p2phd_eval.generators.training.float8 import round_by_image, round_plainly
from p2phd_eval.generators.training.stored_state import adam_state, scaler_state, stored_part, stored_steps

_determinism: Any = torch.utils.deterministic  # a module that makes itself from a class, which type checkers miss


class Narrow(Enum):
    """Formats of fewer than 16 bits, and whether tensors are scaled to fit into them."""

    SCALED_8_BITS = "scaled 8 bits"
    PLAIN_8_BITS = "plain 8 bits"  # what is too small for the format is lost
    PLAIN_4_BITS = "plain 4 bits"


@dataclass(frozen=True, kw_only=True)
class Precision:
    """A training or sampling precision; see the table of this module."""

    name: str
    weights_dtype: torch.dtype = torch.float32  # what the networks' convolutions run with
    autocast_dtype: torch.dtype | None = None  # None: no autocast
    master_weights: bool = False  # the optimizer updates float32 copies of reduced weights
    scales_loss: bool = False  # float16's range is too small for most gradients
    tf32: bool = False
    narrow: Narrow | None = None  # operands of convolutions are narrower than `autocast_dtype`
    emulated: bool = False  # how convolutions are computed here; `find_precision` knows
    apex_level: str | None = None  # NVIDIA's apex does all of it, at this optimization level
    sampling: str | None = None  # where it trains alone: the precision that generates as it trains

    @property
    def full(self) -> bool:
        """Whether nothing runs in less than float32."""
        reduced = self.autocast_dtype or self.tf32 or self.apex_level
        return not reduced and self.weights_dtype in (torch.float32, torch.float64)

    @property
    def input_dtype(self) -> torch.dtype:
        """What the conditioning is made in: the dtype that the first convolution of every network runs in.

        One-hot labels and edges are exact in any, so they may be narrow from the start.
        """
        return self.autocast_dtype or self.weights_dtype

    @property
    def arithmetic(self) -> str:
        """How convolutions are computed here: "native" or "emulated"."""
        return "emulated" if self.emulated else "native"

    def autocast(self, device: torch.device, rounding: Rounding | None = None) -> AbstractContextManager[Any]:
        """Return the context for forward passes on `device`: torch's autocast, or its emulation, whose backward is too.

        `rounding`: to 8 bits, of a training that has a history of scales; by default each tensor is scaled by itself.
        """
        if self.emulated:
            if self.narrow is not None:
                rounding = {
                    Narrow.SCALED_8_BITS: rounding or round_by_image,
                    Narrow.PLAIN_8_BITS: round_plainly,
                    Narrow.PLAIN_4_BITS: round_to_four_bits,
                }[self.narrow]
            return EmulatedProducts(self.input_dtype, rounding)
        dtype = self.autocast_dtype or torch.get_autocast_dtype(device.type)
        return torch.autocast(device.type, dtype=dtype, enabled=self.autocast_dtype is not None)


PRECISIONS: dict[str, Precision] = {
    precision.name: precision
    for precision in (
        Precision(name="fp64", weights_dtype=torch.float64),
        Precision(name="fp32"),
        Precision(name="tf32", tf32=True),
        Precision(name="amp-fp16", autocast_dtype=torch.float16, scales_loss=True),
        Precision(name="amp-bf16", autocast_dtype=torch.bfloat16),
        Precision(name="amp-fp8", autocast_dtype=torch.bfloat16, narrow=Narrow.SCALED_8_BITS),
        Precision(name="fp8-plain", autocast_dtype=torch.bfloat16, narrow=Narrow.PLAIN_8_BITS),
        Precision(name="fp4-plain", autocast_dtype=torch.bfloat16, narrow=Narrow.PLAIN_4_BITS),
        Precision(name="fp16", weights_dtype=torch.float16, master_weights=True, scales_loss=True),
        Precision(name="bf16", weights_dtype=torch.bfloat16),
        Precision(name="apex-O1", scales_loss=True, apex_level="O1", sampling="amp-fp16"),
        Precision(name="apex-O2", scales_loss=True, apex_level="O2", sampling="fp16"),
    )
}


def amp_name(device: torch.device) -> str:
    """Return the precision that `--amp` means on `device`: amp-fp16 on CUDA, amp-bf16 elsewhere."""
    return "amp-fp16" if device.type == "cuda" else "amp-bf16"


def find_precision(
    name: str, device: torch.device, arithmetic: str | None = None, *, for_training: bool = True
) -> Precision:
    """Look a precision up, check that `device` can run it, and settle its arithmetic.

    `arithmetic`: "native" or "emulated" for the 16-bit formats; by default emulated on a CPU that has no instructions
    for the one at hand, which torch would emulate too, and slowly. Others have one arithmetic alone.

    Raises
    ------
    InputError
        If the name is unknown, the device cannot run it, apex is not the one that is needed, or apex is asked for
        sampling, for which it has nothing.
    """
    names = [name for name, precision in PRECISIONS.items() if for_training or precision.apex_level is None]
    if name not in names:
        raise InputError("--precision", expected=" | ".join(names), found=repr(name))
    if arithmetic not in (None, *ARITHMETICS):
        raise InputError("--arithmetic", expected=" | ".join(ARITHMETICS), found=repr(arithmetic))
    precision = PRECISIONS[name]
    if precision.apex_level is not None:
        import_apex_amp(name)
    if (precision.tf32 or precision.apex_level) and device.type != "cuda":
        why = "TF32 is a mode of its tensor cores" if precision.tf32 else "apex works on no other"
        raise InputError(f"--precision {name}", expected=f"a CUDA device ({why})", found=str(device))
    return replace(precision, emulated=_is_emulated(precision, device, arithmetic))


def _is_emulated(precision: Precision, device: torch.device, arithmetic: str | None) -> bool:
    if precision.narrow is not None:
        if arithmetic == "native":
            raise InputError(
                "--arithmetic native", expected=f"emulated for {precision.name}", found="native", fix="Leave it out."
            )
        return True
    if precision.input_dtype.itemsize > torch.float16.itemsize or precision.apex_level is not None:
        return False
    if arithmetic is not None:
        return arithmetic == "emulated"
    return not computes_natively(precision.input_dtype, device)


def settle_arithmetic(config: TrainConfig, device: torch.device) -> TrainConfig:
    """Return the configuration with the arithmetic that its precision has on `device`; see `find_precision`."""
    precision = find_precision(config.precision, device, config.execution.arithmetic)
    return replace(config, execution=replace(config.execution, arithmetic=precision.arithmetic))


@contextmanager
def backend_flags(precision: Precision, *, deterministic: bool = False, autotune: bool = False) -> Iterator[None]:
    """Set torch's process-wide switches explicitly, and restore them afterwards.

    Parameters
    ----------
    precision : Precision
        PyTorch's default is TF32 off for matmuls and on for convolutions, so "fp32" without this would not be float32.
    deterministic : bool
        Only algorithms that give the same bits each time; an operation that has none raises.
    autotune : bool
        Let cuDNN measure which algorithm is the fastest for each shape; not together with `deterministic`.
    """
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = cuda.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    warned_only = torch.is_deterministic_algorithms_warn_only_enabled()
    filled = _determinism.fill_uninitialized_memory
    cuda.allow_tf32 = cudnn.allow_tf32 = precision.tf32
    cudnn.benchmark = autotune and not deterministic
    if deterministic:
        # cuBLAS is deterministic only with a workspace of fixed size; read at its first call.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        # Guards against reading uninitialised memory, which nothing here does, at the price of a fill an allocation.
        _determinism.fill_uninitialized_memory = False
    try:
        yield
    finally:
        cuda.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before
        if deterministic:  # torch imports its compiler for it, which takes a second
            torch.use_deterministic_algorithms(was_deterministic, warn_only=warned_only)
        _determinism.fill_uninitialized_memory = filled


Weight = tuple[nn.Parameter, nn.Parameter]  # as the network runs it, as the optimizer updates it; often the same


class ScaledOptimizer:
    """Adam with its own loss scaler: the only place where gradients are scaled and applied.

    A step is: clear gradients (`zero_grad`); for each part of the batch *scale* the loss (`scaled`) and run backward;
    then (`step`) copy reduced gradients to the float32 master copies where there are some, *unscale* them, *step*,
    which is left out if any gradient is infinite or NaN, *update* the scale (halved after a skipped step, doubled
    after 2000 good ones in a row), and copy the master copies back. Nothing is clipped. Without loss scaling this is
    the plain backward and step. Skipped steps are counted, never hidden. Nothing waits for the device: fused Adam
    reads the overflow flag there, and scale and count are read only when they are asked for.

    `weights`, sequence of (Parameter, Parameter): the network's and the optimizer's; see `NetworkWeights.pairs`. `lr`
    and `beta1`: Adam's; its beta2 is 0.999.
    """

    def __init__(
        self, weights: Sequence[Weight], precision: Precision, device: torch.device, *, lr: float, beta1: float
    ) -> None:
        self.parameters = [run for run, _ in weights]
        self._copied = [(run, updated) for run, updated in weights if run is not updated]
        # Without loss scaling on MPS, whose fused kernel has no float64 and older releases lack.
        fused = device.type in ("cpu", "cuda")
        self.optimizer = torch.optim.Adam([updated for _, updated in weights], lr=lr, betas=(beta1, 0.999), fused=fused)
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision.scales_loss)
        self._attempts = 0  # calls of `step`
        self._skipped_before = 0  # by an optimizer that this one replaced

    @property
    def scale(self) -> float | None:
        """The current loss scale, read from the device; None without loss scaling."""
        return self.scaler.get_scale() if self.scaler.is_enabled() else None

    @property
    def skipped(self) -> int:
        """Steps left out so far because of overflow, read from the device."""
        return self._skipped_before + self._attempts - applied_steps(self.optimizer)

    def zero_grad(self) -> None:
        """Clear the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @contextmanager
    def scaled(self, loss: torch.Tensor) -> Iterator[torch.Tensor]:
        """Give the scaled loss to run backward from, inside the context."""
        yield self.scaler.scale(loss)

    @torch.no_grad()
    def step(self) -> None:
        """Apply one update from the gradients that are there."""
        for run, updated in self._copied:
            updated.grad = None if run.grad is None else run.grad.to(updated.dtype)
        self.scaler.unscale_(self.optimizer)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        for run, updated in self._copied:
            run.copy_(updated)
            updated.grad = None
        self._attempts += 1

    def take_over(self, before: ScaledOptimizer) -> None:
        """Go on with the loss scale and the count of an optimizer that this one replaces."""
        self.scaler.load_state_dict(before.scaler.state_dict())
        self._skipped_before = before.skipped

    def state_dict(self) -> dict[str, Any]:
        """Return the state of optimizer, scaler and counters."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "attempts": self._attempts,
            "skipped_before": self._skipped_before,
        }

    def load_state_dict(self, state: object, where: str) -> None:
        """Restore what `state_dict` returned; raise `InputError` that names the key if it is of another optimizer."""
        moments = adam_state(stored_part(state, "optimizer", where), self.optimizer, f"{where}, optimizer")
        scaler = scaler_state(stored_part(state, "scaler", where), self.scaler, f"{where}, scaler")
        self._attempts, self._skipped_before = (
            stored_steps(state, key, where) for key in ("attempts", "skipped_before")
        )
        self.optimizer.load_state_dict(moments)
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(scaler)


def applied_steps(optimizer: torch.optim.Optimizer) -> int:
    """Return how many steps an Adam optimizer has applied, read from the device: a skipped one does not count."""
    for state in optimizer.state.values():
        return int(state["step"])
    return 0
