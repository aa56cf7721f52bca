"""Do the intervals of `edit compare` cover, and how often are its verdicts false? Edits, images and seeds simulated.

Run `python benchmarks/coverage_edits.py --work DIR [--repeats R] [--table FILE]` from the repository's root. A cell is
a number of images, of pairs of training seeds, how skewed distances are, and how much seeds differ. Every repeat draws
the runs, the images and 1 to 6 edits an image, and asks what `edit compare` asks; a cell that stands in DIR is not
drawn again. All cells take about ten minutes on one idle core.

The model: run r paints image i, at the pixels of edit j, as a vector of 8 numbers t_r h_i z, and after the edit as
t_r h_i g_j z'. The t (runs), h (images) and g (edits) are lognormal; z is normal, seven tenths of its variance shared
by the edits of an image, and z' correlates with z by 0.9. The distance of two runs is the mean square of the difference
of their vectors, so that pairs of baseline runs share runs as real ones do, and distances are skewed: a few images and
edits hold much of them. The true widening is known: (E g^2 - 1) times the true distance on unedited maps.

What is counted, in per cent. Every repeat is drawn twice: editing does nothing (E g^2 = 1), and it widens by 30 %.

* missed: the interval of the widening does not hold the true one, where there is none and where it is 30 %; and on
  which side it lies.
* share of gap missed, share of seeds missed: likewise the interval of the widening over the distance of the arms on
  unedited maps, and over that of two baseline seeds.
* seeds missed: likewise the interval of the widening between baseline seeds.
* false within: a widening of 30 % is called within or negligible at a margin of 30 % of the gap, and of the seeds'.
* within: how often it is said where there is none.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from simulation import simulated, worst_and_mean, write_rates

from p2phd_eval.stats.verdicts.widening import EditTables, pair_values

CONFIDENCE = 0.95
WIDENING = 0.3
NUMBERS = 8  # of a vector
SHARED, KEPT = 0.7, 0.9
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """How a study is drawn; spreads are standard deviations of logarithms."""

    images: int
    pairs: int
    image_sd: float
    edit_sd: float
    seed_sd: float

    @property
    def name(self) -> str:
        return f"images{self.images}-pairs{self.pairs}-skew{self.image_sd:g}-{self.edit_sd:g}-seeds{self.seed_sd:g}"

    @property
    def distance(self) -> float:
        """The true distance of two runs on unedited maps."""
        return 2 * float(np.exp(2 * self.seed_sd**2 + 2 * self.image_sd**2))


def cells() -> Iterator[Cell]:
    skews = ((0.25, 0.2), (0.5, 0.4))
    for images, pairs, skew, seeds in itertools.product((10, 20, 50), (3, 4, 6), skews, (0.05, 0.3)):
        yield Cell(images, pairs, *skew, seeds)


@dataclass(frozen=True)
class Study:
    """Distances of one repeat; rows are pairs of runs."""

    images: list[int]
    original: Values
    wider: Values
    seeds_original: Values
    seeds_wider: Values


def draw(cell: Cell, widening: float, rng: np.random.Generator) -> Study:
    counts = rng.integers(1, 7, size=cell.images)
    image = np.repeat(np.arange(cell.images), counts)
    runs, edits = 2 * cell.pairs, len(image)
    of_images = rng.normal(size=(runs, cell.images, NUMBERS))[:, image]
    before = np.sqrt(SHARED) * of_images + np.sqrt(1 - SHARED) * rng.normal(size=(runs, edits, NUMBERS))
    after = KEPT * before + np.sqrt(1 - KEPT**2) * rng.normal(size=before.shape)
    of_image = np.exp(cell.image_sd * rng.normal(size=cell.images))
    scale = np.exp(cell.seed_sd * rng.normal(size=(runs, 1))) * of_image[image]
    edit = np.exp(cell.edit_sd * rng.normal(size=edits) - cell.edit_sd**2) * np.sqrt(1 + widening)
    painted = scale[..., None] * before, (scale * edit)[..., None] * after

    def distances(first: int, second: int) -> tuple[Values, Values]:
        original, edited = (np.square(each[first] - each[second]).mean(axis=1) for each in painted)
        return original, edited - original

    arms = [distances(run, cell.pairs + run) for run in range(cell.pairs)]
    seeds = [distances(*pair) for pair in itertools.combinations(range(cell.pairs), 2)]
    columns = [np.stack(each) for each in (*zip(*arms, strict=True), *zip(*seeds, strict=True))]
    floors = [pair_values(each, cell.pairs) for each in columns[2:]]
    return Study(image.tolist(), columns[0], columns[1], floors[0], floors[1])


def repeat(cell: Cell, rng: np.random.Generator) -> Counter[str]:
    """Draw a study of either truth and count what is said of it."""
    said: Counter[str] = Counter()
    for truth, name in ((0.0, "none"), (WIDENING, "30 %")):
        study = draw(cell, truth, rng)
        tables = EditTables(study.images, cell.pairs)
        true = truth * cell.distance
        # Fieller's interval holds the true ratio where that of this contrast holds 0.
        for what, table, value in (
            ("missed", study.wider, true),
            ("seeds missed", study.seeds_wider, true),
            ("share of gap missed", study.wider - truth * study.original, 0.0),
            ("share of seeds missed", study.wider - truth * study.seeds_original, 0.0),
        ):
            low, high = tables.estimate(table, CONFIDENCE).interval
            said[f"{what}, {name}, too low"] += high < value
            said[f"{what}, {name}, too high"] += low > value
            said[f"{what}, {name}"] += not low <= value <= high
        for base, values in (("gap", study.original), ("seeds", study.seeds_original)):
            within = tables.p_beyond(study.wider, values, WIDENING) < 1 - CONFIDENCE
            said[f"{'false within' if truth else 'within'}, {base}"] += within
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--table", type=Path)
    arguments = parser.parse_args()
    found = simulated(cells(), repeat, work=arguments.work, repeats=arguments.repeats)
    # How often "within" is said where it is so is power; all others should be 5 %, or less.
    worst = worst_and_mean(found, lambda name: not name.startswith("within"))
    print(json.dumps(worst, indent=2))
    write_rates(arguments.table, "coverage_edits.py", repeats=arguments.repeats, worst=worst, cells=found)


if __name__ == "__main__":
    main()
