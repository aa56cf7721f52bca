"""Do verdicts on recipes keep their error rates, when training seeds are random too? Simulation of scope B.

Run `python benchmarks/coverage_seeds.py --work DIR [--repeats R] [--table FILE]` from the repository's root. A cell is
a number of runs of either arm, the spread over their seeds, and the noise of the images in units of the baseline's.
Every repeat draws the runs, estimates what `compare` estimates of them, and asks `judge_differences`; a cell that
stands in DIR is not drawn again. `--table FILE` writes the summary. All cells take about ten minutes on one idle core.

The model: a run's value is its seed's, normal, plus the noise of its own images (sd `noise`) and a noise that all runs
of an arm share (a tenth of `noise`). The variances of the images' noise are estimated as of 500 images, those of the
seeds from the runs. There are three candidates, equal to each other, of the same spread.

What is counted, in per cent, all at 5 %:

* different: equal recipes are called worse or better.
* within: a candidate that is worse by the margin is called within or negligible; beside it how often an equal one is.
* non-inferior: at least one of three candidates that are worse by the margin is called non-inferior.

Margins: a number (three true standard errors of the difference), 20 % of the baseline (likewise), and from the seeds.
"""

import argparse
import dataclasses
import functools
import itertools
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats
from simulation import simulated, write_rates

from p2phd_eval.stats.design import StandardError
from p2phd_eval.stats.errors.seeds import recipe_error
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.equivalence import Difference, Verdict, judge_differences
from p2phd_eval.stats.verdicts.margins import (
    REPEATABILITY,
    Margin,
    error_of_share,
    find_margin,
    given_margin,
    parse_margin,
    seed_margin,
)

SHARED = 0.1  # of the noise of a run's own images, what the runs of an arm share
IMAGES = 500
SHARE = 0.2
CANDIDATES = 3
DIFFERENT = (Verdict.WORSE, Verdict.BETTER)


@dataclasses.dataclass(frozen=True)
class Cell:
    """Runs, spreads and noise; spreads in units of the baseline's."""

    runs: tuple[int, int]  # of the baseline and of each candidate
    seed_sd: float  # of the candidates; the baseline's is 1
    noise: float  # sd of what the images add to a run

    @property
    def name(self) -> str:
        return f"{self.runs[0]}-{self.runs[1]}-sd{self.seed_sd:g}-noise{self.noise:g}"

    @property
    def noise_variance(self) -> float:
        return self.noise**2

    @property
    def error(self) -> float:
        """The true standard error of the difference."""
        own = (1 + self.noise_variance) / self.runs[0] + (self.seed_sd**2 + self.noise_variance) / self.runs[1]
        return math.sqrt(own + (SHARED * self.noise) ** 2)


def cells() -> Iterator[Cell]:
    for runs, sd, noise in itertools.product((2, 3, 5, 8, 12), (1.0, 1 / 3, 3.0), (0.1, 1.0, 3.0)):
        yield Cell((runs, runs), sd, noise)
    for arms, sd, noise in itertools.product(((2, 5), (3, 8)), (1.0, 1 / 3, 3.0), (0.1, 1.0)):
        yield Cell(arms, sd, noise)
    for runs, sd in itertools.product((2, 3, 5), (0.1, 10.0)):
        yield Cell((runs, runs), sd, 0.3)


def repeat(cell: Cell, rng: np.random.Generator) -> Counter[str]:
    """Draw a study and count what is said of it."""
    baseline_count, count = cell.runs
    margin, level = 3 * cell.error, 3 * cell.error / SHARE  # the baseline's value, of which the margin is a share
    baseline = rng.normal(level, math.hypot(1, cell.noise), baseline_count)
    candidates = rng.normal(level, math.hypot(cell.seed_sd, cell.noise), (CANDIDATES, count))
    candidates += rng.normal(0, SHARED * cell.noise, (CANDIDATES, 1))
    noise = [
        cell.noise_variance * rng.chisquare(df) / df
        for df in ((baseline_count - 1) * (IMAGES - 1), *[(count - 1) * (IMAGES - 1)] * CANDIDATES)
    ]
    scales = np.sqrt(rng.chisquare(IMAGES - 1, CANDIDATES) / (IMAGES - 1))

    def error(k: int, scale: float = 1.0) -> StandardError:
        """Of candidate k less a multiple of the baseline."""
        own = (scale**2 / baseline_count + 1 / count) * cell.noise_variance
        images = StandardError(
            value=float(scales[k]) * math.sqrt(own + (SHARED * cell.noise) ** 2), df=float(IMAGES - 1)
        )
        scaled = (scale * baseline).tolist()
        return recipe_error(scaled, candidates[k].tolist(), images, noise=(scale**2 * noise[0], noise[1 + k]))

    errors = [error(k) for k in range(CANDIDATES)]
    estimates = candidates.mean(axis=1) - baseline.mean()
    said: Counter[str] = Counter()

    def judge(name: str, found: Margin, true: float) -> None:
        if found.value is None:
            said[f"{name}, none"] += 1
            return
        equal = judge_differences([Difference(estimate=float(estimates[0]), error=errors[0], margin=found)])[0]
        said[f"{name}, within"] += equal.verdict in (Verdict.WITHIN, Verdict.NEGLIGIBLE)
        family = judge_differences(
            [Difference(estimate=float(estimates[k]) + true, error=errors[k], margin=found) for k in range(CANDIDATES)]
        )
        assert family[0].p_lower is not None
        assert family[0].p_upper is not None
        said[f"{name}, false within"] += max(family[0].p_lower, family[0].p_upper) < 0.05
        said[f"{name}, false non-inferior"] += any(each.non_inferior for each in family)

    plain = judge_differences([Difference(estimate=float(estimates[0]), error=errors[0], margin=None)])[0]
    said["different"] += plain.verdict in DIFFERENT
    judge("number", given_margin(margin), margin)
    judge("seeds", seed_margin(baseline.tolist(), noise[0]), REPEATABILITY)
    # Of one candidate: the error of a share is that of its own contrast.
    share = find_margin(
        parse_margin(f"{100 * SHARE:g}%"),
        Estimand.FID_AT_N,
        baseline.tolist(),
        n=IMAGES,
        noise=noise[0],
        share_error=error_of_share(SHARE, functools.partial(error, 0)),
    )
    for name, difference in (("share, within", 0.0), ("share, false within", margin)):
        each = Difference(estimate=float(estimates[0]) + difference, error=errors[0], margin=share)
        said[name] += judge_differences([each])[0].verdict in (Verdict.WITHIN, Verdict.NEGLIGIBLE)
    return said


def most(rate: float, repeats: int) -> float:
    """What a rate of so many per cent may look like: its one-sided 99 % binomial limit."""
    return 100 * float(stats.binom.ppf(0.99, repeats, rate / 100)) / repeats


def summary(found: dict[str, dict[str, float]], repeats: int) -> dict[str, object]:
    """The worst cell of each false call, beside what it may be."""
    worst: dict[str, object] = {}
    for name, limit in (
        ("different", 6.0),
        *((f"{margin}, false {call}", 5.0) for margin in ("number", "seeds") for call in ("within", "non-inferior")),
        ("share, false within", 5.0),
    ):
        groups = (
            {"": list(found)}
            if name != "different"
            else {
                ", two runs in an arm": [cell for cell in found if "2" in cell.split("-")[:2]],
                ", three or more": [cell for cell in found if "2" not in cell.split("-")[:2]],
            }
        )
        for group, names in groups.items():
            cell = max(names, key=lambda each: found[each].get(name, 0.0))
            allowed = 8.0 if "two" in group else limit
            rate = found[cell].get(name, 0.0)
            worst[name + group] = {
                "worst": rate,
                "cell": cell,
                "allowed": allowed,
                "holds": rate <= most(allowed, repeats),
            }
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--table", type=Path)
    arguments = parser.parse_args()
    found = simulated(cells(), repeat, work=arguments.work, repeats=arguments.repeats)
    console = Console(width=160)
    columns = sorted({name for rates in found.values() for name in rates})
    table = Table("cell", *columns, title=f"per cent of {arguments.repeats} studies")
    for name, rates in found.items():
        table.add_row(name, *(f"{rates.get(column, 0.0):.1f}" for column in columns))
    console.print(table)
    worst = summary(found, arguments.repeats)
    console.print_json(data=worst)
    write_rates(arguments.table, "coverage_seeds.py", repeats=arguments.repeats, worst=worst, cells=found)


if __name__ == "__main__":
    main()
