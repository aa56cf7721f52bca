"""A point rule, as benchmarks have it, and what sampling alone makes of it.

The rule looks at the estimate alone: a candidate passes whose value lies in a band around the baseline's. The estimate
is random all the same, and so is the answer.
"""

import dataclasses
from enum import Enum

from p2phd_eval.stats.confidence import t_tail
from p2phd_eval.stats.design import StandardError
from p2phd_eval.stats.verdicts.equivalence import Difference, Verdict, equivalence_test
from p2phd_eval.stats.verdicts.power import VarianceComponents
from p2phd_eval.stats.verdicts.sample_size import enough_images

#: A candidate like the baseline may fail this often by sampling alone.
RARELY = 0.05


class Shown(str, Enum):
    """What an interval says of a difference and a band, where the rule looks at the estimate alone."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    UNDECIDED = "undecided"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PointRuleResult:
    """A difference judged by a point rule; positive means that the candidate is worse."""

    estimate: float  # in units of the metric, like every number here but probabilities and counts
    error: StandardError
    width: float  # the largest difference that passes; with two sides the smallest is its negative
    two_sided: bool
    holds: bool  # whether the estimate lies in the band, its ends included
    fails_if_equal: float  # probability that a candidate fails whose true value is the baseline's
    passes_at_edge: float  # that one passes whose true difference is the width
    passes_at_twice: float  # that one passes whose true difference is twice the width
    images: int | None  # with which the first is below 5 %; None where no number does, or where it cannot be told
    shown: Shown  # what the interval of the difference says


def judge_by_point(
    estimate: float,
    error: StandardError,
    width: float,
    *,
    two_sided: bool,
    components: VarianceComponents | None,
    runs: tuple[int, int] | None,
    confidence: float = 0.95,
) -> PointRuleResult:
    """Judge a difference by its estimate alone, and say how often such a judgement is chance.

    Sampled again, a difference whose true value is D is D + SE T, T by Student's t with the degrees of freedom of the
    error: normal where the error is known, wider where it is itself an estimate (averaged over what it may be).

    Parameters
    ----------
    estimate : float
        The candidate's value less the baseline's.
    error : StandardError
        Of the estimate, in its scope: images alone, or training seeds too.
    width : float
        The largest difference that passes, > 0.
    two_sided : bool
        Whether a candidate that is better by more fails, too.
    components : VarianceComponents or None
        What the error is made of, for the number of images: the images' part falls as one over their number, in
        clusters as large as these, and that of the runs stays. None: it is not told.
    runs : (int, int) or None
        Runs of the baseline and of the candidate where seeds are random; None: images alone.
    confidence : float
        Of the interval, in (0.5, 1). Inside the band is shown by two one-sided tests at 1 - confidence, or by the one
        where the band has one side; outside by the two-sided interval.

    Raises
    ------
    InputError
        If a number is not usable.
    """
    test = equivalence_test(Difference(estimate=estimate, error=error, margin=width), confidence=confidence)
    inside = test.verdict in (Verdict.WITHIN, Verdict.NEGLIGIBLE) if two_sided else bool(test.non_inferior)
    outside = test.material and (two_sided or estimate > 0)
    images = None
    if components is not None:
        images = enough_images(components, runs, lambda each: _fails(0.0, each, width, two_sided) < RARELY)
    return PointRuleResult(
        estimate=estimate,
        error=error,
        width=width,
        two_sided=two_sided,
        holds=estimate <= width and (estimate >= -width or not two_sided),
        fails_if_equal=_fails(0.0, error, width, two_sided),
        passes_at_edge=1 - _fails(width, error, width, two_sided),
        passes_at_twice=1 - _fails(2 * width, error, width, two_sided),
        images=images,
        shown=Shown.INSIDE if inside else Shown.OUTSIDE if outside else Shown.UNDECIDED,
    )


def _fails(true: float, error: StandardError, width: float, two_sided: bool) -> float:
    """Probability that the estimate of this true difference, 0 or more, lies beyond the band."""
    if error.value == 0:
        return float(true > width)
    above = t_tail((width - true) / error.value, error.df)
    return above + (t_tail((width + true) / error.value, error.df) if two_sided else 0.0)
