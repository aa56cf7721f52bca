"""Standard errors of FIDs and of their differences by the bootstrap, as a check on the analytic ones.

A replicate draws n images with replacement and so holds only about 63 % of them. The Fréchet distance is biased
upward by about c/n, and that makes every replicate biased upward once more: the mean of the replicates, and any
percentile of them, is no statement about one FID. Only their spread is used, and no interval from percentiles
is offered.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.stats.design import SamplingDesign, cancelled, checked_contrasts, checked_sets
from p2phd_eval.stats.errors.resampled_fid import GRAMS_UP_TO, ResampledFid
from p2phd_eval.stats.threads import map_in_threads

Matrix = npt.NDArray[np.float64]

# What the usual number of replicates may cost, in seconds on two cores of the machine the constants below are from.
_BUDGET_SECONDS = 30.0
_FEWEST_JOBS = 25  # of as many replicates each as that leaves: several take less time together
_FEWEST = 20  # they still give the standard error to 1/sqrt(2 * 19) = 16 %


@dataclasses.dataclass(frozen=True, kw_only=True)
class BootstrapSE:
    """How far a statistic spreads over bootstrap replicates."""

    se: float  # standard deviation of the replicates, ddof = 1, in units of the FID
    replicates: npt.NDArray[np.float64]  # (replicates,)
    mean: float  # mean over the replicates; for an FID it is biased upward, so it is no estimate of it


def usual_replicates(n: int, d: int, sets: int, wanted: int) -> int:
    """Return how many replicates take no more than about half a minute on two cores: `wanted`, or fewer.

    It follows from the sizes alone, so that a result can be repeated on any machine.

    There are at least 20, even where they take longer, and at most `wanted`. 20 replicates give the
    standard error to 16 %, 200 to 5 %.

    `n`: number of images of the largest set. `d`: number of features of an image. `sets`: number K of generated sets.
    `wanted`: how many are used where they are affordable.

    Notes
    -----
    A replicate holds u = 0.632 n different images. Up to n = 1.75 d each generated set costs the singular values of a
    [u, u] matrix, beyond it a covariance and the trace term of two [d, d] matrices, and the real set one covariance
    more. The times of these steps were measured once, with OpenBLAS 0.3.31 on two cores of an AMD EPYC of 2025 at
    d = 2048 and n from 500 to 5,000, and divided by u^3, u d^2 and d^3.
    """
    u = 0.632 * n
    if n <= GRAMS_UP_TO * d:
        seconds = sets * (1e-10 * u**3 + 1e-9 * n * d)
    else:
        seconds = (sets + 1) * 1.5e-11 * u * d**2 + sets * 0.8e-10 * d**3
    return min(wanted, max(_FEWEST, int(_BUDGET_SECONDS / seconds)))


def bootstrap_contrasts(
    sets: Sequence[npt.ArrayLike],
    contrasts: npt.ArrayLike,
    design: SamplingDesign,
    *,
    replicates: int,
    rng: np.random.Generator,
    on_progress: OnProgress = unwatched,
) -> tuple[BootstrapSE, ...]:
    """Estimate the standard errors of weighted sums of FIDs, such as differences, by the bootstrap.

    Replicate b draws all sets by `design.draw` with the b-th generator of `rng.spawn(replicates)` and evaluates
    every FID at this one draw, so that replicate b of all contrasts belongs together. The result does not depend on
    the number of cores.

    There is one result a contrast. Of an FID's replicates, which are biased upward, only the spread may be used. Raises
    `InputError` if a set cannot be used, the sets, the contrasts and the design do not fit each other, or `replicates`
    is below 2.

    Parameters
    ----------
    sets : sequence of array_like, each of shape (n_k, d)
        Features: the real images, then K >= 1 generated sets.
    contrasts : array_like, shape (C, K)
        Contrast c is sum_k contrasts[c, k] FID(real, generated set k): (1,) is an FID, (-1, 1) the difference of
        the second and the first.
    design : SamplingDesign
        How the images were drawn.
    replicates : int
        At least 2; 200 give the standard error to about 5 %.
    rng : numpy.random.Generator
        Source of the draws.

    Notes
    -----
    Up to min(n_r, n_k) = 1.75 d an FID costs the singular values of a [0.63 n_r, 0.63 n_k] matrix, and the cross-Gram
    is held, 8 n_r n_k bytes. Beyond that it costs two weighted covariances and the trace term of two [d, d]
    matrices: a second at d = 2048. See `usual_replicates`.

    References
    ----------
    Efron and Tibshirani (1993), "An introduction to the bootstrap", chapter 6; for clusters, Davison and Hinkley
    (1997), "Bootstrap methods and their application", section 3.8.
    """
    values = [np.asarray(each, dtype=np.float64) for each in checked_sets(sets, design)]
    weights = checked_contrasts(contrasts, len(values) - 1)
    if replicates < 2:
        raise InputError("replicates", expected="at least 2 bootstrap replicates", found=str(replicates))
    resampled = ResampledFid(values[0], values[1:])

    def several(generators: Sequence[np.random.Generator]) -> Matrix:
        return resampled.at([design.draw(generator) for generator in generators])

    together = max(1, replicates // _FEWEST_JOBS)

    def progress(done: int, _: int) -> None:
        on_progress(min(done * together, replicates), replicates)

    generators = rng.spawn(replicates)
    jobs = [generators[start : start + together] for start in range(0, replicates, together)]
    # Large [d, d] matrices go one at a time, on all cores: several would not fit into the caches.
    small = resampled.uses_grams or values[0].shape[1] <= 1024
    fids = np.concatenate(map_in_threads(several, jobs, small, progress))
    # Equal sets that were drawn together have equal replicates.
    weights = np.array([cancelled(row, lambda j, k: np.array_equal(fids[:, j], fids[:, k])) for row in weights])
    return tuple(_summary(fids @ row) for row in weights)


def _summary(values: npt.NDArray[np.float64]) -> BootstrapSE:
    return BootstrapSE(se=float(values.std(ddof=1)), replicates=values, mean=float(values.mean()))
