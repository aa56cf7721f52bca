"""Trajectory or quality? How far a candidate is from its baseline, over how far harmless changes take the baseline."""

import dataclasses
from collections.abc import Sequence
from enum import Enum

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError, is_number, shown
from p2phd_eval.stats.confidence import require_confidence
from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.errors.image_means import EstimatedMean, fixed_runs_mean, random_runs_mean, table_of_runs
from p2phd_eval.stats.errors.ratios import MeanOf, Ratio, p_of_more, ratio_of_means, upper_end
from p2phd_eval.stats.verdicts.equivalence import FAVOURABLE, Family, Verdict
from p2phd_eval.stats.verdicts.scope import Scope

Values = npt.NDArray[np.float64]

#: Times the floor that still counts as inside of it: that of bioequivalence, and at which a candidate exactly at the
#: floor passes with a few hundred images (benchmarks/coverage_floor.py).
TOLERANCE = 1.25
#: Runs of one seed each from which on seeds count as drawn at random.
FEWEST_RUNS = 3
#: Images, or clusters, below which intervals of skewed distances are not vouched for.
FEWEST_DRAWS = 10
_LARGEST_TOLERANCE = 100.0


class Position(str, Enum):
    """Where a candidate's distance to the baseline lies against the noise floor."""

    INSIDE = "inside"  # shown to be below the tolerance times the floor
    ABOVE = "above"  # shown to be above it
    UNDECIDED = "undecided"


class FloorVerdict(str, Enum):
    """What moved: nothing beyond noise, the trajectory alone, or the quality."""

    INSIDE = "inside"  # images move no more than harmless changes move them
    QUALITY_WITHIN = "quality-within"  # not shown to be inside the floor, but shown to be as good, or better
    QUALITY_WORSE = "quality-worse"
    QUALITY_UNKNOWN = "quality-unknown"  # above the floor, and there are no real photos to tell what that means
    UNDECIDED = "undecided"


@dataclasses.dataclass(frozen=True, kw_only=True)
class FloorRatio:
    """The mean distance of a candidate's images to the baseline's, against the noise floor."""

    images: int
    runs: int
    scope: Scope
    confidence: float
    tolerance: float
    distance: float  # mean over images and runs
    floors: tuple[float, ...]  # the same of each benign variant
    farthest: int  # which of them is the floor: the one that is farthest from the baseline
    ratio: Ratio | None  # distance over floor; None where the floor is exactly 0
    at_most: float | None  # one-sided, at the confidence that decided; None where the floor is 0 and the distance not
    p_inside: float  # of a ratio of the tolerance or more, adjusted for all candidates
    p_above: float  # of a ratio of the tolerance or less, likewise
    position: Position

    @property
    def floor(self) -> float:
        """The noise floor."""
        return self.floors[self.farthest]


def floor_ratios(
    candidates: Sequence[npt.ArrayLike],
    benign: Sequence[npt.ArrayLike],
    *,
    clusters: npt.ArrayLike | None = None,
    tolerance: float = TOLERANCE,
    confidence: float = 0.95,
) -> tuple[FloorRatio, ...]:
    """Say of each candidate whether its images are as near to the baseline's as those of harmless variants are.

    Pixels move for many reasons: another seed of the kernels' order of sums, another batch size, a compiler. A
    generator that is chaotic turns each of them into another image that is as good. The noise floor is how far such a
    benign variant gets from the baseline, on the same images: the farthest of those that are given. What one harmless
    change may do, a candidate may do; and a variant that changes no bit, as the same seed again on a deterministic
    device, does not lower the floor, which a mean over the variants would.

    The ratio of the means, candidate over floor, is paired by image: images that are sensitive are so for all. Its
    interval is Fieller's, with intervals of skewed means (`stats.errors.skewness`). Which of K variants is the farthest
    is uncertain too. The ratio to it is the smallest of the K ratios, so that a lower end is the smallest of the lower
    ends, and an upper end the smallest of the upper ends at level alpha / K each.

    Inside: the one-sided test of a ratio of the tolerance or more rejects at 1 - confidence; above: that of the
    tolerance or less does. Several candidates are adjusted by Holm's method. With three runs or more, seeds are random
    too (scope B); else the runs are those that they are. A floor of exactly 0 is a case of its own: a candidate without
    any difference is inside, every other one above.

    Parameters
    ----------
    candidates : sequence of array_like, each of shape (runs, n)
        Distances of each candidate's images to the baseline's of the same seed; not negative.
    benign : sequence of array_like, each of shape (runs, n)
        Those of the benign variants; one or more.
    clusters : array_like, shape (n,), optional
        Any label, such as the condition or the sequence, of each image.
    tolerance : float
        Times the floor that still counts as inside, 1 or more.
    confidence : float
        In (0.5, 1).

    Raises
    ------
    InputError
        If tables do not fit each other, hold NaN, infinity or negative numbers, or fewer than two images or clusters.

    References
    ----------
    Fieller (1954); Hall (1992), for skewed means; Schuirmann (1987), for the test of equivalence.
    """
    require_confidence(confidence)
    require_tolerance(tolerance)
    tables = [_distances(f"candidate {k}", each) for k, each in enumerate(candidates, start=1)]
    floors = [_distances(f"benign variant {k}", each) for k, each in enumerate(benign, start=1)]
    if not tables or not floors:
        missing = "a benign variant" if tables else "a candidate"
        raise InputError("noise floor", expected=f"at least {missing}", found="none")
    for each in (*tables, *floors):
        if each.shape != tables[0].shape:
            raise InputError("noise floor", expected=f"shape {tables[0].shape}", found=f"shape {each.shape}")
    runs, n = tables[0].shape
    design = SamplingDesign.paired(n, 1, clusters)
    scope = Scope.RECIPES if runs >= FEWEST_RUNS else Scope.CHECKPOINTS

    def mean_of(table: Values) -> EstimatedMean:
        return (random_runs_mean if scope is Scope.RECIPES else fixed_runs_mean)(table, design)

    moving = [each for each in floors if each.any()]
    inside = [p_of_inside(each, moving, mean_of, tolerance) for each in tables]
    above = [p_of_above(each, moving, mean_of, tolerance) for each in tables]
    shown_inside, shown_above = (Family(p_values, 1 - confidence) for p_values in (inside, above))
    means = tuple(float(each.mean()) for each in floors)

    def judged(k: int) -> FloorRatio:
        position = Position.UNDECIDED
        if shown_inside.rejected[k]:
            position = Position.INSIDE
        elif shown_above.rejected[k]:
            position = Position.ABOVE
        return FloorRatio(
            images=n,
            runs=runs,
            scope=scope,
            confidence=confidence,
            tolerance=tolerance,
            distance=float(tables[k].mean()),
            floors=means,
            farthest=int(np.argmax(means)),
            ratio=_ratio(tables[k], moving, mean_of, confidence),
            at_most=_at_most(tables[k], moving, mean_of, shown_inside.level[k]),
            p_inside=shown_inside.adjusted[k],
            p_above=shown_above.adjusted[k],
            position=position,
        )

    return tuple(judged(k) for k in range(len(tables)))


def joint_quality(verdicts: Sequence[Verdict]) -> Verdict | None:
    """Return what several measures of quality say together: worse if one says so, favourable if all are.

    None where there is none. Each favourable verdict is at its own level: that all of them are wrong at once is no more
    probable than that one is.
    """
    if not verdicts:
        return None
    if Verdict.WORSE in verdicts:
        return Verdict.WORSE
    if not all(each in FAVOURABLE for each in verdicts):
        return Verdict.INCONCLUSIVE
    return next((each for each in (Verdict.WITHIN, Verdict.NEGLIGIBLE) if each in verdicts), Verdict.BETTER)


def floor_verdict(position: Position, quality: Verdict | None) -> FloorVerdict:
    """Say what moved. Lower quality counts wherever the images lie; else a place inside the floor needs no quality.

    `quality`: None where there is no real photo.
    """
    if quality is Verdict.WORSE:
        return FloorVerdict.QUALITY_WORSE
    if position is Position.INSIDE:
        return FloorVerdict.INSIDE
    if quality in FAVOURABLE:
        return FloorVerdict.QUALITY_WITHIN
    return FloorVerdict.QUALITY_UNKNOWN if position is Position.ABOVE and quality is None else FloorVerdict.UNDECIDED


def require_tolerance(tolerance: float) -> None:
    """Raise `InputError` unless a tolerance is a number of 1 or more that can be one."""
    if not is_number(tolerance, 1.0, _LARGEST_TOLERANCE):
        raise InputError(
            "--tolerance",
            expected=f"times the noise floor, from 1 to {_LARGEST_TOLERANCE:g}, such as {TOLERANCE}",
            found=shown(tolerance),
        )


def p_of_inside(table: Values, moving: Sequence[Values], mean_of: MeanOf, tolerance: float) -> float:
    """One-sided p-value of a ratio of the tolerance or more; to any variant will do, so it is Bonferroni's."""
    if not table.any():
        return 0.0
    if not moving:
        return 1.0
    return min(1.0, len(moving) * min(p_of_more(mean_of(table - tolerance * each)) for each in moving))


def p_of_above(table: Values, moving: Sequence[Values], mean_of: MeanOf, tolerance: float) -> float:
    """One-sided p-value of a ratio of the tolerance or less: to all variants it has to be larger."""
    if not table.any():
        return 1.0
    return max((p_of_more(mean_of(tolerance * each - table)) for each in moving), default=0.0)


def _ratio(table: Values, moving: Sequence[Values], mean_of: MeanOf, confidence: float) -> Ratio | None:
    if not moving:
        return None
    found = [ratio for each in moving if (ratio := ratio_of_means(table, each, mean_of, confidence)) is not None]
    high = _smallest_upper(table, moving, mean_of, (1 - confidence) / 2)
    return Ratio(value=min(each.value for each in found), interval=(min(each.interval[0] for each in found), high))


def _at_most(table: Values, moving: Sequence[Values], mean_of: MeanOf, level: float) -> float | None:
    if not table.any():
        return 0.0
    return _smallest_upper(table, moving, mean_of, level) if moving else None


def _smallest_upper(table: Values, moving: Sequence[Values], mean_of: MeanOf, level: float) -> float:
    """Upper end, wrong with probability `level`, of the ratio to the variant that is the farthest."""
    confidence = 1 - 2 * level / len(moving)
    return min(upper_end(table, each, mean_of, confidence) for each in moving)


def _distances(where: str, values: npt.ArrayLike) -> Values:
    table = table_of_runs(where, values)
    if (table < 0).any():
        raise InputError(where, expected="distances, of 0 or more", found=f"{table.min():.3g}")
    return table
