"""FID-infinity: the FID of infinitely many images, from a line through FIDs of parts of the sets against 1/n."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.stats.design import Rows, SamplingDesign, checked_sets
from p2phd_eval.stats.distances.frechet import distance_of_moments, frechet_distance, trace_sqrt_of_covariances
from p2phd_eval.stats.distances.moments import Moments, moments, moments_of_large_sets, moments_without
from p2phd_eval.stats.threads import map_in_threads

# The authors' smallest part. Far below it, where images are fewer than features, the bias does not fall as c/n yet.
_SMALLEST_PART = 5000

# Parts that are computed at a time: each takes some matrices [d, d], and a copy of up to half of the rows.
_AT_ONCE = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class FidInfinity:
    """Intercept of the line through FIDs of parts of the sets against 1/n."""

    value: float  # estimate of the distributions' FID; may be below 0
    slope: float  # c of the bias c/n, n being the generated images
    sizes: tuple[int, ...]  # generated images of each part
    fids: tuple[float, ...]  # FID of each part


def fid_infinity(
    real: npt.ArrayLike,
    fake: npt.ArrayLike,
    design: SamplingDesign,
    *,
    points: int = 15,
    fid: float | None = None,
    wholes: Sequence[Moments] | None = None,
    rng: np.random.Generator,
    on_progress: OnProgress = unwatched,
) -> FidInfinity:
    """FID-infinity: least squares of FIDs against 1/n, at n = infinity.

    The authors draw 15 parts of evenly spaced sizes from 5,000 to all 50,000 generated images, each without
    replacement and on its own. Here the sizes run likewise from 5,000 to all, but never from below a tenth nor from
    above a half of the set.
    They compare with one fixed real set, whose own bias stays in their result; here each part takes the same share
    of the real images. Part k is the beginning of an order, `design.order`, that the k-th generator of
    `rng.spawn(points)` gives: images that were drawn together stay together, and so do whole clusters.

    Raises `InputError` if a set cannot be used or is too small, sets and design do not fit each other, or `points` is
    below 2.

    Parameters
    ----------
    real : array_like, shape (n_r, d)
        Features of the real images, n_r >= 8.
    fake : array_like, shape (n_g, d)
        Features of the generated images, n_g >= 8.
    design : SamplingDesign
        How the two sets were drawn.
    points : int, optional
        Parts, at least 2.
    fid : float, optional
        FID of all images, which are the last part, where it is known already.
    wholes : sequence of Moments, optional
        Those of both sets, likewise; see `moments_of_large_sets`.
    rng : numpy.random.Generator
        Source of the parts.

    References
    ----------
    Chong and Forsyth (2020), "Effectively unbiased FID and Inception score and where to find them".
    """
    real_values, fake_values = checked_sets([real, fake], design)
    n_real, n_fake = design.sizes
    if min(n_real, n_fake) < 8:
        raise InputError(
            "features",
            expected="at least 8 images on each side",
            found=f"{n_real} and {n_fake}",
            fix="Give more images.",
        )
    if points < 2:
        raise InputError("points", expected="at least 2 points for a line", found=str(points))
    shares = np.linspace(max(0.1, min(0.5, _SMALLEST_PART / n_fake)), 1, points)
    real_sizes, fake_sizes = (np.maximum(np.round(n * shares).astype(int), 2) for n in (n_real, n_fake))
    wholes = wholes or moments_of_large_sets((real_values, fake_values))

    def fid_of_part(job: tuple[int, np.random.Generator]) -> float:
        part, generator = job
        real_rows, fake_rows = design.order(generator)
        cuts = (real_values, real_rows, real_sizes[part]), (fake_values, fake_rows, fake_sizes[part])
        if wholes is None or min(real_sizes[part], fake_sizes[part]) <= real_values.shape[1]:
            return frechet_distance(*(values[rows[:size]] for values, rows, size in cuts)).value
        of_real, of_fake = (_moments_of_part(*cut, whole) for cut, whole in zip(cuts, wholes, strict=True))
        return distance_of_moments(of_real, of_fake, trace_sqrt_of_covariances).value

    # The largest first, so that no core waits long for the last; each on its own generator.
    jobs = list(enumerate(rng.spawn(points)))[::-1]
    known = [] if fid is None else [fid]
    fids = (known + map_in_threads(fid_of_part, jobs[len(known) :], True, on_progress, at_once=_AT_ONCE))[::-1]
    slope, intercept = np.polyfit(1 / fake_sizes, fids, 1)
    return FidInfinity(value=float(intercept), slope=float(slope), sizes=tuple(fake_sizes.tolist()), fids=tuple(fids))


def _moments_of_part(values: npt.NDArray[Any], rows: Rows, size: int, whole: Moments) -> Moments:
    """Moments of the first rows of an order, from themselves or from those that are left out, whichever are fewer."""
    if 2 * size >= len(values):
        return moments_without(whole, values[rows[size:]])
    return moments(values[rows[:size]])
