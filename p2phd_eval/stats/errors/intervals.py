"""From FIDs at n to an interval for the FID of the distributions, or to the reason why there is none."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError, require_at_least
from p2phd_eval.formatting import fixed_text
from p2phd_eval.progress import OnProgress, unwatched
from p2phd_eval.stats.confidence import require_confidence, t_interval
from p2phd_eval.stats.design import SamplingDesign, StandardError, require_pairs
from p2phd_eval.stats.errors.extrapolation import HalfSampleRichardson, HalfSamples, half_samples
from p2phd_eval.stats.errors.influence import FidInfluence
from p2phd_eval.stats.errors.measurement import Measurement
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.feature_arrays import as_features

# As a share of the standard error. `benchmarks/coverage.py` shows that intervals cover up to it.
RESIDUAL_LIMIT = 0.4


@dataclasses.dataclass(frozen=True, kw_only=True)
class PopulationEstimate:
    """A FID, or a difference of FIDs, of the distributions behind the images, not of n of them."""

    value: float  # half-sample Richardson centre
    error: StandardError  # how far `value` may be off: its sampling error and the bias that may be left, in one
    sampling_error: StandardError  # how far chance alone moves `value`, from the influences on it
    richardson: HalfSampleRichardson  # with the slope ratio and the residual bias
    bias_gap: float  # |value - value at n| / sampling error
    #: Why `value` is not to be believed, and what it would take; empty where it is. `richardson` has the numbers.
    refusal: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class FIDInterval:
    """One FID at n, and the interval of the distributions' FID where it can be had."""

    fid: float  # FID@n, biased upward
    standard_error: StandardError  # how far chance moves FID@n (influence function)
    population: PopulationEstimate  # with the reason where the interval is refused
    confidence: float
    interval: tuple[float, float] | None  # for the distributions' FID; None where it is refused

    def __str__(self) -> str:
        if self.interval is None:
            return f"no interval for the FID of the distributions: {self.population.refusal}"
        low, high = self.interval
        interval = f"{100 * self.confidence:.4g} % interval ({fixed_text(low, 4)}, {fixed_text(high, 4)})"
        return f"FID of the distributions {fixed_text(self.population.value, 4)}, {interval}"

    def __repr__(self) -> str:
        return f"FIDInterval: FID at n {self.fid:.4f}, standard error {self.standard_error.value:.4g}\n{self}"


def fid_interval(
    real: npt.ArrayLike,
    fake: npt.ArrayLike,
    *,
    paired: bool,
    clusters: npt.ArrayLike | None = None,
    confidence: float = 0.95,
    rng: np.random.Generator | int | None = None,
    on_progress: OnProgress = unwatched,
) -> FIDInterval:
    """Interval for the FID of two distributions from n images of each.

    FID@n is biased upward by an amount that depends on the generator, so no interval around it covers. The centre is
    the half-sample Richardson extrapolation of up to 10 complementary splits. Its standard error is that of its own
    influence function, and the bias that the extrapolation may have left (see `HalfSamples.contrast`) counts as a
    further, independent error, as for systematic errors in the GUM. Where that bias exceeds 0.4 standard errors, or has
    no bound, the interval is refused.

    Parameters
    ----------
    real : array_like, shape (n_r, d)
        Features of the real images, n_r >= 8.
    fake : array_like, shape (n_g, d)
        Features of the generated images, n_g >= 8.
    paired : bool
        Whether real image i and generated image i share a label map (n_r = n_g).
    clusters : array_like, shape (n,), optional
        Where there are pairs, any label of the cluster, such as the city, of each.
    confidence : float
        Confidence of the interval, in (0.5, 1).
    rng : numpy.random.Generator or int, optional
        Source of the splits, or its seed; by default 0.
    on_progress : callable, optional
        Called with (FIDs done, FIDs).

    Returns
    -------
    FIDInterval

    Raises
    ------
    InputError
        If a set cannot be used or holds fewer than 8 images (or clusters), the two do not fit each other, or the
        confidence is not in (0.5, 1).

    References
    ----------
    Bińkowski et al. (2018), appendix D.2 (the bias); JCGM 100:2008, "Guide to the expression of uncertainty in
    measurement", 4.3 (systematic errors).
    """
    require_confidence(confidence)
    require_at_least(0, {"rng": rng})
    sets = [as_features(real, "real"), as_features(fake, "generated")]
    if paired:
        require_pairs(*map(len, sets))
        design = SamplingDesign.paired(len(sets[0]), 2, clusters)
    else:
        if clusters is not None:
            raise InputError("clusters", expected="pairs, each of one cluster", found="independent sets")
        design = SamplingDesign.independent([len(each) for each in sets])
    rng = np.random.default_rng(0 if rng is None else rng)
    samples = half_samples(sets, design, rng=rng, on_progress=on_progress)
    return interval_of(samples, design, confidence)


def interval_of(samples: HalfSamples, design: SamplingDesign, confidence: float) -> FIDInterval:
    """The interval of the first set's FID; see `fid_interval`."""
    weights = (1.0,) + (0.0,) * (len(samples.whole) - 1)
    population = population_estimate(samples, weights, design)
    interval = None
    if not population.refusal:
        interval = t_interval(population.value, population.error, confidence)
    return FIDInterval(
        fid=population.richardson.at_n,
        standard_error=at_n_error(samples.whole, weights, design),
        population=population,
        confidence=confidence,
        interval=interval,
    )


def population_estimate(samples: HalfSamples, weights: Sequence[float], design: SamplingDesign) -> PopulationEstimate:
    """Extrapolate sum_k weights_k FID(real, set k), with its standard error and its diagnostics.

    `weights`: one a generated set, such as (1,) for one FID and (-1, 1) for a difference. `design`: that of the half
    samples.
    """
    richardson = samples.contrast(weights)
    sampling = design.standard_error(richardson.influences)
    residual = richardson.residual_bias
    error = StandardError(value=math.hypot(sampling.value, residual or 0.0), df=sampling.df)
    gap = abs(richardson.value - richardson.at_n)
    return PopulationEstimate(
        value=richardson.value,
        error=error,
        sampling_error=sampling,
        richardson=richardson,
        bias_gap=gap / sampling.value if sampling.value else (math.inf if gap else 0.0),
        refusal=_refusal(richardson, sampling.value, design),
    )


def at_n_error(whole: Sequence[FidInfluence], weights: Sequence[float], design: SamplingDesign) -> StandardError:
    """Standard error of sum_k weights_k FID@n, from the FIDs' own influence functions."""
    return at_n_measurement(whole).standard_error(weights, design)


def at_n_measurement(whole: Sequence[FidInfluence]) -> Measurement:
    """FID@n of every generated set, with the influence of each image on it."""
    return Measurement(
        estimand=Estimand.FID_AT_N,
        values=tuple(each.distance.value for each in whole),
        real=np.array([each.real for each in whole]),
        fake=tuple(each.fake for each in whole),
    )


def _refusal(richardson: HalfSampleRichardson, sampling_error: float, design: SamplingDesign) -> str:
    residual = richardson.residual_bias
    if residual is not None and residual <= RESIDUAL_LIMIT * sampling_error:
        return ""
    n = min(design.sizes)
    few = f"{n} images are too few to extrapolate it"
    if residual is None:
        return f"{few}; it takes several times as many, or a space of fewer features"
    # The term left falls as 1/n^2 or faster, the standard error as 1/sqrt(n).
    factor = (residual / (RESIDUAL_LIMIT * sampling_error)) ** (2 / 3) if sampling_error else math.inf
    needed = f"about {math.ceil(n * factor)}" if factor < 20 else "many times as many"
    return f"{few}; it takes {needed}, or a space of fewer features"
