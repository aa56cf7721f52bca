"""Power: how likely a comparison of so many images and training seeds shows equivalence, or finds a difference."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from p2phd_eval.errors import InputError, is_number
from p2phd_eval.stats.confidence import require_confidence
from p2phd_eval.stats.design import StandardError
from p2phd_eval.stats.errors.seeds import few_df
from p2phd_eval.stats.verdicts.margins import REPEATABILITY, SeedSpread, require_margin

Floats = npt.NDArray[np.float64]

# Nodes of the quadrature over each estimated variance. Alone, the images' variance costs nothing; beside the seeds' it
# varies little, and powers are off by about 2e-4 (1e-3 below ten images).
_NODES_IMAGES_ALONE = 400
_NODES_IMAGES = 6
_NODES_SEEDS = 28
LARGEST_SD = 1e100  # its square is finite
_QUANTILES = 4096  # t quantiles, evenly spaced in 1/df; linear between them to about 1e-6


@dataclasses.dataclass(frozen=True, kw_only=True)
class VarianceComponents:
    """What makes a difference between two arms uncertain, as a pilot estimated it, in units of what is judged.

    The variance of the difference with n images and S runs (training seeds) an arm is

        common^2 / n + (seed_sd_baseline^2 + noise_sd_baseline^2 / n) / S + (the same of the candidate) / S.

    Noise is what each run's own images add to it alone, common what an arm's runs share: image_sd^2 less the noise of
    the pilot's runs. For these checkpoints (scope A) it is image_sd^2 / n. None of the spreads is taken to depend on n
    or S.
    """

    image_sd: float  # how far an image's influence on the difference spreads: image standard error * sqrt(n_images)
    n_images: int  # behind image_sd: the pilot's
    seed_sd_baseline: float | None  # over training seeds, image noise taken out; None where not known
    seed_sd_candidate: float | None
    runs_baseline: int  # behind seed_sd_baseline; 1 where it does not come from runs of a pilot
    runs_candidate: int
    image_df: float | None = None  # degrees of freedom of image_sd^2; None: n_images - 1, each image drawn by itself
    noise_sd_baseline: float | None = None  # how far an image's pull on one run alone spreads; None where not known
    noise_sd_candidate: float | None = None

    def __post_init__(self) -> None:
        for name in ("image_sd", "seed_sd_baseline", "seed_sd_candidate", "noise_sd_baseline", "noise_sd_candidate"):
            sd = getattr(self, name)
            if sd is not None and not 0 <= sd <= LARGEST_SD:
                raise InputError(
                    name, expected=f"a standard deviation: a number from 0 to {LARGEST_SD:g}", found=str(sd)
                )
        for name, least in (("n_images", 2), ("runs_baseline", 1), ("runs_candidate", 1)):
            if getattr(self, name) < least:
                raise InputError(name, expected=f"at least {least}", found=str(getattr(self, name)))
        if self.image_df is not None and not 0 < self.image_df < math.inf:
            raise InputError("image_df", expected="degrees of freedom above 0", found=str(self.image_df))

    @property
    def seed_sds(self) -> tuple[float, float] | None:
        """Those of baseline and candidate; where only one is known, it stands for both. None where neither is."""
        known = [sd for sd in (self.seed_sd_baseline, self.seed_sd_candidate) if sd is not None]
        return (known[0], known[-1]) if known else None

    @property
    def noise_sds(self) -> tuple[float, float]:
        """Those of baseline and candidate; where only one is known, it stands for both, and 0 where neither is."""
        known = [sd for sd in (self.noise_sd_baseline, self.noise_sd_candidate) if sd is not None] or [0.0]
        return known[0], known[-1]

    def variances(self, n: int, runs: tuple[int, int] | None) -> list[tuple[float, float]]:
        """The independent variances that add up to the difference's, each with its degrees of freedom: images first.

        `n`: number of images, >= 2. `runs`, (int, int) or None: runs of the baseline and of the candidate, each >= 2;
        None: scope A. Raises `InputError` if there are too few images or runs, or runs are given and no seed standard
        deviation is known.
        """
        if n < 2:
            raise InputError("images", expected="at least 2", found=str(n))
        # The draws are one more than the degrees of freedom, and grow with the images: of few clusters come few.
        draws = n if self.image_df is None else (self.image_df + 1) * n / self.n_images
        df = max(draws - 1, 1.0)
        if runs is None:
            return [(self.image_sd**2 / n, df)]
        if self.seed_sds is None:
            raise InputError(
                "seed sd",
                expected="the standard deviation over training seeds, for the scope of recipes",
                found="none",
                fix="Compare with two or more runs an arm first, or ask about these checkpoints.",
            )
        if min(runs) < 2:
            raise InputError("runs", expected="at least 2 an arm, for the scope of recipes", found=str(min(runs)))
        of_pilot = (self.runs_baseline, self.runs_candidate)
        own = sum(noise**2 / count for noise, count in zip(self.noise_sds, of_pilot, strict=True))
        arms = zip(self.seed_sds, self.noise_sds, runs, strict=True)
        return [
            (max(0.0, self.image_sd**2 - own) / n, df),
            *(((sd**2 + noise**2 / n) / count, count - 1.0) for sd, noise, count in arms),
        ]

    def spread_of_baseline(self, n: int, runs: int) -> SeedSpread:
        """What a study of n images and so many runs finds of the baseline's spread, on average."""
        assert self.seed_sds is not None
        noise = self.noise_sds[0] ** 2 / n
        return SeedSpread(runs=runs, variance=self.seed_sds[0] ** 2 + noise, noise=noise)


def found_components(
    baseline_runs: Sequence[float],
    runs: Sequence[float],
    images: StandardError,
    *,
    noise: tuple[float | None, float | None],
    n: int,
) -> VarianceComponents:
    """What a comparison found of its own uncertainty, to plan by.

    Parameters
    ----------
    baseline_runs, runs : sequence of float
        What is judged, for each run of the baseline and of the candidate.
    images : StandardError
        Of the difference of their means, with the models held fixed.
    noise : (float or None, float or None)
        What the images add to the variance between the runs of an arm; see `Measurement.run_noise`.
    n : int
        Images of each set.
    """
    spreads = [
        SeedSpread(runs=len(arm), variance=float(np.var(arm, ddof=1)), noise=own or 0.0) if len(arm) > 1 else None
        for arm, own in zip((baseline_runs, runs), noise, strict=True)
    ]
    seeds = [None if spread is None else spread.sd for spread in spreads]
    own = [None if each is None else math.sqrt(each * n) for each in noise]
    return VarianceComponents(
        image_sd=images.value * math.sqrt(n),
        n_images=n,
        seed_sd_baseline=seeds[0],
        seed_sd_candidate=seeds[1],
        runs_baseline=len(baseline_runs),
        runs_candidate=len(runs),
        image_df=images.df if math.isfinite(images.df) else None,
        noise_sd_baseline=own[0],
        noise_sd_candidate=own[1],
    )


def equivalence_power(
    components: VarianceComponents,
    margin: float | Literal["seeds"],
    *,
    n: int,
    runs: int | None,
    difference: float = 0.0,
    confidence: float = 0.95,
) -> float:
    """Probability that two one-sided tests at level 1 - confidence call the arms equivalent.

    With D the estimated difference, s its estimated standard error, q the quantile at `confidence` of Student's t, and
    m - L what is not known of the margin m (0 where it is given):

        P(|D| < m - sqrt((q s)^2 + (m - L)^2)),

    exact for normal D and independent chi-square variances: D and s are independent, and the quadrature runs over
    the distribution of each estimated variance, with the degrees of freedom of `few_df`; a margin from the seeds comes
    from the baseline's. In scope A there is one variance, and this is the exact power of the t test. Taking s for known
    would promise too much, and so would a t distribution of the expected degrees of freedom: at two runs an arm by 0.1
    and more.

    Raises `InputError` if a number is out of its range, or runs are given and no seed standard deviation is known.

    Parameters
    ----------
    components : VarianceComponents
        Taken as the true ones.
    margin : float or "seeds"
        Above 0, in units of what is judged; or 2.77 standard deviations over the baseline's runs, as they are found.
    n : int
        Images, >= 2, the same for both arms.
    runs : int or None
        Runs (training seeds) an arm, >= 2, for the recipes (scope B); None: these checkpoints (scope A).
    difference : float
        The true one.
    confidence : float
        Above 0.5, below 1.

    References
    ----------
    Schuirmann (1987) and Phillips (1990), for the power of the two one-sided tests; Zou and Donner (2008).
    """
    if margin == "seeds":
        if runs is None:
            raise InputError(
                "--margin seeds", expected="runs (training seeds) of each arm, to guess it from", found="none"
            )
    else:
        require_margin(margin)
    require_confidence(confidence)

    def power(se: float, reach: Floats, baseline: Floats) -> Floats:
        if margin == "seeds":
            assert runs is not None
            spread = components.spread_of_baseline(n, runs)
            found, low = (
                REPEATABILITY * np.sqrt(np.maximum(spread.variance * baseline * factor - spread.noise, 0))
                for factor in (1, spread.factor_of_lower(1 - confidence))
            )
            room = found - np.hypot(reach, np.maximum(found - low, 0))
        else:
            room = margin - reach
        # An interval wider than the margins lies inside of them nowhere.
        room = np.maximum(room, 0) / se
        inside: Floats = special.ndtr(room - difference / se) - special.ndtr(-room - difference / se)
        return inside

    if _certain(components, n, runs):
        return float(margin != "seeds" and abs(difference) < margin)
    return _expectation(power, components, n, runs, confidence)


def detection_power(
    components: VarianceComponents, difference: float, *, n: int, runs: int | None, confidence: float = 0.95
) -> float:
    """Probability that the two-sided interval at `confidence` excludes 0: P(|D| > q s).

    Exact as `equivalence_power` is; in scope A a matter of the noncentral t distribution. At difference 0 it is
    1 - confidence there, and about that in scope B.

    `components`, `n`, `runs`, `confidence`: as in `equivalence_power`; q is the quantile at (1 + confidence) / 2.
    `difference`: the true one, in units of what is judged. Raises `InputError` as `equivalence_power`.
    """
    require_confidence(confidence)
    if _certain(components, n, runs):
        return float(difference != 0)

    def power(se: float, reach: Floats, _: Floats) -> Floats:
        excludes: Floats = special.ndtr((difference - reach) / se) + special.ndtr((-difference - reach) / se)
        return excludes

    return _expectation(power, components, n, runs, (1 + confidence) / 2)


def smallest_margin(
    components: VarianceComponents, *, n: int, runs: int | None, power: float = 0.8, confidence: float = 0.95
) -> float:
    """The smallest margin inside of which arms without any difference are shown to be, with this power.

    Parameters are those of `equivalence_power`; `power` is 0.5 to 0.999.
    """
    require_power(power)
    return _smallest(
        lambda margin: equivalence_power(components, margin, n=n, runs=runs, confidence=confidence) - power,
        _scale(components, n, runs),
    )


def smallest_difference(
    components: VarianceComponents, *, n: int, runs: int | None, power: float = 0.8, confidence: float = 0.95
) -> float:
    """The smallest true difference that is found with this power.

    Parameters are those of `detection_power`; `power` is 0.5 to 0.999.
    """
    require_power(power)
    return _smallest(
        lambda difference: detection_power(components, difference, n=n, runs=runs, confidence=confidence) - power,
        _scale(components, n, runs),
    )


def require_power(power: float) -> None:
    """Raise InputError unless the power is one to plan for: 0.5 to 0.999."""
    if not is_number(power, 0.5, 0.999):
        raise InputError("--power", expected="a probability from 0.5 to 0.999", found=str(power))


def _variances(components: VarianceComponents, n: int, runs: int | None) -> list[tuple[float, float]]:
    return components.variances(n, None if runs is None else (runs, runs))


def _scale(components: VarianceComponents, n: int, runs: int | None) -> float:
    return math.sqrt(sum(variance for variance, _ in _variances(components, n, runs)))


def _certain(components: VarianceComponents, n: int, runs: int | None) -> bool:
    return _scale(components, n, runs) == 0


def _expectation(
    power: Callable[[float, Floats, Floats], Floats],
    components: VarianceComponents,
    n: int,
    runs: int | None,
    level: float,
) -> float:
    """Expectation of `power(SE, q s, r)` over the estimated variances.

    SE is the true standard error, s the estimated one, q the t quantile at `level`, and r the estimated over the true
    variance between the baseline's runs, 1 in scope A.
    """
    parts = _variances(components, n, runs)
    counts = [_NODES_IMAGES_ALONE] if runs is None else [_NODES_IMAGES, _NODES_SEEDS, _NODES_SEEDS]
    # A grid with one axis a variance.
    estimates, ratios, weight = [], [], np.ones(())
    for axis, ((part, df), count) in enumerate(zip(parts, counts, strict=True)):
        shape = [-1 if k == axis else 1 for k in range(len(parts))]
        ratio, weights = (values.reshape(shape) for values in _chi_square_over_df(df, count))
        estimates.append(part * ratio)
        ratios.append(ratio)
        weight = weight * weights
    variance: Floats = np.sum(np.broadcast_arrays(*estimates), axis=0)
    df_inverse = 1 / few_df([each / variance for each in estimates], [df for _, df in parts])
    inverse_df, quantiles = _t_quantiles(level)
    reach = np.interp(df_inverse, inverse_df, quantiles) * np.sqrt(variance)
    baseline = ratios[1] if runs is not None else np.ones(())
    return float(np.sum(weight * power(math.sqrt(sum(part for part, _ in parts)), reach, baseline)))


@functools.lru_cache(maxsize=256)
def _chi_square_over_df(df: float, count: int) -> tuple[Floats, Floats]:
    # Gauss and Legendre's nodes in probability: bounded integrands with kinks do well there.
    nodes, weights = np.polynomial.legendre.leggauss(count)
    ratios: Floats = special.gammaincinv(df / 2, (nodes + 1) / 2) / (df / 2)
    return ratios, weights / 2


@functools.lru_cache(maxsize=8)
def _t_quantiles(level: float) -> tuple[Floats, Floats]:
    inverse_df = np.linspace(0, 1, _QUANTILES)
    return inverse_df, np.append(special.ndtri(level), special.stdtrit(1 / inverse_df[1:], level))


def _smallest(excess: Callable[[float], float], scale: float) -> float:
    if scale == 0:
        return 0.0
    low, high = scale * 1e-9, scale
    if excess(low) >= 0:  # an interval at hardly more than 50 % excludes 0 as often as not
        return low
    while excess(high) < 0:
        high *= 2
    from scipy import optimize  # here: slow to import, and most commands ask for no such root

    return float(optimize.brentq(excess, low, high, rtol=1e-6))
