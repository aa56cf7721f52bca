"""Do intervals of segmentation scores cover, and how often are their verdicts false? Simulated confusion matrices.

Run `python benchmarks/coverage_segmentation.py --work DIR [--repeats R] [--table FILE]` from the repository's root. A
cell that stands in DIR is not drawn again. All cells take about twelve minutes on one idle core.

The model: class k is in an image with a probability that falls geometrically from 1 to the rarest class's; its area is
a gamma variable of shape 0.7 times a lognormal one; a segmenter finds the share logit^-1(quality_k + image + arm + run)
of it, and takes the rest for other classes, the frequent ones more often. Clusters, such as sequences, share which
classes there are, and parts of areas and of what is found. Arms share label maps and most of the noise. So scores are
ratios of sums that are paired, skewed and, of rare classes, of few images; the true ones are those of 300,000 images.

* covered: how often the 95 % interval holds the true score: each score of one arm, IoUs by class (of classes in 5 draws
  or more, else there is none), and differences of two arms.
* false "worse" or "better": of arms that do not differ; false "within": of arms that differ by the margin exactly.
"""

from __future__ import annotations

import argparse
import itertools
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from measuring import describe_machine, kept, today

from p2phd_eval.files import write_json
from p2phd_eval.stats.segmentation.class_counts import (
    ClassCounts,
    SegmentationScore,
    class_ious,
    counts_of_confusions,
    segmentation_scores,
)
from p2phd_eval.stats.segmentation.compared_scores import compare_segmentations
from p2phd_eval.stats.verdicts.equivalence import Verdict

Values = npt.NDArray[np.float64]

PIXELS = 20_000
RAREST = {"common": 0.5, "rare": 0.08, "very rare": 0.03}  # probability of the rarest class
SIZES = ((50, 12), (100, 12), (200, 19), (500, 19))  # images and classes
CLUSTERS = ("images", "clusters of 5", "clusters of 1 to 9")
EFFECT = 0.1  # in logits, of the candidate where it is worse
RUN_SPREAD = 0.05  # in logits, of the training seeds in scope B
TRUE_IMAGES, CHUNK = 300_000, 5_000


def draw(
    rng: np.random.Generator, cluster_of: npt.NDArray[np.int64], presence: Values, shifts: Values
) -> list[ClassCounts]:
    """Draw the counts of runs whose logits are lower by `shifts`, of the same label maps."""
    n, classes, clusters = len(cluster_of), len(presence), int(cluster_of.max()) + 1

    def shared(spread: float, columns: int) -> Values:
        """What an image's cluster has in common."""
        values: Values = (spread * rng.normal(size=(clusters, columns)))[cluster_of]
        return values

    there = (rng.random((clusters, classes)) < presence)[cluster_of]
    area = there * rng.gamma(0.7, size=(n, classes)) * np.exp(shared(0.5, classes))
    area[~there.any(axis=1), 0] = 1.0
    truth = np.floor(PIXELS * area / area.sum(axis=1, keepdims=True)).astype(np.int64)
    common = rng.normal(size=(n, classes)) + shared(0.7, classes) + shared(0.5, 1)
    taken = np.sqrt(presence) * rng.gamma(1.0, size=(n, classes))  # where misses go
    found = []
    for shift in shifts:
        logits = np.linspace(2, -0.5, classes) - shift + 0.8 * common + 0.4 * rng.normal(size=(n, classes))
        hits = np.round(truth / (1 + np.exp(-logits))).astype(np.int64)
        others = np.broadcast_to(taken[:, np.newaxis], (n, classes, classes)) * ~np.eye(classes, dtype=bool)
        share = others / others.sum(axis=2, keepdims=True)
        confusions = np.floor((truth - hits)[:, :, np.newaxis] * share).astype(np.int64)
        places = np.arange(classes)
        confusions[:, places, places] = truth - confusions.sum(axis=2)
        found.append(counts_of_confusions(confusions))
    return found


def clusters_of(rng: np.random.Generator, kind: str, n: int) -> npt.NDArray[np.int64]:
    if kind == "images":
        return np.arange(n)
    sizes = np.full(n, 5) if kind == "clusters of 5" else rng.integers(1, 10, size=n)
    return np.repeat(np.arange(len(sizes)), sizes)[:n]


def truths(kind: str, presence: Values, shift: float) -> tuple[Values, Values]:
    """The scores and IoUs of a population, in percent."""
    rng = np.random.default_rng(zlib.crc32(f"{kind}, {presence[-1]}, {len(presence)}".encode()))
    tables = []
    for _ in range(TRUE_IMAGES // CHUNK):
        (counts,) = draw(rng, clusters_of(rng, kind, CHUNK), presence, np.array([shift]))
        tables.append([counts.hits.sum(axis=0), counts.truth.sum(axis=0), counts.predicted.sum(axis=0)])
    sums = np.sum(tables, axis=0)[:, np.newaxis]
    whole = ClassCounts(hits=sums[0], truth=sums[1], predicted=sums[2])
    return np.array(list(segmentation_scores(whole).values())), class_ious(whole)


def cell(kind: str, rarest: str, n: int, classes: int, runs: int, repeats: int) -> dict[str, Any]:
    presence = np.geomspace(1, RAREST[rarest], classes)
    if runs == 1:
        before, ious = truths(kind, presence, 0.0)
        after, _ = truths(kind, presence, EFFECT)
    rng = np.random.default_rng(zlib.crc32(f"{kind}, {rarest}, {n}, {runs}".encode()))
    covered: dict[str, list[bool]] = {}
    judged: dict[str, list[bool]] = {}
    scores = list(SegmentationScore)
    for _ in range(repeats):
        cluster_of = clusters_of(rng, kind, n)
        seeds = RUN_SPREAD * rng.normal(size=2 * runs) if runs > 1 else np.zeros(2)
        equal = draw(rng, cluster_of, presence, seeds)
        clusters = None if kind == "images" else cluster_of
        same = compare_segmentations(equal[:runs], {"candidate": equal[runs:]}, clusters=clusters)
        judged.setdefault("false worse or better", []).append(same.verdicts[0].verdict is not Verdict.INCONCLUSIVE)
        for score in scores:
            low, high = _interval(same.arms[1].differences[score].interval)
            covered.setdefault(f"difference of 0, {score.value}", []).append(low <= 0 <= high)
        if runs > 1:
            continue
        pair = draw(rng, cluster_of, presence, np.array([0.0, EFFECT]))
        margin = float(before[0] - after[0])
        moved = compare_segmentations(pair[:1], {"candidate": pair[1:]}, clusters=clusters, margin=margin)
        verdict = moved.verdicts[0].verdict
        judged.setdefault("false within", []).append(verdict in (Verdict.WITHIN, Verdict.NEGLIGIBLE))
        for place, score in enumerate(scores):
            low, high = _interval(moved.arms[0].scores[score].interval)
            covered.setdefault(score.value, []).append(low <= before[place] <= high)
            low, high = _interval(moved.arms[1].differences[score].interval)
            covered.setdefault(f"difference, {score.value}", []).append(low <= after[place] - before[place] <= high)
        for found, true in zip(moved.arms[0].classes, ious.tolist(), strict=True):
            if found is not None and found.interval is not None:
                covered.setdefault("IoU of a class", []).append(found.interval[0] <= true <= found.interval[1])
    return {
        "draws": kind,
        "rarest": rarest,
        "n": n,
        "classes": classes,
        "runs": runs,
        "covered": {name: float(np.mean(each)) for name, each in covered.items()},
        "judged": {name: float(np.mean(each)) for name, each in judged.items()},
    }


def _interval(interval: tuple[float, float] | None) -> tuple[float, float]:
    assert interval is not None  # of a score there is always one
    return interval


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--repeats", type=int, default=500)
    parser.add_argument("--table", type=Path, metavar="FILE")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    cells = []
    for runs, kind, rarest, (n, classes) in itertools.product((1, 3), CLUSTERS, RAREST, SIZES):
        file = given.work / f"{kind}-{rarest}-{n}-{runs}-{given.repeats}.json".replace(" ", "-")
        cells.append(kept(file, lambda: cell(kind, rarest, n, classes, runs, given.repeats)))  # noqa: B023
        print(json.dumps(cells[-1]), flush=True)
    worst: dict[str, float] = {}
    for each in cells:
        for name, value in each["covered"].items():
            worst[name] = min(value, worst.get(name, 1.0))
        for name, value in each["judged"].items():
            worst[name] = max(value, worst.get(name, 0.0))
    print(json.dumps(worst, indent=2))
    if given.table is not None:
        document = {"date": today(), "machine": describe_machine(), "repeats": given.repeats}
        write_json(given.table, {**document, "worst": worst, "cells": cells})


if __name__ == "__main__":
    main()
