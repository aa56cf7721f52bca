"""What people chose between two images that they saw for a given time: shares by exposure, and how they change.

Each person judges each image once, at one of the exposures, so that at each exposure the table of people and images has
holes. The two claims are those of `forced_choice`: on the people and images that were asked, exact, and on others like
them, by an error over people and images both.

Overall and at each exposure there is a verdict, and none is to be false by their number: p-values are adjusted
together, by Holm's method with weights. The overall one has half of the weight, so that it costs little to look at the
exposures as well: alone it is tested at half of the level, and at all of it once the exposures are decided.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.stats.confidence import require_confidence, t_interval, t_tail
from p2phd_eval.stats.design import StandardError
from p2phd_eval.stats.errors.crossed import incomplete_crossed_error
from p2phd_eval.stats.proportions.binomial import require_share_margin
from p2phd_eval.stats.proportions.forced_choice import (
    FEWEST_OF_A_POPULATION,
    ShareClaim,
    claim_by_error,
    claim_on_the_asked,
    verdict_on_share,
)
from p2phd_eval.stats.verdicts.equivalence import Interval

Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_WEIGHT_OF_ALL = 0.5  # of the overall verdict in the adjustment; the exposures share the rest


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExposedChoice:
    """One answer of one person to a pair that was seen for a given time."""

    person: str
    image: str  # id of the label map
    exposure: int  # milliseconds that were asked for
    candidate: bool  # whether the candidate's image was chosen


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdjustedClaim(ShareClaim):
    """A claim among several; its intervals and p-values are its own, its verdict is from the adjusted p-values."""

    p_difference_holm: float  # adjusted for all exposures and the overall share
    p_equivalence_holm: float  # likewise


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExposureShare:
    """The share of the candidate at one exposure, or over all."""

    exposure: int | None  # milliseconds; None over all exposures
    trials: int
    people: int
    images: int
    chosen: int  # trials in which the candidate's image was chosen
    share: float | None  # None without trials
    asked: AdjustedClaim | None  # on these people and these images; None without trials
    population: AdjustedClaim | None  # on people and images like these; None with fewer than five of either


@dataclasses.dataclass(frozen=True, kw_only=True)
class SlopeClaim:
    """What is claimed of a slope."""

    interval: Interval  # two-sided, at the confidence
    p: float  # two-sided, of no slope


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExposureTrend:
    """How the share of the candidate changes with the logarithm of the time, by least squares."""

    per_doubling: float  # how much the share rises where the time doubles
    asked: SlopeClaim  # on these people and these images
    population: SlopeClaim | None  # on people and images like these; None with fewer than five of either


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExposureAnalysis:
    """The answers of some people, by exposure."""

    overall: ExposureShare
    exposures: tuple[ExposureShare, ...]  # rising
    trend: ExposureTrend | None  # None with answers at one exposure alone
    margin: float  # shares of 0.5 ± margin count as even, at each exposure and overall
    confidence: float


def analyse_exposures(
    choices: Sequence[ExposedChoice], exposures: Sequence[int], *, margin: float = 0.1, confidence: float = 0.95
) -> ExposureAnalysis:
    """Judge whether people choose the candidate's images as often as the baseline's, at each exposure and overall.

    `choices`: the answers that count; at least two. `exposures`: those that were planned, in milliseconds.
    `margin`: in (0, 0.5). `confidence`: in (0.5, 1). Raises `InputError` if a number is out of its range, or an answer
    is at no planned exposure, or a person answered twice to an image.
    """
    require_share_margin(margin)
    require_confidence(confidence)
    table = _Answers.of(choices)
    others = set(table.exposure.tolist()) - set(exposures)
    pairs = {(each.person, each.image) for each in choices}
    if len(choices) < 2 or others or len(pairs) < len(choices):
        raise InputError(
            "answers",
            expected=f"2 or more, one of a person to an image, at exposures of {', '.join(map(str, exposures))} ms",
            found=f"{len(choices)}, to {len(pairs)} pairs" + (f", others at {min(others)} ms" if others else ""),
        )
    parts = [table, *(table.at(exposure) for exposure in sorted(exposures))]
    weights = np.array([_WEIGHT_OF_ALL, *((1 - _WEIGHT_OF_ALL) / len(exposures) for _ in exposures)])
    asked = [
        claim_on_the_asked(part.chosen, part.n, margin=margin, confidence=confidence) if part.n else None
        for part in parts
    ]
    population = [
        claim_by_error(part.share, part.share_error(), margin=margin, confidence=confidence) if part.enough else None
        for part in parts
    ]
    claims = zip(
        _adjusted(asked, parts, weights, confidence), _adjusted(population, parts, weights, confidence), strict=True
    )
    overall, *each = (
        ExposureShare(
            exposure=exposure,
            trials=part.n,
            people=len(np.unique(part.person)),
            images=len(np.unique(part.image)),
            chosen=part.chosen,
            share=part.share if part.n else None,
            asked=own,
            population=others,
        )
        for exposure, part, (own, others) in zip((None, *sorted(exposures)), parts, claims, strict=True)
    )
    trend = _trend(table, confidence) if len(np.unique(table.exposure)) > 1 else None
    return ExposureAnalysis(overall=overall, exposures=tuple(each), trend=trend, margin=margin, confidence=confidence)


def weighted_holm(p_values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Adjust p-values for their number, some of more weight than others; the family's error stays at the level.

    In the order of p / w, each becomes p / w times the weights that are left, at least the one before and at most 1.
    With equal weights it is Holm's method.

    References
    ----------
    Holm (1979), "A simple sequentially rejective multiple test procedure", section 4.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index] / weights[index])
    adjusted, left, least = [0.0] * len(p_values), math.fsum(weights), 0.0
    for index in order:
        least = max(least, min(1.0, p_values[index] / weights[index] * left))
        adjusted[index] = least
        left -= weights[index]
    return adjusted


@dataclasses.dataclass(frozen=True)
class _Answers:
    """Answers as arrays of one length."""

    person: Indices
    image: Indices
    exposure: Indices  # milliseconds
    candidate: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, given: Sequence[ExposedChoice]) -> "_Answers":
        # Sorted, so that sums are added in one order whatever the order of the answers.
        choices = sorted(given, key=lambda each: (each.person, each.image))
        people, images = ({each: k for k, each in enumerate(sorted(names))} for names in _names(choices))
        return cls(
            person=np.array([people[each.person] for each in choices], np.int64),
            image=np.array([images[each.image] for each in choices], np.int64),
            exposure=np.array([each.exposure for each in choices], np.int64),
            candidate=np.array([each.candidate for each in choices], bool),
        )

    def at(self, exposure: int) -> "_Answers":
        here = self.exposure == exposure
        return _Answers(self.person[here], self.image[here], self.exposure[here], self.candidate[here])

    @property
    def n(self) -> int:
        return len(self.candidate)

    @property
    def chosen(self) -> int:
        return int(self.candidate.sum())

    @property
    def share(self) -> float:
        return self.chosen / self.n

    @property
    def enough(self) -> bool:
        """Whether a claim on a population can be made."""
        return min(len(np.unique(self.person)), len(np.unique(self.image))) >= FEWEST_OF_A_POPULATION

    @property
    def variance_of_one(self) -> float:
        """Of one answer among independent ones, a choice of either kind added (Laplace), as in `population_error`."""
        likely = (self.chosen + 1) / (self.n + 2)
        return likely * (1 - likely)

    def share_error(self) -> StandardError:
        """Of the share, where people and images are drawn at random; at least that of independent answers."""
        error = incomplete_crossed_error((self.candidate - self.share) / self.n, self.person, self.image)
        return dataclasses.replace(error, value=max(error.value, math.sqrt(self.variance_of_one / self.n)))


def _names(choices: Sequence[ExposedChoice]) -> tuple[set[str], set[str]]:
    return {each.person for each in choices}, {each.image for each in choices}


def _adjusted(
    claims: Sequence[ShareClaim | None], parts: Sequence[_Answers], weights: Numbers, confidence: float
) -> list[AdjustedClaim | None]:
    """The claims with their p-values adjusted together; those that there are not have no weight."""
    known = [k for k, claim in enumerate(claims) if claim is not None]
    found: list[AdjustedClaim | None] = [None] * len(claims)
    present = [claim for claim in claims if claim is not None]
    own = weights[known].tolist()
    difference = weighted_holm([claim.p_difference for claim in present], own)
    equivalence = weighted_holm([claim.p_equivalence for claim in present], own)
    for k, claim, of_difference, of_equivalence in zip(known, present, difference, equivalence, strict=True):
        given = {field.name: getattr(claim, field.name) for field in dataclasses.fields(ShareClaim)}
        given["verdict"] = verdict_on_share(parts[k].share, of_difference, of_equivalence, confidence=confidence)
        found[k] = AdjustedClaim(**given, p_difference_holm=of_difference, p_equivalence_holm=of_equivalence)
    return found


def _trend(table: _Answers, confidence: float) -> ExposureTrend:
    """The slope of the share over log2 of the exposure.

    Among those who were asked the answers alone are random, and independent; for others like them, people and images
    are, each of them with a slope of its own.
    """
    doublings = np.log2(table.exposure)
    centred = doublings - doublings.mean()
    squares = float(centred @ centred)
    slope = float(centred @ table.candidate) / squares
    scores = centred * (table.candidate - table.share - slope * centred) / squares
    df = max(1, table.n - 2)
    least = math.sqrt(table.variance_of_one / squares)
    own = StandardError(value=max(least, math.sqrt(float(scores @ scores) * table.n / df)), df=df)
    others = None
    if table.enough:
        error = incomplete_crossed_error(scores, table.person, table.image)
        others = _slope_claim(slope, dataclasses.replace(error, value=max(error.value, least)), confidence)
    return ExposureTrend(per_doubling=slope, asked=_slope_claim(slope, own, confidence), population=others)


def _slope_claim(slope: float, error: StandardError, confidence: float) -> SlopeClaim:
    return SlopeClaim(
        interval=t_interval(slope, error, confidence), p=min(1.0, 2 * t_tail(abs(slope) / error.value, error.df))
    )
