"""Does editing widen the gap between two arms? From distances of pairs of runs, edit by edit, to a verdict."""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from enum import Enum

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError, shown
from p2phd_eval.stats.confidence import require_confidence
from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.errors.image_means import EstimatedMean, fixed_runs_mean, random_runs_mean
from p2phd_eval.stats.errors.ratios import Ratio, p_of_more, ratio_of_means
from p2phd_eval.stats.errors.skewness import skewed_interval, skewed_p
from p2phd_eval.stats.verdicts.equivalence import Verdict, holm, verdict_of
from p2phd_eval.stats.verdicts.scope import Scope

Values = npt.NDArray[np.float64]
Interval = tuple[float, float]

#: Pairs of seeds from which on they count as drawn at random. Of fewer the floor has no error over seeds.
FEWEST_PAIRS = 3
_MOST_SHARE = 100.0


class MarginBase(str, Enum):
    """What a margin is a share of."""

    GAP = "gap"  # the arms' distance on the maps as they are, at the same pixels
    SEEDS = "seeds"  # the distance of two baseline seeds there


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShareMargin:
    """A widening that still counts as none, set in advance."""

    share: float  # above 0
    base: MarginBase = MarginBase.GAP


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over edits with its interval."""

    value: float
    se: float
    interval: Interval  # two-sided; see `stats.errors.skewness`
    p_value: float  # two-sided, of 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Widening:
    """How much farther apart two arms are on edited maps than on the maps as they were; positive: farther."""

    edits: int
    images: int
    pairs: int  # of runs of both arms with one training seed
    scope: Scope
    confidence: float
    original: float  # mean distance of the arms on maps as they were
    edited: float  # the same on edited maps
    estimate: Estimate  # edited - original
    of_original: Ratio | None  # the estimate over `original`; None where that is 0
    seeds_original: float | None  # mean distance of two seeds of the baseline on maps as they were; None for one pair
    seeds_edited: float | None
    seeds_estimate: Estimate | None  # how much editing widens the gap between two seeds
    of_seeds: Ratio | None  # the estimate over `seeds_original`
    margin: float | None  # in units of the distance, as estimated; None: no margin, or nothing that it is a share of
    p_within: float | None  # one-sided, the larger of the two, of a widening or narrowing of the margin or more
    verdict: Verdict


def pair_values(between_seeds: npt.ArrayLike, runs: int) -> Values:
    """Return values of the mean over all pairs of S runs, one row for each run: jackknife pseudo-values.

    With U the mean over all pairs of runs and U_(-s) that of the pairs without run s, row s is S U - (S - 1) U_(-s).
    The rows' mean is U, and the variance of their mean is the jackknife's of U, which is at least the true one on
    average, whatever the pairs have in common (Efron and Stein, 1981).

    Parameters
    ----------
    between_seeds : array_like, shape (S (S - 1) / 2, n)
        The distances of the runs 0 and 1, 0 and 2, ..., S - 2 and S - 1, on the same n edits.
    runs : int
        S, 3 or more.

    Returns
    -------
    ndarray of float64, shape (S, n)
    """
    table = np.asarray(between_seeds, dtype=np.float64)
    whole = table.mean(axis=0)
    members = list(itertools.combinations(range(runs), 2))
    rows = []
    for run in range(runs):
        without = table[[k for k, pair in enumerate(members) if run not in pair]]
        rows.append(runs * whole - (runs - 1) * without.mean(axis=0))
    return np.stack(rows)


class EditTables:
    """Means over edits of tables with a row for each pair of runs: edits of one image are drawn together.

    `images`, sequence of any labels: of each of the n edits, its image; two or more different ones. `pairs`: rows.
    `scope`: whether rows are random too; by default from `FEWEST_PAIRS` on.
    """

    def __init__(self, images: Sequence[object], pairs: int, scope: Scope | None = None) -> None:
        codes = {image: k for k, image in enumerate(dict.fromkeys(images))}
        if len(codes) < 2:
            raise InputError("edits", expected="edits of two images or more", found=f"{len(codes)}")
        usual = Scope.RECIPES if pairs >= FEWEST_PAIRS else Scope.CHECKPOINTS
        self.scope = usual if scope is None else scope
        if self.scope is Scope.RECIPES and pairs < FEWEST_PAIRS:
            raise InputError("pairs of seeds", expected=f"{FEWEST_PAIRS} or more for scope B", found=str(pairs))
        self.edits, self.images, self.pairs = len(images), len(codes), pairs
        self._design = SamplingDesign.paired(len(images), 1, [codes[image] for image in images])

    def mean(self, table: Values) -> EstimatedMean:
        """Return the mean of a table (rows, n) over edits, with its error."""
        random = self.scope is Scope.RECIPES
        return (random_runs_mean if random else fixed_runs_mean)(table, self._design)

    def estimate(self, table: Values, confidence: float) -> Estimate:
        """Return the mean of a table with its interval."""
        found = self.mean(table)
        return Estimate(
            value=found.value,
            se=found.error.value,
            interval=skewed_interval(found.value, found.error, found.skewness, confidence),
            p_value=skewed_p(found.value, found.error, found.skewness),
        )

    def ratio(self, above: Values, below: Values, confidence: float) -> Ratio | None:
        """Return the ratio of the means of two tables, see `ratio_of_means`; None where that below is not above 0.

        A ratio is inside of a margin exactly where `p_beyond` says so.
        """
        return ratio_of_means(above, below, self.mean, confidence)

    def p_beyond(self, widening: Values, base: Values, share: float) -> float:
        """Return the p-value of a mean widening, or narrowing, of a share of the base or more: both one-sided tests."""
        return max(p_of_more(self.mean(sign * widening - share * base)) for sign in (1, -1))


def widening(
    original: npt.ArrayLike,
    edited: npt.ArrayLike,
    images: Sequence[object],
    *,
    seeds_original: npt.ArrayLike | None = None,
    seeds_edited: npt.ArrayLike | None = None,
    margin: ShareMargin | None = None,
    scope: Scope | None = None,
    confidence: float = 0.95,
) -> Widening:
    """Say by how much editing widens the gap between two arms, over images, edits and training seeds.

    The estimand is the mean over edits of the arms' distance on the edited map minus that on the map as it was, at the
    same pixels. Edits of one image are no independent draws, and all edits are seen by the same runs: the error counts
    images, with all their edits, and pairs of runs as two crossed random factors, see
    `stats.errors.image_means.random_runs_mean`; intervals reach farther to the long side of skewed distances, see
    `stats.errors.skewness`. With fewer than three pairs the runs are taken as they are (scope A).

    Verdicts, at 1 - confidence each:

    1. both one-sided tests against the margin reject, the two-sided does not: within.
    2. both one-sided tests reject, and so does the two-sided: negligible.
    3. the two-sided test rejects: worse (the gap widens) or better (it narrows).
    4. otherwise: inconclusive.

    The margin is a share of a distance that is estimated from the same edits and runs, so the one-sided tests are of
    the mean of widening -+ share x distance, and know how uncertain that is.

    Parameters
    ----------
    original, edited : array_like, shape (pairs, n)
        Distances, larger is farther, of the two runs of a pair, on n edits.
    images : sequence, n
        Any label of the image of each edit.
    seeds_original, seeds_edited : array_like, shape (pairs (pairs - 1) / 2, n), optional
        The same between the baseline's runs, in the order of `itertools.combinations`.
    margin : ShareMargin, optional
        Without one nothing is within.
    scope : Scope, optional
        By default that of the recipes from three pairs on.
    confidence : float
        In (0.5, 1).

    Raises
    ------
    InputError
        If the tables do not fit each other, hold NaN or infinity, or fewer than two images; or the margin is none.

    References
    ----------
    Schuirmann (1987), for the one-sided tests; Fieller (1954), for ratios; Hall (1992), for skewed means.
    """
    require_confidence(confidence)
    before, after = _table("original", original, len(images)), _table("edited", edited, len(images))
    if before.shape != after.shape:
        raise InputError("edited", expected=f"shape {before.shape}", found=f"shape {after.shape}")
    pairs = len(before)
    tables = EditTables(images, pairs, scope)
    wider = after - before
    floor = wider_floor = None
    if seeds_original is not None and seeds_edited is not None and pairs > 1:
        floor, floor_edited = (
            _floor(name, each, pairs, len(images))
            for name, each in (("seeds_original", seeds_original), ("seeds_edited", seeds_edited))
        )
        wider_floor = floor_edited - floor
    estimate = tables.estimate(wider, confidence)
    base = None if margin is None else floor if margin.base is MarginBase.SEEDS else before
    amount = p_within = None
    if margin is not None and base is not None and base.mean() > 0:
        require_share(margin.share)
        amount, p_within = margin.share * float(base.mean()), tables.p_beyond(wider, base, margin.share)
    of_original = tables.ratio(wider, before, confidence)
    return Widening(
        edits=tables.edits,
        images=tables.images,
        pairs=pairs,
        scope=tables.scope,
        confidence=confidence,
        original=float(before.mean()),
        edited=float(after.mean()),
        estimate=estimate,
        of_original=of_original,
        seeds_original=None if floor is None else float(floor.mean()),
        seeds_edited=None if floor is None or wider_floor is None else float((floor + wider_floor).mean()),
        seeds_estimate=None if wider_floor is None else tables.estimate(wider_floor, confidence),
        of_seeds=None if floor is None else tables.ratio(wider, floor, confidence),
        margin=amount,
        p_within=p_within,
        verdict=_verdict(estimate.value, estimate.p_value, p_within, 1 - confidence),
    )


def judge_together(widenings: Sequence[Widening]) -> tuple[Widening, ...]:
    """Return widenings, such as those of several candidates, with verdicts from p-values adjusted by Holm's method."""
    detections = holm([each.estimate.p_value for each in widenings])
    known = [k for k, each in enumerate(widenings) if each.p_within is not None]
    adjusted = holm([p for each in widenings if (p := each.p_within) is not None])
    equivalences: dict[int, float] = dict(zip(known, adjusted, strict=True))
    return tuple(
        dataclasses.replace(
            each, verdict=_verdict(each.estimate.value, detections[k], equivalences.get(k), 1 - each.confidence)
        )
        for k, each in enumerate(widenings)
    )


def _verdict(estimate: float, p_value: float, p_within: float | None, level: float) -> Verdict:
    equivalent = p_within is not None and p_within < level
    return verdict_of(detected=p_value < level, equivalent=equivalent, worse=estimate > 0)


def parse_share(text: str) -> ShareMargin:
    """Read a margin: a share of the gap, such as "10%", or of the seeds' distance, such as "10% of seeds".

    Raises `InputError` if it is none of these.
    """
    number, _, base = text.strip().partition(" of ")
    try:
        if not number.endswith("%"):
            raise ValueError
        margin = ShareMargin(share=float(number[:-1]) / 100, base=MarginBase(base.strip() or "gap"))
    except ValueError:
        raise InputError(
            "--margin",
            expected='a share of the gap on the maps as they are, such as "10%", or of the distance of two seeds, such '
            'as "10% of seeds"',
            found=shown(text),
        ) from None
    require_share(margin.share)
    return margin


def require_share(share: float) -> None:
    """Raise `InputError` unless a share is above 0, and a number that can be one."""
    if not 0 < share <= _MOST_SHARE:
        raise InputError("--margin", expected=f"above 0 %, at most {100 * _MOST_SHARE:g} %", found=f"{100 * share:g} %")


def _table(where: str, values: npt.ArrayLike, edits: int) -> Values:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or not len(table) or table.shape[1] != edits:
        raise InputError(where, expected=f"shape (pairs, {edits})", found=f"shape {table.shape}")
    if not np.isfinite(table).all():
        raise InputError(where, expected="finite numbers", found="NaN or infinity")
    return table


def _floor(where: str, values: npt.ArrayLike, pairs: int, edits: int) -> Values:
    """Return a table with a row for each run, of distances between runs."""
    table = _table(where, values, edits)
    if len(table) != math.comb(pairs, 2):
        raise InputError(where, expected=f"{math.comb(pairs, 2)} pairs of {pairs} runs", found=f"{len(table)}")
    return pair_values(table, pairs) if pairs >= FEWEST_PAIRS else np.repeat(table, pairs, axis=0)
