"""Products of features in float32 on a GPU, for the statistics that look at all pairs of images."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch

from p2phd_eval.features.networks.float32_products import float32_products
from p2phd_eval.stats.distances.products import Multiply, Narrow, multiply_on_cpu


@contextmanager
def multiply_on(device: torch.device | str) -> Iterator[Multiply]:
    """Give what multiplies rows (m, d) and (n, d) in float32 on a device: on CUDA there, else on the CPU in NumPy.

    Within the context TensorFloat-32 is off, since the products' errors are counted as those of float32. MPS says
    nothing of how it sums, so that nothing is left to it.
    """
    found = torch.device(device)
    if found.type != "cuda":
        yield multiply_on_cpu
        return
    with float32_products():
        yield partial(multiply_in_torch, found)


def multiply_in_torch(device: torch.device, left: Narrow, right: Narrow) -> Narrow:
    """Multiply rows (m, d) and (n, d) to (m, n) on a device of torch."""
    x, y = (torch.from_numpy(each).to(device) for each in (left, right))
    return np.asarray((x @ y.T).cpu().numpy())
