"""How often are the verdicts of a blind test under a time limit false? People, images, lapses and exposures, simulated.

Run `python benchmarks/coverage_exposure.py --json FILE [--repeats R]` from the repository's root; six minutes on
one core. Each person judges each image once, at one of the paper's seven exposures, drawn in blocks. The chance that
person p takes the candidate's of image i at exposure e is

    l_p / 2 + (1 - l_p) expit(m_e + s_e (a_p + b_i)),

with abilities a and difficulties b normal, lapses l uniform up to 10 %, and a sensitivity s_e that rises from 0.2 at
125 ms to 1 at 8 s: the longer they look, the more people and images differ. m_e is such that the mean share is the same
at every exposure: 0.5, where every "preferred" is false, or at the margin's edge, 0.6, where every "no difference" is
false. A tenth of the trials is left out at random, as where frames were dropped.
In per cent of the repeats, for people and images like these:

* overall: the verdict over all exposures is false;
* any: that of the overall share or of any exposure is, all from the adjusted p-values;
* trend: the share is said to change with the time, where it does not.

And of the people and images that were asked, where the chances of the answers are set so that their own mean is the
share: the same two.
"""

from __future__ import annotations

import argparse
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from coverage_means import expit, logit_of
from measuring import describe_machine, today
from scipy.optimize import brentq

from p2phd_eval.files import write_json
from p2phd_eval.stats.proportions.exposed_choice import ExposedChoice, ExposureAnalysis, analyse_exposures

EXPOSURES = (125, 250, 500, 1000, 2000, 4000, 8000)
PEOPLE, IMAGES, SDS = (5, 10, 20), (28, 98), (0.0, 1.0)
MARGIN, KEPT, MOST_LAPSES = 0.1, 0.9, 0.1
Values = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


def in_blocks(rng: np.random.Generator, people: int, images: int) -> Places:
    """The number of the exposure of each person and image: each as often for everyone, in random order."""
    return np.array([rng.permutation(np.arange(images) % len(EXPOSURES)) for _ in range(people)])


def analysed(chosen: npt.NDArray[np.bool_], place: Places, kept: npt.NDArray[np.bool_]) -> ExposureAnalysis:
    choices = [
        ExposedChoice(person=f"{p:03}", image=f"{i:03}", exposure=EXPOSURES[place[p, i]], candidate=bool(chosen[p, i]))
        for p, i in np.argwhere(kept).tolist()
    ]
    return analyse_exposures(choices, EXPOSURES, margin=MARGIN)


def logit_of_cells(share: float, moved: Values, lapse: Values) -> float:
    """What to add to the logits of some answers for this mean share."""

    def excess(logit: float) -> float:
        return float(np.mean(lapse / 2 + (1 - lapse) * expit(logit + moved))) - share

    return float(brentq(excess, -20, 20)) if len(moved) else 0.0


def false_verdicts(found: ExposureAnalysis, whom: str, p_value: str) -> tuple[bool, bool]:
    """Whether the overall verdict is false, and whether any is, where all that reject are."""
    claims = [getattr(each, whom) for each in (found.overall, *found.exposures)]
    wrong = [claim is not None and getattr(claim, p_value) < 1 - found.confidence for claim in claims]
    return wrong[0], any(wrong)


def cell(people: int, images: int, sd_people: float, sd_images: float, repeats: int) -> dict[str, Any]:
    seed = [19, people, images, int(10 * sd_people), int(10 * sd_images)]
    rng, sensitivity = np.random.default_rng(seed), np.linspace(0.2, 1, len(EXPOSURES))
    counts: dict[str, int] = {}
    for share, name in ((0.5, "difference"), (0.5 + MARGIN, "even")):
        # Of the answers that are no lapses; these are even, and half of MOST_LAPSES on average.
        own = (share - MOST_LAPSES / 4) / (1 - MOST_LAPSES / 2)
        means = np.array([logit_of(own, each * math.hypot(sd_people, sd_images)) for each in sensitivity])
        for _ in range(repeats):
            place = in_blocks(rng, people, images)
            kept = rng.random(place.shape) < KEPT
            lapse = np.broadcast_to(MOST_LAPSES * rng.random((people, 1)), place.shape)
            moved = sensitivity[place] * (
                sd_people * rng.normal(size=(people, 1)) + sd_images * rng.normal(size=images)
            )
            asked = moved.copy()
            for each in range(len(EXPOSURES)):
                here = kept & (place == each)
                asked[here] += logit_of_cells(share, moved[here], lapse[here])
            p_value = "p_difference_holm" if name == "difference" else "p_equivalence_holm"
            for whom, logits in (("population", means[place] + moved), ("asked", asked)):
                chances = lapse / 2 + (1 - lapse) * expit(logits)
                found = analysed(rng.random(place.shape) < chances, place, kept)
                overall, some = false_verdicts(found, whom, p_value)
                said = {f"{name}_{whom}_overall": overall, f"{name}_{whom}_any": some}
                if whom == "population" and name == "difference" and found.trend and found.trend.population:
                    said["trend"] = found.trend.population.p < 1 - found.confidence
                for key, value in said.items():
                    counts[key] = counts.get(key, 0) + int(value)
    return {
        "people": people,
        "images": images,
        "sd_people": sd_people,
        "sd_images": sd_images,
        **{key: 100 * count / repeats for key, count in counts.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    parser.add_argument("--repeats", type=int, default=300)
    wishes = parser.parse_args()
    machine = describe_machine()
    cells = []
    for people, images, sd_people, sd_images in itertools.product(PEOPLE, IMAGES, SDS, SDS):
        cells.append(cell(people, images, sd_people, sd_images, wishes.repeats))
        print(cells[-1], flush=True)
    keys = [key for key in cells[0] if key not in ("people", "images", "sd_people", "sd_images")]
    summary = [
        {
            "people": people,
            **{
                key: {"worst": max(values), "mean": sum(values) / len(values)}
                for key in keys
                for values in [[each[key] for each in cells if each["people"] == people]]
            },
        }
        for people in PEOPLE
    ]
    write_json(
        wishes.json,
        {"date": today(), "machine": machine, "repeats": wishes.repeats, "summary": summary, "cells": cells},
    )
    for row in summary:
        print(row)


if __name__ == "__main__":
    main()
