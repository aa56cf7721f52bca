"""Do the intervals cover, and how often are verdicts false? Simulation of what `fid` and `compare` say.

Run `python benchmarks/coverage.py --work DIR [--cifar10 FILE] [--cells TEXT] [--share S] [--jobs N]` from the
repository's root. Every repeat draws a sample, treats it as `fid` and `compare` would, and writes one line to
DIR/<cell>.jsonl; a call goes on where the last one stopped. A repeat depends on the cell and on its number alone, so
what two calls at the same time both wrote counts once. All cells take about an hour and a half on one core.
`--table FILE` writes the summary of what is there.

Each estimand is held to its own truth. FID and block FID of the distributions are known exactly. E[FID@n] is the mean
over other draws from the same population, so many that its own error, which the table states, is about a tenth of an
interval's; of some differences it follows from the moments.

FILE holds `train` and `test`, features of CIFAR-10 of shape (5000, 2048), as `cifar10.py --features FILE` writes them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import multiprocessing
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from drawn_populations import KINDS, Array, Drawn, Layout
from measuring import describe_machine, today
from populations import DIFFERENCES, Shape, Synthetic
from real_features import HARD, Change, RealFeatures, cifar10, drawn_changes
from rich.console import Console
from rich.table import Table
from scipy import stats

from p2phd_eval.files import atomic_write, write_json
from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.distances.frechet import frechet_distance
from p2phd_eval.stats.errors.extrapolation import half_samples
from p2phd_eval.stats.errors.influence import fid_influence
from p2phd_eval.stats.errors.intervals import population_estimate
from p2phd_eval.stats.errors.measurement import Measurement
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.companion import companion_of
from p2phd_eval.stats.verdicts.compared_arms import Arm, compare_arms
from p2phd_eval.stats.verdicts.equivalence import Difference, equivalence_test
from p2phd_eval.stats.verdicts.margins import parse_margin

Row = dict[str, Any]
Question = Literal["fid-at-n", "fid", "block-fid", "verdict"]
BASELINE = "baseline"  # its own FID, where all others are differences from it
TRUTH_DRAWS = 200
# A difference of so many half-widths is found with 80 %.
FOR_80 = 1 + float(stats.norm.ppf(0.8) / stats.norm.ppf(0.975))

# Of the drawn populations, as (d, n): repeats.
PAIRS = {(64, 1000): 400, (2048, 250): 150}
UNPAIRED = {(2048, 100): 300, (256, 500): 200}
UNEQUAL = {(32, 2000): 400, (256, 250): 400}
CLUSTERS = {3: (32, 500), 5: (64, 250), 8: (64, 250), 15: (32, 500), 40: (32, 1000)}
CLUSTER_REPEATS = 400
# Of CIFAR-10: repeats and candidates by n. Of many images only what has an exact truth is drawn, or little else.
SIX = ("equal", "shifted", "noise", "blur", "shrunk", "modes dropped")
WHOLE = {100: (300, SIX), 250: (200, SIX), 500: (120, SIX), 1000: (40, (*SIX[:2], "shrunk")), 2000: (12, SIX[:2])}
AXES = {250: (400, SIX), 1000: (300, SIX), 2000: (150, SIX)}  # 64 features
BLOCKS = {250: (60, ("equal", "noise", "modes dropped")), 500: (40, ("equal", "noise")), 1000: (15, ("equal", "noise"))}
# Of populations whose FID is known: for the FID of the distributions.
DISTRIBUTIONS = {(64, 100): 300, (64, 300): 300, (64, 1000): 100, (256, 500): 60}
SHAPES: dict[str, tuple[Shape, float]] = {
    "gaussian-fast": ("gaussian", 2),
    "gaussian-slow": ("gaussian", 0.5),
    "relu": ("relu", 1),
    "mixture": ("mixture", 1),
}


class Population(Protocol):
    """Label maps with a real image, a baseline's, and one of each candidate."""

    candidates: tuple[str, ...]

    def sample(self, n: int, rng: np.random.Generator) -> Sequence[Array]:
        """Draw the real set, the baseline's and each candidate's."""
        ...

    def design(self, n: int) -> SamplingDesign:
        """How these sets were drawn."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """A question about a population at a number of label maps."""

    question: Question
    population: str
    d: int
    n: int
    repeats: int
    make: Callable[..., Any]  # the population; of CIFAR-10, from the file of its features
    #: Of a verdict, as `--margin` takes it; "truth" and "truth%" are the true difference, absolute and as a share.
    margin: str = ""

    @property
    def file(self) -> str:
        margin = f"-{self.margin.replace('%', '-percent')}" if self.margin else ""
        return f"{self.question}{margin}-{self._sample}"

    @property
    def truth_file(self) -> str:
        return f"truth-{self._sample}"

    @property
    def _sample(self) -> str:
        return f"{self.population}-d{self.d}-n{self.n}.jsonl"


def cells(*, with_cifar10: bool) -> Iterator[Cell]:
    """All cells, the most important first."""
    if with_cifar10:
        for name, change in (("equal", Change()), *HARD.items()):
            source = partial(cifar10, d=2048, name="cifar10", changes={name: change}, shift=4.0)
            population = f"cifar10-far-{name.replace(' ', '-')}"
            yield Cell(question="verdict", population=population, d=2048, n=500, repeats=100, make=source, margin="2%")
    yield from drawn_cells()
    if with_cifar10:
        for d, sizes in ((2048, WHOLE), (64, AXES)):
            for n, (repeats, names) in sizes.items():
                yield cifar10_cell("fid-at-n", d, n, repeats, names)
        for n, (repeats, names) in BLOCKS.items():
            yield cifar10_cell("block-fid", 2048, n, repeats, names)
    for kind in KINDS:
        for margin in ("truth", "truth%"):
            make, name = partial(Drawn, kind, 64, "pairs"), f"{kind}-pairs"
            yield Cell(question="verdict", population=name, d=64, n=250, repeats=150, make=make, margin=margin)
    yield from known_cells()


def drawn_cells() -> Iterator[Cell]:
    """Of dFID@n: every kind in every layout; each n and each d comes with every kind."""
    layouts: dict[Layout, dict[tuple[int, int], int]] = {"pairs": PAIRS, "unpaired": UNPAIRED, "unequal": UNEQUAL}
    for kind in KINDS:
        for layout, sizes in layouts.items():
            for (d, n), repeats in sizes.items():
                make, name = partial(Drawn, kind, d, layout), f"{kind}-{layout}"
                yield Cell(question="fid-at-n", population=name, d=d, n=n, repeats=repeats, make=make)
        for clusters, (d, n) in CLUSTERS.items():
            make, name = partial(Drawn, kind, d, "clusters", clusters), f"{kind}-{clusters}-clusters"
            yield Cell(question="fid-at-n", population=name, d=d, n=n, repeats=CLUSTER_REPEATS, make=make)


def known_cells() -> Iterator[Cell]:
    """Of the FID of the distributions."""
    for name, (shape, decay) in SHAPES.items():
        for difference in DIFFERENCES[: 2 if shape == "mixture" else 3]:  # the modes of a mixture do not scale
            for (d, n), repeats in DISTRIBUTIONS.items():
                make, population = partial(Synthetic, name, shape, decay, d, difference), f"{name}-{difference}"
                yield Cell(question="fid", population=population, d=d, n=n, repeats=repeats, make=make)
    gaussian = partial(Synthetic, "gaussian", "gaussian", 1, 64, "worse")
    for label, make in (
        ("unpaired", partial(gaussian, independent=True)),
        ("20-clusters", partial(gaussian, clusters=20)),
    ):
        yield Cell(question="fid", population=f"gaussian-worse-{label}", d=64, n=300, repeats=300, make=make)


def cifar10_cell(question: Question, d: int, n: int, repeats: int, names: Sequence[str]) -> Cell:
    every = drawn_changes("cifar10")
    make = partial(cifar10, d=d, name="cifar10", changes={name: every[name] for name in names})
    return Cell(question=question, population="cifar10", d=d, n=n, repeats=repeats, make=make)


def population(cell: Cell, file: Path | None) -> Any:
    return cell.make(file) if cell.population.startswith("cifar10") else cell.make()


def contrasts(source: Population) -> dict[str, list[float]]:
    """Weights of the generated sets in what is estimated: the baseline's own FID, and each candidate's difference."""
    count = len(source.candidates)
    differences = {name: [-1.0, *np.eye(count)[k].tolist()] for k, name in enumerate(source.candidates)}
    return {BASELINE: [1.0] + count * [0.0], **differences}


def truth_row(source: Population, n: int, rng: np.random.Generator) -> Row:
    """FID@n of the baseline in one sample, and the differences from it."""
    real, *fakes = source.sample(n, rng)
    fids = [frechet_distance(real, fake).value for fake in fakes]
    return {name: float(np.dot(weights, fids)) for name, weights in contrasts(source).items()}


def at_n_row(source: Population, n: int, rng: np.random.Generator) -> Row:
    """What `compare` finds of FID@n in one sample."""
    real, *fakes = source.sample(n, rng)
    whole = [fid_influence(real, fake) for fake in fakes]
    found = Measurement(
        estimand=Estimand.FID_AT_N,
        values=tuple(each.distance.value for each in whole),
        real=np.array([each.real for each in whole]),
        fake=tuple(each.fake for each in whole),
    )
    design, row = source.design(n), {}
    for name, weights in contrasts(source).items():
        error = found.standard_error(weights, design)
        row[name] = {"estimate": found.value(weights), "se": error.value, "df": error.df}
    return row


def distributions_row(source: Any, n: int, rng: np.random.Generator, *, blocks: bool) -> Row:
    """What `fid` and `compare` find of the FID of the distributions, or of the block FID, in one sample."""
    design = source.design(n)
    axes = source.axes if blocks else None
    samples = half_samples(source.sample(n, rng), design, axes=axes, rng=np.random.default_rng(0))
    row = {}
    for name, weights in contrasts(source).items():
        found = population_estimate(samples, weights, design)
        error = found.error
        row[name] = {"estimate": found.value, "se": error.value, "df": error.df, "refused": bool(found.refusal)}
    return row


def verdict_row(source: Any, n: int, rng: np.random.Generator, *, margin: str) -> Row:
    """What `compare` says of one candidate in one sample, with a reference where the population has one.

    Beside it: what it would say without the reference, and what the rule that went before said where FID was refused,
    which judged KID with the cubic kernel.
    """
    real, *runs = source.sample(n, rng)
    arms = [Arm(name=name, runs=(run,)) for name, run in zip((BASELINE, *source.candidates), runs, strict=True)]
    (found,) = compare_arms(
        real,
        arms,
        source.design(n),
        margin=parse_margin(margin),
        reference=getattr(source, "axes", None),
        replicates=0,
        rng=np.random.default_rng(0),
    )
    by_estimand = {each.estimand: each for each in found.measured}
    without = [each for each in found.measured if each.estimand is not Estimand.BLOCK_FID]
    assert found.test is not None and found.margin.value is not None, "FID@n can always be judged"
    alone = found.test.verdict
    companion = companion_of(alone, found.at_n, found.margin.value, without, confidence=0.95)
    kid = by_estimand[Estimand.KID]
    share = found.margin.value / found.at_n.baseline * kid.baseline
    before = equivalence_test(Difference(estimate=kid.estimate, error=kid.error, margin=share if share > 0 else None))
    return {
        "verdict": found.verdict.value,
        "alone": alone.value,
        "companion": None if found.companion is None else found.companion.estimand.value,
        "without_reference": (alone if companion is None else companion.after).value,
        "its_companion": None if companion is None else companion.estimand.value,
        "by_kid": before.verdict.value,
        "measured": {
            estimand.value: {
                "estimate": each.estimate,
                "se": each.error.value,
                "df": each.error.df,
                "refused": bool(each.refusal),
                BASELINE: each.baseline,
            }
            for estimand, each in by_estimand.items()
        },
    }


def lines(path: Path) -> list[Row]:
    """The repeats of a cell, each once."""
    if not path.exists():
        return []
    whole = path.read_text().split("\n")[:-1]  # what an interrupt cut short has no end of line
    return [json.loads(line) for line in dict.fromkeys(whole)]


def draw(path: Path, wanted: int, source: Population, n: int, row: Callable[..., Row]) -> list[Row]:
    """Write rows of one sample each to the end of a file until there are so many; return those that are wanted."""
    done = lines(path)
    text = "".join(f"{json.dumps(line)}\n" for line in done)
    if path.exists() and path.read_text() != text:
        with atomic_write(path) as repaired:
            repaired.write(text.encode())
    with path.open("a") as stream:
        for k in range(len(done), wanted):
            done.append(row(source, n, np.random.default_rng([zlib.crc32(path.name.encode()), k])))
            stream.write(json.dumps(done[-1]) + "\n")
            stream.flush()
    return done[:wanted]


def run(cell: Cell, *, work: Path, file: Path | None, share: float) -> str:
    """Draw what a cell still lacks, the draws for its truth first."""
    source = population(cell, file)
    margin = cell.margin
    if needs_draws(cell, source):
        # A margin must not change between calls.
        draws = TRUTH_DRAWS if margin else round(share * TRUTH_DRAWS)
        truths = draw(work / cell.truth_file, draws, source, cell.n, truth_row)
        if margin:
            difference, fid = (abs(float(np.mean([each[name] for each in truths]))) for name in ("candidate", BASELINE))
            margin = f"{100 * difference / fid}%" if margin == "truth%" else str(difference)
    rows: dict[Question, Callable[..., Row]] = {
        "fid-at-n": at_n_row,
        "fid": partial(distributions_row, blocks=False),
        "block-fid": partial(distributions_row, blocks=True),
        "verdict": partial(verdict_row, margin=margin),
    }
    found = draw(work / cell.file, round(share * cell.repeats), source, cell.n, rows[cell.question])
    return f"{cell.file}: {len(found)} repeats"


def exact_truths(cell: Cell, source: Any, estimand: str) -> dict[str, float]:
    """What follows from the population's moments, by name."""
    if estimand == "fid" and isinstance(source, Synthetic):
        return {BASELINE: source.fid, "candidate": source.dfid}
    if estimand == "block-fid":
        fids = source.block_fids()
        differences = {name: fid - fids[0] for name, fid in zip(source.candidates, fids[1:], strict=True)}
        return {BASELINE: fids[0], **differences}
    if isinstance(source, RealFeatures):
        found = {name: source.exact(name) for name in source.candidates}
        # Of what has one distribution every difference is 0; of the others only FID@n's may be known.
        return {name: each for name, each in found.items() if each is not None and (estimand == "fid-at-n" or not each)}
    return {}


def needs_draws(cell: Cell, source: Any) -> bool:
    """Whether what is asked is the mean of FID@n over other draws."""
    if cell.question == "fid-at-n":
        return set(source.candidates) > set(exact_truths(cell, source, "fid-at-n"))
    return cell.margin.startswith("truth")


def truths_of(cell: Cell, source: Any, estimand: str, work: Path) -> dict[str, tuple[float, float]]:
    """What is estimated, by name, and the standard error with which it is known; 0 where it is exact."""
    truths = {name: (value, 0.0) for name, value in exact_truths(cell, source, estimand).items()}
    draws = lines(work / cell.truth_file) if estimand == "fid-at-n" else []
    for name in draws[0] if draws else ():
        values = [each[name] for each in draws]
        truths.setdefault(name, (float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(len(values))))
    return truths


def binomial_se(share: float, of: int) -> float:
    return math.sqrt(share * (1 - share) / of)


def intervals(estimand: str, name: str, truth: tuple[float, float], rows: list[Row]) -> Row:
    """How often the 95 % intervals of one estimate hold its truth, and what else they do."""
    estimates, errors, dfs = (np.array([row[name][key] for row in rows]) for key in ("estimate", "se", "df"))
    printed = np.array([not row[name].get("refused", False) for row in rows])
    reach = stats.t.ppf(0.975, dfs) * errors
    hit = (np.abs(estimates - truth[0]) <= reach)[printed]
    sd = float(np.std(estimates, ddof=1))
    baseline = float(np.mean([row[BASELINE]["estimate"] for row in rows]))
    result = {
        "estimand": estimand,
        "of": name,
        "repeats": len(rows),
        "truth": truth[0],
        "truth_error": truth[1],
        "mean": float(np.mean(estimates)),
        "sd": sd,
        "se": float(np.mean(errors)),
        "df": float(np.median(dfs)),
        "half_width": float(np.mean(reach)),
        "baseline": baseline,
        "refused": 1 - float(np.mean(printed)),
        "coverage": float(np.mean(hit)) if len(hit) else None,
        "coverage_se": binomial_se(float(np.mean(hit)), len(hit)) if len(hit) else None,
        "width_ratio": float(np.mean(reach[printed])) / (1.96 * sd) if len(hit) else None,
        # The smallest difference that is found with 80 %, in per cent of the baseline's value.
        "found_percent": 100 * float(np.mean(reach)) * FOR_80 / baseline if printed.all() else None,
    }
    if estimand == "fid-at-n" and name != BASELINE and truth[0]:
        # At a margin that is the true difference: the shares of samples in which it is "shown" to be smaller.
        bound = np.abs(estimates) + stats.t.ppf(0.95, dfs) * errors
        result["false_within"] = float(np.mean(bound < abs(truth[0])))
    return result


def verdicts(cell: Cell, rows: list[Row]) -> Row:
    """How often each verdict came: with the reference where there is one, without it, and by KID as before."""
    ways = ("verdict", "alone", "without_reference", "by_kid", "companion", "its_companion")
    shares = {way: {str(k): v / len(rows) for k, v in Counter(row[way] for row in rows).items()} for way in ways}
    return {"margin": cell.margin, "repeats": len(rows), **shares}


def summaries(cell: Cell, source: Any, work: Path) -> list[Row]:
    """The lines of the table that a cell fills."""
    rows = lines(work / cell.file)
    sizes = source.design(cell.n).sizes
    head = {"population": cell.population, "d": cell.d, "n": cell.n, "n_real": sizes[0]}
    if cell.question != "verdict":
        truths = truths_of(cell, source, cell.question, work)
        return [{**head, **intervals(cell.question, name, truth, rows)} for name, truth in truths.items()]
    found = [{**head, **verdicts(cell, rows)}]
    (name,) = source.candidates
    for estimand in rows[0]["measured"]:
        of_estimand = [
            {name: row["measured"][estimand], BASELINE: {"estimate": row["measured"][estimand][BASELINE]}}
            for row in rows
        ]
        truth = truths_of(cell, source, estimand, work).get(name)
        if truth is not None:
            found.append({**head, **intervals(estimand, name, truth, of_estimand)})
    return found


def show(table: list[Row]) -> None:
    """Print both tables; all shares in per cent, the width relative to 1.96 standard deviations of the estimate."""

    def text(value: Any) -> str:
        if isinstance(value, dict):
            return ", ".join(f"{name} {100 * share:.0f}" for name, share in value.items())
        return "-" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)

    shares = ("refused", "coverage", "coverage_se", "false_within")
    for chosen in ([each for each in table if "verdict" not in each], [each for each in table if "verdict" in each]):
        names = list(dict.fromkeys(name for each in chosen for name in each))
        drawn = Table(*names)
        for each in chosen:
            scaled = {key: 100 * value if key in shares and value is not None else value for key, value in each.items()}
            drawn.add_row(*(text(scaled.get(name)) for name in names))
        Console(width=300).print(drawn)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of the repeats")
    parser.add_argument("--cifar10", type=Path, help="features of CIFAR-10 (.npz with train and test)")
    parser.add_argument("--cells", default="", help="only those whose file name holds this text")
    parser.add_argument("--share", type=float, default=1.0, help="of each cell's repeats")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes; 0: draw nothing")
    parser.add_argument("--table", type=Path, help="where to write the summary")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    chosen = [cell for cell in cells(with_cifar10=options.cifar10 is not None) if options.cells in cell.file]
    if options.jobs:
        work = partial(run, work=options.work, file=options.cifar10, share=options.share)
        with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
            for message in pool.imap_unordered(work, chosen):
                print(message, flush=True)
    table = [
        line
        for cell in chosen
        if len(lines(options.work / cell.file)) > 1
        for line in summaries(cell, population(cell, options.cifar10), options.work)
    ]
    show(table)
    if options.table is not None:
        write_json(options.table, {"date": today(), "machine": describe_machine(), "cells": table})


if __name__ == "__main__":
    main()
