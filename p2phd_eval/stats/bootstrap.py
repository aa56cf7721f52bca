"""Bootstrap standard errors of FID and of FID differences, the check on the analytic ones.

A replicate draws n images with replacement and so holds only about 63 % of them. The Fréchet distance is biased
upward by about c/n, and that makes every replicate biased upward once more: the mean of the replicates, and any
percentile of them, is no statement about one FID. Only their spread is used, and no interval from percentiles
is offered.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from p2phd_eval.errors import InputError
from p2phd_eval.stats.frechet import nuclear_norm, trace_sqrt_of_covariances
from p2phd_eval.stats.moments import as_features, require_equal_dims

Progress = Callable[[int, int], None]


def usual_replicates(n: int, d: int, replicates: int) -> int:
    """Number of replicates that takes a minute or two: `replicates`, or 20 where each costs seconds.

    Parameters
    ----------
    n : int
        Images of the smaller set.
    d : int
        Features an image.
    replicates : int
        For sets of up to 2 d images. 20 replicates still give the standard error to about 16 %.
    """
    return replicates if n <= 2 * d else min(replicates, 20)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BootstrapSE:
    """Spread of a statistic over bootstrap replicates."""

    se: float  # standard deviation of the replicates, ddof = 1, in units of the FID
    replicates: npt.NDArray[np.float64]  # (replicates,)
    mean: float  # of the replicates; for an FID it is biased upward, so it is no estimate of it


def bootstrap_fid_se(
    real: npt.ArrayLike,
    fake: npt.ArrayLike,
    *,
    paired: bool,
    replicates: int,
    rng: np.random.Generator,
    on_progress: Progress | None = None,
) -> BootstrapSE:
    """Bootstrap standard error of one FID.

    Replicate k draws with the k-th generator g of `rng.spawn(replicates)`: the real images by
    `g.integers(n_r, size=n_r)`, then, unless paired, the generated ones by `g.integers(n_g, size=n_g)`.

    Parameters
    ----------
    real : array_like, shape (n_r, d)
        Features of the real images.
    fake : array_like, shape (n_g, d)
        Features of the generated images.
    paired : bool
        Whether real image i and generated image i share a label map and are drawn together (n_r = n_g).
    replicates : int
        At least 2; 200 give the standard error to about 5 %.
    rng : numpy.random.Generator
        Source of the draws.
    on_progress : callable, optional
        Called with (done, total) after each replicate.

    Returns
    -------
    BootstrapSE
        The replicates are biased upward (see the module); only their spread may be used.

    Raises
    ------
    InputError
        If a set cannot be used, the sets do not fit each other, or `replicates` is below 2.

    Notes
    -----
    Up to min(n) = 2 d a replicate costs the singular values of a [0.63 n_r, 0.63 n_g] matrix, and the cross-Gram
    is held, 8 n_r n_g bytes. Beyond that it costs two weighted covariances and the trace term of two [d, d]
    matrices: seconds at d = 2048.
    """
    sets = _checked_sets(real, [fake], same_n=paired)
    resampled = ResampledFid(sets[0], sets[1:])
    values = _replicate(resampled, paired, replicates, rng, on_progress)
    return _summary(values[:, 0])


def bootstrap_dfid_se(
    real: npt.ArrayLike,
    baseline: npt.ArrayLike,
    candidates: Sequence[npt.ArrayLike],
    *,
    replicates: int,
    rng: np.random.Generator,
    on_progress: Progress | None = None,
) -> tuple[BootstrapSE, ...]:
    """Bootstrap standard errors of FID(real, candidate) - FID(real, baseline), one a candidate.

    Each replicate draws image indices once, `g.integers(n, size=n)` with its own generator g of
    `rng.spawn(replicates)`, and uses them for the real images, the baseline and all candidates. So replicate k
    of all candidates belongs together.

    Parameters
    ----------
    real, baseline : array_like, shape (n, d)
        Features; row i of all sets comes from the same label map.
    candidates : sequence of array_like, each of shape (n, d)
        Features of the generated images that are compared with the baseline's.
    replicates, rng, on_progress
        As in `bootstrap_fid_se`.

    Returns
    -------
    tuple of BootstrapSE
        In the order of `candidates`.

    Raises
    ------
    InputError
        If a set cannot be used, the sets differ in n or d, or `replicates` is below 2.
    """
    sets = _checked_sets(real, [baseline, *candidates], same_n=True)
    resampled = ResampledFid(sets[0], sets[1:])
    values = _replicate(resampled, True, replicates, rng, on_progress)
    return tuple(_summary(values[:, k] - values[:, 0]) for k in range(1, values.shape[1]))


class ResampledFid:
    """FID of resampled images against resampled real ones, without building the resampled sets.

    A resample enters as the number of times each image was drawn. Rows drawn m times are one row times sqrt(m):
    the singular values of the weighted, centred cross-Gram stay the same, and only about 63 % of rows and columns
    are left, which makes them about 4 times cheaper.

    Parameters
    ----------
    real : ndarray of float64, shape (n_r, d)
        Features of the real images.
    fakes : sequence of ndarray of float64, each of shape (n_g, d)
        Sets of generated images that are resampled with the same indices.
    """

    def __init__(self, real: npt.NDArray[np.float64], fakes: Sequence[npt.NDArray[np.float64]]) -> None:
        self._real = _Centred(real)
        self._fakes = [_Centred(fake) for fake in fakes]
        self.n_real, d = real.shape
        self.n_fake = len(fakes[0])
        # A resample of 2 d images has about 1.26 d different ones. With fewer than d its covariance is singular.
        self.uses_grams = min(self.n_real, self.n_fake) <= 2 * d
        self._grams = [self._real.rows @ fake.rows.T for fake in self._fakes] if self.uses_grams else []

    def at(self, real_counts: npt.NDArray[np.int64], fake_counts: npt.NDArray[np.int64]) -> list[float]:
        """FID of each set, with real image j drawn `real_counts[j]` times and generated i `fake_counts[i]`."""
        real_draw, fake_draw = _Draw(real_counts), _Draw(fake_counts)
        real_mean, real_trace = self._real.mean_and_trace(real_draw)
        if self.uses_grams:
            traces = [nuclear_norm(_resampled_gram(gram, real_draw, fake_draw)) for gram in self._grams]
        else:
            covariance = self._real.covariance(real_draw)
            traces = [trace_sqrt_of_covariances(covariance, fake.covariance(fake_draw)) for fake in self._fakes]
        values = []
        for fake, trace_sqrt in zip(self._fakes, traces, strict=True):
            fake_mean, fake_trace = fake.mean_and_trace(fake_draw)
            step = real_mean - fake_mean
            value = step @ step + real_trace + fake_trace - 2 * trace_sqrt
            values.append(max(float(value), 0.0))
        return values


class _Draw:
    """Which images a resample holds, and how often."""

    def __init__(self, counts: npt.NDArray[np.int64]) -> None:
        self.n = int(counts.sum())
        self.images = np.flatnonzero(counts)  # (u,), the different images drawn
        self.share = counts[self.images] / self.n  # (u,), sums to 1
        self.root = np.sqrt(counts[self.images] / (self.n - 1))  # (u,), scale of a row in a factor


class _Centred:
    """Features centred at the mean of the whole set, so that no replicate has to cancel large numbers."""

    def __init__(self, features: npt.NDArray[np.float64]) -> None:
        self.mean = features.mean(axis=0)
        self.rows = features - self.mean
        self.squares = np.einsum("ij,ij->i", self.rows, self.rows)

    def mean_and_trace(self, draw: _Draw) -> tuple[npt.NDArray[np.float64], float]:
        """Mean [d] and trace of the covariance (ddof = 1) of the resampled set."""
        weights = np.zeros(len(self.rows))
        weights[draw.images] = draw.share
        shift = weights @ self.rows
        trace = draw.n / (draw.n - 1) * (weights @ self.squares - shift @ shift)
        return self.mean + shift, float(trace)

    def covariance(self, draw: _Draw) -> npt.NDArray[np.float64]:
        """Covariance [d, d] (ddof = 1) of the resampled set."""
        rows = self.rows[draw.images]
        rows -= draw.share @ rows
        rows *= draw.root[:, None]
        covariance: npt.NDArray[np.float64] = rows.T @ rows
        return covariance


def _resampled_gram(gram: npt.NDArray[np.float64], real: _Draw, fake: _Draw) -> npt.NDArray[np.float64]:
    part = gram[np.ix_(real.images, fake.images)]
    part -= real.share @ part
    part -= (part @ fake.share)[:, None]
    part *= real.root[:, None]
    part *= fake.root
    return part


def _replicate(
    resampled: ResampledFid,
    paired: bool,
    replicates: int,
    rng: np.random.Generator,
    on_progress: Progress | None,
) -> npt.NDArray[np.float64]:
    if replicates < 2:
        raise InputError("replicates", expected="at least 2 bootstrap replicates", found=str(replicates))
    rows = []
    # Many small decompositions gain nothing from BLAS threads, and lose a factor of 20 where another process wants a
    # core, since the threads wait for each other at every step. The large [d, d] products do gain.
    with threadpool_limits(1 if resampled.uses_grams else None, user_api="blas"):
        for done, generator in enumerate(rng.spawn(replicates), start=1):
            real_counts = _draw_counts(generator, resampled.n_real)
            fake_counts = real_counts if paired else _draw_counts(generator, resampled.n_fake)
            rows.append(resampled.at(real_counts, fake_counts))
            if on_progress is not None:
                on_progress(done, replicates)
    return np.array(rows)


def _draw_counts(generator: np.random.Generator, n: int) -> npt.NDArray[np.int64]:
    return np.bincount(generator.integers(n, size=n), minlength=n)


def _summary(values: npt.NDArray[np.float64]) -> BootstrapSE:
    return BootstrapSE(se=float(values.std(ddof=1)), replicates=values, mean=float(values.mean()))


def _checked_sets(
    real: npt.ArrayLike, fakes: Sequence[npt.ArrayLike], *, same_n: bool
) -> list[npt.NDArray[np.float64]]:
    sets = [as_features(real, "real"), *(as_features(fake, "generated") for fake in fakes)]
    for fake in sets[1:]:
        require_equal_dims(sets[0], fake)
        if same_n and len(fake) != len(sets[0]):
            raise InputError(
                "paired sets",
                expected="the same number of images, row i of each from one label map",
                found=f"{len(sets[0])} and {len(fake)}",
            )
    return sets
