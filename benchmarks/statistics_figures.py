"""The three figures of docs/statistics.md, from simulation and from the table of coverage.py.

Run `python benchmarks/statistics_figures.py TABLE --json FILE` from the repository's root; TABLE is what `coverage.py
--table` wrote. It takes about five minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

mpl.use("agg")

from matplotlib import pyplot as plt
from measuring import today
from populations import Synthetic

from p2phd_eval.files import atomic_write, write_json
from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.errors.bootstrap import bootstrap_contrasts
from p2phd_eval.stats.errors.intervals import fid_interval
from p2phd_eval.stats.verdicts.compared_arms import Arm, compare_arms

REPEATS, REPLICATES = 60, 200
IMAGES = Path(__file__).parents[1] / "docs" / "images"
METHODS = ("bootstrap percentile", "basic (reverse percentile)", "FID@n ± 1.96 SE", "here")
CELLS = ((64, 100), (64, 300), (64, 1000), (256, 500))


def save(figure: Any, name: str) -> None:
    with atomic_write(IMAGES / name) as stream:
        figure.savefig(stream, dpi=110, format="png")
    plt.close(figure)


def one_sample() -> dict[str, Any]:
    """Figure 1: a FID, its bootstrap replicates and the truth, by n."""
    source = Synthetic("inception", "gaussian", 1, 64, "none")
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
    rows = []
    for axis, n in zip(axes, (100, 300, 1000), strict=True):
        real, fake, _ = source.sample(n, np.random.default_rng(n))
        result = fid_interval(real, fake, paired=True)
        (spread,) = bootstrap_contrasts(
            [real, fake], np.ones((1, 1)), SamplingDesign.paired(n, 2), replicates=1000, rng=np.random.default_rng(0)
        )
        low, high = np.quantile(spread.replicates, (0.025, 0.975))
        axis.hist(spread.replicates, bins=40, color="0.75", label="bootstrap replicates")
        axis.axvspan(low, high, color="tab:orange", alpha=0.2, label="their 95 % interval")
        axis.axvline(result.fid, color="tab:orange", label="FID@n")
        axis.axvline(source.fid, color="black", linestyle="--", label="truth")
        if result.interval is not None:
            axis.axvspan(*result.interval, color="tab:blue", alpha=0.25, label="interval here")
        axis.set(title=f"n = {n}", xlabel="FID", yticks=[], xlim=(0, None))
        rows.append(
            {"n": n, "truth": source.fid, "fid": result.fid, "percentile": [low, high], "interval": result.interval}
        )
    axes[2].legend(fontsize=8)
    save(figure, "statistics-percentile.png")
    return {"d": 64, "rows": rows}


def methods(d: int, n: int) -> dict[str, float]:
    """Share of repeats in which each method's interval for one FID holds the truth; refusals are left out."""
    source = Synthetic("inception", "gaussian", 1, d, "none")
    hits: dict[str, list[bool]] = {name: [] for name in METHODS}
    for k in range(REPEATS):
        real, fake, _ = source.sample(n, np.random.default_rng([d, n, k]))
        result = fid_interval(real, fake, paired=True)
        (spread,) = bootstrap_contrasts(
            [real, fake],
            np.ones((1, 1)),
            SamplingDesign.paired(n, 2),
            replicates=REPLICATES,
            rng=np.random.default_rng(k),
        )
        low, high = np.quantile(spread.replicates, (0.025, 0.975))
        reach = 1.96 * result.standard_error.value
        hits[METHODS[0]].append(bool(low <= source.fid <= high))
        hits[METHODS[1]].append(bool(2 * result.fid - high <= source.fid <= 2 * result.fid - low))
        hits[METHODS[2]].append(abs(result.fid - source.fid) <= reach)
        if result.interval is not None:
            hits[METHODS[3]].append(result.interval[0] <= source.fid <= result.interval[1])
    return {name: float(np.mean(each)) for name, each in hits.items() if len(each) >= REPEATS / 10}


def coverage_by_method(table: list[dict[str, Any]]) -> dict[str, Any]:
    """Figure 2: coverage by method, and that of every cell of the study in which an interval is printed."""
    by_cell = {f"d = {d}, n = {n}": methods(d, n) for d, n in CELLS}
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    width = 0.8 / len(METHODS)
    for k, name in enumerate(METHODS):
        heights = [100 * found.get(name, np.nan) for found in by_cell.values()]
        left.bar(np.arange(len(by_cell)) + (k - 1.5) * width, heights, width, label=name)
    for k, found in enumerate(by_cell.values()):
        if METHODS[3] not in found:
            left.text(k + 1.5 * width, 3, "refused", rotation=90, ha="center", fontsize=8)
    left.set_xticks(range(len(by_cell)), by_cell, fontsize=8)
    left.axhline(95, color="black", linewidth=0.8)
    left.set(title="One FID: how often the 95 % interval holds the truth", ylabel="per cent", ylim=(0, 135))
    left.set_yticks(range(0, 101, 20))
    left.legend(fontsize=8, ncols=2, loc="upper left")
    names = {"fid-at-n": ("FID@n", "o"), "block-fid": ("block FID", "s"), "fid": ("FID of the distributions", "^")}
    for estimand, (label, marker) in names.items():
        shown = [each for each in table if each.get("estimand") == estimand and each["coverage"] is not None]
        points = [each["width_ratio"] for each in shown], [100 * each["coverage"] for each in shown]
        right.plot(*points, marker, alpha=0.6, label=label)
    right.axhline(95, color="black", linewidth=0.8)
    right.axhline(93, color="black", linewidth=0.8, linestyle=":")
    right.set(title="All cells of the study", xlabel="half-width, in 1.96 true standard deviations", ylabel="per cent")
    right.legend(fontsize=8, loc="lower right")
    save(figure, "statistics-coverage.png")
    return by_cell


def two_questions() -> dict[str, Any]:
    """Figure 3: intervals of scope A and B for pairs of arms that differ by their seeds alone."""
    rng = np.random.default_rng(4)
    n, d, studies = 300, 16, 24
    found: dict[str, list[tuple[float, float]]] = {"A": [], "B": []}
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")

    def trained(scene: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        # A training seed moves the mean of a generator; both recipes draw from the same seeds.
        noise = 0.5 * rng.normal(size=scene.shape)
        return scene + noise + 0.4 * rng.normal(size=d)

    for _ in range(studies):
        scene = rng.normal(size=(n, d))
        real = scene + 0.5 * rng.normal(size=(n, d))
        runs = [[trained(scene) for _ in range(3)] for _ in range(2)]
        for scope, used in (("A", 1), ("B", 3)):
            arms = [Arm(name=str(k), runs=tuple(arm[:used])) for k, arm in enumerate(runs)]
            design = SamplingDesign.paired(n, 1 + 2 * used)
            (result,) = compare_arms(real, arms, design, margin=None, replicates=0, rng=np.random.default_rng(0))
            assert result.interval is not None, "FID@n can always be judged"
            found[scope].append(result.interval)
    titles = {"A": "Scope A: one run each, images random", "B": "Scope B: three seeds each, seeds and images random"}
    misses = {}
    for axis, (scope, intervals) in zip(axes, found.items(), strict=True):
        misses[scope] = sum(not low <= 0 <= high for low, high in intervals)
        for k, (low, high) in enumerate(intervals):
            axis.plot([k, k], [low, high], color="tab:blue" if low <= 0 <= high else "tab:red", linewidth=3)
        axis.axhline(0, color="black", linewidth=0.8)
        axis.set(title=titles[scope], xlabel=f"study; {misses[scope]} of {studies} exclude 0", xticks=[])
    axes[0].set_ylabel("dFID@300, 95 % interval")
    save(figure, "statistics-scopes.png")
    return {"studies": studies, "exclude_zero": misses}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path, help="what coverage.py --table wrote")
    parser.add_argument("--json", type=Path, required=True, help="where to write the figures' numbers")
    options = parser.parse_args()
    table = json.loads(options.table.read_text())["cells"]
    document = {
        "date": today(),
        "table": options.table.name,
        "one_sample": one_sample(),
        "methods": coverage_by_method(table),
        "scopes": two_questions(),
    }
    write_json(options.json, document)
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
