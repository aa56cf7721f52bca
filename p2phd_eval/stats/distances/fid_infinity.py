"""FID-infinity: the FID of infinitely many images, from a line through FIDs of parts of the sets against 1/n."""

import dataclasses

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.stats.design import require_pairs
from p2phd_eval.stats.distances.frechet import frechet_distance
from p2phd_eval.stats.feature_arrays import checked_features, require_equal_dims

# The authors' smallest part. Far below it, where images are fewer than features, the bias does not fall as c/n yet.
_SMALLEST_PART = 5000


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
    *,
    paired: bool,
    points: int = 15,
    rng: np.random.Generator,
    on_progress: OnProgress = unwatched,
) -> FidInfinity:
    """FID-infinity: least squares of FIDs against 1/n, at n = infinity.

    The authors draw 15 parts of evenly spaced sizes from 5,000 to all 50,000 generated images, each without
    replacement and on its own. Here the sizes run likewise from 5,000 to all, but never from below a tenth nor from
    above a half of the set.
    They compare with one fixed real set, whose own bias stays in their result; here each part takes the same share
    of the real images. Part k is the beginning of an order that the k-th generator of `rng.spawn(points)` gives.

    Raises `InputError` if a set cannot be used or is too small, the two do not fit each other, or `points` is below 2.

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

    References
    ----------
    Chong and Forsyth (2020), "Effectively unbiased FID and Inception score and where to find them".
    """
    real_values, fake_values = checked_features(real, "real"), checked_features(fake, "fake")
    require_equal_dims(real_values, fake_values)
    n_real, n_fake = len(real_values), len(fake_values)
    if paired:
        require_pairs(n_real, n_fake)
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
    fids = []
    for done, generator in enumerate(rng.spawn(points), start=1):
        real_rows = generator.permutation(n_real)
        fake_rows = real_rows if paired else generator.permutation(n_fake)
        part = real_values[real_rows[: real_sizes[done - 1]]], fake_values[fake_rows[: fake_sizes[done - 1]]]
        fids.append(frechet_distance(*part).value)
        on_progress(done, points)
    slope, intercept = np.polyfit(1 / fake_sizes, fids, 1)
    return FidInfinity(value=float(intercept), slope=float(slope), sizes=tuple(fake_sizes.tolist()), fids=tuple(fids))
