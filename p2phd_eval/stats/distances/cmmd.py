"""CMMD, the kernel distance of CLIP's embeddings, as an unbiased estimate and as its authors' code prints it."""

import dataclasses

import numpy as np
import numpy.typing as npt

from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.stats.distances.kernel import GaussianKernel, checked_kernel_sets, kernel_distance
from p2phd_eval.stats.distances.products import Multiply, multiply_on_cpu, tile_slices


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipDistance:
    """CMMD of two sets."""

    value: float  # unbiased, so that it may be below 0 where the distributions are close
    se: float  # delete-one jackknife standard error, in units of the value
    with_diagonal: float  # each image compared with itself, too, as the authors' code does: biased upward by about c/n


def cmmd(
    real: npt.ArrayLike,
    fake: npt.ArrayLike,
    *,
    paired: bool,
    multiply: Multiply = multiply_on_cpu,
    on_progress: OnProgress = unwatched,
) -> ClipDistance:
    """CMMD of two sets of CLIP's embeddings of length one: 1000 times the squared MMD with `GaussianKernel`.

    The value is the U-statistic of `kernel_distance`, like KID. The authors' code has the V-statistic: its means also
    run over the pairs of an image and itself, whose kernel is 1000. Of m real and n generated images, that adds

        (1000 - mean k(x_i, x_j)) / m + (1000 - mean k(y_i, y_j)) / n,  i != j

    to independent sets. Where pairs share a label map, the U-statistic leaves out k(x_i, y_i), which the V-statistic
    has as well: V = (1 - 1/n) U + 2 (1000 - mean k(x_i, y_i)) / n.

    Raises `InputError` as `kernel_distance`; for arguments see there.

    References
    ----------
    Jayasumana et al. (2024), "Rethinking FID: Towards a Better Evaluation Metric for Image Generation", section 5;
    Gretton et al. (2012), "A kernel two-sample test", eq. 3 (U-statistic) and eq. 5 (V-statistic).
    """
    real_values, fake_values = checked_kernel_sets(real, fake, paired=paired)
    kernel, most = GaussianKernel(), GaussianKernel.factor
    found = kernel_distance(
        real_values, fake_values, paired=paired, kernel=kernel, multiply=multiply, on_progress=on_progress
    )
    m, n = len(real_values), len(fake_values)
    if paired:
        own = 0.0
        for rows in tile_slices(n):
            apart = real_values[rows].astype(np.float64) - fake_values[rows]
            own += float(np.sum(most * np.exp(-np.square(apart).sum(axis=1) / (2 * kernel.sigma**2))))
        with_diagonal = (1 - 1 / n) * found.value + 2 * (most - own / n) / n
    else:
        with_diagonal = found.value + (most - found.within[0]) / m + (most - found.within[1]) / n
    return ClipDistance(value=found.value, se=found.se, with_diagonal=with_diagonal)
