"""What people chose between a baseline's and a candidate's image: shares, intervals, and a verdict.

Sides are drawn for each person and trial. Where the images of a pair cannot be told apart, each answer is therefore a
fair coin toss, independent of all others and of the person's habits, and the exact test of 0.5 holds as it stands. How
far a share may lie from 0.5 is another matter: people differ, and so do images, and one of either gives many answers.
Where several people answered, intervals over people and over images stand beside the one over trials, and a verdict
needs all of them (as an effect by subjects and by items does, Clark 1973).
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.stats.confidence import require_confidence
from p2phd_eval.stats.design import StandardError
from p2phd_eval.stats.proportions.binomial import (
    binomial_equivalence_p,
    binomial_p,
    clopper_pearson,
    require_share_margin,
)
from p2phd_eval.stats.verdicts.equivalence import Difference, Verdict, equivalence_test

Choices = npt.NDArray[np.bool_]  # (people, images), whether the candidate's image was chosen

_FEWEST_PEOPLE = 3  # from which on an interval over people is given
_PERMUTATIONS = 9999  # so that the smallest p-value is 0.0001
_BATCH = 1 << 24  # answers permuted at a time


@dataclasses.dataclass(frozen=True, kw_only=True)
class Response:
    """One answer of one person."""

    person: str
    image: str  # id of the label map
    candidate: bool  # whether the candidate's image was chosen
    left: bool  # whether the chosen image was the left one
    seconds: float  # from the moment the images appeared


@dataclasses.dataclass(frozen=True, kw_only=True)
class PersonScore:
    """The answers of one person."""

    person: str
    chosen: int  # trials in which the candidate's image was chosen
    share: float  # the part of the trials
    interval: tuple[float, float]  # for the share, exact
    p_difference: float  # exact, two-sided, of a share of 0.5
    left: int  # trials in which the left image was chosen
    seconds: float  # median of an answer


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShareAnalysis:
    """The share of the candidate, taken as a mean over units that are independent of each other."""

    unit: Literal["trials", "people", "images"]  # trials: exact binomial; the others: t
    units: int
    interval: tuple[float, float]  # two-sided, at the confidence
    tost_interval: tuple[float, float]  # at 2 confidence - 1: inside 0.5 ± margin where both one-sided tests reject
    p_difference: float  # two-sided, of a share of 0.5
    p_equivalence: float  # the larger of the one-sided p-values of a share outside 0.5 ± margin


@dataclasses.dataclass(frozen=True, kw_only=True)
class ForcedChoiceScore:
    """The answers of all people."""

    people: tuple[PersonScore, ...]  # sorted by name
    images: int  # each judged once by each person
    trials: int  # people * images
    chosen: int  # trials in which the candidate's image was chosen
    share: float
    margin: float  # shares of 0.5 ± margin count as even
    confidence: float
    analyses: tuple[ShareAnalysis, ...]  # over trials; with several people over images; with three or more over people
    p_people_differ: float | None  # p-value of the hypothesis that people are alike; None for one person
    verdict: Verdict  # worse: the candidate is chosen less
    reason: str  # part of a sentence with the numbers


def score_choices(
    responses: Sequence[Response], *, margin: float = 0.1, confidence: float = 0.95, seed: int = 0
) -> ForcedChoiceScore:
    """Judge whether people choose the candidate's images as often as the baseline's.

    As for FIDs: within where TOST shows a share inside 0.5 ± margin and 0.5 is not rejected; negligible where it shows
    that and 0.5 is rejected; else worse or better where 0.5 is rejected; else inconclusive. A test counts as passed
    where it is by every one of the analyses.

    `responses`: each person judged the same images, each once; at least two images. `margin`: in (0, 0.5).
    `confidence`: in (0.5, 1), of the intervals; the tests are at level 1 - confidence. `seed`: seed of the permutations
    by which it is tested whether people differ. Raises `InputError` if a number is out of its range, or a person judged
    other images than the first one did.
    """
    require_share_margin(margin)
    require_confidence(confidence)
    people, choices = _matrix(responses)
    chosen, share = int(choices.sum()), float(choices.mean())
    analyses = [_over_trials(chosen, choices.size, margin, confidence)]
    if len(people) > 1:
        analyses.append(_over_means("images", choices.mean(axis=0), margin, confidence))
    if len(people) >= _FEWEST_PEOPLE:
        analyses.append(_over_means("people", choices.mean(axis=1), margin, confidence))
    verdict, reason = _judge(analyses, share, margin, confidence)
    return ForcedChoiceScore(
        people=tuple(_person(name, [each for each in responses if each.person == name], confidence) for name in people),
        images=choices.shape[1],
        trials=choices.size,
        chosen=chosen,
        share=share,
        margin=margin,
        confidence=confidence,
        analyses=tuple(analyses),
        p_people_differ=None if len(people) == 1 else people_differ_p(choices, np.random.default_rng(seed)),
        verdict=verdict,
        reason=reason,
    )


def people_differ_p(choices: Choices, rng: np.random.Generator) -> float:
    """Return the p-value of people who choose alike, by permuting Cochran's Q with each image as a block.

    Answers to one image are exchanged between people, so the test is exact at any number of answers, and images that
    differ among each other do not matter. For two people it is McNemar's test.

    `choices`: ndarray of bool, shape (people, images).

    References
    ----------
    Cochran (1950); Hope (1968), for the Monte Carlo p-value.
    """
    by_image = choices.T  # (images, people); Q is monotone in the sum of squares of the people's counts
    found = _squares(by_image[np.newaxis])[0]
    at_least, done = 0, 0
    while done < _PERMUTATIONS:
        count = min(_PERMUTATIONS - done, max(1, _BATCH // choices.size))
        shuffled = rng.permuted(np.broadcast_to(by_image, (count, *by_image.shape)), axis=2)
        at_least += int((_squares(shuffled) >= found).sum())
        done += count
    return (at_least + 1) / (_PERMUTATIONS + 1)


def _squares(by_image: Choices) -> npt.NDArray[np.int64]:
    counts = by_image.sum(axis=1, dtype=np.int64)
    squares: npt.NDArray[np.int64] = (counts**2).sum(axis=1)
    return squares


def _matrix(responses: Sequence[Response]) -> tuple[list[str], Choices]:
    people = sorted({each.person for each in responses})
    answers = {(each.person, each.image): each.candidate for each in responses}
    images = sorted({each.image for each in responses})
    if len(images) < 2:
        raise InputError("responses", expected="answers to at least 2 images", found=f"{len(images)}")
    if len(answers) < len(responses) or len(answers) < len(people) * len(images):
        raise InputError(
            "responses",
            expected=f"one answer of each of {len(people)} people to each of {len(images)} images",
            found=f"{len(responses)} answers, to {len(answers)} of {len(people) * len(images)}",
        )
    return people, np.array([[answers[person, image] for image in images] for person in people])


def _person(name: str, responses: Sequence[Response], confidence: float) -> PersonScore:
    chosen, trials = sum(each.candidate for each in responses), len(responses)
    return PersonScore(
        person=name,
        chosen=chosen,
        share=chosen / trials,
        interval=clopper_pearson(chosen, trials, confidence=confidence),
        p_difference=binomial_p(chosen, trials),
        left=sum(each.left for each in responses),
        seconds=float(np.median([each.seconds for each in responses])),
    )


def _over_trials(chosen: int, trials: int, margin: float, confidence: float) -> ShareAnalysis:
    return ShareAnalysis(
        unit="trials",
        units=trials,
        interval=clopper_pearson(chosen, trials, confidence=confidence),
        tost_interval=clopper_pearson(chosen, trials, confidence=2 * confidence - 1),
        p_difference=binomial_p(chosen, trials),
        p_equivalence=max(binomial_equivalence_p(chosen, trials, margin)),
    )


def _over_means(
    unit: Literal["people", "images"], shares: npt.NDArray[np.float64], margin: float, confidence: float
) -> ShareAnalysis:
    error = StandardError(value=float(shares.std(ddof=1)) / math.sqrt(len(shares)), df=len(shares) - 1)
    test = equivalence_test(
        Difference(estimate=float(shares.mean()) - 0.5, error=error, margin=margin), confidence=confidence
    )
    assert test.p_lower is not None and test.p_upper is not None
    return ShareAnalysis(
        unit=unit,
        units=len(shares),
        interval=_shares(test.interval),
        tost_interval=_shares(test.tost_interval),
        p_difference=test.p_difference,
        p_equivalence=max(test.p_lower, test.p_upper),
    )


def _shares(interval: tuple[float, float]) -> tuple[float, float]:
    return max(0.0, 0.5 + interval[0]), min(1.0, 0.5 + interval[1])


def _judge(analyses: Sequence[ShareAnalysis], share: float, margin: float, confidence: float) -> tuple[Verdict, str]:
    # The analysis that a test finds hardest decides it.
    evenness = max(analyses, key=lambda each: each.p_equivalence)
    difference = max(analyses, key=lambda each: each.p_difference)
    equivalent, detected = evenness.p_equivalence < 1 - confidence, difference.p_difference < 1 - confidence
    if equivalent:
        verdict = Verdict.NEGLIGIBLE if detected else Verdict.WITHIN
    elif detected:
        verdict = Verdict.WORSE if share < 0.5 else Verdict.BETTER
    else:
        verdict = Verdict.INCONCLUSIVE
    inside = "lies inside" if equivalent else "does not lie inside"
    return verdict, (
        f"the {_text(evenness.tost_interval, 2 * confidence - 1)} over {evenness.unit} {inside} 0.5 ± {margin:.4g} "
        f"{'but' if equivalent == detected else 'and'} the {_text(difference.interval, confidence)} over "
        f"{difference.unit} {'excludes' if detected else 'contains'} 0.5"
    )


def _text(interval: tuple[float, float], confidence: float) -> str:
    return f"{100 * confidence:.4g} % interval ({interval[0]:.3f}, {interval[1]:.3f})"
