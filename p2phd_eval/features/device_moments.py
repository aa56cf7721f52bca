"""Moments and distance in float64 on a GPU, where the features are made faster than a CPU sums them."""

import dataclasses
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from p2phd_eval.stats.distances.frechet import (
    FrechetDistance,
    distance_of_moments,
    require_comparable,
    sum_of_roots,
    trace_sqrt_of_covariances,
)
from p2phd_eval.stats.distances.moments import MomentAccumulator, Moments
from p2phd_eval.stats.distances.shifted_sums import central_point

Matrix = npt.NDArray[np.float64]

# Device types that have no float64, with what is said of them.
_WITHOUT_FLOAT64 = {"mps": "mps has no float64: the moments and the distance were computed on the CPU"}


class DeviceSums:
    """`ShiftedSums` on a device of torch.

    Parameters
    ----------
    device : torch.device
        With float64.
    first : ndarray of float64, shape (k, d)
        The first rows. They set the point of the sums; they are not added.
    """

    def __init__(self, device: torch.device, first: Matrix) -> None:
        d = first.shape[1]
        self._shift = torch.from_numpy(central_point(first)).to(device)
        self._total = torch.zeros(d, dtype=torch.float64, device=device)
        self._scatter = torch.zeros((d, d), dtype=torch.float64, device=device)

    def add(self, rows: Matrix) -> None:
        """Add rows [k, d]."""
        centred = torch.from_numpy(rows).to(self._shift.device) - self._shift
        self._total += centred.sum(dim=0)
        self._scatter.addmm_(centred.T, centred)

    def mean_and_covariance(self, n: int) -> tuple[Matrix, Matrix]:
        """Return the mean [d] and the covariance [d, d], symmetric, divided by n - 1; the sums are then used up."""
        step = self._total / n
        covariance = self._scatter.addr_(step, step, alpha=-n).div_(n - 1)
        # The product of a matrix with itself need not be symmetric to the last bit.
        return _array(self._shift + step), _array((covariance + covariance.T) / 2)


def accumulator_on(device: torch.device | str) -> MomentAccumulator:
    """Return an accumulator that sums on a device: on a GPU with float64 there, else on the CPU in NumPy.

    Rows come in as NumPy arrays either way, and the result is a `Moments` of NumPy arrays, equal between devices up to
    rounding.
    """
    found = torch.device(device)
    if found.type == "cpu" or found.type in _WITHOUT_FLOAT64:
        return MomentAccumulator()
    return MomentAccumulator(partial(DeviceSums, found))


def frechet_distance_on(device: torch.device | str, real: Moments, fake: Moments) -> FrechetDistance:
    """Fréchet distance by moments, as `frechet_distance_from_moments`, with the trace term found on a device.

    `device`: such as "cuda:1". Where it has no float64 (MPS), the CPU computes, and the result's note says so. `real`
    and `fake`: both have the same d and ddof. Raises `InputError` as `frechet_distance_from_moments` does.
    """
    found = torch.device(device)
    require_comparable(real, fake)
    distance = distance_of_moments(real, fake, partial(trace_sqrt_on, found))
    note = _WITHOUT_FLOAT64.get(found.type, "")
    return dataclasses.replace(distance, note="; ".join(filter(None, (distance.note, note))))


def trace_sqrt_on(device: torch.device | str, real: Matrix, fake: Matrix) -> float:
    """Tr (S_r S_g)^(1/2) of two covariances [d, d] on a device, by Cholesky and eigenvalues in float64.

    The CPU computes it, by `trace_sqrt_of_covariances`, where the device has no float64, and where S_r is singular or
    S_g so nearly that the eigenvalues would cost digits.

    Raises `InputError` if a matrix is not positive semi-definite.
    """
    found = torch.device(device)
    trace = None
    if found.type not in _WITHOUT_FLOAT64 and not np.array_equal(real, fake):
        lower, failed = torch.linalg.cholesky_ex(_tensor(real, found))
        if not int(failed):
            trace = sum_of_roots(_array(torch.linalg.eigvalsh(lower.T @ _tensor(fake, found) @ lower)))
    return trace_sqrt_of_covariances(real, fake) if trace is None else trace


def _tensor(array: Matrix, device: torch.device) -> Tensor:
    return torch.tensor(array, dtype=torch.float64, device=device)


def _array(tensor: Tensor) -> Matrix:
    return np.asarray(tensor.cpu().numpy())
