"""The documents of a blind test under a time limit: what people saved, and their score."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from p2phd_eval.formatting import signed_fixed_text
from p2phd_eval.report.documents.blind_test_documents import RESULTS_VERSION, KeyDocument, Version, percent, share_span
from p2phd_eval.report.documents.document import Document
from p2phd_eval.report.documents.exposure_plan import ExposurePlan, Position
from p2phd_eval.report.wording import VERDICTS
from p2phd_eval.stats.proportions.exposed_choice import ExposureAnalysis, ExposureShare

#: Why a trial has no answer: the page was hidden, or closed, while its pair or the mask was shown.
Drop = Literal["hidden", "closed"]
Microseconds = Annotated[int, Meta(ge=0, le=10**13)]


class Timing(Struct, frozen=True, kw_only=True):
    """How long a pair was really shown, by the browser's account, in microseconds."""

    frame: Microseconds  # of the display, from the animation frames of the fixation cross
    frames: Annotated[int, Meta(ge=0)]  # animation frames while the pair was shown
    shown: Microseconds  # performance.now() in the frame that showed the pair, since the page was opened
    hidden: Microseconds  # the same in the frame that put the mask in its place
    presented: Microseconds  # between the timestamps of the frames that followed these two


class ExposedAnswer(Struct, frozen=True, kw_only=True):
    """One trial or check, in the order in which they were seen."""

    trial: Annotated[int, Meta(ge=0)]  # its number in the key, from 0; checks follow the trials
    exposure: Annotated[int, Meta(ge=1)]  # milliseconds that were asked for
    chosen: Position | None  # None where it was dropped, as in the next three
    side: Literal["left", "right"] | None
    milliseconds: Annotated[int, Meta(ge=0, le=10**10)] | None  # from the mask's end to the answer
    timing: Timing | None
    dropped: Drop | None  # None: it was seen and answered


class ExposureResults(Document, frozen=True, kw_only=True, tag="p2phd-eval/blind-test-exposure-results"):
    """What a page under a time limit saved for one person."""

    again: ClassVar[str] = "Take the file as the page saved it, with the p2phd-eval that made the page."

    schema_version: Version = RESULTS_VERSION
    oldest: ClassVar[int] = RESULTS_VERSION
    page: str
    session: str  # drawn by the browser
    participant: str
    checksum: str
    answers: tuple[ExposedAnswer, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observer:
    """One person: what counts, what is left out, and the attention checks."""

    person: str
    trials: int  # that count
    chosen: int  # of them, with the candidate's image chosen
    left: int  # of them, with the left image chosen
    off: int  # trials that are left out since their time was off
    dropped: int  # trials without an answer: the page was hidden or closed
    checks: int  # attention checks that were seen as planned
    right: int  # of them answered rightly
    needed: int | None  # how many had to be right; None where too few were seen, or none were planned
    passed: bool
    frame: float | None  # milliseconds, of the display: the median over trials
    seconds: float | None  # median of an answer that counts


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExposureTiming:
    """How long pairs of one exposure were shown, of all people."""

    exposure: int  # milliseconds
    trials: int  # that were shown to their end
    off: int  # of them left out
    dropped: int  # not shown to their end, or not answered
    median: float | None  # milliseconds presented, of those that count; None where none do
    farthest: float | None  # the largest deviation of these from the exposure


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExposedResponse:
    """One answer of one person to a trial or a check, as it counts."""

    person: str
    image: str  # id of the label map
    check: bool  # whether it was an attention check
    exposure: int  # milliseconds that were asked for
    presented: float | None  # milliseconds, by the frames' timestamps; None where it was dropped
    frame: float | None  # milliseconds, of the display; likewise
    #: Why it is left out, or None: "off", its time; "hidden" or "closed", the page.
    left_out: Literal["off", "hidden", "closed"] | None
    agrees: bool | None  # whether the candidate's image was chosen, of a check the one in order; None without answer
    left: bool | None  # whether the chosen image was the left one
    seconds: float | None  # from the mask's end to the answer


class ExposureScoreDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/blind-test-exposure"):
    """The score under a time limit, with every answer."""

    page: str  # as in the key, like the next three
    baseline: str
    candidate: str
    plan: ExposurePlan
    people: tuple[Observer, ...]
    timing: tuple[ExposureTiming, ...]
    analysis: ExposureAnalysis  # of the people who passed the attention checks: the main result
    everyone: ExposureAnalysis  # of all people
    sentences: tuple[str, ...]
    remarks: tuple[str, ...]
    responses: tuple[ExposedResponse, ...]


def exposure_score_document(
    key: KeyDocument,
    plan: ExposurePlan,
    *,
    people: tuple[Observer, ...],
    timing: tuple[ExposureTiming, ...],
    analysis: ExposureAnalysis,
    everyone: ExposureAnalysis,
    responses: tuple[ExposedResponse, ...],
) -> ExposureScoreDocument:
    """Return the document of a score under a time limit, with every answer."""
    return ExposureScoreDocument(
        page=key.page,
        baseline=key.baseline.images,
        candidate=key.candidate.images,
        plan=plan,
        people=people,
        timing=timing,
        analysis=analysis,
        everyone=everyone,
        sentences=exposure_sentences(analysis, everyone),
        remarks=exposure_remarks(people, timing, plan),
        responses=responses,
    )


def exposure_sentences(analysis: ExposureAnalysis, everyone: ExposureAnalysis) -> tuple[str, ...]:
    """Return the answers in numbers: overall with the verdicts, over time, and with those who failed the checks."""
    overall, trend = analysis.overall, analysis.trend
    told = [f"Over all exposures {_chosen(overall)}: {_verdicts(overall)}."]
    if trend is not None:
        claim = trend.population or trend.asked
        whom = "people and images like these" if trend.population else "these people and images"
        change, low, high = (signed_fixed_text(100 * each, 1) for each in (trend.per_doubling, *claim.interval))
        clear = "changes" if claim.p < 1 - analysis.confidence else "does not change detectably"
        told.append(
            f"With the time it {clear}: by {change} points a doubling, of {whom} ({low} to {high}, p {claim.p:.2g})."
        )
    if everyone.overall.trials != overall.trials:
        told.append(f"With those who failed the attention checks {_chosen(everyone.overall)}.")
    return tuple(told)


def exposure_remarks(
    people: Sequence[Observer], timing: Sequence[ExposureTiming], plan: ExposurePlan
) -> tuple[str, ...]:
    """Return what is left out by which rule, and how verdicts are adjusted."""
    failed = [each for each in people if not each.passed]
    off, dropped = sum(each.off for each in timing), sum(each.dropped for each in timing)
    shown = sum(each.trials for each in timing)
    remarks = [
        f"{off} of {shown} trials are left out since they were shown for another time: more than {plan.tolerance} ms "
        "from the whole number of the display's frames that is nearest to the exposure, or that number from the "
        "exposure.",
        "Verdicts are from p-values adjusted for all exposures and the overall share together (Holm, half of the "
        "weight on the overall share); intervals are each its own.",
    ]
    if dropped:
        remarks.append(f"{dropped} more have no answer: the page was hidden or closed while the pair was shown.")
    if plan.checks:
        rule = plan.fewest_right(plan.checks)
        remarks.append(
            f"{len(people) - len(failed)} of {len(people)} people passed the attention checks, {rule} right of "
            f"{plan.checks} as settled with the page"
            + (f"; left out: {', '.join(each.person for each in failed)}." if failed else ".")
        )
    return tuple(remarks)


def _chosen(part: ExposureShare) -> str:
    return f"the candidate's image was chosen in {part.chosen} of {part.trials} trials ({percent(part.share or 0)} %)"


def _verdicts(part: ExposureShare) -> str:
    told = []
    for name, claim in (("these people and images", part.asked), ("people and images like these", part.population)):
        if claim is None:
            told.append(f"{name}, no verdict from fewer than five of either")
        else:
            told.append(f"{name}, {VERDICTS[claim.verdict].of_people} ({share_span(claim.interval)})")
    return "; ".join(told)
