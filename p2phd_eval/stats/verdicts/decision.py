"""Which difference is judged, FID's or KID's, with which error and which margin."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from p2phd_eval.stats.design import SamplingDesign, StandardError
from p2phd_eval.stats.errors.extrapolation import HalfSamples
from p2phd_eval.stats.errors.influence import FidInfluence
from p2phd_eval.stats.errors.intervals import PopulationEstimate, at_n_error, population_estimate
from p2phd_eval.stats.errors.kernel_contrast import KernelContrast
from p2phd_eval.stats.errors.seeds import recipe_error, seed_permutation_p
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.equivalence import Difference
from p2phd_eval.stats.verdicts.margins import Margin, MarginRule, find_margin
from p2phd_eval.stats.verdicts.power import VarianceComponents
from p2phd_eval.stats.verdicts.scope import Scope


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """The difference that the verdict is about; positive where the candidate is worse than the baseline."""

    statistic: Literal["FID", "KID"]  # KID where FID cannot be extrapolated
    why_kid: str  # why FID does not decide, and what it would take; empty where it does
    difference: Difference  # in units of the statistic
    margin: Margin  # where its margin comes from
    components: VarianceComponents  # what the difference's error is made of, in its units
    baseline_runs: tuple[FidInfluence, ...]  # FID@n of each run of the baseline, with all images' influences
    runs: tuple[FidInfluence, ...]  # one for each run of the candidate
    dfid_error: StandardError  # the difference at n errs by this, images random (influence function)
    population: PopulationEstimate | None  # dFID of the distributions, images random; None below 8 images or clusters
    kid: KernelContrast  # dKID, images random
    seed_permutation_p: float | None  # exchangeability of the runs, of the statistic; None in scope A

    @property
    def baseline_fids(self) -> tuple[float, ...]:
        """FID@n of each run of the baseline."""
        return tuple(run.distance.value for run in self.baseline_runs)

    @property
    def fids(self) -> tuple[float, ...]:
        """FID@n of each run of the candidate."""
        return tuple(run.distance.value for run in self.runs)

    @property
    def dfid(self) -> float:
        """Mean of the candidate's FID@n minus mean of the baseline's."""
        return float(np.mean(self.fids) - np.mean(self.baseline_fids))


def decide(
    samples: HalfSamples | None,
    whole: Sequence[FidInfluence],
    kid: KernelContrast,
    weights: Sequence[float],
    design: SamplingDesign,
    scope: Scope,
    rule: MarginRule | None,
) -> Decision:
    """Take dFID where its bias can be extrapolated, else dKID, which has none; in scope B add the seeds' variance.

    `samples`: half samples of all generated sets; None where there are too few images. `whole`: one for each generated
    set. `kid`: with the same weights. `weights`: -1/S for each of the baseline's S runs, 1/S' for each of the
    candidate's, 0 for others. Raises `InputError` if scope B is asked for with one run an arm, or a margin from seeds
    with one baseline run.
    """
    arms = [k for k, weight in enumerate(weights) if weight < 0], [k for k, weight in enumerate(weights) if weight > 0]
    baseline, candidate = (tuple(whole[k] for k in arm) for arm in arms)
    population = None if samples is None else population_estimate(samples, weights, design)
    kids = [tuple(kid.kids[k] for k in arm) for arm in arms]
    if population is None:
        why_kid = f"{design.clusters} {design.unit} are too few, or too unequal, to extrapolate the FID"
    else:
        why_kid = population.refusal
    if samples is None or population is None or why_kid:
        estimate, images, runs = kid.value, kid.standard_error, kids
        if rule is not None and rule.kind == "absolute":
            margin = Margin(value=None, text="the margin is given in units of FID and says nothing about KID")
        else:
            margin = find_margin(rule, Estimand.KID, kids[0], n=min(design.sizes), noise=None)
    else:
        estimate, images = population.value, population.error
        extrapolated = 2 * np.array([each.distance.value for each in whole]) - samples.half_fids
        runs = [tuple(float(extrapolated[k]) for k in arm) for arm in arms]
        at_n = [run.distance.value for run in baseline] if rule is not None and rule.kind == "relative" else runs[0]
        margin = find_margin(rule, Estimand.FID_AT_N, at_n, n=min(design.sizes), noise=None)
    error = recipe_error(runs[0], runs[1], images, noise=(None, None)) if scope == Scope.RECIPES else images
    n = min(design.sizes)
    sds = [float(np.std(each, ddof=1)) if len(each) > 1 else None for each in runs]
    return Decision(
        statistic="KID" if why_kid else "FID",
        why_kid=why_kid,
        difference=Difference(estimate=estimate, error=error, margin=margin),
        margin=margin,
        components=VarianceComponents(
            image_sd=images.value * math.sqrt(n),
            n_images=n,
            seed_sd_baseline=sds[0],
            seed_sd_candidate=sds[1],
            runs_baseline=len(runs[0]),
            runs_candidate=len(runs[1]),
            image_df=images.df,
        ),
        baseline_runs=baseline,
        runs=candidate,
        dfid_error=at_n_error(whole, weights, design),
        population=population,
        kid=kid,
        seed_permutation_p=seed_permutation_p(runs[0], runs[1]) if scope == Scope.RECIPES else None,
    )
