"""The FID of infinitely many images, extrapolated from the FIDs of parts of the sets.

The FID of n images is biased upward by about c/n, where c depends on the generator, so a fixed n does not cancel it
(Bińkowski et al. 2018, appendix D.2). Both sets are finite here, so both shrink together: the bias of a part with
the share f of both is then c/(f n), whatever the sizes of the two sets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from p2phd_eval.errors import InputError
from p2phd_eval.stats.bootstrap import ResampledFid
from p2phd_eval.stats.frechet import frechet_distance, frechet_distance_from_moments
from p2phd_eval.stats.moments import checked_features, merge_moments, moments, require_equal_dims

Progress = Callable[[int, int], None]
Rows = npt.NDArray[np.int64]

SLOPE_RANGE = (1.7, 2.3)  # of the slope ratio within which the bias is taken to be c/n, where it is 2

# The authors' smallest part. Far below it, where images are fewer than features, the bias does not fall as c/n yet.
_SMALLEST_PART = 5000

# A bias below this share of the covariances' traces is rounding.
_NO_BIAS = 1e-10


@dataclasses.dataclass(frozen=True, kw_only=True)
class HalfSampleRichardson:
    """2 F_n - F_{n/2}: the FID of all images minus the bias that the halves show."""

    value: float  # estimate of the distributions' FID; may be below 0
    fid: float  # F_n, of all images
    fid_half: float  # F_{n/2}, mean over both halves of all splits
    fid_quarter: float  # F_{n/4}, mean over the four quarters of all splits
    slope_ratio: float | None  # (F_{n/4} - F_{n/2}) / (F_{n/2} - F_n); None where the halves show no bias
    slope_holds: bool  # whether the ratio lies in SLOPE_RANGE, so that the extrapolation may be believed
    splits: int
    evaluations: int  # FIDs computed


@dataclasses.dataclass(frozen=True, kw_only=True)
class FidInfinity:
    """Intercept of the line through FIDs of parts of the sets against 1/n."""

    value: float  # estimate of the distributions' FID; may be below 0
    slope: float  # c of the bias c/n, n being the generated images
    sizes: tuple[int, ...]  # generated images of each part
    fids: tuple[float, ...]  # FID of each part


def half_sample_richardson(
    real: npt.ArrayLike,
    fake: npt.ArrayLike,
    *,
    paired: bool,
    splits: int = 10,
    rng: np.random.Generator,
    on_progress: Progress | None = None,
) -> HalfSampleRichardson:
    """Richardson extrapolation of the FID from complementary halves, without replacement.

    Split k orders the images by the k-th generator g of `rng.spawn(splits)`: the real ones by `g.permutation(n_r)`,
    then, unless paired, the generated ones by `g.permutation(n_g)`. It halves each order, and each half again.

    Parameters
    ----------
    real : array_like, shape (n_r, d)
        Features of the real images, n_r >= 8, so that a quarter has a covariance.
    fake : array_like, shape (n_g, d)
        Features of the generated images, n_g >= 8.
    paired : bool
        Whether real image i and generated image i share a label map and stay together (n_r = n_g).
    splits : int, optional
        At least 1.
    rng : numpy.random.Generator
        Source of the splits.
    on_progress : callable, optional
        Called with (splits done, splits).

    Returns
    -------
    HalfSampleRichardson

    Raises
    ------
    InputError
        If a set cannot be used or is too small, the two do not fit each other, or `splits` is below 1.

    Notes
    -----
    A split costs six FIDs. Up to n = d they come from one cross-Gram matrix; beyond n = 4 d the moments of the
    quarters, merged, are those of the halves. It is the first step of Richardson's "deferred approach to the
    limit" (1927).
    """
    sets = _SubsetFid(real, fake, paired=paired)
    if splits < 1:
        raise InputError("splits", expected="at least 1 half split", found=str(splits))
    halves, quarters = [], []
    with sets.threads():
        whole = frechet_distance(sets.real, sets.fake)
        for done, generator in enumerate(rng.spawn(splits), start=1):
            half, quarter = sets.split(*sets.orders(generator))
            halves += half
            quarters += quarter
            if on_progress is not None:
                on_progress(done, splits)
    fid_half, fid_quarter = float(np.mean(halves)), float(np.mean(quarters))
    bias = fid_half - whole.value
    ratio = (fid_quarter - fid_half) / bias if bias > _NO_BIAS * (whole.trace_real + whole.trace_fake) else None
    return HalfSampleRichardson(
        value=2 * whole.value - fid_half,
        fid=whole.value,
        fid_half=fid_half,
        fid_quarter=fid_quarter,
        slope_ratio=ratio,
        slope_holds=ratio is not None and SLOPE_RANGE[0] <= ratio <= SLOPE_RANGE[1],
        splits=splits,
        evaluations=1 + len(halves) + len(quarters),
    )


def fid_infinity(
    real: npt.ArrayLike,
    fake: npt.ArrayLike,
    *,
    paired: bool,
    points: int = 15,
    rng: np.random.Generator,
    on_progress: Progress | None = None,
) -> FidInfinity:
    """FID-infinity: least squares of FIDs against 1/n, at n = infinity.

    The authors draw 15 parts of evenly spaced sizes from 5,000 to all 50,000 generated images, each without
    replacement and on its own. Here the sizes run likewise from 5,000 to all, but never from below a tenth nor from
    above a half of the set.
    They compare with one fixed real set, whose own bias stays in their result; here each part takes the same share
    of the real images. Part k is the beginning of an order that the k-th generator of `rng.spawn(points)` gives, as
    in `half_sample_richardson`.

    Parameters
    ----------
    real : array_like, shape (n_r, d)
        Features of the real images, n_r >= 8.
    fake : array_like, shape (n_g, d)
        Features of the generated images, n_g >= 8.
    paired : bool
        Whether real image i and generated image i share a label map and stay together (n_r = n_g).
    points : int, optional
        Parts, at least 2.
    rng : numpy.random.Generator
        Source of the parts.
    on_progress : callable, optional
        Called with (points done, points).

    Returns
    -------
    FidInfinity

    Raises
    ------
    InputError
        If a set cannot be used or is too small, the two do not fit each other, or `points` is below 2.

    References
    ----------
    Chong and Forsyth (2020), "Effectively unbiased FID and Inception score and where to find them".
    """
    sets = _SubsetFid(real, fake, paired=paired)
    if points < 2:
        raise InputError("points", expected="at least 2 points for a line", found=str(points))
    shares = np.linspace(max(0.1, min(0.5, _SMALLEST_PART / sets.n_fake)), 1, points)
    real_sizes, fake_sizes = (np.maximum(np.round(n * shares).astype(int), 2) for n in (sets.n_real, sets.n_fake))
    fids = []
    with sets.threads():
        for done, generator in enumerate(rng.spawn(points), start=1):
            real_order, fake_order = sets.orders(generator)
            fids.append(sets.at(real_order[: real_sizes[done - 1]], fake_order[: fake_sizes[done - 1]]))
            if on_progress is not None:
                on_progress(done, points)
    slope, intercept = np.polyfit(1 / fake_sizes, fids, 1)
    return FidInfinity(value=float(intercept), slope=float(slope), sizes=tuple(fake_sizes.tolist()), fids=tuple(fids))


class _SubsetFid:
    """FIDs of parts of two sets."""

    def __init__(self, real: npt.ArrayLike, fake: npt.ArrayLike, *, paired: bool) -> None:
        self.real, self.fake = checked_features(real, "real"), checked_features(fake, "fake")
        require_equal_dims(self.real, self.fake)
        self._paired = paired
        self.n_real, self._d = self.real.shape
        self.n_fake = len(self.fake)
        self._require_sizes()
        # Above n = d the [d, d] covariances of a part are smaller than its part of the cross-Gram matrix.
        self._grams: ResampledFid | None = None
        if max(self.n_real, self.n_fake) <= self._d:
            self._grams = ResampledFid(
                np.asarray(self.real, dtype=np.float64), [np.asarray(self.fake, dtype=np.float64)]
            )

    def threads(self) -> threadpool_limits:
        """BLAS threads for the work at hand: many small decompositions gain nothing from more than one."""
        return threadpool_limits(1 if self._grams is not None else None, user_api="blas")

    def orders(self, generator: np.random.Generator) -> tuple[Rows, Rows]:
        """A random order of the real images, and one of the generated ones; the same for pairs."""
        real = generator.permutation(self.n_real)
        return real, real if self._paired else generator.permutation(self.n_fake)

    def at(self, real: Rows, fake: Rows) -> float:
        """FID of some images, each at most once."""
        if self._grams is None:
            return frechet_distance(self.real[real], self.fake[fake]).value
        counts = np.bincount(real, minlength=self.n_real), np.bincount(fake, minlength=self.n_fake)
        return self._grams.at(*counts)[0]

    def split(self, real: Rows, fake: Rows) -> tuple[list[float], list[float]]:
        """FIDs of the two halves and of the four quarters of an order."""
        halves, quarters = [], []
        for half in zip(np.array_split(real, 2), np.array_split(fake, 2), strict=True):
            parts = list(zip(*(np.array_split(rows, 2) for rows in half), strict=True))
            if min(len(rows) for part in parts for rows in part) > self._d:
                value, values = self._from_moments(parts)
                halves.append(value)
                quarters += values
            else:
                halves.append(self.at(*half))
                quarters += [self.at(*part) for part in parts]
        return halves, quarters

    def _from_moments(self, quarters: Sequence[tuple[Rows, Rows]]) -> tuple[float, list[float]]:
        # One pass over the images: the moments of a half are those of its quarters, merged.
        reals = [moments(self.real[rows]) for rows, _ in quarters]
        fakes = [moments(self.fake[rows]) for _, rows in quarters]
        half = frechet_distance_from_moments(merge_moments(*reals), merge_moments(*fakes))
        values = [frechet_distance_from_moments(real, fake).value for real, fake in zip(reals, fakes, strict=True)]
        return half.value, values

    def _require_sizes(self) -> None:
        for name, n in (("real", self.n_real), ("fake", self.n_fake)):
            if n < 8:
                raise InputError(
                    f"{name} features",
                    expected="at least 8 images, so that a quarter of them has a covariance",
                    found=str(n),
                    fix="Give more images.",
                )
        if self._paired and self.n_real != self.n_fake:
            raise InputError(
                "paired sets",
                expected="the same number of images, row i of each from one label map",
                found=f"{self.n_real} and {self.n_fake}",
            )
