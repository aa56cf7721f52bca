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
from p2phd_eval.stats.distances.frechet import trace_sqrt_of_covariances
from p2phd_eval.stats.threads import map_in_threads

Counts = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.float64]

# What the usual number of replicates may cost, in seconds on two cores of the machine the constants below are from.
_BUDGET_SECONDS = 30.0
# Up to this many images a feature the cross-Gram is cheaper than covariances; beyond, a resample still holds 1.1 d
# different images, so that its covariances are regular.
_GRAMS_UP_TO = 1.75
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

    def replicate(generator: np.random.Generator) -> npt.NDArray[np.float64]:
        real_counts, *fake_counts = design.draw(generator)
        return resampled.at(real_counts, fake_counts)

    # Large [d, d] matrices go one at a time, on all cores: several would not fit into the caches.
    small = resampled.uses_grams or values[0].shape[1] <= 1024
    fids = np.array(map_in_threads(replicate, rng.spawn(replicates), small, on_progress))
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

    def at(self, real_counts: Counts, fake_counts: Sequence[Counts]) -> npt.NDArray[np.float64]:
        """Return the FID of each generated set against the real one.

        The result is float64 (K,). Equal sets drawn with equal counts have equal FIDs, to the bit.

        Parameters
        ----------
        real_counts : ndarray of int64, shape (n_r,)
            How often each real image was drawn; two draws or more in all.
        fake_counts : sequence of ndarray of int64, each of shape (n_k,)
            How often each image of generated set k was drawn; two draws or more in all.
        """
        real_draw, fake_draws = _Draw(real_counts), [_Draw(counts) for counts in fake_counts]
        real_mean, real_trace = self._real.mean_and_trace(real_draw)
        values = np.empty(len(fake_draws))
        traces = self._trace_sqrts(real_draw, fake_draws)
        for k, (fake, draw) in enumerate(zip(self._fakes, fake_draws, strict=True)):
            fake_mean, fake_trace = fake.mean_and_trace(draw)
            step = real_mean - fake_mean
            values[k] = step @ step + real_trace + fake_trace - 2 * traces[k]
        return np.maximum(values, 0)

    def _trace_sqrts(self, real_draw: _Draw, fake_draws: Sequence[_Draw]) -> list[float]:
        if self.uses_grams:
            return _nuclear_norms(
                [
                    _resampled_gram(gram, real_draw, draw)
                    for gram, draw in zip(self._grams, fake_draws, strict=True)
                    if gram is not None
                ]
            )
        covariance = self._real.covariance(real_draw)
        traces = []
        for fake, gram, draw in zip(self._fakes, self._grams, fake_draws, strict=True):
            if gram is None:
                traces.append(trace_sqrt_of_covariances(covariance, fake.covariance(draw)))
            else:
                traces += _nuclear_norms([_resampled_gram(gram, real_draw, draw)])
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
        self.squares = np.einsum("ij,ij->i", self.rows, self.rows)

    def mean_and_trace(self, draw: _Draw) -> tuple[npt.NDArray[np.float64], float]:
        """Return the mean [d] and the trace of the covariance (ddof = 1) of the resampled set."""
        weights = np.zeros(len(self.rows))
        weights[draw.images] = draw.share
        shift = weights @ self.rows
        trace = draw.n / (draw.n - 1) * (weights @ self.squares - shift @ shift)
        return self.mean + shift, float(trace)

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
    return part


def _nuclear_norms(matrices: Sequence[Matrix]) -> list[float]:
    """Return the sum of the singular values of each matrix."""
    if len({matrix.shape for matrix in matrices}) > 1:
        return [float(np.linalg.svd(matrix, compute_uv=False).sum()) for matrix in matrices]
    # In one call: NumPy lets other threads run only while it computes more than 500 values.
    sums: list[float] = np.linalg.svd(np.stack(matrices), compute_uv=False).sum(axis=1).tolist()
    return sums
