"""Power: how likely a comparison of so many images and training seeds shows equivalence, or finds a difference."""

import dataclasses
import functools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from p2phd_eval.errors import InputError
from p2phd_eval.stats.confidence import require_confidence
from p2phd_eval.stats.verdicts.margins import require_margin

Floats = npt.NDArray[np.float64]

# Nodes of the quadrature over each estimated variance. Alone, the images' variance costs nothing; beside the seeds' it
# varies little, and powers are off by about 1e-4 (1e-3 below ten images).
_NODES_IMAGES_ALONE = 400
_NODES_IMAGES = 12
_NODES_SEEDS = 40
_LARGEST_SD = 1e100  # its square is finite
_QUANTILES = 4096  # t quantiles, evenly spaced in 1/df; linear between them to about 1e-6


@dataclasses.dataclass(frozen=True, kw_only=True)
class VarianceComponents:
    """What makes the difference of two FIDs uncertain, as a pilot estimated it.

    The variance of dFID with n images and S runs (training seeds) an arm is

        image_sd^2 / n + seed_sd_baseline^2 / S + seed_sd_candidate^2 / S,

    and the first term alone for these checkpoints (scope A). `image_sd` is taken to depend on neither n nor S.
    """

    image_sd: float  # how far an image's influence on dFID spreads: image standard error * sqrt(n); clusters included
    n_images: int  # behind image_sd: the pilot's
    seed_sd_baseline: float | None  # how far the FID spreads over training seeds, in FID units; None where not known
    seed_sd_candidate: float | None
    runs_baseline: int  # behind seed_sd_baseline; 1 where it does not come from runs of a pilot
    runs_candidate: int
    image_df: float | None = None  # degrees of freedom of image_sd^2; None: n_images - 1, each image drawn by itself

    def __post_init__(self) -> None:
        for name in ("image_sd", "seed_sd_baseline", "seed_sd_candidate"):
            sd = getattr(self, name)
            if sd is not None and not 0 <= sd <= _LARGEST_SD:
                raise InputError(
                    name, expected=f"a standard deviation: a number from 0 to {_LARGEST_SD:g}", found=str(sd)
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

    def variances(self, n: int, runs: tuple[int, int] | None) -> list[tuple[float, float]]:
        """The independent variances that add up to that of dFID, each with its degrees of freedom: images first.

        `n`: number of images, >= 2. `runs`, (int, int) or None: runs of the baseline and of the candidate, each >= 2;
        None: scope A. Raises `InputError` if there are too few images or runs, or runs are given and no seed standard
        deviation is known.
        """
        if n < 2:
            raise InputError("images", expected="at least 2", found=str(n))
        # The draws are one more than the degrees of freedom, and grow with the images: of few clusters come few.
        draws = n if self.image_df is None else (self.image_df + 1) * n / self.n_images
        images = (self.image_sd**2 / n, max(draws - 1, 1.0))
        if runs is None:
            return [images]
        if self.seed_sds is None:
            raise InputError(
                "seed sd",
                expected="the standard deviation of FID over training seeds, for the scope of recipes",
                found="none",
                fix="Compare with two or more runs an arm first, or ask about these checkpoints.",
            )
        if min(runs) < 2:
            raise InputError("runs", expected="at least 2 an arm, for the scope of recipes", found=str(min(runs)))
        return [images, *((sd**2 / s, s - 1) for sd, s in zip(self.seed_sds, runs, strict=True))]


def equivalence_power(
    components: VarianceComponents,
    margin: float,
    *,
    n: int,
    runs: int | None,
    difference: float = 0.0,
    confidence: float = 0.95,
) -> float:
    """Probability that two one-sided tests at level 1 - confidence call the arms equivalent.

    With D the estimated difference, s its estimated standard error, q the quantile at `confidence` of Student's t:

        P(|D| < margin - q s),

    exact for normal D and independent chi-square variances: D and s are independent, and the quadrature runs over
    the distribution of each estimated variance, Welch and Satterthwaite's degrees of freedom with them. In scope A
    there is one variance, and this is the exact power of the t test. Taking s for known would promise too much,
    and so would a t distribution of the expected degrees of freedom: at two runs an arm by 0.1 and more.

    Raises `InputError` if a number is out of its range, or runs are given and no seed standard deviation is known.

    Parameters
    ----------
    components : VarianceComponents
        Taken as the true ones.
    margin : float
        Above 0, in FID units.
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
    Schuirmann (1987) and Phillips (1990), for the power of the two one-sided tests; Satterthwaite (1946).
    """
    require_margin(margin)
    require_confidence(confidence)

    def power(se: float, q: Floats) -> Floats:
        # In units of the true standard error. An interval wider than the margins lies inside of them nowhere.
        room, shift = np.maximum(margin / se - q, 0), difference / se
        inside: Floats = special.ndtr(room - shift) - special.ndtr(-room - shift)
        return inside

    if _certain(components, n, runs):
        return float(abs(difference) < margin)
    return _expectation(power, components, n, runs, confidence)


def detection_power(
    components: VarianceComponents, difference: float, *, n: int, runs: int | None, confidence: float = 0.95
) -> float:
    """Probability that the two-sided interval at `confidence` excludes 0: P(|D| > q s).

    Exact as `equivalence_power` is; in scope A a matter of the noncentral t distribution. At difference 0 it is
    1 - confidence there, and about that in scope B.

    `components`, `n`, `runs`, `confidence`: as in `equivalence_power`; q is the quantile at (1 + confidence) / 2.
    `difference`: the true one, in FID units. Raises `InputError` as `equivalence_power`.
    """
    require_confidence(confidence)
    if _certain(components, n, runs):
        return float(difference != 0)

    def power(se: float, q: Floats) -> Floats:
        shift = difference / se
        excludes: Floats = special.ndtr(shift - q) + special.ndtr(-shift - q)
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
    if not 0.5 <= power <= 0.999:
        raise InputError("--power", expected="a probability from 0.5 to 0.999", found=str(power))


def _variances(components: VarianceComponents, n: int, runs: int | None) -> list[tuple[float, float]]:
    return components.variances(n, None if runs is None else (runs, runs))


def _scale(components: VarianceComponents, n: int, runs: int | None) -> float:
    return math.sqrt(sum(variance for variance, _ in _variances(components, n, runs)))


def _certain(components: VarianceComponents, n: int, runs: int | None) -> bool:
    return _scale(components, n, runs) == 0


def _expectation(
    power: Callable[[float, Floats], Floats], components: VarianceComponents, n: int, runs: int | None, level: float
) -> float:
    """Expectation of `power(SE, q s / SE)` over the estimated standard errors s, q the t quantile at `level`."""
    parts = _variances(components, n, runs)
    total = sum(variance for variance, _ in parts)
    counts = [_NODES_IMAGES_ALONE] if runs is None else [_NODES_IMAGES, _NODES_SEEDS, _NODES_SEEDS]
    # In units of the true variance, on a grid with one axis a variance.
    variance, spread, weight = np.zeros(()), np.zeros(()), np.ones(())
    for axis, ((part, df), count) in enumerate(zip(parts, counts, strict=True)):
        shape = [-1 if k == axis else 1 for k in range(len(parts))]
        ratios, weights = (values.reshape(shape) for values in _chi_square_over_df(df, count))
        estimate = part / total * ratios
        variance, spread, weight = variance + estimate, spread + estimate**2 / df, weight * weights
    inverse_df, quantiles = _t_quantiles(level)
    # Welch and Satterthwaite: df = variance^2 / spread.
    q = np.interp(spread / variance**2, inverse_df, quantiles)
    return float(np.sum(weight * power(math.sqrt(total), q * np.sqrt(variance))))


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
    return float(optimize.brentq(excess, low, high, rtol=1e-6))
