"""How often is the verdict against the noise floor false, and how often is "one seed, LPIPS <= 0.15"? Simulated.

Run `python benchmarks/coverage_floor.py --work DIR [--repeats R] [--table FILE]` from the repository's root. A cell
that stands in DIR is not drawn again. All cells take about ten minutes on one idle core.

The model: the distance of image i of run s, of a benign variant or a candidate, is

    floor x ratio x exp(u_i + v_s + w_is) x jump_is, divided by the mean of what follows the ratio.

u is the image's own (fine texture moves far, sky does not), v the run's, and both are shared by all arms; w is the
arm's; all normal. A jump is 5, with probability 3 %, else 1: a sampler that ends in another mode. Clusters are prompts
of five images each that share a part of u and of w. So distances are skewed and paired, and their true ratio is known.
The spreads are assumed, not measured: small are 0.4, 0.1, 0.3 without jumps, large 0.7, 0.2, 0.7 with them.

First part, in per cent, at a tolerance of 1.25 and a confidence of 95 %. The candidate's true ratio is 1 (at the
floor), 1.25 (at the margin) or 1.5 (twice the margin):

* missed: the interval of the ratio does not hold the true one; too low and too high: on which side it lies. Beside it
  the same of the delta method on the logarithm, which was not chosen.
* inside, above: how often that is said. Either is false at the margin: that should be 5 % or less.

Second part: gates side by side, of the same draws with large spreads and one run, for floors of 0.02, 0.1 and 0.2.
Quality is the distance to the photo, about 0.4 exp(0.3 z_i + 0.08 e) with z the image's; its margin is 2 %. How often
a gate lets the candidate pass, in per cent:

* within-floor: it is inside the floor. within: that, or the quality is kept.
* one image: its LPIPS is 0.15 or less. mean: that of all images is.

Gates are drawn half as often.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from measuring import kept
from simulation import simulated, worst_and_mean, write_rates

from p2phd_eval.stats.confidence import t_quantile
from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.errors.image_means import EstimatedMean, fixed_runs_mean, random_runs_mean
from p2phd_eval.stats.errors.ratios import MeanOf
from p2phd_eval.stats.verdicts.floor_ratio import (
    FEWEST_RUNS,
    TOLERANCE,
    FloorVerdict,
    floor_ratios,
    floor_verdict,
    joint_quality,
    p_of_above,
    p_of_inside,
)
from p2phd_eval.stats.verdicts.widening import ShareMargin, widening

ALPHA = 0.05
LIMIT = 0.15
MARGIN = 0.02
# Rates that should be 5 %, or less.
AT_MOST_5 = ("missed", "delta missed", "inside, margin", "above, margin", "inside, twice", "above, floor")
SHARE_OF_PROMPT = 0.5  # of the variances of u and w, where images have prompts
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    image: float
    run: float
    own: float
    jumps: float  # how often


SPREADS = {"small": Spread(0.4, 0.1, 0.3, 0.0), "large": Spread(0.7, 0.2, 0.7, 0.03)}


@dataclass(frozen=True)
class Cell:
    images: int
    prompts: bool  # five images a prompt
    spread: str
    runs: int
    floors: tuple[float, ...]  # of the variants, the largest 1

    @property
    def name(self) -> str:
        kind = "prompts" if self.prompts else "images"
        return f"{kind}{self.images}-{self.spread}-runs{self.runs}-floors{'-'.join(map(str, self.floors))}"


def cells() -> Iterator[Cell]:
    for images, prompts, spread in itertools.product((10, 20, 50, 200, 500), (False, True), SPREADS):
        if images >= 50 or not prompts:
            for runs, floors in ((1, (1.0,)), (3, (1.0,)), (1, (1.0, 1.0, 1.0)), (1, (1.0, 0.5, 0.0))):
                yield Cell(images, prompts, spread, runs, floors)


class Drawing:
    """Distances of one repeat: what arms share is drawn once."""

    def __init__(self, cell: Cell, rng: np.random.Generator) -> None:
        self._cell, self._rng, self._spread = cell, rng, SPREADS[cell.spread]
        self.clusters = np.arange(cell.images) // 5 if cell.prompts else np.arange(cell.images)
        self._image = self._spread.image * self._normal(1)
        self._run = self._spread.run * rng.normal(size=(cell.runs, 1))

    def arm(self, ratio: float) -> Values:
        """Distances (runs, n) whose true mean is the ratio."""
        spread, shape = self._spread, (self._cell.runs, self._cell.images)
        own = spread.own * self._normal(self._cell.runs)
        jumps = np.where(self._rng.random(shape) < spread.jumps, 5.0, 1.0)
        mean = math.exp((spread.image**2 + spread.run**2 + spread.own**2) / 2) * (1 + 4 * spread.jumps)
        result: Values = ratio * np.exp(self._image + self._run + own) * jumps / mean
        return result

    def _normal(self, rows: int) -> Values:
        """Normal numbers (rows, n) of variance 1, of which images of a prompt share a part."""
        found: Values = self._rng.normal(size=(rows, self._cell.images))
        if self._cell.prompts:
            shared = self._rng.normal(size=(rows, int(self.clusters.max()) + 1))[:, self.clusters]
            found = math.sqrt(1 - SHARE_OF_PROMPT) * found + math.sqrt(SHARE_OF_PROMPT) * shared
        return found


def repeat(cell: Cell, rng: np.random.Generator) -> Counter[str]:
    said: Counter[str] = Counter()
    for ratio, at in ((1.0, "floor"), (TOLERANCE, "margin"), (2 * TOLERANCE - 1, "twice")):
        drawing = Drawing(cell, rng)
        candidate, variants = drawing.arm(ratio), [drawing.arm(each) for each in cell.floors if each]
        design = SamplingDesign.paired(cell.images, 1, drawing.clusters)

        def mean_of(table: Values, design: SamplingDesign = design) -> EstimatedMean:
            return (random_runs_mean if cell.runs >= FEWEST_RUNS else fixed_runs_mean)(table, design)

        # Fieller's interval ends below a ratio where the test of that ratio or more rejects at half the level.
        low = p_of_inside(candidate, variants, mean_of, ratio) < ALPHA / 2
        high = p_of_above(candidate, variants, mean_of, ratio) < ALPHA / 2
        said[f"missed, {at}"] += low or high
        said[f"missed, {at}, too low"] += low
        said[f"missed, {at}, too high"] += high
        said[f"inside, {at}"] += p_of_inside(candidate, variants, mean_of, TOLERANCE) < ALPHA
        said[f"above, {at}"] += p_of_above(candidate, variants, mean_of, TOLERANCE) < ALPHA
        if len(cell.floors) == 1:
            said[f"delta missed, {at}"] += delta_misses(candidate, variants[0], mean_of, ratio)
    return said


def delta_misses(candidate: Values, floor: Values, mean_of: MeanOf, ratio: float) -> bool:
    """Whether log(ratio) lies outside of the interval by the delta method."""
    found = mean_of(candidate / candidate.mean() - floor / floor.mean())
    reach = t_quantile(1 - ALPHA / 2, found.error.df) * found.error.value
    return bool(abs(math.log(candidate.mean() / floor.mean() / ratio)) > reach)


# --- Gates side by side


@dataclass(frozen=True)
class Truth:
    """What a candidate is."""

    words: str
    ratio: float  # of its distance to the baseline over the floor
    worse: float  # by which its images are farther from the photos

    @property
    def name(self) -> str:
        return f"ratio{self.ratio:g}-worse{self.worse:g}"


TRUTHS = (
    Truth("at the floor", 1.0, 0.0),
    Truth("at the margin, 1.25 times the floor", 1.25, 0.0),
    Truth("twice the margin, 1.5 times", 1.5, 0.0),
    Truth("other images, 4 times the floor, as good", 4.0, 0.0),
    Truth("4 times, worse by the margin, 2 %", 4.0, 0.02),
    Truth("4 times, worse by twice the margin, 4 %", 4.0, 0.04),
)
FLOORS = (0.02, 0.1, 0.2)
NUMBERS = (50, 200, 1000)


def gates(truth: Truth, images: int, repeats: int) -> dict[str, float]:
    """How often each gate lets a candidate pass, in per cent."""
    cell = Cell(images, False, "large", 1, (1.0,))
    rng = np.random.default_rng(zlib.crc32(f"{truth.name}-{images}".encode()))
    passed: Counter[str] = Counter()
    for _ in range(repeats):
        drawing = Drawing(cell, rng)
        candidate, benign = drawing.arm(truth.ratio), drawing.arm(1.0)
        scene = 0.3 * rng.normal(size=images)
        to_photo = [0.4 * np.exp(scene + 0.08 * rng.normal(size=(1, images))) for _ in range(2)]
        (found,) = floor_ratios([candidate], [benign])
        quality = widening(
            to_photo[0], (1 + truth.worse) * to_photo[1], range(images), margin=ShareMargin(share=MARGIN)
        )
        verdict = floor_verdict(found.position, joint_quality([quality.verdict]))
        passed["within-floor"] += verdict is FloorVerdict.INSIDE
        passed["within"] += verdict in (FloorVerdict.INSIDE, FloorVerdict.QUALITY_WITHIN)
        passed["found worse"] += verdict is FloorVerdict.QUALITY_WORSE
        for floor in FLOORS:
            passed[f"one image, floor {floor}"] += bool(floor * candidate[0, 0] <= LIMIT)
            passed[f"mean, floor {floor}"] += bool(floor * candidate.mean() <= LIMIT)
    return {name: 100 * number / repeats for name, number in sorted(passed.items())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--table", type=Path)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    side_by_side: dict[str, dict[str, dict[str, float]]] = {}
    for truth, images in itertools.product(TRUTHS, NUMBERS):
        file = arguments.work / f"gates-{truth.name}-{images}-r{arguments.repeats // 2}.json"
        rates = kept(file, partial(gates, truth, images, arguments.repeats // 2))
        side_by_side.setdefault(truth.words, {})[str(images)] = rates
        print(truth.words, images, rates, flush=True)
    found = simulated(cells(), repeat, work=arguments.work, repeats=arguments.repeats)
    worst = worst_and_mean(found, lambda name: name.startswith(AT_MOST_5))
    print(json.dumps(worst, indent=2))
    write_rates(
        arguments.table,
        "coverage_floor.py",
        repeats=arguments.repeats,
        gate_repeats=arguments.repeats // 2,
        tolerance=TOLERANCE,
        confidence=1 - ALPHA,
        limit=LIMIT,
        gates=side_by_side,
        worst=worst,
        cells=found,
    )


if __name__ == "__main__":
    main()
