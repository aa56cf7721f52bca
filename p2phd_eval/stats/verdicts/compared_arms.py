"""Is the FID of a candidate within the error range of a baseline's? From features to the verdict."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import MOST_REPLICATES, InputError, as_choice, require_at_least, require_whole
from p2phd_eval.formatting import signed_text
from p2phd_eval.progress import ProgressFactory, silent
from p2phd_eval.stats.confidence import require_confidence
from p2phd_eval.stats.design import SamplingDesign, require_pairs
from p2phd_eval.stats.distances.block_frechet import ReferenceAxes, reference_axes
from p2phd_eval.stats.errors.bootstrap import bootstrap_contrasts, usual_replicates
from p2phd_eval.stats.errors.influence import FidInfluence
from p2phd_eval.stats.errors.seeds import require_runs, seed_permutation_p
from p2phd_eval.stats.errors.swaps import SwapTest, swap_test
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.feature_arrays import as_features, checked_features, require_equal_dims
from p2phd_eval.stats.verdicts.companion import Companion, companion_of
from p2phd_eval.stats.verdicts.equivalence import Difference, EquivalenceResult, Verdict, judge_differences
from p2phd_eval.stats.verdicts.margins import (
    Margin,
    MarginRule,
    find_margin,
    parse_margin,
    require_margin_fits,
    share_error,
)
from p2phd_eval.stats.verdicts.measured_difference import Measured, MeasuredDifference, measure
from p2phd_eval.stats.verdicts.sample_size import UndecidedNeeds, undecided_needs
from p2phd_eval.stats.verdicts.scope import Scope

_REPLICATES = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to train, such as fp32: the features of one or more training seeds."""

    name: str
    runs: tuple[npt.NDArray[np.generic], ...]  # each (n, d)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FIDComparison:
    """A candidate against a baseline. Positive differences: the candidate is worse."""

    name: str  # the candidate's name
    scope: Scope
    n: int  # images of each set
    judged: Estimand  # what the verdict is about, chosen before looking
    refusal: str  # why nothing was judged, and what it would take; empty where it was
    measured: tuple[MeasuredDifference, ...]  # every estimand that could be measured, FID@n first
    not_measured: Mapping[Estimand, str]  # the others, and why not
    margin: Margin  # in units of what is judged
    test: EquivalenceResult | None  # of the judged difference; None where nothing was judged
    companion: Companion | None  # what stands beside the verdict; None where it needs nothing, or nothing can be had
    baseline_influences: tuple[FidInfluence, ...]  # FID@n of each run of the baseline, with all images' influences
    influences: tuple[FidInfluence, ...]  # one for each run of the candidate
    dfid_se_bootstrap: float | None  # dFID@n's, the check of its analytic error; None without replicates
    replicates: int  # how many the bootstrap took
    swap: SwapTest | None  # exchangeability of the images of one label map; None unless both arms are one paired run
    seed_permutation_p: float | None  # exchangeability of the runs, by what is judged; None in scope A
    needs: UndecidedNeeds | None  # what would decide an inconclusive result; None for others

    def __str__(self) -> str:
        why = self.refusal if self.test is None else self.test.reason
        text = (
            f"{self.name}, scope {self.scope.value}, {self.judged.name_at(self.n)}: {self.verdict.value}, since {why}."
        )
        if self.companion is not None and self.companion.objects:
            text += (
                f" By itself that is {self.companion.before.value}; {self.companion.estimand.name_at(self.n)} objects."
            )
        return text

    def __repr__(self) -> str:
        found = self.at_n
        return (
            f"FIDComparison: {self}\ndFID@{self.n} {signed_text(found.estimate)}, "
            f"standard error {found.error.value:.3g} in scope {self.scope.value}"
        )

    def difference(self, estimand: Estimand) -> MeasuredDifference | None:
        """Return what was measured of an estimand; None where it could not be."""
        return next((each for each in self.measured if each.estimand is estimand), None)

    @property
    def at_n(self) -> MeasuredDifference:
        """The difference of FID@n, which can always be had."""
        return self.measured[0]

    @property
    def estimate(self) -> float | None:
        """The difference that is judged; None where nothing was judged."""
        return None if self.test is None else self.test.estimate

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its two-sided interval."""
        return None if self.test is None else self.test.interval

    @property
    def non_inferior(self) -> bool | None:
        """Whether it is shown not to be worse by more than the margin, nor contradicted; None without a margin."""
        if self.test is None or self.test.non_inferior is None:
            return None
        contradicted = self.companion is not None and self.companion.test.verdict is Verdict.WORSE
        return self.test.non_inferior and not contradicted

    @property
    def verdict(self) -> Verdict:
        """What the data say about it, with the companion heard."""
        if self.test is None:
            return Verdict.NOT_JUDGED
        return self.test.verdict if self.companion is None else self.companion.after


def compare_fid(
    real: npt.ArrayLike,
    baseline: npt.ArrayLike,
    candidate: npt.ArrayLike,
    *,
    margin: float | str | None = None,
    judge: Estimand | str = Estimand.FID_AT_N,
    reference: npt.ArrayLike | None = None,
    confidence: float = 0.95,
    clusters: npt.ArrayLike | None = None,
    replicates: int = 0,
    rng: np.random.Generator | int | None = None,
) -> FIDComparison:
    """Compare the FID of a candidate with a baseline's, image by image.

    Row i of all arrays belongs to label map i. By default the difference of FID@n is judged: of the FIDs that n images
    of each give in expectation, the number that papers print. Its standard error is that of its influence function. A
    companion that is free of the bias of n images can make the verdict more careful (see `companion_of`).

    Parameters
    ----------
    real : array_like, shape (n, d)
        Features of the real images, n >= 3.
    baseline, candidate : array_like, shape (n, d) or (S, n, d)
        Features of the generated images; with S training seeds each, S >= 2 for both, the recipes are compared
        (scope B).
    margin : float or str, optional
        Difference that still counts as none, > 0, set before looking at the data: in units of what is judged, a share
        of the baseline's value of it such as "2%", or "seeds", 2.77 standard deviations of the baseline's seeds, which
        is what is taken without one where there are several. With none nothing is called within the error range.
    judge : Estimand or its value
        What the verdict is about, chosen before looking at the data. Where it cannot be had nothing is judged, and the
        result says why. CMMD takes features that are CLIP's embeddings, scaled to length one.
    reference : array_like, shape (m, d), optional
        Features of other real images, such as the training photos, m >= 33: the principal axes for the block FID.
    confidence : float
        How often such intervals hold the truth, in (0.5, 1); the two one-sided tests are at 1 - confidence.
    clusters : array_like, shape (n,), optional
        Any label of the cluster, such as the city, of each label map.
    replicates : int
        How many the two checks take, bootstrap and swap test; 0 for neither check.
    rng : numpy.random.Generator or int, optional
        Source of splits and checks, or its seed; by default 0.

    Returns
    -------
    FIDComparison

    Raises
    ------
    InputError
        If the arrays cannot be used or do not fit each other, or an option is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from p2phd_eval.stats.verdicts.compared_arms import compare_fid
    >>> rng = np.random.default_rng(0)
    >>> scene = rng.normal(size=(400, 16))
    >>> real, fp32, amp = (scene + 0.5 * rng.normal(size=(400, 16)) for _ in range(3))
    >>> compare_fid(real, fp32, amp, margin=0.5).verdict.value
    'within'
    """
    require_whole(0, MOST_REPLICATES, {"replicates": replicates})
    require_at_least(0, {"rng": rng})
    arms = [Arm(name=name, runs=_runs(runs, name)) for name, runs in (("baseline", baseline), ("candidate", candidate))]
    real_values = as_features(real, "real")
    for arm in arms:
        for run in arm.runs:
            require_equal_dims(real_values, run)
            require_pairs(len(real_values), len(run))
    design = SamplingDesign.paired(len(real_values), 1 + sum(len(arm.runs) for arm in arms), clusters)
    (result,) = compare_arms(
        real_values,
        arms,
        design,
        margin=parse_margin(margin),
        judge=judge,
        reference=None if reference is None else reference_axes(reference),
        clip=judge == Estimand.CMMD,
        confidence=confidence,
        replicates=replicates,
        rng=np.random.default_rng(0 if rng is None else rng),
    )
    return result


def compare_arms(
    real: npt.NDArray[np.generic],
    arms: Sequence[Arm],
    design: SamplingDesign,
    *,
    margin: MarginRule | None,
    judge: Estimand | str = Estimand.FID_AT_N,
    reference: ReferenceAxes | None = None,
    clip: bool = False,
    scope: Scope | str | None = None,
    confidence: float = 0.95,
    replicates: int | None = None,
    rng: np.random.Generator,
    progress: ProgressFactory = silent,
) -> tuple[FIDComparison, ...]:
    """Compare candidates with one baseline; the verdicts are adjusted for their number by Holm's method.

    There is one result a candidate. Raises `InputError` as `compare_fid`, and if scope B is asked for with one run an
    arm.

    Parameters
    ----------
    real : ndarray, shape (n_r, d)
    arms : sequence of Arm
        The baseline, then one candidate or more.
    design : SamplingDesign
        How the real set and all runs were drawn, in the order of the arms.
    margin : MarginRule or None
        See `compare_fid`.
    judge : Estimand or its value
        See `compare_fid`.
    reference : ReferenceAxes, optional
        The axes of the block FID; without them it is not measured.
    clip : bool
        The features are CLIP's, so that CMMD is measured too.
    scope : Scope or its value, optional
        By default that of the recipes where every arm has two runs or more.
    confidence, rng
        See `compare_fid`.
    replicates : int, optional
        How many bootstrap and swap test take, 0 for neither; by default up to 1000, fewer where each is costly.
    progress : ProgressFactory
        Opened for each stage.
    """
    require_confidence(confidence)
    judge = require_judgeable(judge, margin, has_reference=reference is not None, clip=clip)
    usual = Scope.RECIPES if all(len(arm.runs) > 1 for arm in arms) else Scope.CHECKPOINTS
    scope = usual if scope is None else as_choice(Scope, scope, "--scope")
    if scope is Scope.RECIPES:
        require_runs({arm.name: len(arm.runs) for arm in arms})
    sets = [real, *(run for arm in arms for run in arm.runs)]
    weights = [_weights(arms, k) for k in range(1, len(arms))]
    splits_rng, bootstrap_rng, swap_rng = rng.spawn(3)
    found = measure(sets, design, reference=reference, clip=clip, rng=splits_rng, progress=progress)
    measured = [found.differences(each, design, scope) for each in weights]
    judged = [next((each for each in differences if each.estimand is judge), None) for differences in measured]
    margins = [
        _margin(margin, judge, found, each, difference, design)
        for each, difference in zip(weights, judged, strict=True)
    ]
    tests = _tests(judged, margins, confidence)

    if replicates is None:
        replicates = usual_replicates(max(design.sizes), real.shape[1], len(sets) - 1, _REPLICATES)
    bootstrap: Sequence[float | None] = [None] * len(weights)
    swaps: Sequence[SwapTest | None] = [None] * len(weights)
    if replicates:
        bootstrap = _bootstrap_errors(sets, weights, design, replicates, bootstrap_rng, progress)
        swaps = [
            _swap_test(sets, each, design, arm.name, generator, progress)
            for each, arm, generator in zip(weights, arms[1:], swap_rng.spawn(len(weights)), strict=True)
        ]
    results = []
    for k, (difference, test) in enumerate(zip(judged, tests, strict=True)):
        companion = None
        if difference is not None and test is not None:
            companion = companion_of(test.verdict, difference, margins[k].value, measured[k], confidence=confidence)
        results.append(
            FIDComparison(
                name=arms[k + 1].name,
                scope=scope,
                n=min(design.sizes),
                judged=judge,
                refusal=_refusal(judge, difference, found.missing),
                measured=measured[k],
                not_measured=found.missing,
                margin=margins[k],
                test=test,
                companion=companion,
                baseline_influences=tuple(
                    each for each, weight in zip(found.whole, weights[k], strict=True) if weight < 0
                ),
                influences=tuple(each for each, weight in zip(found.whole, weights[k], strict=True) if weight > 0),
                dfid_se_bootstrap=bootstrap[k],
                replicates=replicates,
                swap=swaps[k],
                seed_permutation_p=None
                if difference is None or scope is Scope.CHECKPOINTS
                else seed_permutation_p(difference.baseline_runs, difference.runs),
                needs=_needs(difference, test, margins[k], judged_together=sum(each is not None for each in tests)),
            )
        )
    return tuple(results)


def require_judgeable(judge: Estimand | str, margin: MarginRule | None, *, has_reference: bool, clip: bool) -> Estimand:
    """Return what is to be judged; raises InputError where margin, reference or features do not fit it.

    `clip`: whether the features are CLIP's.
    """
    estimand = as_choice(Estimand, judge, "--judge")
    require_margin_fits(margin, estimand)
    if estimand is Estimand.BLOCK_FID and not has_reference:
        raise InputError(
            "--judge block-fid",
            expected="--reference: other real images, such as the training photos, whose principal axes it takes",
            found="none",
        )
    if estimand is Estimand.CMMD and not clip:
        raise InputError(
            "--judge cmmd",
            expected="features of CLIP, in which CMMD is defined",
            found="features of another network",
            fix="Take CLIP's: p2phd-eval compare --feature-network clip --feature-weights FOLDER;\n"
            "see docs/feature-spaces.md.",
        )
    return estimand


def _bootstrap_errors(
    sets: Sequence[npt.NDArray[np.generic]],
    weights: Sequence[Sequence[float]],
    design: SamplingDesign,
    replicates: int,
    rng: np.random.Generator,
    progress: ProgressFactory,
) -> list[float]:
    """The standard error of each difference by the bootstrap."""
    with progress("bootstrap", "replicates") as on_progress:
        found = bootstrap_contrasts(
            sets, np.array(weights), design, replicates=replicates, rng=rng, on_progress=on_progress
        )
    return [each.se for each in found]


def _swap_test(
    sets: Sequence[npt.NDArray[np.generic]],
    weights: Sequence[float],
    design: SamplingDesign,
    name: str,
    rng: np.random.Generator,
    progress: ProgressFactory,
) -> SwapTest | None:
    """The swap test of a candidate; None unless both arms are one run, drawn together."""
    pair = [position for position, weight in enumerate(weights, start=1) if weight]
    if len(pair) != 2 or not design.drawn_together(pair):
        return None
    baseline, candidate = (sets[position] for position in pair)
    with progress(f"swaps of {name}", "swaps") as on_progress:
        return swap_test(sets[0], baseline, candidate, design.subset(pair), rng=rng, on_progress=on_progress)


def _margin(
    rule: MarginRule | None,
    judge: Estimand,
    found: Measured,
    weights: Sequence[float],
    judged: MeasuredDifference | None,
    design: SamplingDesign,
) -> Margin:
    if judged is None:
        return Margin(value=None, text="nothing was judged")
    uncertain = None
    if rule is not None and rule.kind == "relative":
        if judged.baseline_refusal:
            share = f"{100 * rule.amount:g} % of the baseline's {judge.name_at(judged.n)}"
            return Margin(value=None, text=f"{share}, which by itself cannot be had: {judged.baseline_refusal}")
        uncertain = share_error(rule.amount, found.measurement(judge), weights, design, judged.scope)
    return find_margin(rule, judge, judged.baseline_runs, n=judged.n, noise=judged.noise[0], share_error=uncertain)


def _tests(
    judged: Sequence[MeasuredDifference | None], margins: Sequence[Margin], confidence: float
) -> list[EquivalenceResult | None]:
    """The tests of all differences that can be judged, as one family; None for the others."""
    differences = {
        k: Difference(estimate=each.estimate, error=each.error, margin=margins[k])
        for k, each in enumerate(judged)
        if each is not None and not each.refusal
    }
    tests = dict(zip(differences, judge_differences(list(differences.values()), confidence=confidence), strict=True))
    return [tests.get(k) for k in range(len(judged))]


def _refusal(judge: Estimand, judged: MeasuredDifference | None, missing: Mapping[Estimand, str]) -> str:
    return missing[judge] if judged is None else judged.refusal


def _weights(arms: Sequence[Arm], candidate: int) -> tuple[float, ...]:
    """The weights of all runs in the difference of a candidate's mean from the baseline's."""
    signs = {0: -1, candidate: 1}
    return tuple(signs.get(k, 0) / len(arm.runs) for k, arm in enumerate(arms) for _ in arm.runs)


def _needs(
    judged: MeasuredDifference | None, test: EquivalenceResult | None, margin: Margin, *, judged_together: int
) -> UndecidedNeeds | None:
    # What the companion made inconclusive is decided by no number of images that the judged difference could tell.
    if judged is None or test is None or test.verdict is not Verdict.INCONCLUSIVE:
        return None
    given = None if margin.value is None else margin
    # Of candidates that are judged together none is held to more than this (the first step of Holm's method).
    confidence = 1 - (1 - test.confidence) / judged_together
    return undecided_needs(judged.components, test.estimate, given, scope=judged.scope, confidence=confidence)


def _runs(values: npt.ArrayLike, name: str) -> tuple[npt.NDArray[np.generic], ...]:
    array = np.asarray(values)
    runs = array if array.ndim == 3 else array[None]
    if not len(runs):
        raise InputError(f"{name} features", expected="at least one run", found=f"shape {array.shape}")
    return tuple(checked_features(run, name) for run in runs)
