"""Rounding to few bits by its definition, in float64; what dtypes and emulated products are held against."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch


@dataclass(frozen=True, kw_only=True)
class Format:
    """A binary floating-point format."""

    digits: int  # of the significand, the leading one included
    least_exponent: int  # of normal numbers
    largest: float  # finite number
    saturates: bool = False  # what is larger becomes the largest, not infinity

    def ulp(self, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The distance between two neighbours at x."""
        _, exponent = np.frexp(x)  # |x| is in [0.5, 1) * 2**exponent
        return np.exp2(np.maximum(exponent - 1, self.least_exponent) - (self.digits - 1.0))

    def __call__(self, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Round to the nearest number, halves to the even one, gradually to 0."""
        quantum = self.ulp(x)
        rounded: npt.NDArray[np.float64] = np.rint(x / quantum) * quantum
        beyond = np.copysign(self.largest if self.saturates else np.inf, rounded)
        return np.where(np.abs(rounded) > self.largest, beyond, rounded)


FORMATS = {
    torch.float16: Format(digits=11, least_exponent=-14, largest=65504.0),
    torch.bfloat16: Format(digits=8, least_exponent=-126, largest=(2 - 2**-7) * 2.0**127),
    torch.float8_e4m3fn: Format(digits=4, least_exponent=-6, largest=448.0, saturates=True),
    torch.float8_e5m2: Format(digits=3, least_exponent=-14, largest=57344.0, saturates=True),
}


def trying_values(dtype: torch.dtype) -> npt.NDArray[np.float64]:
    """Numbers of float32 at which a rounding may go wrong: of all sizes, halves and what lies beside them, the ends."""
    form = FORMATS[dtype]
    rng = np.random.default_rng(0)
    low, high = form.least_exponent - form.digits - 1, int(np.log2(form.largest))
    exponents = np.arange(max(low, -140), high + 1)
    spread = np.exp2(rng.uniform(exponents[0], exponents[-1], 2000))
    numbers = form(np.exp2(rng.uniform(exponents[0], exponents[-1], 2000)))
    halves = numbers + form.ulp(numbers) / 2
    beside = np.float32(halves) * np.array([1 - 2.0**-23, 1 + 2.0**-23])[:, None]
    ends = form.largest * np.array([1, 1.01, 1.03, 1.0625, 1.07, 1.124, 1.125, 1.2, 2])
    found = np.concatenate(([0.0], spread, numbers, halves, beside.ravel(), ends[ends < 3.4e38]))
    return np.concatenate((found, -found)).astype(np.float32).astype(np.float64)
