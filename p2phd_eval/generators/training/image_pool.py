"""The buffer of earlier samples that the discriminators may be trained on (Shrivastava et al. 2017, section 2.3)."""

import random
from typing import Any

import torch

from p2phd_eval.errors import InputError, shown
from p2phd_eval.generators.training.stored_state import stored_part
from p2phd_eval.tensor_files import tensor_fault


class ImagePool:
    """Keeps some earlier samples, and half of the time swaps a new one for one of them.

    `size`: samples to keep. `seed`: draws the swaps; the draws are Python's, in the original's order.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self._samples: list[torch.Tensor] = []
        self._random = random.Random(seed)

    def query(self, samples: torch.Tensor) -> torch.Tensor:
        """Return, for each sample of (N, C, H, W), itself or an earlier one that it replaces; without gradient."""
        chosen = []
        for sample in samples.detach():
            if len(self._samples) < self.size:
                self._samples.append(sample)
                chosen.append(sample)
            elif self._random.uniform(0, 1) > 0.5:
                place = self._random.randint(0, self.size - 1)
                chosen.append(self._samples[place])
                self._samples[place] = sample
            else:
                chosen.append(sample)
        return torch.stack(chosen)

    def state_dict(self) -> dict[str, Any]:
        """Return the samples and the state of the draws."""
        version, state, gauss = self._random.getstate()
        return {"samples": list(self._samples), "random": [version, list(state), gauss]}

    def load_state_dict(self, state: object, device: torch.device, where: str) -> None:
        """Restore what `state_dict` returned; raise `InputError` that names the key if it is of another pool."""
        samples, draws = (stored_part(state, key, where) for key in ("samples", "random"))
        if not isinstance(samples, list) or len(samples) > self.size:
            found = f"{len(samples)}" if isinstance(samples, list) else shown(samples)
            raise InputError(f"{where}, samples", expected=f"a list of at most {self.size}", found=found)
        for number, sample in enumerate(samples):
            shape = sample.shape if isinstance(sample, torch.Tensor) and sample.dim() == 3 else (0, 0, 0)
            if fault := tensor_fault(sample, shape):
                raise InputError(f"{where}, sample {number}", expected="a tensor (C, H, W)", found=fault)
        try:
            version, internal, gauss = draws
            self._random.setstate((version, tuple(internal), gauss))
        except (TypeError, ValueError, OverflowError) as error:  # Python alone knows which states there are
            expected, found = "the state of Python's random numbers", f"{type(error).__name__}: {error}"
            raise InputError(f"{where}, random", expected=expected, found=f"{found:.100}") from error
        self._samples = [sample.to(device) for sample in samples]
