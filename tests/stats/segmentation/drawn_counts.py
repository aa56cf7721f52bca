"""Confusion matrices with known truths: classes of which some are rare, and images that share what they confuse."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from p2phd_eval.stats.segmentation.class_counts import ClassCounts, counts_of_confusions


def drawn_confusions(
    rng: np.random.Generator, cluster_of: npt.NDArray[np.int64], presence: npt.NDArray[np.float64], shifts: list[float]
) -> list[npt.NDArray[np.int64]]:
    """Confusion matrices (n, K, K) of runs that find the less, in logits, the larger their shift."""
    n, classes, clusters = len(cluster_of), len(presence), int(cluster_of.max()) + 1
    there = (rng.random((clusters, classes)) < presence)[cluster_of]
    there[~there.any(axis=1), 0] = True
    area = there * rng.gamma(0.7, size=(n, classes))
    truth = np.floor(10_000 * area / area.sum(axis=1, keepdims=True)).astype(np.int64)
    common = rng.normal(size=(n, classes)) + (0.7 * rng.normal(size=(clusters, 1)))[cluster_of]
    to = rng.gamma(1.0, size=(n, classes))
    places = np.arange(classes)
    found = []
    for shift in shifts:
        logits = np.linspace(2, -0.5, classes) - shift + 0.8 * common + 0.4 * rng.normal(size=(n, classes))
        hits = np.round(truth / (1 + np.exp(-logits))).astype(np.int64)
        others = to[:, np.newaxis] * ~np.eye(classes, dtype=bool)
        confusions = np.floor((truth - hits)[..., np.newaxis] * others / others.sum(axis=2, keepdims=True)).astype(
            np.int64
        )
        confusions[:, places, places] = truth - confusions.sum(axis=2)
        found.append(confusions)
    return found


def drawn_counts(
    rng: np.random.Generator, cluster_of: npt.NDArray[np.int64], presence: npt.NDArray[np.float64], shifts: list[float]
) -> list[ClassCounts]:
    """The counts of `drawn_confusions`."""
    return [counts_of_confusions(each) for each in drawn_confusions(rng, cluster_of, presence, shifts)]
