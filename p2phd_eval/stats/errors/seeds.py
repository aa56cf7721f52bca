"""Training seeds as a second thing that is random: the error of a difference between two recipes (scope B)."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import StandardError, combine_variances

# Ways of dealing runs to two arms that are enumerated; with more, a test of this kind needs no enumeration.
_MOST_DEALS = 100_000


def recipe_error(baseline: Sequence[float], candidate: Sequence[float], images: StandardError) -> StandardError:
    """Standard error of the difference of two training recipes, from their seeds and from their images.

        Var = s_c^2 / S_c + s_b^2 / S_b + se_images^2

    with Welch and Satterthwaite's degrees of freedom. The spread s over the seeds holds some of the images' noise
    already, so this is on the safe side where seeds differ little.

    `baseline` and `candidate`: the metric of each training seed, all on the same images; two or more an arm. `images`:
    that of the difference of the arms' means, with the models held fixed. Raises `InputError` if an arm has only one
    seed.

    References
    ----------
    Welch (1947); Satterthwaite (1946).
    """
    require_runs({"baseline": len(baseline), "candidate": len(candidate)})
    seeds = [(float(np.var(runs, ddof=1)) / len(runs), len(runs) - 1.0) for runs in (baseline, candidate)]
    return combine_variances([(images.value**2, images.df), *seeds])


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
