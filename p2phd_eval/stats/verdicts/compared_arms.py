"""Is the FID of a candidate within the error range of a baseline's? From features to the verdict."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError, as_choice, require_at_least
from p2phd_eval.progress import ProgressFactory, silent
from p2phd_eval.stats.confidence import require_confidence
from p2phd_eval.stats.design import SamplingDesign, require_pairs
from p2phd_eval.stats.errors.bootstrap import bootstrap_contrasts, usual_replicates
from p2phd_eval.stats.errors.extrapolation import half_samples
from p2phd_eval.stats.errors.influence import fid_influence
from p2phd_eval.stats.errors.kernel_contrast import KernelContrast, kernel_measurements
from p2phd_eval.stats.errors.swaps import SwapTest, swap_test
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.feature_arrays import as_features, checked_features, require_equal_dims
from p2phd_eval.stats.verdicts.decision import Decision, decide
from p2phd_eval.stats.verdicts.equivalence import EquivalenceResult, Verdict, judge_differences
from p2phd_eval.stats.verdicts.margins import MarginRule, parse_margin
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
    decision: Decision  # which difference is judged, with its error and margin, and all that was computed beside it
    test: EquivalenceResult  # the test of that difference, with the verdict
    dfid_se_bootstrap: float | None  # dFID@n's, the check of `decision.dfid_error`; None without replicates
    replicates: int  # how many the bootstrap took
    swap: SwapTest | None  # exchangeability of the images of one label map; None unless both arms are one paired run
    needs: UndecidedNeeds | None  # what would decide an inconclusive result; None for others

    def __str__(self) -> str:
        return f"{self.name}, scope {self.scope.value}: {self.verdict.value}, since {self.test.reason}."

    def __repr__(self) -> str:
        judged = f"d{self.decision.statistic} {self.estimate:+.4g}, standard error {self.test.standard_error:.3g}"
        return f"FIDComparison: {self}\njudged is {judged}; dFID at n {self.decision.dfid:+.4g}"

    @property
    def estimate(self) -> float:
        """The difference that is judged."""
        return self.test.estimate

    @property
    def interval(self) -> tuple[float, float]:
        """Its two-sided interval."""
        return self.test.interval

    @property
    def verdict(self) -> Verdict:
        """What the data say about it."""
        return self.test.verdict


def compare_fid(
    real: npt.ArrayLike,
    baseline: npt.ArrayLike,
    candidate: npt.ArrayLike,
    *,
    margin: float | str | None = None,
    confidence: float = 0.95,
    clusters: npt.ArrayLike | None = None,
    replicates: int = 0,
    rng: np.random.Generator | int | None = None,
) -> FIDComparison:
    """Compare the FID of a candidate with a baseline's, image by image.

    Row i of all arrays belongs to label map i. The difference is that of the distributions: dFID@n, extrapolated from
    half samples, with the standard error of its influence function (see `stats.errors.intervals`). Where that is
    refused, the unbiased dKID is judged instead.

    Parameters
    ----------
    real : array_like, shape (n, d)
        Features of the real images, n >= 3.
    baseline, candidate : array_like, shape (n, d) or (S, n, d)
        Features of the generated images; with S training seeds each, S >= 2 for both, the recipes are compared
        (scope B).
    margin : float or str, optional
        Difference that still counts as none, > 0, set before looking at the data: in units of the FID, a share of
        the baseline's FID@n such as "2%", or "seeds", 2.77 standard deviations of the baseline's seeds, which is what
        is taken without one where there are several. With none nothing is called within the error range.
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
    require_at_least(0, {"replicates": replicates, "rng": rng})
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
    usual = Scope.RECIPES if all(len(arm.runs) > 1 for arm in arms) else Scope.CHECKPOINTS
    scope = usual if scope is None else as_choice(Scope, scope, "--scope")
    sets = [real, *(run for arm in arms for run in arm.runs)]
    weights = [_weights(arms, k) for k in range(1, len(arms))]
    splits_rng, bootstrap_rng, swap_rng = rng.spawn(3)
    samples = None
    if design.quarters:
        with progress("half samples", "FIDs") as on_progress:
            samples = half_samples(sets, design, rng=splits_rng, on_progress=on_progress)
    whole = samples.whole if samples else tuple(fid_influence(real, fake) for fake in sets[1:])
    with progress("KID", "tiles") as on_progress:
        kid = kernel_measurements(sets, design, on_progress=on_progress)[Estimand.KID]
    kids = [
        KernelContrast(value=kid.value(each), standard_error=kid.standard_error(each, design), kids=kid.values)
        for each in weights
    ]
    decisions = [
        decide(samples, whole, kid, weight, design, scope, margin) for kid, weight in zip(kids, weights, strict=True)
    ]
    tests = judge_differences([each.difference for each in decisions], confidence=confidence)

    if replicates is None:
        replicates = usual_replicates(max(design.sizes), real.shape[1], len(sets) - 1, _REPLICATES)
    bootstrap: list[float | None] = [None] * len(weights)
    if replicates:
        with progress("bootstrap", "replicates") as on_progress:
            spread = bootstrap_contrasts(
                sets, np.array(weights), design, replicates=replicates, rng=bootstrap_rng, on_progress=on_progress
            )
        bootstrap = [each.se for each in spread]
    results = []
    for k, generator in enumerate(swap_rng.spawn(len(weights))):
        swap = None
        pair = [position for position, weight in enumerate(weights[k], start=1) if weight]
        if replicates and len(pair) == 2 and design.drawn_together(pair):
            with progress(f"swaps of {arms[k + 1].name}", "swaps") as on_progress:
                baseline, candidate = (sets[position] for position in pair)
                swap = swap_test(real, baseline, candidate, design.subset(pair), rng=generator, on_progress=on_progress)
        results.append(
            FIDComparison(
                name=arms[k + 1].name,
                scope=scope,
                decision=decisions[k],
                test=tests[k],
                dfid_se_bootstrap=bootstrap[k],
                replicates=replicates,
                swap=swap,
                needs=_needs(decisions[k], tests[k], scope),
            )
        )
    return tuple(results)


def _weights(arms: Sequence[Arm], candidate: int) -> tuple[float, ...]:
    """The weights of all runs in the difference of a candidate's mean from the baseline's."""
    signs = {0: -1, candidate: 1}
    return tuple(signs.get(k, 0) / len(arm.runs) for k, arm in enumerate(arms) for _ in arm.runs)


def _needs(decision: Decision, test: EquivalenceResult, scope: Scope) -> UndecidedNeeds | None:
    if test.verdict is not Verdict.INCONCLUSIVE:
        return None
    return undecided_needs(decision.components, test.estimate, test.margin, scope=scope, confidence=test.confidence)


def _runs(values: npt.ArrayLike, name: str) -> tuple[npt.NDArray[np.generic], ...]:
    array = np.asarray(values)
    runs = array if array.ndim == 3 else array[None]
    if not len(runs):
        raise InputError(f"{name} features", expected="at least one run", found=f"shape {array.shape}")
    return tuple(checked_features(run, name) for run in runs)
