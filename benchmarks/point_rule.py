"""How often chance decides a point rule such as "FID within 2 %": candidates that are as good as the baseline.

Populations are CIFAR-10's Inception features, the generated ones shifted, with a FID@5000 of about 35. A candidate has
the baseline's distribution: its images differ by little from the baseline's, as of the same prompts, or have nothing in
common with them. Its FID@n and the baseline's, against one sample of real images, are judged by bands of several
widths; what `judge_by_point` says of each pair stands beside what became of all of them.

    python benchmarks/point_rule.py --cifar10 FILE --work DIR --json FILE
"""

from __future__ import annotations

import argparse
import functools
from pathlib import Path
from typing import Any

import numpy as np
from measuring import describe_machine, kept, today
from real_features import Change, RealFeatures, cifar10

from p2phd_eval.files import write_json
from p2phd_eval.stats.design import Block, SamplingDesign
from p2phd_eval.stats.errors.influence import fid_influence
from p2phd_eval.stats.errors.intervals import at_n_error
from p2phd_eval.stats.verdicts.point_rule import judge_by_point
from p2phd_eval.stats.verdicts.power import found_components

SHARES = (0.005, 0.01, 0.02)
SHIFT = 3.6  # of all generated images, in feature units
REPEATS = {500: 200, 2000: 20, 5000: 4}


def main() -> None:
    """Print a line a cell and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cifar10", type=Path, required=True, help="features, as benchmarks/coverage.py takes them")
    parser.add_argument("--work", type=Path, required=True, help="where cells are kept")
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    population = cifar10(arguments.cifar10, 2048, "point-rule", {"equal": Change()}, SHIFT)
    machine = describe_machine()
    cells = []
    for paired in (True, False):
        for n, repeats in REPEATS.items():
            file = arguments.work / f"{'same' if paired else 'others'}-{n}.json"
            cells += kept(file, functools.partial(_cells, population, n, repeats, paired))
            print(cells[-1], flush=True)
    write_json(arguments.json, {"date": today(), "machine": machine, "shift": SHIFT, "cells": cells})


def _cells(population: RealFeatures, n: int, repeats: int, paired: bool) -> list[dict[str, Any]]:
    rng = np.random.default_rng([n, paired])
    images = np.arange(n)
    blocks = [(0,), (1, 2)] if paired else [(0,), (1,), (2,)]
    design = SamplingDesign([Block(sets=sets, cluster_of=images) for sets in blocks])
    found = []
    for _ in range(repeats):
        real, baseline, candidate = population.sample(n, rng)
        if not paired:
            candidate = population.sample(n, rng)[2]
        influences = [fid_influence(real, fake) for fake in (baseline, candidate)]
        values = [each.distance.value for each in influences]
        found.append((values, at_n_error(influences, (-1, 1), design)))
    differences = np.array([values[1] - values[0] for values, _ in found])
    baselines = np.array([values[0] for values, _ in found])
    cell = {
        "prompts": "the same" if paired else "others",
        "n": n,
        "repeats": repeats,
        "fid": float(baselines.mean()),
        "sd": float(np.sqrt(np.mean(np.square(differences)))),  # the true difference is 0
        "se": float(np.mean([error.value for _, error in found])),
    }
    rows = []
    for share in SHARES:
        judged = []
        for values, error in found:
            difference = values[1] - values[0]
            components = found_components(values[:1], values[1:], error, noise=(None, None), n=n)
            width = share * values[0]
            judged.append(judge_by_point(difference, error, width, two_sided=True, components=components, runs=None))
        rows.append(
            cell
            | {
                "share": share,
                "said_to_fail": float(np.mean([each.fails_if_equal for each in judged])),
                "failed": float(np.mean([not each.holds for each in judged])),
                "images": float(np.median([each.images or np.inf for each in judged])),
            }
        )
    return rows


if __name__ == "__main__":
    main()
