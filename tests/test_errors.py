from __future__ import annotations

import math

import numpy as np
import pytest

from p2phd_eval.errors import InputError, is_number, require_whole


def test_numbers_are_those_in_a_range() -> None:
    for value in (0, 0.5, 1, np.float32(0.5), np.float64(1)):
        assert is_number(value, 0, 1)
    for value in (math.nan, math.inf, -1e-300, 1.0000001, 10**400, "0.5", None, 1j, [0.5]):
        assert not is_number(value, 0, 1)


def test_whole_numbers_are_those_in_a_range() -> None:
    require_whole(0, 3, {"a": 0, "b": np.int64(3), "c": None})
    for value in (-1, 4, 1.0, "1", math.nan, 10**5000):
        with pytest.raises(InputError, match="--seed: expected a whole number from 0 to 3"):
            require_whole(0, 3, {"--seed": value})
