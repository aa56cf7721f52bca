"""Training seeds as a second thing that is random: the error of a difference between two recipes (scope B)."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import StandardError

Values = npt.NDArray[np.float64]

_CAUTION = 1.4  # see `few_df`
_TINY = 1e-300
# Ways of dealing runs to two arms that are enumerated; with more, a test of this kind needs no enumeration.
_MOST_DEALS = 100_000


def recipe_error(
    baseline: Sequence[float],
    candidate: Sequence[float],
    images: StandardError,
    *,
    noise: tuple[float | None, float | None],
) -> StandardError:
    """Standard error of the difference of two training recipes, from their seeds and from their images.

        Var = s_c^2 / S_c + s_b^2 / S_b + max(0, se_images^2 - e_c / S_c - e_b / S_b)

    The spread s over an arm's S seeds holds what each run's own images add to it, e; se_images holds it too. It is
    counted once, so what is left of the images is the noise that an arm's runs share. Degrees of freedom are those of
    `combine_few`.

    Raises `InputError` if an arm has only one seed.

    Parameters
    ----------
    baseline, candidate : sequence of float
        The metric of each training seed, all on the same images; two or more an arm.
    images : StandardError
        That of the difference of the arms' means, with the models held fixed.
    noise : (float or None, float or None)
        e of the baseline and of the candidate, in squared units of the metric; see `Measurement.run_noise`. None
        where it is not known: then it is counted twice, on the safe side.

    References
    ----------
    Welch (1947); Satterthwaite (1946).
    """
    arms = {"baseline": baseline, "candidate": candidate}
    require_runs({name: len(runs) for name, runs in arms.items()})
    once = sum((each or 0.0) / len(runs) for each, runs in zip(noise, arms.values(), strict=True))
    seeds = [(float(np.var(runs, ddof=1)) / len(runs), len(runs) - 1.0) for runs in arms.values()]
    return combine_few([(max(0.0, images.value**2 - once), images.df), *seeds])


def combine_few(parts: Sequence[tuple[float, float]]) -> StandardError:
    """The standard error whose square is the sum of independent variances, a few draws behind some of them.

    Satterthwaite's degrees of freedom go wrong where one variance rests on two or three runs and the rest is known
    better: a variance that happens to come out small takes its own uncertainty out of the formula, and equal recipes
    are called different in up to 13 % (two runs) and 8 % (three) instead of 5 %. See `few_df` for what is done instead.

    `parts`, sequence of (variance, df): in squared units of the estimate.
    """
    variances, dfs = zip(*parts, strict=True)
    total = sum(variances)
    if total == 0:
        return StandardError(value=0.0, df=min(dfs))
    return StandardError(value=math.sqrt(total), df=float(few_df([np.array(each / total) for each in variances], dfs)))


def few_df(shares: Sequence[Values], dfs: Sequence[float]) -> Values:
    """Degrees of freedom of a sum of variances:

        1/df = sum_i w_i^a_i / f_i,    a_i = 2 - 1.4 max(0, 1 - f_i / F_i) / sqrt(f_i).

    With a = 2 it is Satterthwaite's formula, and is so between arms of equally many runs without image noise. F_i are
    Satterthwaite's degrees of freedom of all the other variances together: the better they are known, the smaller is
    the power, which then lets a small w_i count for more. The constant is from quadrature over the chi-square
    distributions: with it, equal recipes of 3 to 12 runs an arm are called different in at most 6.0 %, with two runs
    in an arm at most 7.2 %, and a one-sided test at 5 % errs in at most 5.3 % and 5.8 %, for spreads from 1:10 to 10:1
    and any image noise (tests/stats/errors/test_seeds.py; as studies in benchmarks/coverage_seeds.py).

    `shares`: w_i, the parts of the whole variance, which sum to 1; arrays of shapes that broadcast. `dfs`: f_i of each.
    """
    squares = [share**2 / df for share, df in zip(shares, dfs, strict=True)]
    inverse: Values = np.zeros(())
    for share, df, square in zip(shares, dfs, squares, strict=True):
        others = sum(squares) - square
        # f / F, of the others together; where nothing else is uncertain it is 0.
        relative = df * others / np.maximum((1 - share) ** 2, _TINY)
        power = 2 - _CAUTION / math.sqrt(max(df, 1.0)) * np.maximum(0, 1 - relative)
        inverse = inverse + share**power / df
    return 1 / np.maximum(inverse, _TINY)


def require_runs(runs: Mapping[str, int]) -> None:
    """Raise InputError unless each arm, by its name, has two training seeds or more."""
    for name, count in runs.items():
        if count < 2:
            raise InputError(
                f"scope B, {name}",
                expected="two or more training seeds an arm (three are better)",
                found="one: a single run says nothing about how much another seed would differ",
                fix="Train more seeds and give their folders to --baseline and --candidate, or ask for scope A.",
            )


def seed_permutation_p(baseline: Sequence[float], candidate: Sequence[float]) -> float | None:
    """Exact p-value of the exchangeability of the runs: their labels, baseline or candidate, mean nothing.

    The share of all ways to deal the runs to two arms of these sizes in which the means differ at least as much as
    they do. With S seeds an arm it cannot be below 2 / (2S choose S): 0.33 for 2, 0.1 for 3, 0.029 for 4.

    `baseline` and `candidate`: the metric of each training seed, all on the same images. The result is None where there
    are more than 100,000 ways.

    References
    ----------
    Fisher (1935), "The Design of Experiments"; Pitman (1937).
    """
    runs = np.array([*baseline, *candidate], dtype=np.float64)
    size = len(candidate)
    if math.comb(len(runs), size) > _MOST_DEALS:
        return None
    deals = np.array(list(itertools.combinations(range(len(runs)), size)))
    sums = runs[deals].sum(axis=1)
    differences = np.abs(sums / size - (runs.sum() - sums) / (len(runs) - size))
    observed = abs(np.mean(candidate) - np.mean(baseline))
    # Rounding must not tell a deal from its mirror image. scipy's `permutation_test` lets it: its tolerance is a share
    # of the observed difference, while the sums are rounded in the size of the runs.
    return float(np.mean(differences >= observed - 1e-12 * np.abs(runs).max()))
