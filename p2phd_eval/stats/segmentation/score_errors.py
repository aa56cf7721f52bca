"""How far chance moves segmentation scores: the jackknife over images, or over their clusters.

Scores are ratios of sums over images, or means of such ratios: no means over images. What each image pulls on them is
what they change by where it is left out.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import SamplingDesign, StandardError
from p2phd_eval.stats.errors.skewness import skewed_interval, skewness_of_mean
from p2phd_eval.stats.segmentation.class_counts import ClassCounts, rows_of_scores, scores_of_sums
from p2phd_eval.stats.segmentation.score_names import SegmentationScore

Values = npt.NDArray[np.float64]

_SCORES = len(SegmentationScore)
#: Draws that have to hold a class for its IoU to have an interval: with fewer the jackknife sees too little of it, and
#: rare classes that come to so many by luck are not like themselves.
FEWEST_HOLDERS = 20
_BATCH = 1 << 22  # numbers of a table of scores without one draw, at a time


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Influences:
    """Scores of one run's images, and how each image pulls on them: the four of `SegmentationScore`, then K IoUs."""

    values: Values  # (4 + K,), in percent like all others here; NaN of a class that occurs nowhere
    pulls: Values  # (n, 4 + K), mean 0 over the images; 0 where the value is NaN
    biases: Values  # (4 + K,): what the expectation of the value exceeds that of the distribution by, estimated
    #: (K,): how many draws (images, or clusters) have pixels of a class; of one that is in no label map, predictions.
    holders: npt.NDArray[np.int64]

    def table(self, place: int) -> Values:
        """Return a row (n,) of numbers whose mean is a score, and whose spread is what makes it uncertain."""
        found: Values = self.values[place] + self.pulls[:, place]
        return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoreEstimate:
    """A score with its interval: images are random, the generator and the segmenter are those that they are."""

    value: float  # in percent, like the error and the interval
    error: StandardError  # chance, and the bias of a ratio of few images, in one
    confidence: float
    interval: tuple[float, float] | None  # two-sided; None where too few images hold the class


def score_influences(counts: ClassCounts, design: SamplingDesign) -> Influences:
    """Return all scores with the pull of each image on them.

    With S the score of all images and S_(-g) that without cluster g, which holds n_g of n images, image i of g has the
    pull (n - n_g) (S - S_(-g)) / n_g, less the mean over images: summed by cluster and squared as `SamplingDesign` does
    it is the delete-one jackknife, (G - 1)/G sum_g (S_(-g) - mean)^2 for G equal clusters. The mean that is taken off
    is the jackknife's estimate of the bias, with its sign turned. The means stay over the same classes, and a class
    that is gone with its only cluster keeps its IoU.

    Raises `InputError` if no pixel counts.

    Parameters
    ----------
    counts : ClassCounts
    design : SamplingDesign
        Of one set of these images, how they were drawn.

    References
    ----------
    Quenouille (1956); Miller (1974), "The jackknife - a review".
    """
    block = design.blocks[0]
    tables = [each.astype(np.float64) for each in (counts.hits, counts.truth, counts.predicted)]
    sums = [each.sum(axis=0) for each in tables]
    if not sums[1].any():
        raise InputError("label maps", expected="pixels of a class that counts", found="none in any image")
    if len(counts) != block.n:
        raise InputError("class counts", expected=f"those of {block.n} images", found=str(len(counts)))
    of_cluster = [_by_cluster(each, block.cluster_of, block.clusters) for each in tables]
    whole = scores_of_sums(*sums)
    values = np.nan_to_num(whole)
    with np.errstate(invalid="ignore", divide="ignore"):
        like = whole[_SCORES:] / 100, sums[0] / sums[1]
    changes = np.empty((block.clusters, len(whole)))
    step = max(1, _BATCH // len(whole))
    for start in range(0, block.clusters, step):
        part = slice(start, start + step)
        rest = [sum_ - each[part] for sum_, each in zip(sums, of_cluster, strict=True)]
        changes[part] = values - np.nan_to_num(rows_of_scores(*rest, like=like))
    weights = (block.n - block.counts) / block.counts
    pulls = (weights[:, np.newaxis] * changes)[block.cluster_of]
    shift = pulls.mean(axis=0)
    holders = (np.where(sums[1] > 0, of_cluster[1], of_cluster[2]) > 0).sum(axis=0)
    return Influences(values=whole, pulls=pulls - shift, biases=-shift, holders=holders)


def estimate(found: Influences, place: int, design: SamplingDesign, confidence: float) -> ScoreEstimate:
    """Return one of the scores with its interval; `place`: in the order of `Influences.values`.

    The bias is small beside the error for many images, and not for classes that few of them hold. It counts as a
    further, independent error, as for systematic errors in the GUM: without it, means over classes that few images hold
    are covered too rarely. How often is measured: `benchmarks/coverage_segmentation.py`.

    References
    ----------
    JCGM 100:2008, 4.3.
    """
    value = float(found.values[place])
    pulls = found.pulls[:, place]
    error = with_bias(design.standard_error([pulls]), float(found.biases[place]))
    interval = None
    if place < _SCORES or found.holders[place - _SCORES] >= FEWEST_HOLDERS:
        skewness = skewness_of_mean(design.blocks[0].totals(pulls))
        low, high = skewed_interval(value, error, skewness, confidence)
        interval = max(0.0, low), min(100.0, high)
    return ScoreEstimate(value=value, error=error, confidence=confidence, interval=interval)


def with_bias(error: StandardError, bias: float) -> StandardError:
    """Return an error to which a bias is added in squares."""
    return StandardError(value=math.hypot(error.value, bias), df=error.df)


def _by_cluster(values: Values, cluster_of: npt.NDArray[np.int64], clusters: int) -> Values:
    if clusters == len(values):
        return values[np.argsort(cluster_of)]
    sums = np.zeros((clusters, values.shape[1]))
    np.add.at(sums, cluster_of, values)
    return sums
