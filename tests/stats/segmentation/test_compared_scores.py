"""Verdicts on segmentation scores: paired, with seeds, with margins, and how often they are false."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.segmentation.class_counts import ClassCounts, segmentation_scores
from p2phd_eval.stats.segmentation.compared_scores import compare_segmentations
from p2phd_eval.stats.segmentation.score_errors import score_influences
from p2phd_eval.stats.segmentation.score_names import SegmentationScore
from p2phd_eval.stats.verdicts.equivalence import Verdict
from p2phd_eval.stats.verdicts.scope import Scope
from tests.stats.segmentation.drawn_counts import drawn_counts

PRESENCE = np.geomspace(1, 0.2, 6)
IOU = SegmentationScore.MEAN_IOU


@pytest.fixture(scope="module")
def runs() -> list[ClassCounts]:
    """Three equal runs, one that is a little worse, and one that is plainly worse, of 200 label maps."""
    return drawn_counts(np.random.default_rng(6), np.arange(200), PRESENCE, [0.0, 0.0, 0.0, 0.05, 0.5])


def test_differences_are_paired_and_signed(runs: list[ClassCounts]) -> None:
    found = compare_segmentations(runs[:1], {"worse": runs[4:]}, real=runs[1], margin=1)
    values = [segmentation_scores(runs[k])[IOU] for k in (0, 4)]
    difference = found.arms[1].differences[IOU]
    assert difference.estimate == pytest.approx(values[1] - values[0])
    alone = math.hypot(*(each.scores[IOU].error.value for each in found.arms))
    assert difference.error.value < 0.6 * alone
    assert found.verdicts[0].verdict is Verdict.WORSE
    assert found.verdicts[0].test.material
    assert found.verdicts[0].test.non_inferior is False
    turned = compare_segmentations(runs[4:], {"better": runs[:1]}, margin=1)
    assert turned.verdicts[0].verdict is Verdict.BETTER
    assert turned.verdicts[0].test.non_inferior is True
    assert turned.verdicts[0].test.estimate == pytest.approx(-difference.estimate)
    assert found.real is not None
    assert found.real.scores[IOU].value == pytest.approx(segmentation_scores(runs[1])[IOU])


def test_the_error_of_a_difference_is_that_of_the_paired_pulls(runs: list[ClassCounts]) -> None:
    design = SamplingDesign.paired(200, 1)
    before, after = (score_influences(runs[k], design) for k in (0, 3))
    pulls, bias = after.pulls[:, 0] - before.pulls[:, 0], after.biases[0] - before.biases[0]
    error = math.hypot(float(np.std(pulls, ddof=1)) / math.sqrt(200), bias)
    found = compare_segmentations(runs[:1], {"other": runs[3:4]})
    assert found.verdicts[0].test.standard_error == pytest.approx(error)


def test_margins_are_points_shares_or_of_seeds(runs: list[ClassCounts]) -> None:
    baseline = segmentation_scores(runs[0])[IOU]
    of_share = compare_segmentations(runs[:1], {"other": runs[1:2]}, margin="6%").verdicts[0]
    assert of_share.margin.value == pytest.approx(0.06 * baseline)
    assert of_share.verdict is Verdict.WITHIN
    of_points = compare_segmentations(runs[:1], {"other": runs[1:2]}, margin=0.01).verdicts[0]
    assert of_points.verdict is Verdict.INCONCLUSIVE
    assert of_points.needs is not None
    of_seeds = compare_segmentations(runs[:3], {"other": [*runs[:2], runs[3]]}).verdicts[0]
    assert of_seeds.margin.guessed_from in (3, None)
    assert compare_segmentations(runs[:1], {"other": runs[1:2]}).verdicts[0].margin.value is None
    with pytest.raises(InputError, match="percentage points"):
        compare_segmentations(runs[:1], {"other": runs[1:2]}, margin=100)
    with pytest.raises(InputError, match="two or more training seeds"):
        compare_segmentations(runs[:1], {"other": runs[1:2]}, margin="seeds")


def test_seeds_that_agree_in_each_image_give_welchs_test() -> None:
    # Every image of a run has the run's share of hits: images add no error, and seeds alone are random.
    def run(share: int) -> ClassCounts:
        truth = np.tile([100, 100], (30, 1))
        hits = np.full((30, 2), share)
        return ClassCounts(hits=hits, truth=truth, predicted=truth)

    found = compare_segmentations(
        [run(k) for k in (60, 63, 59)], {"b": [run(k) for k in (65, 71, 66)]}, judge="pixel-accuracy"
    )
    peer = stats.ttest_ind((65, 71, 66), (60, 63, 59), equal_var=False)
    assert found.scope is Scope.RECIPES
    assert found.verdicts[0].test.interval == pytest.approx(tuple(peer.confidence_interval(0.95)), rel=1e-6)


def test_several_candidates_and_classes_are_adjusted(runs: list[ClassCounts]) -> None:
    alone = compare_segmentations(runs[:1], {"worse": runs[4:]})
    found = compare_segmentations(runs[:1], {"worse": runs[4:], "equal": runs[1:2]})
    worse = found.arms[1]
    assert worse.differences[IOU].p_value == alone.arms[1].differences[IOU].p_value
    assert found.verdicts[0].test.p_difference_holm == pytest.approx(2 * found.verdicts[0].test.p_difference)
    of_classes = [each for each in worse.class_differences if each is not None]
    assert all(
        each.p_holm >= each.p_value for each in of_classes if each.p_holm is not None and each.p_value is not None
    )
    assert len(of_classes) == 6


def test_a_class_that_is_only_predicted_moves_no_mean(runs: list[ClassCounts]) -> None:
    def widened(counts: ClassCounts, stray: int) -> ClassCounts:
        column = np.zeros((200, 1), dtype=np.int64)
        predicted = np.concatenate([counts.predicted, column], axis=1)
        # Pixels that were taken for a wrong class anyway are taken for another one.
        wrong = counts.predicted[:, 0] - counts.hits[:, 0]
        moved = np.minimum(wrong, stray)
        predicted[:, 0] -= moved
        predicted[:, -1] += moved
        both = (np.concatenate([each, column], axis=1) for each in (counts.hits, counts.truth))
        return ClassCounts(**dict(zip(("hits", "truth"), both, strict=True)), predicted=predicted)

    found = compare_segmentations([widened(runs[0], 0)], {"stray": [widened(runs[0], 1)]}, margin=1)
    assert found.counted[-1] is False
    assert found.occurs[-1] is True
    assert found.verdicts[0].verdict in (Verdict.WITHIN, Verdict.NEGLIGIBLE)
    assert found.arms[0].classes[-1] is None
    assert found.arms[1].classes[-1] is not None


def test_other_label_maps_are_refused(runs: list[ClassCounts]) -> None:
    (other,) = drawn_counts(np.random.default_rng(7), np.arange(200), PRESENCE, [0.0])
    with pytest.raises(InputError, match="other label maps"):
        compare_segmentations(runs[:1], {"other": [other]})
    with pytest.raises(InputError, match="100 images"):
        compare_segmentations(runs[:1], {"other": [runs[1].rows(np.arange(100))]})
