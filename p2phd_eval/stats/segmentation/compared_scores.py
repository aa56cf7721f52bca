"""Verdicts on differences between the segmentation scores of arms: paired by label map, seeds random where asked."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError, as_choice
from p2phd_eval.formatting import number_text
from p2phd_eval.stats.confidence import require_confidence, t_interval, t_tail
from p2phd_eval.stats.design import SamplingDesign, StandardError
from p2phd_eval.stats.errors.image_means import image_error, run_noise
from p2phd_eval.stats.errors.seeds import recipe_error, require_runs
from p2phd_eval.stats.segmentation.class_counts import ClassCounts
from p2phd_eval.stats.segmentation.score_errors import (
    FEWEST_HOLDERS,
    Influences,
    ScoreEstimate,
    estimate,
    score_influences,
    with_bias,
)
from p2phd_eval.stats.segmentation.score_names import SCORE_NAMES, SegmentationScore
from p2phd_eval.stats.verdicts.equivalence import Difference, EquivalenceResult, Verdict, holm, judge_differences
from p2phd_eval.stats.verdicts.margins import (
    Margin,
    MarginRule,
    error_of_share,
    given_margin,
    parse_margin,
    require_seeds,
    seed_margin,
    share_margin,
)
from p2phd_eval.stats.verdicts.power import found_components
from p2phd_eval.stats.verdicts.sample_size import UndecidedNeeds, undecided_needs
from p2phd_eval.stats.verdicts.scope import Scope

Values = npt.NDArray[np.float64]
Runs = Sequence[ClassCounts]

_SCORES = tuple(SegmentationScore)
MOST_MARGIN = 100.0  # scores are in percent


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoreDifference:
    """A candidate's score less the baseline's, in percentage points; positive: the candidate is better."""

    estimate: float
    error: StandardError  # in the scope; chance, and the bias of ratios of few images
    interval: tuple[float, float] | None  # two-sided; None where too few images hold the class
    p_value: float | None  # two-sided, of no difference; None where there is no interval
    p_holm: float | None  # adjusted for all candidates; of a class for all its classes and candidates


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArmScores:
    """The scores of one arm: means over its runs."""

    name: str
    runs: tuple[Mapping[SegmentationScore, float], ...]  # in percent, of each run
    scores: Mapping[SegmentationScore, ScoreEstimate]
    classes: tuple[ScoreEstimate | None, ...]  # IoU of each; None of a class that occurs nowhere
    differences: Mapping[
        SegmentationScore, ScoreDifference
    ]  # to the baseline; empty of the baseline and of real photos
    class_differences: tuple[ScoreDifference | None, ...]  # likewise; None of a class that occurs nowhere


@dataclasses.dataclass(frozen=True, kw_only=True)
class JudgedScore:
    """The verdict on a candidate."""

    name: str
    margin: Margin
    test: EquivalenceResult  # in percentage points; positive: the candidate is better
    needs: UndecidedNeeds | None  # what would decide it; None where it is decided

    @property
    def verdict(self) -> Verdict:
        """What the data say."""
        return self.test.verdict


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoreComparison:
    """Segmentation scores of arms, with the verdicts on candidates."""

    judge: SegmentationScore  # what the verdicts are about
    scope: Scope
    confidence: float
    images: int
    clusters: int | None  # None where each image is a draw of its own
    real: ArmScores | None  # the oracle row: the real photos through the same segmenter
    arms: tuple[ArmScores, ...]  # the baseline first
    verdicts: tuple[JudgedScore, ...]  # one a candidate
    counted: tuple[bool, ...]  # which classes the label maps have, and the means are over
    occurs: tuple[bool, ...]  # which occur at all, in label maps or predictions
    pixels: tuple[int, ...]  # of each class in the label maps
    held_by: tuple[int, ...]  # in how many label maps each class is


def compare_segmentations(
    baseline: Runs,
    candidates: Mapping[str, Runs],
    *,
    real: ClassCounts | None = None,
    baseline_name: str = "baseline",
    judge: SegmentationScore | str = SegmentationScore.MEAN_IOU,
    margin: float | str | MarginRule | None = None,
    scope: Scope | str | None = None,
    clusters: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> ScoreComparison:
    """Compare arms by how well a segmenter finds the classes of their label maps in their photos again.

    Row i of all tables is of one label map. The error of a difference is that of paired images (see
    `stats.segmentation.score_errors`); in scope B it holds the training seeds of both arms too, as for FID (see
    `stats.errors.seeds`). Verdicts are those of `judge_differences`, on one score that is chosen before looking.

    Parameters
    ----------
    baseline : sequence of ClassCounts
        One for each run, such as each training seed.
    candidates : mapping of str to sequence of ClassCounts
        The same of each candidate; may be empty: then there are scores and no verdict.
    real : ClassCounts, optional
        Of the real photos of the same label maps: the best that can be asked for, with this segmenter.
    baseline_name : str
    judge : SegmentationScore or its value
    margin : float, str, MarginRule or None
        The difference that still counts as none: a number in percentage points, a share of the baseline's score, such
        as "2%", or "seeds"; without one from the baseline's seeds, where there are several.
    scope : Scope or its value, optional
        By default that of recipes (B) where every arm has several runs, else that of these checkpoints (A).
    clusters : array_like, shape (n,), optional
        Any label of the cluster, such as the city, of each label map.
    confidence : float
        In (0.5, 1).

    Raises
    ------
    InputError
        If tables do not fit each other, no pixel counts, the truth of two tables differs, the margin does not fit, or
        scope B is asked for and an arm has one run.
    """
    require_confidence(confidence)
    judge = as_choice(SegmentationScore, judge, "--judge")
    rule = margin if isinstance(margin, MarginRule) else parse_margin(margin)
    require_score_margin(rule)
    arms = {baseline_name: tuple(baseline), **{name: tuple(runs) for name, runs in candidates.items()}}
    if len(arms) != 1 + len(candidates):
        raise InputError("arms", expected="a name of its own for each", found=f"{baseline_name!r} twice")
    for name, runs in arms.items():
        if not runs:
            raise InputError(name, expected="one run or more", found="none")
    require_seeds(rule, len(baseline))
    usual = Scope.RECIPES if all(len(runs) > 1 for runs in arms.values()) else Scope.CHECKPOINTS
    chosen = usual if scope is None else as_choice(Scope, scope, "--scope")
    if chosen is Scope.RECIPES:
        require_runs({name: len(runs) for name, runs in arms.items()})
    first = arms[baseline_name][0]
    tables = arms if real is None else {**arms, "the real photos": (real,)}
    for name, runs in tables.items():
        for run in runs:
            _require_same_truth(first, run, name)
    design = SamplingDesign.paired(len(first), 1, clusters)
    found = {name: tuple(score_influences(run, design) for run in runs) for name, runs in arms.items()}
    contrasts = _Contrasts(design, chosen)
    scored = _with_differences(found, contrasts, confidence)
    place = _SCORES.index(judge)
    verdicts = _verdicts(found, contrasts, place, rule, judge, confidence)
    oracle = None
    if real is not None:
        oracle = _scores("the real photos", (score_influences(real, design),), design, confidence)
    return ScoreComparison(
        judge=judge,
        scope=chosen,
        confidence=confidence,
        images=len(first),
        clusters=design.clusters if design.clustered else None,
        real=oracle,
        arms=scored,
        verdicts=verdicts,
        counted=tuple(first.counted.tolist()),
        occurs=tuple(np.any([run.unions.any(axis=0) for runs in tables.values() for run in runs], axis=0).tolist()),
        pixels=tuple(first.truth.sum(axis=0).tolist()),
        held_by=tuple((first.truth > 0).sum(axis=0).tolist()),
    )


def require_score_margin(rule: MarginRule | None) -> None:
    """Raise `InputError` for a number that can be no margin of a score in percent."""
    if rule is not None and rule.kind == "absolute" and rule.amount >= MOST_MARGIN:
        raise InputError(
            "--margin",
            expected=f"percentage points, below {MOST_MARGIN:g}",
            found=f"{rule.amount:g}",
            fix="Give for example 1 (a point of the mean IoU), or 2% (of the baseline's).",
        )


class _Contrasts:
    """Differences between the runs of two arms, of images that are drawn as a design says."""

    def __init__(self, design: SamplingDesign, scope: Scope) -> None:
        self.design, self.scope = design, scope

    def images(self, before: Sequence[Influences], after: Sequence[Influences], place: int) -> StandardError:
        """Return the error of the difference of the means, with the models held fixed."""
        return self._images(_table(before, place), _table(after, place), _bias(after, place) - _bias(before, place))

    def error(
        self, before: Sequence[Influences], after: Sequence[Influences], place: int, scale: float = 1
    ) -> StandardError:
        """Return the error of the candidate less a multiple of the baseline, in the scope."""
        first, second = scale * _table(before, place), _table(after, place)
        images = self._images(first, second, _bias(after, place) - scale * _bias(before, place))
        if self.scope is Scope.CHECKPOINTS:
            return images
        noise = run_noise(first, self.design), run_noise(second, self.design)
        return recipe_error(first.mean(axis=1).tolist(), second.mean(axis=1).tolist(), images, noise=noise)

    def noise(self, runs: Sequence[Influences], place: int) -> float | None:
        """Return what the images add to the variance between an arm's runs."""
        return run_noise(_table(runs, place), self.design)

    def _images(self, first: Values, second: Values, bias: float) -> StandardError:
        error, _ = image_error(second.mean(axis=0) - first.mean(axis=0), self.design)
        return with_bias(error, bias)


def _table(runs: Sequence[Influences], place: int) -> Values:
    return np.stack([run.table(place) for run in runs])


def _bias(runs: Sequence[Influences], place: int) -> float:
    return float(np.mean([run.biases[place] for run in runs]))


def _value(runs: Sequence[Influences], place: int) -> float:
    values = [float(run.values[place]) for run in runs]
    return values[0] if len(set(values)) == 1 else math.fsum(values) / len(values)


def _scores(name: str, runs: Sequence[Influences], design: SamplingDesign, confidence: float) -> ArmScores:
    mean = Influences(
        values=np.array([_value(runs, place) for place in range(len(runs[0].values))]),
        pulls=np.mean([run.pulls for run in runs], axis=0),
        biases=np.mean([run.biases for run in runs], axis=0),
        holders=np.min([run.holders for run in runs], axis=0),
    )
    estimates = [
        None if math.isnan(value) else estimate(mean, place, design, confidence)
        for place, value in enumerate(mean.values.tolist())
    ]
    known = [each for each in estimates[: len(_SCORES)] if each is not None]
    return ArmScores(
        name=name,
        runs=tuple(dict(zip(_SCORES, run.values.tolist(), strict=False)) for run in runs),
        scores=dict(zip(_SCORES, known, strict=True)),
        classes=tuple(estimates[len(_SCORES) :]),
        differences={},
        class_differences=(),
    )


def _with_differences(
    found: Mapping[str, Sequence[Influences]], contrasts: _Contrasts, confidence: float
) -> tuple[ArmScores, ...]:
    (baseline, before), *others = found.items()
    scored = [_scores(baseline, before, contrasts.design, confidence)]
    plain = [_scores(name, runs, contrasts.design, confidence) for name, runs in others]
    places = range(len(before[0].values))
    differences = [[_difference(before, runs, place, contrasts, confidence) for place in places] for _, runs in others]
    for place in range(len(_SCORES)):
        _adjust([(row, place) for row in differences])
    _adjust([(row, place) for row in differences for place in places[len(_SCORES) :]])
    for arm, row in zip(plain, differences, strict=True):
        known = [each for each in row[: len(_SCORES)] if each is not None]
        scored.append(
            dataclasses.replace(
                arm, differences=dict(zip(_SCORES, known, strict=True)), class_differences=tuple(row[len(_SCORES) :])
            )
        )
    return tuple(scored)


def _difference(
    before: Sequence[Influences], after: Sequence[Influences], place: int, contrasts: _Contrasts, confidence: float
) -> ScoreDifference | None:
    difference = _value(after, place) - _value(before, place)
    if math.isnan(difference):
        return None
    error = contrasts.error(before, after, place)
    of_class = place - len(_SCORES)
    held = min(int(run.holders[of_class]) for run in (*before, *after)) if of_class >= 0 else FEWEST_HOLDERS
    if held < FEWEST_HOLDERS:
        return ScoreDifference(estimate=difference, error=error, interval=None, p_value=None, p_holm=None)
    if error.value == 0:
        p_value = 1.0 if difference == 0 else 0.0
    else:
        p_value = min(1.0, 2 * t_tail(abs(difference) / error.value, error.df))
    interval = t_interval(difference, error, confidence)
    return ScoreDifference(estimate=difference, error=error, interval=interval, p_value=p_value, p_holm=None)


def _adjust(places: Sequence[tuple[list[ScoreDifference | None], int]]) -> None:
    """Fill in the adjusted p-values of differences that are looked at together."""
    known = [
        (row, place, each) for row, place in places if (each := row[place]) is not None and each.p_value is not None
    ]
    adjusted = holm([each.p_value for _, _, each in known if each.p_value is not None])
    for (row, place, each), p_value in zip(known, adjusted, strict=True):
        row[place] = dataclasses.replace(each, p_holm=p_value)


def _verdicts(
    found: Mapping[str, Sequence[Influences]],
    contrasts: _Contrasts,
    place: int,
    rule: MarginRule | None,
    judge: SegmentationScore,
    confidence: float,
) -> tuple[JudgedScore, ...]:
    (_, before), *others = found.items()
    margins = [_margin(rule, before, runs, place, judge, contrasts) for _, runs in others]
    differences = [
        Difference(
            estimate=_value(runs, place) - _value(before, place),
            error=contrasts.error(before, runs, place),
            margin=margin,
            more_is_better=True,
        )
        for (_, runs), margin in zip(others, margins, strict=True)
    ]
    tests = judge_differences(differences, confidence=confidence)
    return tuple(
        JudgedScore(
            name=name, margin=margin, test=test, needs=_needs(test, margin, before, runs, place, contrasts, len(others))
        )
        for (name, runs), margin, test in zip(others, margins, tests, strict=True)
    )


def _margin(
    rule: MarginRule | None,
    before: Sequence[Influences],
    after: Sequence[Influences],
    place: int,
    judge: SegmentationScore,
    contrasts: _Contrasts,
) -> Margin:
    if rule is None or rule.kind == "seeds":
        return seed_margin([float(run.values[place]) for run in before], contrasts.noise(before, place))
    if rule.kind == "absolute":
        return given_margin(rule.amount)
    baseline = _value(before, place)
    text = f"{100 * rule.amount:g} % of the baseline's {SCORE_NAMES[judge]}, {number_text(baseline)} %"
    error = error_of_share(rule.amount, lambda scale: contrasts.error(before, after, place, scale))
    return share_margin(rule.amount * baseline, text, error)


def _needs(
    test: EquivalenceResult,
    margin: Margin,
    before: Sequence[Influences],
    after: Sequence[Influences],
    place: int,
    contrasts: _Contrasts,
    judged_together: int,
) -> UndecidedNeeds | None:
    if test.verdict is not Verdict.INCONCLUSIVE:
        return None
    components = found_components(
        [float(run.values[place]) for run in before],
        [float(run.values[place]) for run in after],
        contrasts.images(before, after, place),
        noise=(contrasts.noise(before, place), contrasts.noise(after, place)),
        n=contrasts.design.sizes[0],
    )
    given = None if margin.value is None else margin
    # Of candidates that are judged together none is held to more than this (the first step of Holm's method).
    confidence = 1 - (1 - test.confidence) / judged_together
    return undecided_needs(components, test.estimate, given, scope=contrasts.scope, confidence=confidence)


def _require_same_truth(first: ClassCounts, other: ClassCounts, name: str) -> None:
    if first.truth.shape != other.truth.shape or (first.truth != other.truth).any():
        raise InputError(
            name,
            expected=f"class counts of the {len(first)} label maps of the baseline, with its {first.classes} classes",
            found=f"those of {len(other)} images and {other.classes} classes"
            if first.truth.shape != other.truth.shape
            else "other label maps",
        )
