"""How a candidate differs from the baseline in one estimand, and what makes that uncertain."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from p2phd_eval.progress import ProgressFactory, silent
from p2phd_eval.stats.design import SamplingDesign, StandardError
from p2phd_eval.stats.distances.block_frechet import ReferenceAxes
from p2phd_eval.stats.errors.extrapolation import HalfSamples, half_samples
from p2phd_eval.stats.errors.influence import FidInfluence, fid_influence
from p2phd_eval.stats.errors.intervals import PopulationEstimate, at_n_measurement, population_estimate
from p2phd_eval.stats.errors.kernel_contrast import kernel_measurements
from p2phd_eval.stats.errors.measurement import Measurement
from p2phd_eval.stats.errors.seeds import recipe_error
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.power import VarianceComponents, found_components
from p2phd_eval.stats.verdicts.scope import Scope


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeasuredDifference:
    """One estimand of the runs of two arms; positive differences: the candidate is worse."""

    estimand: Estimand
    baseline_runs: tuple[float, ...]  # the value of each of its runs
    runs: tuple[float, ...]  # of each of the candidate's
    estimate: float  # mean of the candidate's less mean of the baseline's
    scope: Scope
    images: StandardError  # the models held fixed; with the bias that extrapolation may have left
    error: StandardError  # in the scope: for recipes, training seeds are random too
    noise: tuple[float | None, float | None]  # variance between runs that is the images', of baseline and candidate
    n: int  # images of each set
    population: PopulationEstimate | None  # how it was extrapolated; None where it was not
    #: Why the baseline's own value is not to be believed; empty where it is. In a difference of like sets most of the
    #: bias cancels, so that it can be had where their values cannot.
    baseline_refusal: str

    @property
    def refusal(self) -> str:
        """Why the estimate is not to be believed, and what it would take; empty where it is."""
        return "" if self.population is None else self.population.refusal

    @property
    def baseline(self) -> float:
        """The baseline's value, the mean over its runs."""
        return float(np.mean(self.baseline_runs))

    @property
    def candidate(self) -> float:
        """The candidate's value, the mean over its runs."""
        return float(np.mean(self.runs))

    @property
    def components(self) -> VarianceComponents:
        """What its error is made of, to plan by."""
        return found_components(self.baseline_runs, self.runs, self.images, noise=self.noise, n=self.n)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """Everything that could be measured of K generated sets."""

    whole: tuple[FidInfluence, ...]  # K, FID@n with the influences of all images
    measurements: tuple[Measurement, ...]  # one an estimand, FID@n first
    extrapolated: Mapping[Estimand, HalfSamples]  # what some of them were extrapolated from
    missing: Mapping[Estimand, str]  # what could not be measured, and why

    def measurement(self, estimand: Estimand) -> Measurement:
        """Return what was measured of an estimand that is not missing."""
        return next(each for each in self.measurements if each.estimand is estimand)

    def differences(
        self, weights: Sequence[float], design: SamplingDesign, scope: Scope
    ) -> tuple[MeasuredDifference, ...]:
        """Return how a candidate differs from the baseline, one difference an estimand, FID@n first.

        Raises `InputError` if the scope is that of recipes and an arm has only one run.

        Parameters
        ----------
        weights : sequence of float
            -1/S for each of the baseline's S runs, 1/S' for each of the candidate's, 0 for others.
        design : SamplingDesign
            How the real set and all generated sets were drawn.
        scope : Scope
        """
        return tuple(self._difference(each, weights, design, scope) for each in self.measurements)

    def _difference(
        self, measured: Measurement, weights: Sequence[float], design: SamplingDesign, scope: Scope
    ) -> MeasuredDifference:
        signs = np.sign(weights)
        arms = [np.flatnonzero(signs == sign).tolist() for sign in (-1, 1)]
        baseline_runs, runs = (measured.runs(arm) for arm in arms)
        samples = self.extrapolated.get(measured.estimand)
        population, baseline_refusal = None, ""
        if samples is not None:
            population = population_estimate(samples, weights, design)
            own = [max(0.0, -weight) for weight in weights]
            baseline_refusal = population_estimate(samples, own, design).refusal
        images = measured.standard_error(weights, design) if population is None else population.error
        noise = measured.run_noise(arms[0], design), measured.run_noise(arms[1], design)
        recipes = scope is Scope.RECIPES
        return MeasuredDifference(
            estimand=measured.estimand,
            baseline_runs=baseline_runs,
            runs=runs,
            estimate=measured.value(weights),
            scope=scope,
            images=images,
            error=recipe_error(baseline_runs, runs, images, noise=noise) if recipes else images,
            noise=noise,
            n=min(design.sizes),
            population=population,
            baseline_refusal=baseline_refusal,
        )


def measure(
    sets: Sequence[npt.NDArray[np.generic]],
    design: SamplingDesign,
    *,
    reference: ReferenceAxes | None,
    clip: bool = False,
    rng: np.random.Generator,
    progress: ProgressFactory = silent,
) -> Measured:
    """Measure every estimand of all generated sets that can be had.

    Raises `InputError` if a set cannot be used, or the sets, the design and the reference do not fit each other.

    Parameters
    ----------
    sets : sequence of ndarray, each of shape (n_k, d)
        Features: the real images, then K generated sets.
    design : SamplingDesign
        How they were drawn.
    reference : ReferenceAxes or None
        The axes of the block FID; None: it is not measured.
    clip : bool
        The features are CLIP's, so that CMMD is measured too.
    rng : numpy.random.Generator
        Source of the splits into half samples.
    progress : ProgressFactory
        Opened for each stage.
    """
    extrapolated: dict[Estimand, HalfSamples] = {}
    missing: dict[Estimand, str] = {}
    if reference is None:
        missing[Estimand.BLOCK_FID] = "it takes a reference, such as the training photos (--reference)"
    if design.quarters:
        plain_rng, block_rng = rng.spawn(2)
        with progress("half samples", "FIDs") as on_progress:
            extrapolated[Estimand.FID] = half_samples(sets, design, rng=plain_rng, on_progress=on_progress)
        if reference is not None:
            with progress("half samples of the block FID", "FIDs") as on_progress:
                extrapolated[Estimand.BLOCK_FID] = half_samples(
                    sets, design, axes=reference, rng=block_rng, on_progress=on_progress
                )
    else:
        few = f"{design.clusters} {design.unit} are too few, or too unequal, to extrapolate it"
        missing = {Estimand.FID: few, Estimand.BLOCK_FID: few} | missing
    plain = extrapolated.get(Estimand.FID)
    whole = plain.whole if plain else tuple(fid_influence(sets[0], fake) for fake in sets[1:])
    with progress("KID", "tiles") as on_progress:
        kernels = kernel_measurements(sets, design, clip=clip, on_progress=on_progress)
    populations = [samples.measurement(estimand) for estimand, samples in extrapolated.items()]
    return Measured(
        whole=whole,
        measurements=(at_n_measurement(whole), *populations, *kernels.values()),
        extrapolated=extrapolated,
        missing=missing,
    )
