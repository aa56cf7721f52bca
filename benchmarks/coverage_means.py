"""Do the intervals of skewed means cover, and how often are the verdicts of a blind test false?

Run `python benchmarks/coverage_means.py --json FILE` from the repository's root; five minutes on one core. Each cell
has a seed of its own, none of those by which the methods were chosen.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from measuring import describe_machine, today
from scipy import stats
from scipy.optimize import brentq

from p2phd_eval.files import write_json
from p2phd_eval.stats.proportions.forced_choice import ShareClaim, claim_on_the_asked, claim_on_the_population
from p2phd_eval.stats.verdicts.paired_means import image_mean, mean_difference
from p2phd_eval.stats.verdicts.scope import Scope

REPEATS = 1000
MARGIN, CONFIDENCE = 0.1, 0.95
Values = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Values]

# Each population with its mean. "patches": most images are as before, three in ten change by lognormal amounts.
POPULATIONS: dict[str, tuple[Draw, float]] = {
    "lognormal, sd 1": (lambda rng, shape: rng.lognormal(size=shape), math.exp(0.5)),
    "exponential": (lambda rng, shape: rng.exponential(size=shape), 1.0),
    "patches": (lambda rng, shape: (rng.random(shape) < 0.3) * rng.lognormal(size=shape), 0.3 * math.exp(0.5)),
    "beta(2, 0.7)": (lambda rng, shape: rng.beta(2, 0.7, size=shape), 2 / 2.7),
    "t, 5 df": (lambda rng, shape: rng.standard_t(5, size=shape), 0.0),
    "normal": (lambda rng, shape: rng.normal(size=shape), 0.0),
}
NUMBERS = (5, 8, 10, 20, 50, 100)
PEOPLE, IMAGES, SDS = (5, 10, 20, 40), (10, 20, 50), (0.0, 0.5, 1.0, 1.5)
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(100)


def of_one_set(draw: Draw, rng: np.random.Generator, n: int, truth: float) -> tuple[float, tuple[float, float], float]:
    found = image_mean(draw(rng, (1, n)))
    return truth, found.interval, found.error.value


def of_clusters(draw: Draw, rng: np.random.Generator, n: int, truth: float) -> tuple[float, tuple[float, float], float]:
    """n clusters of 3 to 7 images, which share most of their value."""
    sizes = rng.integers(3, 8, size=n)
    values = np.repeat(draw(rng, (n,)), sizes) + 0.3 * rng.normal(size=sizes.sum())
    found = image_mean(values[np.newaxis], clusters=np.repeat(np.arange(n), sizes))
    return truth, found.interval, found.error.value


def of_recipes(draw: Draw, rng: np.random.Generator, n: int, truth: float) -> tuple[float, tuple[float, float], float]:
    """Scope B: three runs an arm, which move all images alike by half the error of the images, and each by a little."""
    runs = [0.5 / math.sqrt(n) * rng.normal(size=(3, 1)) + 0.1 * rng.normal(size=(3, n)) for _ in range(2)]
    found = mean_difference(runs[0], runs[1] + draw(rng, (n,)), scope=Scope.RECIPES)
    return truth, found.interval, found.error.value


KINDS = {"images": of_one_set, "clusters of 3 to 7": of_clusters, "differences, scope B": of_recipes}


def mean_cells() -> list[dict[str, Any]]:
    cells = []
    for (kind, measure), (name, (draw, truth)), n in itertools.product(KINDS.items(), POPULATIONS.items(), NUMBERS):
        rng = np.random.default_rng([14, list(KINDS).index(kind), list(POPULATIONS).index(name), n])
        below, above, widths, errors = 0, 0, [], []
        for _ in range(REPEATS):
            value, (low, high), error = measure(draw, rng, n, truth)
            below += high < value
            above += low > value
            widths.append(high - low)
            errors.append(error)
        student = 2 * float(stats.t.ppf(0.975, n - 1)) * np.array(errors)
        cells.append(
            {
                "kind": kind,
                "population": name,
                "n": n,
                "covered": 1 - (below + above) / REPEATS,
                "interval_below": below / REPEATS,
                "interval_above": above / REPEATS,
                "width_against_student": float(np.median(np.array(widths)[student > 0] / student[student > 0])),
            }
        )
    return cells


def people_cells() -> list[dict[str, Any]]:
    cells = []
    for people, images, of_people, of_images in itertools.product(PEOPLE, IMAGES, SDS, SDS):
        rng = np.random.default_rng([14, people, images, int(2 * of_people), int(2 * of_images)])
        cell: dict[str, Any] = {"people": people, "images": images, "sd_people": of_people, "sd_images": of_images}
        for share, name in ((0.5, "false_difference"), (0.5 + MARGIN, "false_even")):
            logit = logit_of(share, math.hypot(of_people, of_images))
            population, asked = 0, 0
            for _ in range(REPEATS):
                moved = of_people * rng.normal(size=(people, 1)) + of_images * rng.normal(size=(1, images))
                choices = rng.random((people, images)) < expit(logit + moved)
                population += rejects(
                    claim_on_the_population(choices, margin=MARGIN, confidence=CONFIDENCE), even=share != 0.5
                )
                # The same people and images, with chances whose mean is the share exactly.
                own = logit_of_table(share, moved)
                chosen = int((rng.random((people, images)) < expit(own + moved)).sum())
                asked += rejects(claim_of_count(chosen, people * images), even=share != 0.5)
            cell[f"{name}_population"], cell[f"{name}_asked"] = population / REPEATS, asked / REPEATS
        cells.append(cell)
    return cells


@functools.cache
def claim_of_count(chosen: int, trials: int) -> ShareClaim:
    return claim_on_the_asked(chosen, trials, margin=MARGIN, confidence=CONFIDENCE)


def rejects(claim: ShareClaim, *, even: bool) -> bool:
    return (claim.p_equivalence if even else claim.p_difference) < 1 - CONFIDENCE


def expit(logits: Values) -> Values:
    result: Values = 1 / (1 + np.exp(-logits))
    return result


def logit_of(share: float, sd: float) -> float:
    """Which mean of normal logits gives this mean share."""
    return float(brentq(lambda mean: WEIGHTS @ expit(mean + sd * NODES) / WEIGHTS.sum() - share, -10, 10))


def logit_of_table(share: float, moved: Values) -> float:
    """What to add to these logits for this mean share, by Newton's method in steps of at most 1."""
    logit = -float(moved.mean())
    for _ in range(12):
        chances = expit(logit + moved)
        step = (share - float(chances.mean())) / float((chances * (1 - chances)).mean())
        logit += min(1.0, max(-1.0, step))
    return logit


def worst(cells: list[dict[str, Any]], key: str) -> float:
    return max(float(cell[key]) for cell in cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    target = parser.parse_args().json
    means, blind = mean_cells(), people_cells()
    for cell in means:
        print("{kind}, {population}, n {n}: {covered:.3f}, width {width_against_student:.2f}".format(**cell))
    keys = [key for key in blind[0] if key.startswith("false")]
    for people in PEOPLE:
        own = [cell for cell in blind if cell["people"] == people]
        print(f"{people} people, worst of {len(own)}:", ", ".join(f"{key} {worst(own, key):.3f}" for key in keys))
    write_json(
        target,
        {
            "date": today(),
            "machine": describe_machine(),
            "repeats": REPEATS,
            "binomial_error": math.sqrt(0.05 * 0.95 / REPEATS),
            "means": means,
            "blind_test": {"margin": MARGIN, "confidence": CONFIDENCE, "cells": blind},
        },
    )


if __name__ == "__main__":
    main()
