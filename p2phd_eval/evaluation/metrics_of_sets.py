"""What one set of features tells about generated images beyond their FID."""

import dataclasses
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import numpy.typing as npt

from p2phd_eval.evaluation.fid_of_sets import FidResult, evaluate_fid
from p2phd_eval.evaluation.pairing import named_as_samples, sorted_by_id
from p2phd_eval.evaluation.precision_shifts import PrecisionShift
from p2phd_eval.features.feature_set import FeatureSet
from p2phd_eval.features.identity import is_clip
from p2phd_eval.formatting import fixed_text
from p2phd_eval.progress import OnProgress, part_of, unwatched
from p2phd_eval.stats.distances.cmmd import ClipDistance, cmmd
from p2phd_eval.stats.distances.fid_infinity import FidInfinity, fid_infinity
from p2phd_eval.stats.distances.kernel import KernelDistance
from p2phd_eval.stats.distances.moments import moments_of_large_sets
from p2phd_eval.stats.distances.neighbours import NeighbourMetrics
from p2phd_eval.stats.distances.one_pass import kernel_distance_and_neighbours
from p2phd_eval.stats.distances.products import Multiply, multiply_on_cpu
from p2phd_eval.stats.errors.kernel_contrast import kernel_measurements
from p2phd_eval.stats.estimands import Estimand

Values = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, kw_only=True)
class MetricsResult:
    """All metrics of one real and one generated set, from the same features."""

    fid: FidResult  # FID@n and its interval, without bootstrap
    kid: KernelDistance
    cmmd: ClipDistance | None  # None where the features are not CLIP's
    fid_infinity: FidInfinity
    neighbours: NeighbourMetrics
    warnings: tuple[str, ...]  # those of the FID
    precision_shifts: tuple[PrecisionShift, ...] = ()  # what a reduced feature precision did; none where it is float32

    def __repr__(self) -> str:
        near = self.neighbours
        own = "" if self.cmmd is None else f"; CMMD {fixed_text(self.cmmd.value, 4)}, standard error {self.cmmd.se:.3g}"
        return (
            f"MetricsResult: {self.fid!r}\n"
            f"KID {fixed_text(self.kid.value, 6)}, standard error {self.kid.se:.3g}; "
            f"FID-infinity {fixed_text(self.fid_infinity.value, 4)}{own}\n"
            f"precision {near.precision:.4f}, recall {near.recall:.4f}, density {near.density:.4f}, coverage "
            f"{near.coverage:.4f}"
        )


def evaluate_metrics(
    real: FeatureSet,
    fake: FeatureSet,
    *,
    seed: int = 0,
    force: bool = False,
    multiply: Multiply = multiply_on_cpu,
    on_progress: OnProgress = unwatched,
) -> MetricsResult:
    """FID with its interval, KID, FID-infinity, precision, recall, density and coverage; of CLIP's features CMMD too.

    Images are paired by id, or drawn together by condition, as in `evaluate_fid`. The order of the images does not
    matter.

    Parameters
    ----------
    real, fake : FeatureSet
        Made with the same network, resize and dtype; at least 8 images each.
    seed : int
        Draws the half samples of the FID's interval and the parts of FID-infinity.
    force : bool
        Compare sets that were made differently, with a warning.
    multiply : callable, optional
        What multiplies features in float32; see `p2phd_eval.features.device_products` for a GPU.
    on_progress : callable, optional
        Called with (done, 100): per cent, half of them for the FID, 40 for FID-infinity and 10 for the KID and the
        metrics of neighbours, as they take with many images.

    Returns
    -------
    MetricsResult

    Raises
    ------
    InputError
        As `evaluate_fid`, and if a set holds fewer than 8 images.
    """

    def halves(description: str, unit: str) -> AbstractContextManager[OnProgress]:
        return nullcontext(part_of(on_progress, 0, 50, 100))

    # Once: sets that are in order are not copied again.
    real, fake = sorted_by_id(named_as_samples(real, fake.ids)), sorted_by_id(fake)
    values = real.values, fake.values
    wholes = moments_of_large_sets(values)
    fid = evaluate_fid(real, fake, replicates=0, seed=seed, force=force, wholes=wholes, progress=halves)
    rng, progress = np.random.default_rng(seed), part_of(on_progress, 50, 40, 100)
    infinity = fid_infinity(*values, fid.design, fid=fid.fid, wholes=wholes, rng=rng, on_progress=progress)
    # Pairs have the same ids, so that this order is theirs in both sets.
    paired, progress = fid.pairing == "paired", part_of(on_progress, 90, 10, 100)
    kid, neighbours = kernel_distance_and_neighbours(*values, paired=paired, multiply=multiply, on_progress=progress)
    own = _cmmd(fid, values, multiply) if is_clip(real.stamp.weights) else None
    return MetricsResult(
        fid=fid,
        kid=_kid(kid, fid, values),
        cmmd=own,
        fid_infinity=infinity,
        neighbours=neighbours,
        warnings=fid.warnings,
    )


def _kid(kid: KernelDistance, fid: FidResult, values: tuple[Values, Values]) -> KernelDistance:
    """The KID of pairs or of independent sets, or of what was drawn in clusters."""
    if not _draws_several(fid):
        return kid
    # Two samples of a condition are alike, and so are a sample and its photo: their products would bias the KID.
    found = kernel_measurements(values, fid.design)[Estimand.KID]
    se = found.standard_error((1.0,), fid.design).value
    return dataclasses.replace(kid, value=found.values[0], se=se, pairing=fid.pairing)


def _cmmd(fid: FidResult, values: tuple[Values, Values], multiply: Multiply) -> ClipDistance:
    distance = cmmd(*values, paired=fid.pairing == "paired", multiply=multiply)
    if not _draws_several(fid):
        return distance
    # Likewise; the authors' own number, over all pairs, stays what it is.
    found = kernel_measurements(values, fid.design, clip=True)[Estimand.CMMD]
    return dataclasses.replace(distance, value=found.values[0], se=found.standard_error((1.0,), fid.design).value)


def _draws_several(fid: FidResult) -> bool:
    """Whether some draw has several images of a set."""
    return fid.pairing == "conditions" or fid.design.clustered
