"""Do intervals of segmentation scores cover, and how often are their verdicts false? Simulated confusion matrices.

Run `python benchmarks/coverage_segmentation.py --work DIR [--repeats R] [--table FILE]` from the repository's root. A
cell that stands in DIR is not drawn again. All cells take about five minutes on one idle core.

The model: class k is in an image with a probability that falls geometrically from 1 to the rarest class's; its area is
a gamma variable of shape 0.7 times a lognormal one; a segmenter finds the share logit^-1(quality_k + image + arm + run)
of it, and takes the rest for other classes, the frequent ones more often. Clusters, such as sequences, share which
classes there are, and parts of areas and of what is found. Arms share label maps and most of the noise. So scores are
ratios of sums that are paired, skewed and, of rare classes, of few images; the true ones are those of 60,000 images.

* covered: how often the 95 % interval holds the true score: each score of one arm, IoUs by class (by how many images or
  clusters have it), and differences of two arms. The means are over the classes that the drawn label maps have.
* false "worse" or "better": of arms that do not differ; false "within": of arms that differ by the margin exactly.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from measuring import describe_machine, kept, today

from p2phd_eval.files import write_json
from p2phd_eval.stats.segmentation.class_counts import ClassCounts, counts_of_confusions
from p2phd_eval.stats.segmentation.compared_scores import compare_segmentations
from p2phd_eval.stats.segmentation.score_names import SegmentationScore
from p2phd_eval.stats.verdicts.equivalence import Verdict

Values = npt.NDArray[np.float64]

PIXELS = 20_000
RAREST = {"common": 0.5, "rare": 0.08, "very rare": 0.03}  # probability of the rarest class
SIZES = ((50, 12), (200, 19), (500, 19))  # images and classes
CLUSTERS = ("images", "clusters of 1 to 9")
EFFECT = 0.1  # in logits, of the candidate where it is worse
RUN_SPREAD = 0.05  # in logits, of the training seeds in scope B
TRUE_IMAGES, CHUNK = 60_000, 1_000


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


def presences(rarest: str, classes: int) -> Values:
    """The probability of each class to be in an image."""
    found: Values = np.geomspace(1, RAREST[rarest], classes)
    return found


def clusters_of(rng: np.random.Generator, kind: str, n: int) -> npt.NDArray[np.int64]:
    if kind == "images":
        return np.arange(n)
    sizes = rng.integers(1, 10, size=n)
    return np.repeat(np.arange(len(sizes)), sizes)[:n]


class Population:
    """Sums over many images, in which classes can be left out."""

    def __init__(self, hits: Values, truth: Values, predicted: Values) -> None:
        self._hits, self._truth = hits, truth
        self.ious = 100 * hits / (truth + predicted - hits)
        self.recalls = 100 * hits / truth

    def scores(self, counted: npt.NDArray[np.bool_]) -> dict[SegmentationScore, float]:
        """The true scores, the means over the classes that are counted."""
        share = self._truth / self._truth.sum()
        return {
            SegmentationScore.MEAN_IOU: float(self.ious[counted].mean()),
            SegmentationScore.PIXEL_ACCURACY: 100 * float(self._hits.sum() / self._truth.sum()),
            SegmentationScore.MEAN_ACCURACY: float(self.recalls[counted].mean()),
            SegmentationScore.FREQUENCY_WEIGHTED_IOU: float(share @ self.ious),
        }


@functools.cache
def population(kind: str, rarest: str, classes: int, shift: float) -> Population:
    presence = presences(rarest, classes)
    rng = np.random.default_rng(zlib.crc32(f"{kind}, {rarest}, {classes}".encode()))
    tables = []
    for _ in range(TRUE_IMAGES // CHUNK):
        (counts,) = draw(rng, clusters_of(rng, kind, CHUNK), presence, np.array([shift]))
        tables.append([counts.hits.sum(axis=0), counts.truth.sum(axis=0), counts.predicted.sum(axis=0)])
    return Population(*np.sum(tables, axis=0).astype(np.float64))


def cell(kind: str, rarest: str, n: int, classes: int, runs: int, repeats: int) -> dict[str, Any]:
    presence = presences(rarest, classes)
    before, after = None, None
    if runs == 1:
        before, after = (population(kind, rarest, classes, shift) for shift in (0.0, EFFECT))
    rng = np.random.default_rng(zlib.crc32(f"{kind}, {rarest}, {n}, {runs}".encode()))
    covered: dict[str, list[bool]] = {}
    judged: dict[str, list[bool]] = {}
    widths = []
    for _ in range(repeats):
        cluster_of = clusters_of(rng, kind, n)
        seeds = RUN_SPREAD * rng.normal(size=2 * runs) if runs > 1 else np.zeros(2)
        equal = draw(rng, cluster_of, presence, seeds)
        clusters = None if kind == "images" else cluster_of
        same = compare_segmentations(equal[:runs], {"candidate": equal[runs:]}, clusters=clusters)
        false = same.verdicts[0].verdict in (Verdict.WORSE, Verdict.BETTER)
        judged.setdefault("false worse or better", []).append(false)
        for score, found in same.arms[1].differences.items():
            covered.setdefault(f"difference of 0, {score.value}", []).append(_holds(found.interval, 0.0))
        low, high = same.verdicts[0].test.interval
        widths.append((high - low) / 2)
        if before is None or after is None:
            continue
        pair = draw(rng, cluster_of, presence, np.array([0.0, EFFECT]))
        counted = pair[0].counted
        true, moved_true = before.scores(counted), after.scores(counted)
        margin = true[SegmentationScore.MEAN_IOU] - moved_true[SegmentationScore.MEAN_IOU]
        moved = compare_segmentations(pair[:1], {"candidate": pair[1:]}, clusters=clusters, margin=margin)
        verdict = moved.verdicts[0].verdict
        judged.setdefault("false within", []).append(verdict in (Verdict.WITHIN, Verdict.NEGLIGIBLE))
        for score, value in true.items():
            covered.setdefault(score.value, []).append(_holds(moved.arms[0].scores[score].interval, value))
            interval, difference = moved.arms[1].differences[score].interval, moved_true[score] - value
            covered.setdefault(f"difference, {score.value}", []).append(_holds(interval, difference))
        holders = _holders(pair[0], cluster_of)
        for held, of_class, value in zip(holders, moved.arms[0].classes, before.ious.tolist(), strict=True):
            if of_class is not None and of_class.interval is not None:
                few = "below 40" if held < 40 else "40 or more"
                covered.setdefault(f"IoU of a class in {few}", []).append(_holds(of_class.interval, value))
    return {
        "draws": kind,
        "rarest": rarest,
        "n": n,
        "classes": classes,
        "runs": runs,
        "covered": {name: float(np.mean(each)) for name, each in covered.items()},
        "judged": {name: float(np.mean(each)) for name, each in judged.items()},
        "half_width": float(np.median(widths)),  # of the difference of mean IoU, in percentage points
        "intervals": {name: len(each) for name, each in covered.items() if name.startswith("IoU")},
    }


def _holders(counts: ClassCounts, cluster_of: npt.NDArray[np.int64]) -> list[int]:
    """How many clusters have each class."""
    return [len(np.unique(cluster_of[column > 0])) for column in counts.truth.T]


def _holds(interval: tuple[float, float] | None, value: float) -> bool:
    assert interval is not None  # of a score there is always one
    return interval[0] <= value <= interval[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--repeats", type=int, default=200)
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
