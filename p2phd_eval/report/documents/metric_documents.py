"""The documents of `fid` and `metrics`, and the parts that other documents have in common with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from msgspec import UNSET, Struct, UnsetType

from p2phd_eval.features.feature_set import FeatureStamp
from p2phd_eval.images.condition_ids import SampleCounts
from p2phd_eval.report.documents.document import Document, finite, from_result
from p2phd_eval.stats.distances.cmmd import ClipDistance
from p2phd_eval.stats.distances.fid_infinity import FidInfinity
from p2phd_eval.stats.distances.frechet import FrechetDistance
from p2phd_eval.stats.distances.neighbours import NeighbourMetrics
from p2phd_eval.stats.errors.intervals import FIDInterval, PopulationEstimate

if TYPE_CHECKING:
    from p2phd_eval.evaluation.fid_of_moments import StatisticsFidResult
    from p2phd_eval.evaluation.fid_of_sets import FidResult
    from p2phd_eval.evaluation.metrics_of_sets import MetricsResult
    from p2phd_eval.evaluation.precision_shifts import PrecisionShift

Pairing = Literal["paired", "conditions", "independent"]


class Population(Struct, frozen=True, kw_only=True):
    """A FID, or a difference of FIDs, of the distributions, with its diagnostics."""

    confidence: float | UnsetType = UNSET  # where one FID is given alone, like the next
    interval: tuple[float, float] | UnsetType | None = UNSET  # None where it is refused
    value: float  # extrapolated
    se: float  # with the bias that may be left
    df: float | None  # None: normal
    sampling_se: float  # without that bias
    at_n: float
    at_half: float
    at_quarter: float | None
    splits: int
    slope_ratio: float | None  # 2 where the bias is c/n
    slope_holds: bool
    residual_bias: float | None  # None where nothing bounds it
    bias_gap: float | None  # how far extrapolation moved the value, in standard errors
    refusal: str  # why it is not to be believed; empty where it is


class Shift(Struct, frozen=True, kw_only=True):
    """What a reduced feature precision did to one FID."""

    name: str
    dtype: str
    n: int
    fid: float
    fid_float32: float
    shift: float


class Stamps(Struct, frozen=True, kw_only=True):
    """How the features of both sets were made; None where it is not known."""

    real: FeatureStamp | None
    fake: FeatureStamp | None


class FidDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/fid"):
    """What `fid` found; from means and covariances alone there is no error."""

    real: str  # as given
    fake: str
    fid: float  # FID@n
    fid_se: float | None  # influence function
    fid_se_bootstrap: float | None
    replicates: int
    population: Population | None
    block_fid: Population | None  # along the reference's principal axes; None without one, or with too few images
    clusters: int | None
    n_real: int | None
    n_fake: int | None
    pairing: Pairing | None
    samples: SampleCounts | None = None  # of the generated images; None where conditions have no seeds
    distance: FrechetDistance
    precision_shifts: tuple[Shift, ...]
    stamp: Stamps
    reference: FeatureStamp | None  # the images whose principal axes the block FID takes
    warnings: tuple[str, ...]


class MetricsDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/metrics"):
    """What `metrics` found."""

    real: str  # as given
    fake: str
    n_real: int
    n_fake: int
    pairing: Pairing
    samples: SampleCounts | None = None  # as in `fid`
    fid: float
    fid_se: float
    distance: FrechetDistance
    population: Population | None
    fid_infinity: FidInfinity
    kid: float
    kid_se: float
    cmmd: ClipDistance | None = None  # None where the features are not CLIP's; a document of before had none
    neighbours: NeighbourMetrics
    precision_shifts: tuple[Shift, ...]
    stamp: Stamps
    warnings: tuple[str, ...]


def fid_document(result: FidResult, real: str, fake: str) -> FidDocument:
    """Return the document of one FID."""
    return from_result(
        FidDocument,
        result,
        real=real,
        fake=fake,
        population=_population_of_one(result.interval),
        block_fid=_population_of_one(result.block_fid),
        precision_shifts=shift_parts(result.precision_shifts),
        stamp=Stamps(real=result.real_stamp, fake=result.fake_stamp),
        reference=result.reference_stamp,
    )


def statistics_document(result: StatisticsFidResult, real: str, fake: str) -> FidDocument:
    """Return the document of one FID that was computed from means and covariances alone, which give no errors."""
    return from_result(
        FidDocument,
        result,
        real=real,
        fake=fake,
        fid_se=None,
        fid_se_bootstrap=None,
        replicates=0,
        population=None,
        block_fid=None,
        clusters=None,
        pairing=None,
        precision_shifts=(),
        stamp=Stamps(real=result.real_stamp, fake=result.fake_stamp),
        reference=None,
    )


def metrics_document(result: MetricsResult, real: str, fake: str) -> MetricsDocument:
    """Return the document of all metrics."""
    return from_result(
        MetricsDocument,
        result.fid,
        real=real,
        fake=fake,
        population=_population_of_one(result.fid.interval),
        fid_infinity=result.fid_infinity,
        kid=result.kid.value,
        kid_se=result.kid.se,
        cmmd=result.cmmd,
        neighbours=result.neighbours,
        precision_shifts=shift_parts(result.precision_shifts),
        stamp=Stamps(real=result.fid.real_stamp, fake=result.fid.fake_stamp),
        warnings=result.warnings,
    )


def shift_parts(shifts: Sequence[PrecisionShift]) -> tuple[Shift, ...]:
    """Return what a reduced feature precision did."""
    return tuple(from_result(Shift, shift) for shift in shifts)


def population_part(population: PopulationEstimate, **head: Any) -> Population:
    """Return an extrapolated FID, or difference of FIDs."""
    richardson = population.richardson
    return from_result(
        Population,
        richardson,
        value=population.value,
        se=population.error.value,
        df=finite(population.error.df),
        sampling_se=population.sampling_error.value,
        bias_gap=finite(population.bias_gap),
        refusal=population.refusal,
        **head,
    )


def _population_of_one(interval: FIDInterval | None) -> Population | None:
    if interval is None:
        return None
    return population_part(interval.population, confidence=interval.confidence, interval=interval.interval)
