"""4 bits for the operands of products: E2M1, unscaled, to see what a format that is too narrow does.

FP4 of the OCP Microscaling Formats specification 1.0 (Rouhani et al. 2023, arXiv:2310.10537): the magnitudes 0, 0.5, 1,
1.5, 2, 3, 4 and 6. Hardware scales blocks of 16 or 32 values before it rounds them; here nothing is scaled, so that
most weights become 0.
"""

import torch

from p2phd_eval.generators.training.emulation import Operand

_LARGEST = 6.0


def round_to_four_bits(x: torch.Tensor, weight: int, operand: Operand) -> torch.Tensor:
    """Round a tensor to 4 bits as it is, to the nearest and of two to the even one; see `emulation.Rounding`."""
    size = x.float().abs().clamp(max=_LARGEST)
    # Below 2 values are 0.5 apart, below 4 they are 1 apart, then 2.
    step = torch.where(size < 2, 0.5, torch.where(size < 4, 1.0, 2.0))
    return torch.copysign(torch.round(size / step) * step, x.float())
