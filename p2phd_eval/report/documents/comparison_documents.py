"""The document of `compare`, which is also a part of a study's report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from p2phd_eval.features.feature_set import FeatureStamp
from p2phd_eval.images.condition_ids import SampleCounts
from p2phd_eval.images.image_folder import read_manifest
from p2phd_eval.report.documents.document import Document, finite, from_result
from p2phd_eval.report.documents.metric_documents import Population, Shift, population_part, shift_parts
from p2phd_eval.report.wording import companion_sentence, verdict_sentence
from p2phd_eval.stats.confidence import t_interval
from p2phd_eval.stats.distances.real_scale import RealScale
from p2phd_eval.stats.errors.swaps import SwapTest
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.companion import Companion
from p2phd_eval.stats.verdicts.compared_arms import FIDComparison
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.explanation import Explanation
from p2phd_eval.stats.verdicts.margins import Margin
from p2phd_eval.stats.verdicts.measured_difference import MeasuredDifference
from p2phd_eval.stats.verdicts.sample_size import UndecidedNeeds
from p2phd_eval.stats.verdicts.scope import Scope
from p2phd_eval.stores.store_path import AnyPath

if TYPE_CHECKING:
    from p2phd_eval.evaluation.comparison import ComparisonResult


class ComparedRun(Struct, frozen=True, kw_only=True):
    """One training run of an arm."""

    folder: str
    fid: float  # FID@n
    manifest: dict[str, Any] | None  # what lies beside the images; None where there is none
    stamp: FeatureStamp


class Baseline(Struct, frozen=True, kw_only=True):
    """What candidates are compared with."""

    name: str
    runs: tuple[ComparedRun, ...]


class JudgedDifference(Struct, frozen=True, kw_only=True):
    """The difference that was judged, in units of the statistic; positive where the candidate is worse."""

    estimate: float
    standard_error: float
    df: float | None  # None: normal
    confidence: float
    interval: tuple[float, float]  # two-sided, at `confidence`
    tost_interval: tuple[float, float]  # at 2 confidence - 1, wider by what is not known of a margin that is guessed
    margin: float | None
    p_difference: float
    p_lower: float | None
    p_upper: float | None
    p_difference_holm: float
    p_equivalence_holm: float | None
    p_upper_holm: float | None = None  # of non-inferiority
    verdict: Verdict
    material: bool
    non_inferior: bool | None
    reason: str


class MeasuredPart(Struct, frozen=True, kw_only=True):
    """What was measured of one estimand; differences are positive where the candidate is worse."""

    estimand: Estimand
    baseline_runs: tuple[float, ...]  # the value of each run
    runs: tuple[float, ...]
    estimate: float  # difference of the means over the runs
    image_se: float  # the models held fixed
    se: float  # in the comparison's scope; with the bias that extrapolation may have left
    df: float | None  # None: normal
    interval: tuple[float, float] | None  # of the difference, at the document's confidence; None where it is refused
    refusal: str  # why the estimate is not to be believed; empty where it is
    population: Population | None  # how it was extrapolated; None where it was not


class CompanionPart(Struct, frozen=True, kw_only=True):
    """What stands beside the verdict, and can make it more careful."""

    estimand: Estimand
    estimate: float
    interval: tuple[float, float]
    margin: float | None  # its own share of the margin
    verdict: Verdict  # on it, by itself
    before: Verdict  # on what is judged, by itself
    objects: bool  # whether it made the verdict more careful
    sentence: str


class Components(Struct, frozen=True, kw_only=True):
    """What makes the difference uncertain, for `plan`."""

    image_sd: Annotated[float, Meta(ge=0)]  # how far an image's influence spreads: its error times the root of n_images
    n_images: Annotated[int, Meta(ge=2)]
    seed_sd_baseline: Annotated[float, Meta(ge=0)] | None  # over training seeds, image noise taken out
    seed_sd_candidate: Annotated[float, Meta(ge=0)] | None
    runs_baseline: Annotated[int, Meta(ge=1)]
    runs_candidate: Annotated[int, Meta(ge=1)]
    image_df: Annotated[float, Meta(gt=0)] | None = None  # None: n_images - 1
    noise_sd_baseline: Annotated[float, Meta(ge=0)] | None = None  # how far an image's pull on one run alone spreads
    noise_sd_candidate: Annotated[float, Meta(ge=0)] | None = None


class Candidate(Struct, frozen=True, kw_only=True):
    """One candidate against the baseline."""

    name: str
    judged: Estimand  # what the verdict is about, chosen before looking
    verdict: Verdict  # with the companion heard
    sentence: str  # the verdict in words, with scope, reason and companion
    reason: str  # the intervals that it rests on, or why nothing was judged
    refusal: str  # why nothing was judged, and what it would take; empty where it was
    test: JudgedDifference | None  # None where nothing was judged
    non_inferior: bool | None  # not worse by more than the margin, nor contradicted by the companion; None without one
    margin: Margin
    companion: CompanionPart | None
    measured: tuple[MeasuredPart, ...]  # FID@n first
    not_measured: dict[str, str]  # other estimands, and why not
    dfid: float  # the difference of FID@n
    dfid_se: float  # the models held fixed
    dfid_se_bootstrap: float | None  # the same, the check of it
    replicates: int
    swap_test: SwapTest | None  # one run an arm alone
    seed_permutation_p: float | None  # scope B alone
    components: Components | None  # None where what was to be judged could not be measured
    needs: UndecidedNeeds | None  # what would decide an inconclusive result
    runs: tuple[ComparedRun, ...]
    explanation: Explanation | UnsetType = UNSET  # with --explain, and in every report


class CompareDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/compare"):
    """What `compare` found."""

    again: ClassVar[str] = "Compare again: p2phd-eval compare ... --json FILE"
    oldest: ClassVar[int] = 3  # until then KID could decide in place of the FID

    scope: Scope
    pairing: Literal["triplets", "conditions", "generated", "independent"]
    #: Of a generated set, as used; None where conditions have no seeds. Versions that knew none did not write it.
    samples: SampleCounts | UnsetType | None = UNSET
    n: int  # images of each set that were used
    clusters: int | None
    confidence: float  # how often the two-sided interval holds the truth
    real: str  # as given
    real_scale: RealScale | None  # what FIDs the real images give by themselves; None where they are too few
    baseline: Baseline
    reference: FeatureStamp | None  # the images whose principal axes the block FID takes
    kernel_scale: float  # of the rational quadratic kernels: the mean squared distance of two real images
    candidates: tuple[Candidate, ...]
    precision_shifts: tuple[Shift, ...]
    stamp: FeatureStamp  # how features of the real images were made
    warnings: tuple[str, ...]


def comparison_document(
    result: ComparisonResult, real: str, folders: Sequence[Sequence[AnyPath]], *, below: Path | None = None
) -> CompareDocument:
    """Return the document of a comparison.

    Parameters
    ----------
    result : ComparisonResult
    real : str
        What the user called the real images.
    folders : sequence of sequence of Path or StorePath
        The folders of each arm's runs, the baseline first.
    below : Path, optional
        A folder that all runs are in; their folders are then named relative to it.
    """
    runs = [
        tuple(
            ComparedRun(
                folder=folder.relative_to(below).as_posix()
                if below is not None and isinstance(folder, Path) and folder.is_relative_to(below)
                else str(folder),
                fid=fid,
                manifest=read_manifest(folder),
                stamp=stamp,
            )
            for folder, fid, stamp in zip(paths, fids, stamps, strict=True)
        )
        for paths, fids, stamps in zip(
            folders,
            (result.baseline_fids, *(candidate.at_n.runs for candidate in result.candidates)),
            result.stamps,
            strict=True,
        )
    ]
    return from_result(
        CompareDocument,
        result,
        real=real,
        baseline=Baseline(name=result.baseline_name, runs=runs[0]),
        candidates=tuple(
            _candidate(
                candidate, runs[k], result.confidence, result.explanations[k - 1] if result.explanations else UNSET
            )
            for k, candidate in enumerate(result.candidates, start=1)
        ),
        reference=result.reference_stamp,
        precision_shifts=shift_parts(result.precision_shifts),
        stamp=result.real_stamp,
    )


def _candidate(
    candidate: FIDComparison, runs: tuple[ComparedRun, ...], confidence: float, explanation: Explanation | UnsetType
) -> Candidate:
    test, at_n = candidate.test, candidate.at_n
    judged = candidate.difference(candidate.judged)
    return from_result(
        Candidate,
        candidate,
        sentence=verdict_sentence(candidate),
        reason=candidate.refusal if test is None else test.reason,
        test=None if test is None else from_result(JudgedDifference, test, df=finite(test.df)),
        companion=None if candidate.companion is None else _companion(candidate.companion, candidate, confidence),
        measured=tuple(_measured(each, confidence) for each in candidate.measured),
        not_measured={estimand.value: why for estimand, why in candidate.not_measured.items()},
        dfid=at_n.estimate,
        dfid_se=at_n.images.value,
        swap_test=candidate.swap,
        components=None if judged is None else from_result(Components, judged.components),
        runs=runs,
        explanation=explanation,
    )


def _measured(difference: MeasuredDifference, confidence: float) -> MeasuredPart:
    return from_result(
        MeasuredPart,
        difference,
        image_se=difference.images.value,
        se=difference.error.value,
        df=finite(difference.error.df),
        interval=None if difference.refusal else t_interval(difference.estimate, difference.error, confidence),
        population=None if difference.population is None else population_part(difference.population),
    )


def _companion(companion: Companion, candidate: FIDComparison, confidence: float) -> CompanionPart:
    return from_result(
        CompanionPart,
        companion.test,
        estimand=companion.estimand,
        interval=companion.interval(confidence),
        before=companion.before,
        objects=companion.objects,
        sentence=companion_sentence(companion, candidate.judged, candidate.n),
    )
