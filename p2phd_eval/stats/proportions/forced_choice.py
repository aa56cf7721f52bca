"""What people chose between a baseline's and a candidate's image: shares, and what they say of whom.

Sides are drawn for each person and trial, so where the images of a pair cannot be told apart, each answer is a fair
coin toss, independent of all others and of the person's habits. Elsewhere each person has, for each image, a chance of
choosing the candidate's. Two claims are made on the mean of these chances, each with a verdict of its own:

* On the people and images that were asked. Only the answers are random; were they given again, sides drawn anew, others
  would come out. The number of choices is a sum of independent answers with unequal chances, whose tails are no heavier
  than the binomial's with the same mean (Hoeffding 1956), so exact tests and intervals hold.
* On people and images like these, which are drawn at random, both: see `population_error`. That a few people agree on
  a few images says little of others.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.stats.confidence import require_confidence
from p2phd_eval.stats.design import StandardError
from p2phd_eval.stats.errors.crossed import crossed_error
from p2phd_eval.stats.proportions.binomial import (
    binomial_equivalence_p,
    binomial_p,
    clopper_pearson,
    require_share_margin,
)
from p2phd_eval.stats.verdicts.equivalence import Difference, Verdict, equivalence_test, verdict_of

Choices = npt.NDArray[np.bool_]  # (people, images), whether the candidate's image was chosen

FEWEST_OF_A_POPULATION = 5  # people, and images, from which on a claim on others like them is made
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
class ShareClaim:
    """What is claimed of the share of the candidate, among those whom the claim is on."""

    interval: tuple[float, float]  # two-sided, at the confidence
    tost_interval: tuple[float, float]  # at 2 confidence - 1: inside 0.5 ± margin where both one-sided tests reject
    p_difference: float  # two-sided, of a share of 0.5
    p_equivalence: float  # the larger of the one-sided p-values of a share outside 0.5 ± margin
    verdict: Verdict  # worse: the candidate is chosen less


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
    asked: ShareClaim  # on these people and these images
    population: ShareClaim | None  # on people and images like these; None with fewer than five of either
    p_people_differ: float | None  # p-value of the hypothesis that people are alike; None for one person


def score_choices(responses: Sequence[Response], *, margin: float = 0.1, confidence: float = 0.95) -> ForcedChoiceScore:
    """Judge whether people choose the candidate's images as often as the baseline's.

    As for FIDs: within where TOST shows a share inside 0.5 ± margin and 0.5 is not rejected; negligible where it shows
    that and 0.5 is rejected; else worse or better where 0.5 is rejected; else inconclusive. Those who were asked, and
    others like them, are judged apart.

    `responses`: each person judged the same images, each once; at least two images. `margin`: in (0, 0.5).
    `confidence`: in (0.5, 1), of the intervals; the tests are at level 1 - confidence. Raises `InputError` if a number
    is out of its range, or a person judged other images than the first one did.
    """
    require_share_margin(margin)
    require_confidence(confidence)
    people, choices = _matrix(responses)
    enough = min(choices.shape) >= FEWEST_OF_A_POPULATION
    return ForcedChoiceScore(
        people=tuple(_person(name, [each for each in responses if each.person == name], confidence) for name in people),
        images=choices.shape[1],
        trials=choices.size,
        chosen=int(choices.sum()),
        share=float(choices.mean()),
        margin=margin,
        confidence=confidence,
        asked=claim_on_the_asked(int(choices.sum()), choices.size, margin=margin, confidence=confidence),
        population=claim_on_the_population(choices, margin=margin, confidence=confidence) if enough else None,
        p_people_differ=None if len(people) == 1 else people_differ_p(choices, np.random.default_rng(0)),
    )


def claim_on_the_asked(chosen: int, trials: int, *, margin: float, confidence: float) -> ShareClaim:
    """Judge the share among the people and images that were asked: exact binomial tests, whose errors are at most 5 %.

    `chosen`: how often the candidate's image was. `trials`: answers of all people to all images. `margin`,
    `confidence`: as for `score_choices`. Raises `InputError` if a number is out of its range.

    References
    ----------
    Hoeffding (1956), "On the distribution of the number of successes in independent trials", theorem 4.
    """
    p_difference = binomial_p(chosen, trials)
    p_equivalence = max(binomial_equivalence_p(chosen, trials, margin))
    verdict = verdict_on_share(chosen / trials, p_difference, p_equivalence, confidence=confidence)
    return ShareClaim(
        interval=clopper_pearson(chosen, trials, confidence=confidence),
        tost_interval=clopper_pearson(chosen, trials, confidence=2 * confidence - 1),
        p_difference=p_difference,
        p_equivalence=p_equivalence,
        verdict=verdict,
    )


def verdict_on_share(share: float, p_difference: float, p_equivalence: float, *, confidence: float) -> Verdict:
    """Return the verdict that two p-values give, see `score_choices`."""
    level = 1 - confidence
    return verdict_of(detected=p_difference < level, equivalent=p_equivalence < level, worse=share < 0.5)


def claim_on_the_population(choices: Choices, *, margin: float, confidence: float) -> ShareClaim:
    """Judge the share among people and images like these: Student's t with the error of both, see `population_error`.

    `choices`: ndarray of bool, shape (people, images), at least 3 of either; from `FEWEST_OF_A_POPULATION` on the
    errors are about 5 %. `margin`, `confidence`: as for `score_choices`. Raises `InputError` if a number is out of its
    range.
    """
    return claim_by_error(float(choices.mean()), population_error(choices), margin=margin, confidence=confidence)


def claim_by_error(share: float, error: StandardError, *, margin: float, confidence: float) -> ShareClaim:
    """Judge a share with its standard error by Student's t; `margin`, `confidence`: as for `score_choices`."""
    # A share above one half is good for the candidate, a FID above another's is bad: hence the sign.
    distance = Difference(estimate=0.5 - share, error=error, margin=margin)
    test = equivalence_test(distance, confidence=confidence)
    assert test.p_lower is not None and test.p_upper is not None
    return ShareClaim(
        interval=_shares(test.interval),
        tost_interval=_shares(test.tost_interval),
        p_difference=test.p_difference,
        p_equivalence=max(test.p_lower, test.p_upper),
        verdict=test.verdict,
    )


def population_error(choices: Choices) -> StandardError:
    """Standard error of the share where people and images are drawn at random, both.

    That of `crossed_error`, and at least that of answers which are all independent, with a choice of either kind
    added (Laplace): where all agree, the mean squares are 0 and the share is not certain.

    `choices`: ndarray of bool, shape (people, images).
    """
    error = crossed_error(choices.astype(np.float64))
    likely = (int(choices.sum()) + 1) / (choices.size + 2)
    return dataclasses.replace(error, value=max(error.value, math.sqrt(likely * (1 - likely) / choices.size)))


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


def _shares(interval: tuple[float, float]) -> tuple[float, float]:
    return max(0.0, 0.5 - interval[1]), min(1.0, 0.5 - interval[0])
