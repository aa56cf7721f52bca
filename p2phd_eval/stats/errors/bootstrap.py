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
from p2phd_eval.stats.design import SamplingDesign, checked_contrasts, checked_sets
from p2phd_eval.stats.distances.frechet import nuclear_norm_by_square, trace_sqrt_of_covariances
from p2phd_eval.stats.distances.products import squared_lengths
from p2phd_eval.stats.threads import map_in_threads

Counts = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.float64]

# What the usual number of replicates may cost, in seconds on two cores of the machine the constants below are from.
_BUDGET_SECONDS = 30.0
# Up to this many images a feature the cross-Gram is cheaper than covariances; beyond, a resample still holds 1.1 d
# different images, so that its covariances are regular.
_GRAMS_UP_TO = 1.75
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
    if n <= _GRAMS_UP_TO * d:
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
    return tuple(_summary(fids @ row) for row in weights)


def _summary(values: npt.NDArray[np.float64]) -> BootstrapSE:
    return BootstrapSE(se=float(values.std(ddof=1)), replicates=values, mean=float(values.mean()))


class ResampledFid:
    """Computes the FIDs of resampled generated images against resampled real ones, for several generated sets.

    A resample enters as the number of times each image was drawn. Rows drawn m times are one row times sqrt(m):
    the singular values of the weighted, centred cross-Gram stay the same, and only about 63 % of rows and columns
    are left, which makes them about 4 times cheaper.

    Parameters
    ----------
    real : ndarray of float64, shape (n_r, d)
        Features of the real images.
    fakes : sequence of ndarray of float64, each of shape (n_k, d)
        Features of the generated sets.
    """

    def __init__(self, real: Matrix, fakes: Sequence[Matrix]) -> None:
        self._real = _Centred(real)
        self._fakes = [_Centred(fake) for fake in fakes]
        n_real, d = real.shape
        self._grams = [
            self._real.rows @ fake.rows.T if min(n_real, len(fake.rows)) <= _GRAMS_UP_TO * d else None
            for fake in self._fakes
        ]
        #: Whether all come from cross-Gram matrices [n_r, n_k], and none from covariances [d, d].
        self.uses_grams = all(gram is not None for gram in self._grams)

    def at(self, counts: Sequence[Sequence[Counts]]) -> Matrix:
        """Return the FIDs [B, K] of the generated sets against the real one at several resamples.

        Equal sets drawn with equal counts have equal FIDs, to the bit.

        `counts`: of each of B resamples, how often each image of the real set and of the generated ones was drawn,
        int64 of shape (n_k,); two draws or more in all.
        """
        draws = [[_Draw(each) for each in resample] for resample in counts]
        (real_means, real_traces), *fakes = (
            each.means_and_traces([resample[k] for resample in draws])
            for k, each in enumerate((self._real, *self._fakes))
        )
        trace_sqrts = np.array([self._trace_sqrts(real, fake) for real, *fake in draws])
        values = np.empty((len(draws), len(fakes)))
        for k, (means, traces) in enumerate(fakes):
            steps = real_means - means
            values[:, k] = squared_lengths(steps) + real_traces + traces - 2 * trace_sqrts[:, k]
        return np.maximum(values, 0)

    def _trace_sqrts(self, real_draw: _Draw, fake_draws: Sequence[_Draw]) -> list[float]:
        covariance = None if self.uses_grams else self._real.covariance(real_draw)
        traces = []
        for fake, gram, draw in zip(self._fakes, self._grams, fake_draws, strict=True):
            if gram is not None:
                traces.append(nuclear_norm_by_square(_resampled_gram(gram, real_draw, draw)))
            else:
                assert covariance is not None
                traces.append(trace_sqrt_of_covariances(covariance, fake.covariance(draw)))
        return traces


class _Draw:
    """Which images a resample holds, and how often."""

    def __init__(self, counts: Counts) -> None:
        self.n = int(counts.sum())
        self.images = np.flatnonzero(counts)  # (u,), the different images drawn
        self.share = counts[self.images] / self.n  # (u,), sums to 1
        self.root = np.sqrt(counts[self.images] / (self.n - 1))  # (u,), scale of a row in a factor


class _Centred:
    """Features centred at the mean of the whole set, so that no resample has to cancel large numbers."""

    def __init__(self, features: Matrix) -> None:
        self.mean = features.mean(axis=0)
        self.rows = features - self.mean
        self.squares = squared_lengths(self.rows)

    def means_and_traces(self, draws: Sequence[_Draw]) -> tuple[Matrix, Matrix]:
        """Return the means [B, d] and the traces [B] of the covariances (ddof = 1) of B resamples of the set."""
        weights = np.zeros((len(draws), len(self.rows)))
        for share, draw in zip(weights, draws, strict=True):
            share[draw.images] = draw.share
        # In one product, for which the rows come from memory once.
        shifts = weights @ self.rows
        n = np.array([draw.n for draw in draws])
        return self.mean + shifts, n / (n - 1) * (weights @ self.squares - squared_lengths(shifts))

    def covariance(self, draw: _Draw) -> Matrix:
        """Return the covariance [d, d] (ddof = 1) of the resampled set."""
        rows = self.rows[draw.images]
        rows -= draw.share @ rows
        rows *= draw.root[:, None]
        covariance: Matrix = rows.T @ rows
        return covariance


def _resampled_gram(gram: Matrix, real: _Draw, fake: _Draw) -> Matrix:
    part = gram.take(real.images, axis=0).take(fake.images, axis=1)
    part -= real.share @ part
    part -= (part @ fake.share)[:, None]
    part *= real.root[:, None]
    part *= fake.root
    # Its rows, times the roots of the shares, add up to 0, and so do its columns: each of these vectors is made the
    # first axis by a Householder reflection, and that axis left out. No singular value is then 0 for sure.
    left, right = np.sqrt(real.share), np.sqrt(fake.share)
    part = part[:, 1:] - np.outer(part[:, 0], right[1:] / (1 + right[0]))
    return part[1:] - np.outer(left[1:] / (1 + left[0]), part[0])
