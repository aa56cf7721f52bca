"""Pixels of each class in label maps and in what a segmenter saw instead, image by image, and the scores of their sums.

The scores are those of Long, Shelhamer and Darrell (2015), "Fully Convolutional Networks for Semantic Segmentation",
section 5, which pix2pixHD and SPADE print: of one confusion matrix, the sum over all images. In percent, as there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.stats.segmentation.score_names import SegmentationScore

Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ClassCounts:
    """Pixels of n images by class, [n, K] each: all that the scores take from n confusion matrices."""

    hits: Counts  # of the class, and taken for it
    truth: Counts  # of the class
    predicted: Counts  # taken for it

    def __post_init__(self) -> None:
        tables = (self.hits, self.truth, self.predicted)
        if self.hits.ndim != 2 or len({each.shape for each in tables}) != 1:
            shapes = " and ".join(str(each.shape) for each in tables)
            raise InputError("class counts", expected="three tables of one shape (n, K)", found=shapes)
        if any((each < 0).any() for each in tables) or (self.hits > np.minimum(self.truth, self.predicted)).any():
            raise InputError("class counts", expected="numbers of pixels, hits at most as many as others", found="less")
        if (self.truth.sum(axis=1) != self.predicted.sum(axis=1)).any():
            raise InputError("class counts", expected="as many pixels in truth and prediction", found="more in one")

    def __len__(self) -> int:
        return len(self.hits)

    @property
    def classes(self) -> int:
        """Number of classes K."""
        return int(self.hits.shape[1])

    @property
    def unions(self) -> Counts:
        """Pixels that are of the class, or are taken for it, [n, K]."""
        return self.truth + self.predicted - self.hits

    @property
    def counted(self) -> npt.NDArray[np.bool_]:
        """Which classes the label maps have, [K]: the means over classes are over these.

        It depends on no arm, so that means of different arms are over the same classes.
        """
        counted: npt.NDArray[np.bool_] = np.any(self.truth, axis=0)
        return counted

    def rows(self, places: npt.ArrayLike) -> ClassCounts:
        """Return those of some images."""
        kept = np.asarray(places)
        return ClassCounts(hits=self.hits[kept], truth=self.truth[kept], predicted=self.predicted[kept])


def counts_of_confusions(confusions: npt.ArrayLike) -> ClassCounts:
    """Return what the scores take from confusion matrices.

    `confusions`: int64 [n, K, K], of each image the pixels of class i that were taken for class j in row i, column j,
    as scikit-learn and torchmetrics have them. Raises `InputError` if they are none.
    """
    matrices = np.asarray(confusions)
    if matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2] or matrices.dtype.kind not in "iu":
        raise InputError(
            "confusion matrices",
            expected="whole numbers of pixels, of shape (n, K, K)",
            found=f"{matrices.dtype} of shape {matrices.shape}",
        )
    return ClassCounts(
        hits=np.diagonal(matrices, axis1=1, axis2=2).astype(np.int64),
        truth=matrices.sum(axis=2, dtype=np.int64),
        predicted=matrices.sum(axis=1, dtype=np.int64),
    )


def confusion_matrix(
    truth: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer], classes: int, *, ignore: int | None = None
) -> Counts:
    """Count the pixels of each class that were taken for each class: int64 [K, K], rows are the truth.

    `truth`, `predicted`: class numbers 0 to K - 1, of one shape. `ignore`: a number of the truth whose pixels do not
    count, whatever was predicted there. Raises `InputError` for other numbers or shapes.
    """
    if truth.shape != predicted.shape:
        raise InputError("class maps", expected=f"one shape, {truth.shape}", found=str(predicted.shape))
    if ignore is not None:
        kept = truth != ignore
        truth, predicted = truth[kept], predicted[kept]
    for where, values in (("true classes", truth), ("predicted classes", predicted)):
        if values.size and not 0 <= int(values.min()) <= int(values.max()) < classes:
            found = f"{int(values.min())} to {int(values.max())}"
            raise InputError(where, expected=f"numbers 0 to {classes - 1}", found=found)
    pairs = truth.astype(np.int64).ravel() * classes + predicted.ravel()
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes).astype(np.int64)


def scores_of_sums(hits: Values, truth: Values, predicted: Values) -> Values:
    """Return all scores of sums over images, in percent: [4 + K] in the order of `SegmentationScore`, then the IoUs.

    `hits`, `truth`, `predicted`: pixels by class, [K]. The IoU of a class that is in neither is NaN, and that of one
    which is only predicted is 0; the means are over classes of the truth.
    """
    found: Values = rows_of_scores(hits[np.newaxis], truth[np.newaxis], predicted[np.newaxis])[0]
    return found


def rows_of_scores(
    hits: Values, truth: Values, predicted: Values, *, like: tuple[Values, Values] | None = None
) -> Values:
    """Return the scores of several sums, [m, 4 + K] of [m, K].

    `like`: IoUs and accuracies by class, [K], of sums whose classes are those of the means in all rows; a class that a
    row lacks has its ratios from there. By default the classes of a row are its own.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ious, recalls = hits / (truth + predicted - hits), hits / truth
        if like is None:
            present = truth > 0
        else:
            whole_ious, whole_recalls = like
            present = np.broadcast_to(~np.isnan(whole_recalls), ious.shape)
            ious, recalls = (
                np.where(np.isnan(own), whole, own) for own, whole in ((ious, whole_ious), (recalls, whole_recalls))
            )
        count, pixels = present.sum(axis=1), truth.sum(axis=1)
        own_ious = np.where(present, ious, 0.0)
        means = (
            own_ious.sum(axis=1) / count,
            hits.sum(axis=1) / pixels,
            np.where(present, recalls, 0.0).sum(axis=1) / count,
            (truth * own_ious).sum(axis=1) / pixels,
        )
    return 100 * np.concatenate([np.stack(means, axis=1), ious], axis=1)


def segmentation_scores(counts: ClassCounts) -> dict[SegmentationScore, float]:
    """Return the scores of all images together, in percent."""
    found = scores_of_sums(*(each.sum(axis=0).astype(np.float64) for each in _tables(counts)))
    return dict(zip(SegmentationScore, found.tolist(), strict=False))


def class_ious(counts: ClassCounts) -> Values:
    """Return the IoU of each class over all images, [K], in percent; NaN for a class that occurs nowhere."""
    found: Values = scores_of_sums(*(each.sum(axis=0).astype(np.float64) for each in _tables(counts)))
    return found[len(SegmentationScore) :]


def image_scores(counts: ClassCounts, score: SegmentationScore) -> Values:
    """Return a score of each image by itself, [n], in percent; NaN for one without a pixel that counts."""
    found: Values = rows_of_scores(*(each.astype(np.float64) for each in _tables(counts)))
    return found[:, list(SegmentationScore).index(score)]


def stacked(parts: Sequence[ClassCounts]) -> ClassCounts:
    """Return the images of several tables one after the other."""
    return ClassCounts(
        hits=np.concatenate([each.hits for each in parts]),
        truth=np.concatenate([each.truth for each in parts]),
        predicted=np.concatenate([each.predicted for each in parts]),
    )


def _tables(counts: ClassCounts) -> tuple[Counts, Counts, Counts]:
    return counts.hits, counts.truth, counts.predicted
