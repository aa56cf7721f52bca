"""FID of two sets of which only the moments are at hand."""

import dataclasses

from p2phd_eval.errors import InputError
from p2phd_eval.evaluation.checks import (
    count_warnings,
    duplicate_warnings,
    few_images_warnings,
    format_warnings,
    mixture_warnings,
    oddity_warnings,
)
from p2phd_eval.evaluation.pairing import require_same_stamps
from p2phd_eval.features.feature_set import FeatureStamp
from p2phd_eval.features.statistics import Statistics
from p2phd_eval.stats.distances.frechet import FrechetDistance, frechet_distance_from_moments


@dataclasses.dataclass(frozen=True, kw_only=True)
class StatisticsFidResult:
    """An FID without a standard error: that takes the features of the single images, which moments do not keep."""

    fid: float  # at this n, squared feature units, >= 0
    n_real: int | None  # number of images; None where the file does not say
    n_fake: int | None
    distance: FrechetDistance
    real_stamp: FeatureStamp | None  # how the features were made; None where the file does not say
    fake_stamp: FeatureStamp | None
    warnings: tuple[str, ...]

    def __repr__(self) -> str:
        counts = f"{self.n_real or 'unknown'} real and {self.n_fake or 'unknown'} generated images"
        return f"StatisticsFidResult: FID {self.fid:.4f}, without a standard error; {counts}"


def fid_from_statistics(real: Statistics, fake: Statistics, *, force: bool = False) -> StatisticsFidResult:
    """Compute the FID of two sets from their means and covariances.

    `force`: compare sets whose stamps say that they were made differently, with a warning. The result warns of all that
    makes the value hard to compare, or that is not known. There is no standard error: that takes the features of the
    single images. Raises `InputError` if the sets differ in the number of features, or, by their stamps, in how they
    were made (unless forced).
    """
    dims, fake_dims = len(real.moments.mean), len(fake.moments.mean)
    if dims != fake_dims:
        raise InputError(
            f"{fake.path}",
            expected=f"{dims} features an image, as {real.path} has",
            found=str(fake_dims),
            fix="Compute both with the same network and layer.",
        )
    warnings = _stamp_warnings(real, fake, force)
    n_real, n_fake = real.moments.n, fake.moments.n
    if n_real is not None and n_fake is not None:
        warnings += count_warnings(n_real, n_fake)
    known = [n for n in (n_real, n_fake) if n is not None]
    if known:
        warnings += few_images_warnings(min(known), dims)
    distance = frechet_distance_from_moments(real.moments, fake.moments)
    if distance.note:
        warnings += (distance.note,)
    return StatisticsFidResult(
        fid=distance.value,
        n_real=n_real,
        n_fake=n_fake,
        distance=distance,
        real_stamp=real.stamp,
        fake_stamp=fake.stamp,
        warnings=warnings,
    )


def _stamp_warnings(real: Statistics, fake: Statistics, force: bool) -> tuple[str, ...]:
    warnings = real.notes + fake.notes
    for side in (real, fake):
        if side.stamp is None:
            warnings += (
                f"{side.path} does not say how it was made: that network, resize and images fit cannot be checked",
            )
        if side.moments.n is None:
            warnings += (f"{side.path} does not say of how many images it is, on which the bias of the FID depends",)
    if real.stamp is not None and fake.stamp is not None:
        named = [("the real images", real.stamp), ("the generated images", fake.stamp)]
        warnings += require_same_stamps(named, force=force) + format_warnings(real.stamp, named[1])
    for name, stamp in (("the real images", real.stamp), ("the generated images", fake.stamp)):
        if stamp is not None:
            warnings += (
                mixture_warnings((name, stamp)) + duplicate_warnings((name, stamp)) + oddity_warnings((name, stamp))
            )
    return warnings
