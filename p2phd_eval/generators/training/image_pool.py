"""The buffer of earlier samples that the discriminators may be trained on (Shrivastava et al. 2017, section 2.3)."""

import random
from typing import Any

import torch


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

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Restore what `state_dict` returned."""
        self._samples = [sample.to(device) for sample in state["samples"]]
        version, internal, gauss = state["random"]
        self._random.setstate((version, tuple(internal), gauss))
