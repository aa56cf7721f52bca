"""The documents of a blind test: the page, its key, what people saved, and their score."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from p2phd_eval.report.documents.document import Document, from_result
from p2phd_eval.report.documents.exposure_plan import ExposureOfKey, ExposurePlan, Position
from p2phd_eval.report.wording import VERDICTS
from p2phd_eval.stats.proportions.binomial import binomial_p, half_width, trials_for_equivalence, trials_for_precision
from p2phd_eval.stats.proportions.forced_choice import (
    FEWEST_OF_A_POPULATION,
    ForcedChoiceScore,
    PersonScore,
    Response,
    ShareClaim,
)
from p2phd_eval.stores.store_path import AnyPath

POWER = 0.8  # wished for, where trials to show "within" are counted
RESULTS_VERSION = 1  # the version of what a page saves, and of its key
_ODD = 0.01  # p-value from which on a habit of a person is named

Version = Annotated[int, Meta(ge=RESULTS_VERSION, le=RESULTS_VERSION)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialsNeeded:
    """Numbers of trials, of all people together, that a wish asks for."""

    precision: float  # wished half width of the exact interval
    confidence: float
    for_precision: int
    margin: float
    for_within: int  # that show a share within 0.5 ± margin with a power of 80 %, where it is 0.5


class PageDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/blind-test-page"):
    """A page that was made."""

    file: str
    key: str
    page: str  # its identity
    trials: int
    images: int  # that all folders have
    half_width: float  # how far one person's interval reaches, at most
    needed: TrialsNeeded
    warnings: tuple[str, ...]
    plan: ExposurePlan | None = None  # times, rules and checks under a time limit


class ScoreDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/blind-test"):
    """The score of all people, with every answer."""

    page: str  # as in the key, like the next three
    baseline: str
    candidate: str
    reference: str | None
    people: tuple[PersonScore, ...]
    images: int
    trials: int
    chosen: int
    share: float
    margin: float
    confidence: float
    asked: ShareClaim  # on these people and images
    population: ShareClaim | None  # on people and images like these; None with fewer than five of either
    p_people_differ: float | None
    sentence: str
    remarks: tuple[str, ...]
    needed: TrialsNeeded
    responses: tuple[Response, ...]


class ImagesOfKey(Struct, frozen=True, kw_only=True):
    """One of the folders that a page was made from."""

    images: str  # the folder, as given
    manifest: dict[str, Any] | None  # what lies beside the images; None where there is none


class TrialOfKey(Struct, frozen=True, kw_only=True):
    """One pair."""

    id: str  # the label map's id
    candidate: Position  # where its image stands


class KeyDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/blind-test-key"):
    """What is needed to score the answers to a page."""

    again: ClassVar[str] = "Take the key that was written beside the page, with the p2phd-eval that made them."

    schema_version: Version = RESULTS_VERSION
    oldest: ClassVar[int] = RESULTS_VERSION
    page: str  # hash of what people see: the identity of the page
    seed: int
    versions: dict[str, str]
    baseline: ImagesOfKey
    candidate: ImagesOfKey
    reference: ImagesOfKey | None  # None: the question was which one looks more like a photo
    trials: tuple[TrialOfKey, ...]
    exposure: ExposureOfKey | None = None  # times, rules and checks; None where there is no time limit


class Answer(Struct, frozen=True, kw_only=True):
    """One answer, in the order in which they were given."""

    trial: Annotated[int, Meta(ge=0)]  # the trial's number in the key, from 0
    chosen: Position
    side: Literal["left", "right"]
    milliseconds: Annotated[int, Meta(ge=0)]


class ResultsDocument(Document, frozen=True, kw_only=True, tag="p2phd-eval/blind-test-results"):
    """What a page saved for one person."""

    again: ClassVar[str] = "Take the file as the page saved it, with the p2phd-eval that made the page."

    schema_version: Version = RESULTS_VERSION
    oldest: ClassVar[int] = RESULTS_VERSION
    page: str
    session: str  # drawn by the browser
    participant: str
    checksum: str
    answers: tuple[Answer, ...]


def trials_needed(precision: float, margin: float, confidence: float) -> TrialsNeeded:
    """Count the trials for a precision and for a margin; raises InputError if one is out of its range."""
    return TrialsNeeded(
        precision=precision,
        confidence=confidence,
        for_precision=trials_for_precision(precision, confidence=confidence),
        margin=margin,
        for_within=trials_for_equivalence(margin, power=POWER, confidence=confidence),
    )


def page_document(
    page: AnyPath,
    key: AnyPath,
    identity: str,
    *,
    trials: int,
    shared: int,
    needed: TrialsNeeded,
    warnings: Sequence[str],
    plan: ExposurePlan | None = None,
) -> PageDocument:
    """Return the document of a page that was made."""
    return PageDocument(
        file=str(page),
        key=str(key),
        page=identity,
        trials=trials,
        images=shared,
        half_width=half_width(trials, confidence=needed.confidence),
        needed=needed,
        warnings=tuple(warnings),
        plan=plan,
    )


def score_document(
    score: ForcedChoiceScore, responses: Sequence[Response], needed: TrialsNeeded, key: KeyDocument
) -> ScoreDocument:
    """Return the document of a score, with every answer."""
    return from_result(
        ScoreDocument,
        score,
        page=key.page,
        baseline=key.baseline.images,
        candidate=key.candidate.images,
        reference=None if key.reference is None else key.reference.images,
        sentence=" ".join(score_sentences(score)),
        remarks=score_remarks(score),
        needed=needed,
        responses=tuple(responses),
    )


def claim_names(score: ForcedChoiceScore) -> dict[str, ShareClaim | None]:
    """Return the claims by whom they are on, in words."""
    one = len(score.people) == 1
    return {
        f"this {'person' if one else 'group of people'}, these images": score.asked,
        "people and images like these": score.population,
    }


def percent(share: float) -> str:
    """Return a share as everything of a blind test shows it: in per cent with one decimal."""
    return f"{100 * share:.1f}"


def score_sentences(score: ForcedChoiceScore) -> tuple[str, ...]:
    """Return the answers in numbers, and each verdict with its reason."""
    told = [
        f"the candidate's image was chosen in {score.chosen} of {score.trials} trials ({percent(score.share)} %)",
        *(
            f"{name}: no verdict, {_too_few(score)}"
            if claim is None
            else f"{name}: {VERDICTS[claim.verdict].of_people}, {_reason(claim, score)}"
            for name, claim in claim_names(score).items()
        ),
    ]
    return tuple(f"{text[0].upper()}{text[1:]}." for text in told)


def score_remarks(score: ForcedChoiceScore) -> tuple[str, ...]:
    """Return what the claims are, and what the people's differences and habits mean for the score."""
    remarks = [
        "The first claim is on those who were asked alone: asked again, with sides drawn anew, how often would they "
        "choose the candidate's images of this page?"
    ]
    if score.population is not None:
        remarks.append(
            "The second is on other people and other images of the same kind. It takes both as drawn at random: the "
            "more people differ, and images, the wider its interval."
        )
    if score.p_people_differ is not None:
        alike = score.p_people_differ >= 1 - score.confidence
        remarks.append(
            f"People {'do not differ detectably' if alike else 'differ'} in how often they choose the candidate: "
            f"people who are alike would differ as much in {100 * score.p_people_differ:.2g} % of such tests"
            + ("." if alike else ". Look at each one's share; the shares together are an average of different answers.")
        )
    remarks += [
        f"warning: {person.person} chose the left image in {person.left} of {score.images} trials: a habit, which "
        "pulls the share towards 50 %"
        for person in score.people
        if binomial_p(person.left, score.images) < _ODD
    ]
    return tuple(remarks)


def _reason(claim: ShareClaim, score: ForcedChoiceScore) -> str:
    """Where the intervals of the share lie, against one half and against what counts as even."""
    level, tost_level = 100 * score.confidence, 200 * score.confidence - 100
    inside = claim.p_equivalence < 1 - score.confidence
    without = claim.p_difference < 1 - score.confidence
    even = share_span((0.5 - score.margin, 0.5 + score.margin))
    return (
        f"since 50 % lies {'outside' if without else 'in'} the {level:.4g} % interval of the share, "
        f"{share_span(claim.interval)}, and the {tost_level:.4g} % interval, {share_span(claim.tost_interval)}, "
        f"{'lies' if inside else 'does not lie'} inside the {even} that count as even"
    )


def share_span(interval: tuple[float, float]) -> str:
    """Return the interval of a share in per cent."""
    return f"{percent(interval[0])} to {percent(interval[1])} %"


def _too_few(score: ForcedChoiceScore) -> str:
    return (
        f"since that takes {FEWEST_OF_A_POPULATION} people and {FEWEST_OF_A_POPULATION} images or more, and there are "
        f"{len(score.people)} and {score.images}: how much people differ cannot be seen from fewer"
    )
