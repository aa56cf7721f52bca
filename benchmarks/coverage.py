"""Do the intervals cover? Simulation of `fid` and `compare` on populations whose FID is known.

Run `python benchmarks/coverage.py --work DIR [--cifar10 FILE] [--cells TEXT] [--share S] [--jobs N]` from the
repository's root. Every repeat draws a sample, gives it to `fid_interval` and `compare_arms` as a user would, and
writes one line to DIR/<cell>.jsonl; a call goes on where the last one stopped. A repeat depends on the cell and on its
number alone, so what two calls at the same time both wrote counts once. All cells take about an hour and a half on two
cores. `--table FILE` writes the summary of what is there.

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
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from measuring import describe_machine, today
from populations import Difference, Finite, Population, Shape, Synthetic, principal_components
from rich.console import Console
from rich.table import Table
from scipy import stats

from p2phd_eval.files import atomic_write, write_json
from p2phd_eval.stats.errors.intervals import fid_interval
from p2phd_eval.stats.verdicts.compared_arms import Arm, compare_arms
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.margins import absolute_margin

SIZES = {(64, 100): 400, (64, 300): 300, (64, 1000): 100, (256, 100): 300, (256, 500): 100, (1024, 250): 60}
LARGE, LARGE_REPEATS = (2048, 500), 15
SHAPES: dict[str, tuple[Shape, float]] = {
    "gaussian-fast": ("gaussian", 2),
    "gaussian-inception": ("gaussian", 1),
    "gaussian-slow": ("gaussian", 0.5),
    "relu": ("relu", 1),
    "mixture": ("mixture", 1),
}
CIFAR10_SIZES = {250: 30, 500: 30, 1000: 10, 2000: 4}
CIFAR10_COMPONENTS = 64


@dataclasses.dataclass(frozen=True)
class Cell:
    """A population and a number of label maps."""

    name: str  # of the population
    n: int
    d: int
    repeats: int
    options: dict[str, Any]  # of `Synthetic`; of a finite population: difference and components

    @property
    def file(self) -> str:
        return f"{self.name}-d{self.d}-n{self.n}.jsonl"


def cells(*, cifar10: bool) -> Iterator[Cell]:
    for name, (shape, decay) in SHAPES.items():
        for difference in ("none", "worse", "adversarial"):
            if difference == "adversarial" and shape == "mixture":
                continue  # its modes do not scale
            options = {"shape": shape, "decay": decay, "difference": difference}
            for (d, n), repeats in SIZES.items():
                yield Cell(f"{name}-{difference}", n, d, repeats, options)
            if difference == "adversarial" or name in ("gaussian-fast", "gaussian-inception", "relu"):
                yield Cell(f"{name}-{difference}", LARGE[1], LARGE[0], LARGE_REPEATS, options)
    for name in ("gaussian-fast", "gaussian-inception"):
        shape, decay = SHAPES[name]
        for more, label in (({"independent": True}, "independent"), ({"clusters": 20}, "20-clusters")):
            for d, n in ((64, 300), (256, 500)):
                options = {"shape": shape, "decay": decay, "difference": "worse", **more}
                yield Cell(f"{name}-worse-{label}", n, d, SIZES[d, n], options)
    if cifar10:
        for n, repeats in CIFAR10_SIZES.items():
            for difference in ("none", "worse"):
                yield Cell(f"cifar10-{difference}", n, 2048, repeats, {"difference": difference})
                yield Cell(f"cifar10-{difference}", n, CIFAR10_COMPONENTS, 200, {"difference": difference})


def population(cell: Cell, cifar10: Path | None) -> Population:
    if cifar10 is None or not cell.name.startswith("cifar10"):
        return Synthetic(cell.name, d=cell.d, **cell.options)
    with np.load(cifar10, allow_pickle=False) as archive:
        real, fake = (archive[part].astype(np.float64) for part in ("train", "test"))
    if cell.d < real.shape[1]:
        real, fake = principal_components(real, fake, cell.d)
    difference: Difference = cell.options["difference"]
    return Finite(cell.name, real, fake, difference)


def repeat(source: Population, n: int, rng: np.random.Generator) -> dict[str, Any]:
    """One sample as a user of `fid` and of `compare` sees it; the margin is the true difference where there is one."""
    real, baseline, candidate = source.sample(n, rng)
    design = source.design(n)
    paired = design.drawn_together((0, 1))
    clusters = design.blocks[0].cluster_of if design.clustered else None
    one = fid_interval(real, baseline, paired=paired, clusters=clusters, rng=0)
    arms = [Arm(name="baseline", runs=(baseline,)), Arm(name="candidate", runs=(candidate,))]
    margin = source.dfid if source.dfid > 0 else 0.2 * source.fid
    (two,) = compare_arms(
        real, arms, design, margin=absolute_margin(margin), replicates=0, rng=np.random.default_rng(0)
    )
    decision, kid = two.decision, two.decision.kid
    difference = decision.population
    assert difference is not None
    return {
        "fid": one.fid,
        "fid_centre": one.population.value,
        "fid_interval": one.interval,
        "fid_slope": one.population.richardson.slope_ratio,
        "dfid": decision.dfid,
        "dfid_se": decision.dfid_error.value,
        "dfid_centre": difference.value,
        "dfid_interval": two.interval if decision.statistic == "FID" else None,
        "dfid_slope": difference.richardson.slope_ratio,
        "dfid_bias_gap": difference.bias_gap,
        "dkid": kid.value,
        "dkid_se": kid.standard_error.value,
        "dkid_df": kid.standard_error.df,
        "statistic": decision.statistic,
        "verdict": two.verdict.value,
    }


def lines(path: Path) -> list[dict[str, Any]]:
    """The repeats of a cell, each once."""
    if not path.exists():
        return []
    whole = path.read_text().split("\n")[:-1]  # what an interrupt cut short has no end of line
    return [json.loads(line) for line in dict.fromkeys(whole)]


def run(cell: Cell, *, work: Path, cifar10: Path | None, share: float) -> str:
    path = work / cell.file
    done = lines(path)
    wanted = round(share * cell.repeats)
    if len(done) >= wanted:
        return f"{cell.file}: {len(done)} repeats were there"
    source = population(cell, cifar10)
    text = "".join(f"{json.dumps(line)}\n" for line in done)
    if path.exists() and path.read_text() != text:
        with atomic_write(path) as repaired:
            repaired.write(text.encode())
    with path.open("a") as stream:
        for k in range(len(done), wanted):
            rng = np.random.default_rng([zlib.crc32(cell.file.encode()), k])
            line = {"truth_fid": source.fid, "truth_dfid": source.dfid, "truth_dkid": source.dkid}
            stream.write(json.dumps({**line, **repeat(source, cell.n, rng)}) + "\n")
            stream.flush()
    return f"{cell.file}: {wanted} repeats"


def binomial_se(share: float | None, of: int) -> float | None:
    return None if share is None else math.sqrt(share * (1 - share) / of)


def covered(rows: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """How often the interval is printed, and what it does then."""
    truth = rows[0][f"truth_{kind}"]
    printed = [row for row in rows if row[f"{kind}_interval"] is not None]
    missed = [row for row in printed if not row[f"{kind}_interval"][0] <= truth <= row[f"{kind}_interval"][1]]
    half_widths = [(row[f"{kind}_interval"][1] - row[f"{kind}_interval"][0]) / 2 for row in printed]
    centres = [row[f"{kind}_centre"] for row in rows]
    spread = 1.96 * float(np.std(centres, ddof=1))
    coverage = 1 - len(missed) / len(printed) if printed else None
    missed_of_all = len(missed) / len(rows)
    return {
        "truth": truth,
        "mean_at_n": float(np.mean([row[kind] for row in rows])),
        "printed": len(printed) / len(rows),
        "coverage": coverage,
        "coverage_se": binomial_se(coverage, len(printed)),
        "missed_of_all": missed_of_all,
        "missed_of_all_se": binomial_se(missed_of_all, len(rows)),
        "width_ratio": float(np.mean(half_widths)) / spread if printed else None,
    }


def naive(rows: list[dict[str, Any]]) -> float:
    """Coverage of the difference at n with its standard error, taken for that of the distributions."""
    truth = rows[0]["truth_dfid"]
    return float(np.mean([abs(row["dfid"] - truth) <= 1.96 * row["dfid_se"] for row in rows]))


def smallest_found(rows: list[dict[str, Any]]) -> float | None:
    """The true dFID that would be found with 80 %, from the mean half-width; None where few intervals are printed."""
    half_widths = [(high - low) / 2 for row in rows if row["dfid_interval"] for low, high in [row["dfid_interval"]]]
    if len(half_widths) < 0.8 * len(rows):
        return None
    return float(np.mean(half_widths)) * (1 + float(stats.norm.ppf(0.8) / stats.norm.ppf(0.975)))


def summary(cell: Cell, rows: list[dict[str, Any]]) -> dict[str, Any]:
    truth, kid_truth = rows[0]["truth_dfid"], rows[0]["truth_dkid"]
    by_kid = [row for row in rows if row["statistic"] == "KID"]
    verdicts = np.array([row["verdict"] for row in rows])
    # It says both: there is a difference, and it is smaller than the margin.
    negligible = verdicts == Verdict.NEGLIGIBLE.value
    equivalent = negligible | (verdicts == Verdict.WITHIN.value)
    worse = verdicts == Verdict.WORSE.value
    claims = negligible | worse | (verdicts == Verdict.BETTER.value)
    found = worse | (negligible & np.array([row["dfid_centre"] > 0 for row in rows]))
    false_within = float(np.mean(equivalent)) if truth > 0 else None
    kid_covers = [
        abs(row["dkid"] - kid_truth) <= stats.t.ppf(0.975, row["dkid_df"]) * row["dkid_se"]
        for row in rows
        if kid_truth is not None
    ]
    return {
        "population": cell.name,
        "d": cell.d,
        "n": cell.n,
        "repeats": len(rows),
        "one_fid": covered(rows, "fid"),
        "difference": covered(rows, "dfid"),
        "difference_at_n_covers": naive(rows),
        "judged_by_kid": len(by_kid) / len(rows),
        "dkid_coverage": float(np.mean(kid_covers)) if kid_covers else None,
        # The margin is the true difference: it is then false that the difference is smaller.
        "false_within": false_within,
        "false_within_se": binomial_se(false_within, len(rows)),
        "false_claim": float(np.mean(claims)) if truth == 0 and "none" in cell.name else None,
        "found": float(np.mean(found)) if truth > 0 else None,
        "found_with_80_percent": smallest_found(rows),
    }


def show(table: list[dict[str, Any]]) -> None:
    """Print all shares in per cent; the width is relative to 1.96 standard deviations of the centre.

    The last column is the smallest difference found with 80 %, relative to the FID.
    """

    def percent(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.1f}"

    parts = [f"{kind} {what}" for kind in ("FID", "dFID") for what in ("printed", "covers", "missed", "width")]
    last = ("at n covers", "by KID", "dKID covers", "false within", "false claim", "found", "for 80 %")
    drawn = Table("population", "d", "n", "repeats", *parts, *last)
    for each in table:
        cells = [each["population"], str(each["d"]), str(each["n"]), str(each["repeats"])]
        for part in (each["one_fid"], each["difference"]):
            cells += [percent(part[name]) for name in ("printed", "coverage", "missed_of_all")]
            cells.append("-" if part["width_ratio"] is None else f"{part['width_ratio']:.2f}")
        names = ("difference_at_n_covers", "judged_by_kid", "dkid_coverage", "false_within", "false_claim", "found")
        smallest = each["found_with_80_percent"]
        relative = None if smallest is None else smallest / each["one_fid"]["truth"]
        drawn.add_row(*cells, *(percent(each[name]) for name in names), percent(relative))
    Console(width=300).print(drawn)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of the repeats")
    parser.add_argument("--cifar10", type=Path, help="features of CIFAR-10 (.npz with train and test)")
    parser.add_argument("--cells", default="", help="only those whose file name holds this text")
    parser.add_argument("--share", type=float, default=1.0, help="of each cell's repeats")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--table", type=Path, help="where to write the summary")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    chosen = [cell for cell in cells(cifar10=options.cifar10 is not None) if options.cells in cell.file]
    work = partial(run, work=options.work, cifar10=options.cifar10, share=options.share)
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        for message in pool.imap_unordered(work, chosen):
            print(message, flush=True)
    table = [summary(cell, rows) for cell in chosen if (rows := lines(options.work / cell.file))]
    show(table)
    if options.table is not None:
        write_json(options.table, {"date": today(), "machine": describe_machine(), "cells": table})


if __name__ == "__main__":
    main()
