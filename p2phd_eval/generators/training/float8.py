"""8 bits for the operands of products: E4M3 for inputs and weights, E5M2 for gradients, and the scales that they need.

Formats: Micikevicius et al. 2022, "FP8 Formats for Deep Learning" (arXiv:2209.05433), table 1: E4M3 has 3 bits of
mantissa and reaches from 2**-9 to 448, E5M2 has 2 and reaches from 2**-16 to 57344. What is larger becomes the largest
number, as in NVIDIA's Transformer Engine.

Scaling as its recipe `DelayedScaling` with `Format.HYBRID` has it: every tensor of a product is multiplied by FP8_MAX /
amax before it is rounded, with amax the largest magnitude that the tensor of that place had in the last 1024 steps
(`amax_history_len`; `amax_compute_algo` "max", `margin` 0), so that no pass over the tensor has to come first. Between
products flows bfloat16, in which its modules are mostly run; biases are added in it. No layer is left out.
"""

from collections.abc import Mapping

import torch
from torch import nn

from p2phd_eval.distributed import Ranks
from p2phd_eval.generators.training.emulation import Operand
from p2phd_eval.generators.training.stored_state import stored_part, unfit
from p2phd_eval.tensor_files import tensor_fault

_DTYPE = {Operand.INPUT: torch.float8_e4m3fn, Operand.WEIGHT: torch.float8_e4m3fn, Operand.GRADIENT: torch.float8_e5m2}
_LENGTH = 1024  # steps that are remembered


def round_plainly(x: torch.Tensor, weight: int, operand: Operand) -> torch.Tensor:
    """Round a tensor to 8 bits as it is; see `emulation.Rounding`."""
    return _rounded(x.float(), _DTYPE[operand])


def round_by_image(x: torch.Tensor, weight: int, operand: Operand) -> torch.Tensor:
    """Round a tensor to 8 bits, scaled by its own largest magnitude; see `emulation.Rounding`.

    Of an input each image has a scale of its own, so that none depends on those that it is generated with.
    """
    if operand is not Operand.INPUT:
        return _round_scaled(x, operand, _amax(x))
    return _round_scaled(x, operand, x.abs().amax(tuple(range(1, x.ndim)), keepdim=True).float())


def _amax(x: torch.Tensor) -> torch.Tensor:
    low, high = torch.aminmax(x)
    return torch.maximum(-low, high).float()


def _round_scaled(x: torch.Tensor, operand: Operand, amax: torch.Tensor) -> torch.Tensor:
    dtype = _DTYPE[operand]
    # Where all is zero there is nothing to scale.
    scale = torch.where(amax > 0, torch.finfo(dtype).max / amax, 1.0).clamp(max=torch.finfo(torch.float32).max)
    return _rounded(x.float() * scale, dtype).div_(scale)


def _rounded(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    limit = torch.finfo(dtype).max
    return x.clamp(-limit, limit).to(dtype).float()


class AmaxHistory:
    """The largest magnitudes of the tensors of each product in the last steps, by which a training step rounds.

    Called, it is a `Rounding`. A tensor without a history is scaled by its own largest magnitude. Where a weight is
    used several times in a step, the largest magnitudes of all uses count.

    `weights`: by the names under which the history is stored.
    """

    def __init__(self, weights: Mapping[str, nn.Parameter], device: torch.device) -> None:
        self._names = tuple(weights)
        self._places = {id(weight): i for i, weight in enumerate(weights.values())}
        shape = len(weights), len(Operand)
        self._history = torch.zeros(*shape, _LENGTH, device=device)  # the newest first; 0: nothing was seen
        self._largest = torch.zeros(shape, device=device)  # of the history
        self._now = torch.zeros(shape, device=device)  # what the step at hand has seen

    def __call__(self, x: torch.Tensor, weight: int, operand: Operand) -> torch.Tensor:
        """Round a tensor of a training step, and take note of its largest magnitude."""
        place, amax = (self._places[weight], operand), _amax(x)
        self._now[place] = torch.maximum(self._now[place], amax)
        known = self._largest[place]
        return _round_scaled(x, operand, torch.where(known > 0, known, amax))

    @torch.no_grad()
    def update(self, ranks: Ranks) -> None:
        """End a step: what it saw, the largest of all ranks, joins the history."""
        # What is not finite says nothing about the steps to come.
        now = ranks.largest(torch.where(self._now.isfinite(), self._now, 0.0))
        self._set(torch.cat((now.unsqueeze(-1), self._history[..., :-1]), dim=-1))

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return for each weight the history of its input, itself and the result's gradient, float32 (3, 1024)."""
        return dict(zip(self._names, self._history.unbind(), strict=True))

    def load_state_dict(self, state: object, where: str) -> None:
        """Restore what `state_dict` returned; raise `InputError` that names the key if it is of other networks."""
        stored = [stored_part(state, name, where) for name in self._names]
        for name, tensor in zip(self._names, stored, strict=True):
            fault = tensor_fault(tensor, self._history.shape[1:])
            if fault is None and not bool((tensor.isfinite() & (tensor >= 0)).all()):
                fault = "negative or infinite ones, or NaN"
            if fault is not None:
                shape = tuple(self._history.shape[1:])
                raise unfit(where, name, f"shape {shape} of magnitudes", fault)
        self._set(torch.stack([tensor.to(self._history) for tensor in stored]))

    def _set(self, history: torch.Tensor) -> None:
        self._history, self._largest = history, history.amax(-1)
        self._now = torch.zeros_like(self._now)
