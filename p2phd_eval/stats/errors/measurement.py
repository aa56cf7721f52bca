"""One estimand of several generated sets, from which follow differences between them with their standard errors."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from p2phd_eval.stats.design import SamplingDesign, StandardError, cancelled
from p2phd_eval.stats.estimands import Estimand

Influence = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measurement:
    """An estimand of K generated sets against one real set, and how strongly each image pulls on it."""

    estimand: Estimand
    values: tuple[float, ...]  # K
    #: (K, n_r): how each real image pulls on the value of set k, to first order; in its units, mean 0 for each set.
    real: Influence = dataclasses.field(repr=False)
    #: K of (n_k,): likewise the images of set k itself.
    fake: tuple[Influence, ...] = dataclasses.field(repr=False)

    def value(self, weights: Sequence[float]) -> float:
        """Return the weighted sum of the values; exactly 0 where sets of equal values cancel out."""
        totals = cancelled(weights, lambda j, k: self.values[j] == self.values[k]).tolist()
        return float(sum(value * total for value, total in zip(self.values, totals, strict=True) if total))

    def influences(self, weights: Sequence[float]) -> tuple[Influence, ...]:
        """Return how each image of each set, the real one first, pulls on the weighted sum."""
        real: Influence = np.asarray(weights, dtype=np.float64) @ self.real
        return real, *(weight * fake for weight, fake in zip(weights, self.fake, strict=True))

    def standard_error(self, weights: Sequence[float], design: SamplingDesign) -> StandardError:
        """Return the standard error of the weighted sum; images are random, the generators fixed.

        It is exactly 0 where equal sets that were drawn together cancel out.
        """

        def equal(j: int, k: int) -> bool:
            same = self.values[j] == self.values[k] and design.drawn_together((j + 1, k + 1))
            return same and np.array_equal(self.real[j], self.real[k]) and np.array_equal(self.fake[j], self.fake[k])

        return design.standard_error(self.influences(cancelled(weights, equal).tolist()))

    def runs(self, positions: Sequence[int]) -> tuple[float, ...]:
        """Return the values of some of the sets, such as the training runs of one arm."""
        return tuple(self.values[k] for k in positions)

    def run_noise(self, positions: Sequence[int], design: SamplingDesign) -> float | None:
        """How much of the variance between an arm's runs is the images' and not the training seeds'.

        The runs' values spread since seeds differ, and since each run's own images are drawn. The second part is the
        mean over the runs of the image variance of (run - mean of the runs), times S/(S - 1) for S runs.

        `positions`: the sets of the arm's runs. The result is in squared units of the value; None for one run.
        """
        count = len(positions)
        if count < 2:
            return None
        variances = []
        for position in positions:
            weights = np.zeros(len(self.values))
            weights[list(positions)] -= 1 / count
            weights[position] += 1
            variances.append(self.standard_error(weights.tolist(), design).value ** 2)
        return float(np.mean(variances)) * count / (count - 1)
