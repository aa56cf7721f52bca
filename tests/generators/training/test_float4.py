"""Operands of 4 bits: the nearest value of the format, and of two equally near the one with an even code."""

from __future__ import annotations

import numpy as np
import torch

from p2phd_eval.generators.training.emulation import Operand
from p2phd_eval.generators.training.float4 import round_to_four_bits

#: By their codes, without the sign (OCP Microscaling Formats 1.0, section 5.3.3).
VALUES = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])


def test_rounded_values_are_the_nearest_of_the_format() -> None:
    middles = (VALUES[1:] + VALUES[:-1]) / 2
    near = np.concatenate([np.nextafter(np.float32(middles), np.float32(side)) for side in (-1, 9)])
    sizes = np.concatenate([VALUES, middles, near, np.random.default_rng(0).uniform(0, 7, 1000), [1e-30, 1e3]])
    values = np.concatenate([sizes, -sizes]).astype(np.float32)
    distances = np.abs(np.abs(values.astype(np.float64))[:, None] - VALUES)
    nearest = distances == distances.min(axis=1, keepdims=True)
    even = nearest & (np.arange(len(VALUES)) % 2 == 0)
    chosen = np.where(nearest.sum(axis=1) > 1, even.argmax(axis=1), nearest.argmax(axis=1))
    found = round_to_four_bits(torch.from_numpy(values), 0, Operand.WEIGHT)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), np.copysign(VALUES[chosen], values))


def test_what_is_no_number_stays_none() -> None:
    found = round_to_four_bits(torch.tensor([torch.nan, torch.inf, -torch.inf]), 0, Operand.INPUT)
    assert found.isnan().tolist() == [True, False, False]
    assert found[1:].tolist() == [6, -6]
