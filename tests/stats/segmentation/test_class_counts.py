"""Scores of class maps against torchmetrics, scikit-learn and the formulae, and tables that are none."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
import pytest
import torch

from p2phd_eval.errors import InputError
from p2phd_eval.stats.segmentation.class_counts import (
    ClassCounts,
    class_ious,
    confusion_matrix,
    counts_of_confusions,
    image_scores,
    segmentation_scores,
    stacked,
)
from p2phd_eval.stats.segmentation.score_names import SegmentationScore
from p2phd_eval.torchvision_ops import declare_missing_operators

declare_missing_operators()  # before anything imports torchvision, as torchmetrics does

IGNORED = 255
Maps = npt.NDArray[np.int64]


@pytest.fixture(scope="module")
def maps() -> tuple[Maps, Maps]:
    """Truth and prediction of 6 maps of 7 classes, of which class 5 is only predicted and class 6 nowhere."""
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 1, 2, 3, 4, IGNORED], p=[0.5, 0.2, 0.15, 0.04, 0.01, 0.1], size=(6, 20, 30))
    predicted = np.where(rng.random(truth.shape) < 0.7, truth, rng.integers(0, 6, size=truth.shape))
    predicted[predicted == IGNORED] = 0
    return truth.astype(np.int64), predicted.astype(np.int64)


@pytest.fixture(scope="module")
def counts(maps: tuple[Maps, Maps]) -> ClassCounts:
    pairs = zip(*maps, strict=True)
    return counts_of_confusions(
        np.stack([confusion_matrix(true, predicted, 7, ignore=IGNORED) for true, predicted in pairs])
    )


def test_scores_are_those_of_scikit_learn(maps: tuple[Maps, Maps], counts: ClassCounts) -> None:
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, jaccard_score

    kept = maps[0] != IGNORED
    true, predicted = maps[0][kept], maps[1][kept]
    scores = segmentation_scores(counts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the class that is only predicted, which it leaves out as we do
        assert scores[SegmentationScore.MEAN_ACCURACY] == pytest.approx(100 * balanced_accuracy_score(true, predicted))
    assert scores[SegmentationScore.PIXEL_ACCURACY] == pytest.approx(100 * accuracy_score(true, predicted))
    for score, average in (("mean-iou", "macro"), ("frequency-weighted-iou", "weighted")):
        theirs = jaccard_score(true, predicted, labels=range(5), average=average)
        assert scores[SegmentationScore(score)] == pytest.approx(100 * theirs)
    ious = class_ious(counts)
    assert ious[:6] == pytest.approx(100 * jaccard_score(true, predicted, labels=range(6), average=None))
    assert ious[5] == 0
    assert np.isnan(ious[6])


def test_scores_are_those_of_torchmetrics(maps: tuple[Maps, Maps], counts: ClassCounts) -> None:
    from torchmetrics.functional.classification import (
        multiclass_accuracy,
        multiclass_confusion_matrix,
        multiclass_jaccard_index,
    )

    true, predicted = (torch.from_numpy(each) for each in maps)
    ours = counts_of_confusions(
        np.stack(
            [
                multiclass_confusion_matrix(p, t, 7, ignore_index=IGNORED).numpy()
                for t, p in zip(true, predicted, strict=True)
            ]
        )
    )
    assert np.array_equal(ours.hits, counts.hits)
    assert np.array_equal(ours.predicted, counts.predicted)
    theirs = multiclass_jaccard_index(predicted, true, 7, average="none", ignore_index=IGNORED)
    assert class_ious(counts)[:6] == pytest.approx(100 * theirs.numpy()[:6], abs=1e-4)
    # Its mean takes in the class that is only predicted, with 0: ours is over the 5 classes of the truth.
    mean = float(multiclass_jaccard_index(predicted, true, 7, ignore_index=IGNORED))
    assert segmentation_scores(counts)[SegmentationScore.MEAN_IOU] == pytest.approx(100 * mean * 6 / 5, abs=1e-4)
    micro = float(multiclass_accuracy(predicted, true, 7, average="micro", ignore_index=IGNORED))
    assert segmentation_scores(counts)[SegmentationScore.PIXEL_ACCURACY] == pytest.approx(100 * micro, abs=1e-4)


def test_an_image_alone_has_the_scores_of_its_row(counts: ClassCounts) -> None:
    for score in SegmentationScore:
        own = [segmentation_scores(counts.rows([k]))[score] for k in range(len(counts))]
        assert image_scores(counts, score) == pytest.approx(own)
    assert segmentation_scores(stacked([counts.rows([1]), counts.rows([3, 4])])) == pytest.approx(
        segmentation_scores(counts.rows([1, 3, 4]))
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: counts_of_confusions(np.zeros((3, 2, 4), dtype=np.int64)),
        lambda: counts_of_confusions(np.zeros((3, 2, 2))),
        lambda: counts_of_confusions(np.full((3, 2, 2), -1)),
        lambda: confusion_matrix(np.array([0, 2]), np.array([0, 1]), 2),
        lambda: confusion_matrix(np.array([0, 1]), np.array([0, -1]), 2),
        lambda: confusion_matrix(np.array([0, 1]), np.array([0]), 2),
    ],
)
def test_what_is_no_count_is_refused(call) -> None:
    with pytest.raises(InputError):
        call()
