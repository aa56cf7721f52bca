"""Half-sample Richardson extrapolation: the FID of all images minus the bias that halves of them show.

The FID of n images is biased upward by about c/n, where c depends on the generator, so a fixed n does not cancel it
(Bińkowski et al. 2018, appendix D.2). Halves of both sets show twice the bias, so 2 F_n - F_{n/2} is free of it, as in
the first step of Richardson's "deferred approach to the limit" (1927). Quarters tell whether the bias falls as c/n.
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError, require_at_least
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.stats.design import Rows, SamplingDesign, cancelled, checked_sets, first_equal
from p2phd_eval.stats.distances.block_frechet import ReferenceAxes, distance_in_axes
from p2phd_eval.stats.distances.frechet import FrechetDistance, frechet_distance
from p2phd_eval.stats.distances.moments import Moments, moments, moments_of_rest
from p2phd_eval.stats.errors.block_influence import influence_in_axes
from p2phd_eval.stats.errors.influence import FidInfluence, fid_influence, influence_by_eigenvectors
from p2phd_eval.stats.errors.measurement import Measurement
from p2phd_eval.stats.errors.part_fids import PartFids
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.threads import map_in_threads

Sets = Sequence[npt.NDArray[np.generic]]

SLOPE_RANGE = (1.7, 2.3)  # slope ratios at which the bias is taken to be c/n, for which the ratio is 2

_USUAL_SPLITS = 10
_FEWEST_SPLITS = 3
# What the usual splits may take, in seconds on two cores of the machine that `usual_splits` was fitted on.
_BUDGET_SECONDS = 15.0

# So many decompositions of d > 1024 at a time: each takes a dozen matrices [d, d], and a copy of its rows.
_LARGE_AT_ONCE = 4

# A bias below this share of the covariances' traces is rounding.
_NO_BIAS = 1e-10

# With a slope ratio below it the bias falls so slowly that what is left of it cannot be told from its gaps.
FLAT_SLOPE = 1.2


@dataclasses.dataclass(frozen=True, kw_only=True)
class HalfSampleRichardson:
    """2 F_n - F_{n/2} of some FIDs' weighted sum, such as one FID or a difference of two."""

    value: float  # estimate for the distributions; of one FID it may be below 0
    at_n: float  # F_n, of all images
    at_half: float  # F_{n/2}, mean over both halves of all splits
    at_quarter: float  # F_{n/4}, mean over the four quarters of all splits
    slope_ratio: float | None  # (F_{n/4} - F_{n/2}) / (F_{n/2} - F_n), of the FID where it is worst; None without bias
    slope_holds: bool  # whether all these ratios lie in SLOPE_RANGE, so that the bias is c/n
    residual_bias: (
        float | None
    )  # what the extrapolation may have left, >= 0; None: no bound; see `HalfSamples.contrast`
    #: How each set's images pull on `value`, (n_k,); the real ones first.
    influences: tuple[npt.NDArray[np.float64], ...] = dataclasses.field(repr=False)
    splits: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class HalfSamples:
    """FIDs of K generated sets, of their halves and of their quarters, all against parts of the same real set."""

    whole: tuple[FidInfluence, ...]  # K, of all images
    half_fids: npt.NDArray[np.float64]  # (K,), mean over both halves of all splits
    quarter_fids: npt.NDArray[np.float64]  # (K,)
    half_real: npt.NDArray[np.float64]  # (K, n_r), mean influence of the real images on the mean FID of the halves
    half_fake: tuple[npt.NDArray[np.float64], ...]  # K of (n_k,), that of the generated ones
    splits: int

    def measurement(self, estimand: Estimand) -> Measurement:
        """Return the extrapolated values of all sets, with the influence of each image on them; see `contrast`.

        `estimand`: what they are, the FID of the distributions or the block FID.
        """
        fids = np.array([each.distance.value for each in self.whole])
        return Measurement(
            estimand=estimand,
            values=tuple((2 * fids - self.half_fids).tolist()),
            real=self._real_influences,
            fake=self._fake_influences,
        )

    @property
    def _real_influences(self) -> npt.NDArray[np.float64]:
        """(K, n_r), on the extrapolated values: 2 psi_n - psi_{n/2}."""
        return 2 * np.array([each.real for each in self.whole]) - self.half_real

    @property
    def _fake_influences(self) -> tuple[npt.NDArray[np.float64], ...]:
        """K of (n_k,), likewise."""
        return tuple(2 * each.fake - half for each, half in zip(self.whole, self.half_fake, strict=True))

    def contrast(self, weights: Sequence[float]) -> HalfSampleRichardson:
        """Extrapolate sum_k weights_k FID(real, set k).

        The influence of an image on the estimate is the derivative of what is computed, 2 psi_n - psi_{n/2}: that of
        the FID alone overstates the standard error by a factor of 2 where the features are heavy-tailed, since the
        bias, which the extrapolation removes, follows the images' norms.

        With g = F_{n/2} - F_n of the sum and the slope ratio r of the FID whose ratio is farthest from 2, the
        residual bias is at most about

            |g| |r - 2| / 3        where r is in SLOPE_RANGE: the next term, c2/n^2, as in Romberg's scheme,
            |g| (1/(r - 1) - 1)    where r is below: what a geometric series of the increments still adds,
            |g| |r - 2|            where r is above.

        Where r is below 1.2 no bound is known. (The ratio of a difference itself is too noisy to tell anything.)

        `weights`: k weights, such as (1,) for one FID and (-1, 1) for a difference.
        """
        used = np.asarray(weights, dtype=np.float64)
        fids = np.array([each.distance.value for each in self.whole])
        gaps, steps = self.half_fids - fids, self.quarter_fids - self.half_fids
        scale = np.array([each.distance.trace_real + each.distance.trace_fake for each in self.whole])
        known = [float(steps[k] / gaps[k]) for k in np.flatnonzero(used) if gaps[k] > _NO_BIAS * scale[k]]
        biased = len(known) == int(np.count_nonzero(used))
        table = np.stack((fids, self.half_fids, self.quarter_fids))
        exact = cancelled(used, lambda j, k: np.array_equal(table[:, j], table[:, k]))
        gap = float(exact @ gaps)
        return HalfSampleRichardson(
            value=float(exact @ (fids - gaps)),
            at_n=float(exact @ fids),
            at_half=float(exact @ self.half_fids),
            at_quarter=float(exact @ self.quarter_fids),
            slope_ratio=max(known, key=lambda ratio: abs(ratio - 2)) if biased else None,
            slope_holds=biased and all(SLOPE_RANGE[0] <= ratio <= SLOPE_RANGE[1] for ratio in known),
            residual_bias=_residual_bias(gap, known) if biased else _above(abs(gap), _NO_BIAS * scale[used != 0].max()),
            influences=(
                exact @ self._real_influences,
                *(w * fake for w, fake in zip(exact, self._fake_influences, strict=True)),
            ),
            splits=self.splits,
        )


def usual_splits(n: int, d: int, sets: int) -> int:
    """Return how many splits take no more than about 15 seconds on two cores: 10, or fewer, but at least 3.

    It follows from the sizes alone, so that a result can be repeated on any machine. The standard error is that of the
    mean over the splits that were made, so it says itself what fewer of them lose: with Inception's features at n = 500
    it is 0.8 % above that of endlessly many with 10 splits and 2.8 % with 3; for a difference of two FIDs 2 % and 7 %.

    `n`: number of images of the largest set. `d`: number of features of an image. `sets`: number K of generated sets.

    Notes
    -----
    A split takes the influences of two halves of each set. Up to d images in a half they cost singular vectors, beyond
    eigenvectors, and a fifth more for the quarters. The block FID costs a quarter of that, and takes as many. Fitted to
    times of OpenBLAS 0.3.31 on an AMD EPYC of 2025 at d = 2048. Beyond d images in a half it takes a third less since
    then, and the numbers of splits have stayed, so that results do.
    """
    half = n / 2
    smaller = min(half, d)
    seconds = (3e-10 if half <= d else 1.6e-10) * smaller**3 + 0.6e-10 * half * smaller * d
    return min(_USUAL_SPLITS, max(_FEWEST_SPLITS, int(_BUDGET_SECONDS / (2.4 * sets * seconds))))


def half_samples(
    sets: Sequence[npt.ArrayLike],
    design: SamplingDesign,
    *,
    axes: ReferenceAxes | None = None,
    splits: int | None = None,
    wholes: Sequence[Moments] | None = None,
    rng: np.random.Generator,
    on_progress: OnProgress = unwatched,
) -> HalfSamples:
    """FIDs, or block FIDs, of all images and of complementary halves and quarters, without replacement.

    Split k cuts all sets by `design.split` with the k-th generator of `rng.spawn(splits)`: whole clusters stay
    together, and so do images that were drawn together. Equal sets of the same block give equal FIDs, to the bit.

    Raises `InputError` if a set cannot be used, is too small or does not fit the axes, or `splits` is below 1.

    Parameters
    ----------
    sets : sequence of array_like, each of shape (n_k, d)
        Features: the real images, then K generated sets.
    design : SamplingDesign
        At least 8 images, or clusters, a block, so that a quarter has a covariance.
    axes : ReferenceAxes, optional
        Along which the block FID is taken, of images that are in none of the sets; without them it is the FID.
    splits : int, optional
        At least 1; by default 10, or fewer where they are costly (see `usual_splits`).
    wholes : sequence of Moments, optional
        Those of the sets, where they are known already; see `moments_of_large_sets`.
    rng : numpy.random.Generator
        Source of the splits.
    """
    values = checked_sets(sets, design)
    require_at_least(1, {"splits": splits})
    if not design.quarters:
        raise InputError(
            "features",
            expected=f"at least 8 {design.unit}, none above a sixth of all, so that a quarter has a covariance",
            found=str(design.clusters),
            fix=f"Give more {design.unit}.",
        )
    same_as = first_equal(values, design)
    fakes = sorted(set(same_as))
    if splits is None:
        splits = usual_splits(max(design.sizes), values[0].shape[1], len(fakes))
    parts = [_parts(design.split(generator, 4)) for generator in rng.spawn(splits)]
    smallest = min(len(rows) for halves, _ in parts for half in halves for rows in half)
    at_once = None if axes is not None or _small(values) else _LARGE_AT_ONCE
    fids = _Fids(values, axes, wholes, smallest=smallest, at_once=at_once)
    # The costliest first, so that no core waits long for the last; with each, how many FIDs it gives.
    jobs: list[tuple[Callable[[], Any], int]] = [
        *((partial(fids.of_halves, k, halves), 2) for halves, _ in parts for k in fakes),
        *((partial(fids.of_all, k), 1) for k in fakes),
        *((partial(fids.of_quarter, k, quarter), 1) for _, quarters in parts for quarter in quarters for k in fakes),
    ]
    last = np.cumsum([count for _, count in jobs]).tolist()

    def progress(job: int, _: int) -> None:
        for step in range(last[job - 1] - jobs[job - 1][1], last[job - 1]):
            on_progress(step + 1, last[-1])

    found = map_in_threads(lambda job: job[0](), jobs, True, progress, at_once=at_once)
    ends = splits * len(fakes), (splits + 1) * len(fakes)
    of_halves, of_all, of_quarters = found[: ends[0]], found[ends[0] : ends[1]], found[ends[1] :]
    whole = dict(zip(fakes, of_all, strict=True))
    halves_of, quarter_fids = {}, {}
    for position, k in enumerate(fakes):
        pairs = zip(parts, of_halves[position :: len(fakes)], strict=True)
        influences = [each for (halves, _), pair in pairs for each in zip(halves, pair, strict=True)]
        halves_of[k] = _mean_of_halves(influences, k, design.sizes)
        quarter_fids[k] = float(np.mean(of_quarters[position :: len(fakes)]))
    half_fids, half_real, half_fake = zip(*(halves_of[k] for k in same_as), strict=True)
    return HalfSamples(
        whole=tuple(whole[k] for k in same_as),
        half_fids=np.array(half_fids),
        quarter_fids=np.array([quarter_fids[k] for k in same_as]),
        half_real=np.array(half_real),
        half_fake=half_fake,
        splits=splits,
    )


class _Fids:
    """FIDs, or block FIDs, of generated sets and of parts of them.

    `smallest`: images of the smallest half of a set. Where these are more than features, FIDs come from moments, which
    those of halves give for the other halves; `wholes`: those of the sets, where they are known already.
    """

    def __init__(
        self,
        values: Sets,
        axes: ReferenceAxes | None,
        wholes: Sequence[Moments] | None,
        *,
        smallest: int,
        at_once: int | None,
    ) -> None:
        self._values: Sets = values
        self._influence_of: Callable[[Any, Any], FidInfluence] = fid_influence
        self._distance_of: Callable[[Any, Any], FrechetDistance] = frechet_distance
        self._wholes: Sequence[Moments] | None = None
        self._parts: PartFids | None = None
        if axes is not None:
            self._values = [axes.coordinates(each) for each in values]
            self._influence_of = partial(influence_in_axes, axes=axes)
            self._distance_of = partial(distance_in_axes, axes=axes)
        elif smallest > values[0].shape[1]:
            self._wholes = wholes or map_in_threads(moments, values, True, at_once=at_once)
        elif max(map(len, values)) <= values[0].shape[1]:
            self._parts = PartFids(values[0], values[1:])

    def of_halves(self, k: int, halves: list[list[Rows]]) -> list[FidInfluence]:
        """Return the FIDs of both halves of set k, with their influences."""
        if self._parts is not None:
            return [self._parts.influence(k - 1, rows[0], rows[k]) for rows in halves]
        first, second = (self._taken(k, rows) for rows in halves)
        if self._wholes is None:
            return [self._influence_of(*first), self._influence_of(*second)]
        of_first = moments(first[0]), moments(first[1])
        of_second = moments_of_rest(self._wholes[0], of_first[0]), moments_of_rest(self._wholes[k], of_first[1])
        return [
            influence_by_eigenvectors(*half, summaries) or fid_influence(*half)
            for half, summaries in ((first, of_first), (second, of_second))
        ]

    def of_all(self, k: int) -> FidInfluence:
        """Return the FID of the whole of set k, with its influences."""
        if self._parts is not None:
            return self._parts.influence(k - 1, np.arange(len(self._values[0])), np.arange(len(self._values[k])))
        found = None
        if self._wholes is not None:
            summaries = self._wholes[0], self._wholes[k]
            found = influence_by_eigenvectors(self._values[0], self._values[k], summaries)
        return found or self._influence_of(self._values[0], self._values[k])

    def of_quarter(self, k: int, rows: list[Rows]) -> float:
        """Return the FID of a quarter of set k."""
        if self._parts is not None:
            return self._parts.value(k - 1, rows[0], rows[k])
        return self._distance_of(*self._taken(k, rows)).value

    def _taken(self, k: int, rows: list[Rows]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Those rows of the real images and of set k."""
        return self._values[0][rows[0]], self._values[k][rows[k]]


def _mean_of_halves(
    halves: Sequence[tuple[list[Rows], FidInfluence]], k: int, sizes: Sequence[int]
) -> tuple[float, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The mean FID of halves of set k, and the influence of each real and of each generated image on it."""
    real, fake = np.zeros(sizes[0]), np.zeros(sizes[k])
    for rows, each in halves:
        # A half is 1/s of the images, so that weight moved onto an image of it counts s-fold in the half.
        real[rows[0]] += each.real * sizes[0] / (len(rows[0]) * len(halves))
        fake[rows[k]] += each.fake * sizes[k] / (len(rows[k]) * len(halves))
    return float(np.mean([each.distance.value for _, each in halves])), real, fake


def _residual_bias(gap: float, ratios: Sequence[float]) -> float | None:
    if gap == 0:  # the sets are equal
        return 0.0
    if min(ratios) < FLAT_SLOPE:
        return None
    low, high = SLOPE_RANGE
    factors = [1 / (ratio - 1) - 1 if ratio < low else abs(ratio - 2) / (3 if ratio <= high else 1) for ratio in ratios]
    return abs(gap) * max(factors)


def _above(value: float, rounding: float) -> float:
    return value if value > rounding else 0.0


def _parts(quarters: list[list[Rows]]) -> tuple[list[list[Rows]], list[list[Rows]]]:
    """The two halves and the four quarters, each as the rows of every set."""
    halves = [
        [np.concatenate(rows) for rows in zip(quarters[2 * half], quarters[2 * half + 1], strict=True)]
        for half in range(2)
    ]
    return halves, quarters


def _small(values: Sets) -> bool:
    """Whether the decompositions are so small that one can run on every core."""
    return bool(min(min(each.shape) for each in values) <= 1024)
