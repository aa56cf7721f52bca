"""A device and the networks that take turns on it."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from p2phd_eval.bench.peer import original_step
from p2phd_eval.bench.speed import ORIGINAL, Setting
from p2phd_eval.config import ExecutionConfig, TrainConfig
from p2phd_eval.generators.data.batch import Batch
from p2phd_eval.generators.training.apex_optimizer import ApexOptimizer
from p2phd_eval.generators.training.precision import ScaledOptimizer, backend_flags, find_precision
from p2phd_eval.generators.training.step import Pix2PixHD


@dataclass(frozen=True, kw_only=True)
class Trainee:
    """Networks under training in one setting."""

    step: Callable[[Batch], object]  # updates generator and discriminators once
    optimizers: dict[str, ScaledOptimizer | ApexOptimizer]  # "G", "D"; empty for the original's


class Stage:
    """Builds the networks of a setting, and clears up after them.

    `config`: shared by all settings, but for precision, batch size and switches. `against`: checkout of
    NVIDIA/pix2pixHD, for settings of its own code.
    """

    def __init__(self, config: TrainConfig, device: torch.device, against: Path | None = None) -> None:
        self.device = device
        self._config, self._against = config, against

    @contextmanager
    def trainee(self, setting: Setting) -> Iterator[Trainee]:
        """Build the networks of a setting and set torch's switches as training does, as long as the context lasts."""
        arithmetic = self._config.execution.arithmetic
        precision = find_precision(setting.precision, self.device, arithmetic)
        if setting.variant == ORIGINAL:
            assert self._against is not None
            with backend_flags(precision), original_step(self._against, self._config, self.device) as step:
                yield Trainee(step=step, optimizers={})
            return
        execution = ExecutionConfig(
            arithmetic=arithmetic,
            channels_last=setting.variant == "channels-last",
            compile=setting.variant == "compile",
            deterministic=setting.variant == "deterministic",
        )
        config = replace(self._config, precision=setting.precision, batch_size=setting.batch_size, execution=execution)
        # As `train_networks` has it.
        autotune = config.data.resize != "none"
        with backend_flags(precision, deterministic=execution.deterministic, autotune=autotune):
            model = Pix2PixHD(config, self.device)
            optimizers = {"G": model.generator_optimizer, "D": model.discriminator_optimizer}
            try:
                yield Trainee(step=model.train_step, optimizers=optimizers)
            finally:
                if execution.compile:
                    # Otherwise the next networks count as recompilations, of which there is a limit.
                    torch.compiler.reset()

    def wait(self) -> None:
        """Wait until the device has done all that was asked of it."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()

    def clear(self) -> None:
        """Free what the networks before took."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def forget_peak(self) -> None:
        """Let `peak_bytes` begin anew."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def peak_bytes(self) -> int | None:
        """Return the most bytes that tensors took at once; None where torch does not count them."""
        return torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None
