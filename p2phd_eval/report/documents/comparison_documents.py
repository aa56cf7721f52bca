"""The document of `compare`, which is also a part of a study's report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from p2phd_eval.features.feature_set import FeatureStamp
from p2phd_eval.images.image_folder import read_manifest
from p2phd_eval.report.documents.document import Document, finite, from_result
from p2phd_eval.report.documents.metric_documents import Population, Shift, population_part, shift_parts
from p2phd_eval.report.wording import verdict_sentence
from p2phd_eval.stats.errors.swaps import SwapTest
from p2phd_eval.stats.verdicts.compared_arms import FIDComparison
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.explanation import Explanation
from p2phd_eval.stats.verdicts.margins import Margin
from p2phd_eval.stats.verdicts.sample_size import UndecidedNeeds
from p2phd_eval.stats.verdicts.scope import Scope

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
    tost_interval: tuple[float, float]  # at 2 confidence - 1
    margin: float | None
    p_difference: float
    p_lower: float | None
    p_upper: float | None
    p_difference_holm: float
    p_equivalence_holm: float | None
    verdict: Verdict
    material: bool
    non_inferior: bool | None
    reason: str


class Kid(Struct, frozen=True, kw_only=True):
    """The difference of KIDs."""

    difference: float
    se: float
    df: float | None  # None: normal
    of_runs: tuple[float, ...]  # KID of each run


class Components(Struct, frozen=True, kw_only=True):
    """What makes the difference uncertain, for `plan`."""

    image_sd: Annotated[float, Meta(ge=0)]  # how far an image's influence spreads: its error times the root of n_images
    n_images: Annotated[int, Meta(ge=2)]
    seed_sd_baseline: Annotated[float, Meta(ge=0)] | None  # over training seeds
    seed_sd_candidate: Annotated[float, Meta(ge=0)] | None
    runs_baseline: Annotated[int, Meta(ge=1)]
    runs_candidate: Annotated[int, Meta(ge=1)]
    image_df: Annotated[float, Meta(gt=0)] | None = None  # None: n_images - 1


class Candidate(Struct, frozen=True, kw_only=True):
    """One candidate against the baseline."""

    name: str
    verdict: Verdict
    sentence: str  # the verdict in words, with scope and reason
    reason: str  # the intervals that it rests on
    statistic: Literal["FID", "KID"]  # KID where FID is refused
    why_kid: str  # why FID is refused; empty where it decides
    test: JudgedDifference
    margin: Margin
    dfid: float  # the difference at n
    dfid_se: float
    dfid_se_bootstrap: float | None
    replicates: int
    population: Population | None  # dFID of the distributions, images random
    kid: Kid
    swap_test: SwapTest | None  # one run an arm alone
    seed_permutation_p: float | None  # scope B alone
    components: Components
    needs: UndecidedNeeds | None  # what would decide an inconclusive result
    runs: tuple[ComparedRun, ...]
    explanation: Explanation | UnsetType = UNSET  # with --explain, and in every report


class CompareDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/compare"):
    """What `compare` found."""

    again: ClassVar[str] = "Compare again: p2phd-eval compare ... --json FILE"

    scope: Scope
    pairing: Literal["triplets", "generated", "independent"]
    n: int  # images of each set that were used
    clusters: int | None
    confidence: float  # how often the two-sided interval holds the truth
    real: str  # as given
    baseline: Baseline
    candidates: tuple[Candidate, ...]
    precision_shifts: tuple[Shift, ...]
    stamp: FeatureStamp  # how features of the real images were made
    warnings: tuple[str, ...]


def comparison_document(
    result: ComparisonResult, real: str, folders: Sequence[Sequence[Path]], *, below: Path | None = None
) -> CompareDocument:
    """Return the document of a comparison.

    Parameters
    ----------
    result : ComparisonResult
    real : str
        What the user called the real images.
    folders : sequence of sequence of Path
        The folders of each arm's runs, the baseline first.
    below : Path, optional
        A folder that all runs are in; their folders are then named relative to it.
    """
    runs = [
        tuple(
            ComparedRun(
                folder=str(folder) if below is None else folder.relative_to(below).as_posix(),
                fid=fid,
                manifest=read_manifest(folder),
                stamp=stamp,
            )
            for folder, fid, stamp in zip(paths, fids, stamps, strict=True)
        )
        for paths, fids, stamps in zip(
            folders,
            (result.baseline_fids, *(candidate.decision.fids for candidate in result.candidates)),
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
            _candidate(candidate, runs[k], result.explanations[k - 1] if result.explanations else UNSET)
            for k, candidate in enumerate(result.candidates, start=1)
        ),
        precision_shifts=shift_parts(result.precision_shifts),
        stamp=result.real_stamp,
    )


def _candidate(
    candidate: FIDComparison, runs: tuple[ComparedRun, ...], explanation: Explanation | UnsetType
) -> Candidate:
    decision, test, kid = candidate.decision, candidate.test, candidate.decision.kid
    return from_result(
        Candidate,
        candidate,
        sentence=verdict_sentence(candidate),
        reason=test.reason,
        statistic=decision.statistic,
        why_kid=decision.why_kid,
        test=from_result(JudgedDifference, test, df=finite(test.df)),
        margin=decision.margin,
        dfid=decision.dfid,
        dfid_se=decision.dfid_error.value,
        population=None if decision.population is None else population_part(decision.population),
        kid=Kid(difference=kid.value, se=kid.standard_error.value, df=finite(kid.standard_error.df), of_runs=kid.kids),
        swap_test=candidate.swap,
        seed_permutation_p=decision.seed_permutation_p,
        components=from_result(Components, decision.components),
        runs=runs,
        explanation=explanation,
    )
