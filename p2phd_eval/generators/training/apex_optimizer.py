"""NVIDIA's apex.amp behind the interface of the native loss scaling."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from p2phd_eval.generators.training.apex_amp import import_apex_amp
from p2phd_eval.generators.training.precision import applied_steps
from p2phd_eval.generators.training.stored_state import adam_state, stored_part, stored_steps


class ApexOptimizer:
    """Adam under `apex.amp`: `scaled` is `amp.scale_loss`, and apex patches the step to be left out after overflow."""

    def __init__(self, amp: Any, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], loss: int) -> None:
        self._amp, self._loss = amp, loss
        self.optimizer = optimizer
        self.parameters = parameters
        self._attempts = 0

    @property
    def scale(self) -> float | None:
        """The current loss scale."""
        return float(self._amp.state_dict()[f"loss_scaler{self._loss}"]["loss_scale"])

    @property
    def skipped(self) -> int:
        """Steps left out so far because of overflow."""
        return self._attempts - applied_steps(self.optimizer)

    def zero_grad(self) -> None:
        """Clear the gradients, those of apex's master copies too."""
        self.optimizer.zero_grad()

    @contextmanager
    def scaled(self, loss: torch.Tensor) -> Iterator[torch.Tensor]:
        """Give the scaled loss to run backward from, inside the context; gradients are unscaled at its end."""
        with self._amp.scale_loss(loss, self.optimizer, loss_id=self._loss) as scaled_loss:
            yield scaled_loss

    def step(self) -> None:
        """Apply one update from the gradients that are there."""
        self.optimizer.step()
        self._attempts += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the optimizer, of apex and of the counter."""
        state = self.optimizer.state_dict()
        return {"optimizer": state, "amp": self._amp.state_dict(), "attempts": self._attempts}

    def load_state_dict(self, state: object, where: str) -> None:
        """Restore what `state_dict` returned; raise `InputError` that names the key if it is of another optimizer."""
        moments = adam_state(stored_part(state, "optimizer", where), self.optimizer, f"{where}, optimizer")
        amp = stored_part(state, "amp", where)
        self._attempts = stored_steps(state, "attempts", where)
        self.optimizer.load_state_dict(moments)
        self._amp.load_state_dict(amp)


def initialise_apex(
    name: str, level: str, networks: Sequence[nn.Module], *, lr: float, beta1: float
) -> list[ApexOptimizer]:
    """Hand networks and an Adam optimizer for each to `amp.initialize`, with one loss scale a network.

    `name`: the precision, for errors. `level`: apex's optimization level, "O1" or "O2". `networks`: on a CUDA device,
    in float32; changed in place. `lr` and `beta1`: Adam's.
    """
    amp = import_apex_amp(name)
    optimizers = [torch.optim.Adam(network.parameters(), lr=lr, betas=(beta1, 0.999)) for network in networks]
    amp.initialize(list(networks), optimizers, opt_level=level, num_losses=len(networks), verbosity=0)
    if level == "O1":
        # Its cache of half-precision weights looks for the weight where the graph of PyTorch 1 had it, and fails on
        # PyTorch 2 as soon as one is used twice in a step, as the discriminators' are. There is no public switch.
        amp._amp_state.handle._enable_caching = False
    return [
        ApexOptimizer(amp, optimizer, list(network.parameters()), loss)
        for loss, (network, optimizer) in enumerate(zip(networks, optimizers, strict=True))
    ]
