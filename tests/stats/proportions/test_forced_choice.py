"""The score of a blind test: shares, intervals over trials, images and people, and the verdict."""

from __future__ import annotations

import itertools
import random

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.proportions.binomial import binomial_equivalence_p, clopper_pearson
from p2phd_eval.stats.proportions.forced_choice import Response, people_differ_p, score_choices
from p2phd_eval.stats.verdicts.equivalence import Verdict


def responses(choices: npt.ArrayLike) -> list[Response]:
    """Of a matrix (people, images)."""
    matrix = np.asarray(choices, bool)
    return [
        Response(person=f"p{i}", image=f"i{j:03}", candidate=bool(matrix[i, j]), left=(i + j) % 2 == 0, seconds=1 + j)
        for i, j in np.ndindex(matrix.shape)
    ]


def first(chosen: int, trials: int) -> npt.NDArray[np.bool_]:
    return np.arange(trials) < chosen


@pytest.mark.parametrize(
    ("chosen", "trials", "verdict"),
    [
        (150, 300, Verdict.WITHIN),
        (545, 1000, Verdict.NEGLIGIBLE),
        (35, 100, Verdict.WORSE),
        (66, 100, Verdict.BETTER),
        (5, 10, Verdict.INCONCLUSIVE),
        (57, 100, Verdict.INCONCLUSIVE),
    ],
)
def test_the_verdict_on_one_person_is_that_of_the_exact_intervals(chosen: int, trials: int, verdict: Verdict) -> None:
    score = score_choices(responses([first(chosen, trials)]))
    (analysis,) = score.analyses
    assert (score.chosen, score.trials, score.images, score.share) == (chosen, trials, trials, chosen / trials)
    assert analysis.interval == clopper_pearson(chosen, trials)
    assert analysis.tost_interval == pytest.approx(clopper_pearson(chosen, trials, confidence=0.9))
    assert analysis.p_difference == pytest.approx(stats.binomtest(chosen, trials).pvalue)
    assert analysis.p_equivalence == max(binomial_equivalence_p(chosen, trials, 0.1))
    inside = analysis.tost_interval[0] > 0.4 and analysis.tost_interval[1] < 0.6
    contains = analysis.interval[0] <= 0.5 <= analysis.interval[1]
    assert inside == (verdict in (Verdict.WITHIN, Verdict.NEGLIGIBLE))
    assert contains == (verdict in (Verdict.WITHIN, Verdict.INCONCLUSIVE))
    assert score.verdict is verdict
    assert score.p_people_differ is None


def test_intervals_over_people_and_images_are_those_of_student() -> None:
    choices = np.random.default_rng(1).random((5, 40)) < 0.4
    score = score_choices(responses(choices))
    assert [(each.unit, each.units) for each in score.analyses] == [("trials", 200), ("images", 40), ("people", 5)]
    for analysis, axis in zip(score.analyses[1:], (0, 1), strict=True):
        test = stats.ttest_1samp(choices.mean(axis=axis), 0.5)
        interval = test.confidence_interval(0.95)
        assert analysis.p_difference == pytest.approx(test.pvalue)
        assert analysis.interval == pytest.approx((interval.low, interval.high))
    assert [each.unit for each in score_choices(responses(choices[:2])).analyses] == ["trials", "images"]


def test_people_who_differ_do_not_add_up_to_a_verdict() -> None:
    """Over trials the share is even; half of the people see a difference that the others see the other way round."""
    choices = [first(170, 200), first(30, 200)] * 3
    score = score_choices(responses(choices))
    over = {each.unit: each for each in score.analyses}
    assert over["trials"].p_equivalence < 0.001
    assert over["people"].p_equivalence > 0.05
    assert score.verdict is Verdict.INCONCLUSIVE
    assert "over people" in score.reason
    assert score.p_people_differ == 1e-4


def test_images_that_all_judge_alike_do_not_count_once_for_each_person() -> None:
    """Ten people who see the same in 12 images know of 12 images, not of 120."""
    score = score_choices(responses(np.tile(first(8, 12), (10, 1))))
    over = {each.unit: each for each in score.analyses}
    assert over["trials"].p_difference < 0.001
    assert score.verdict is Verdict.INCONCLUSIVE
    assert over["images"].p_difference > 0.05


def test_the_order_of_answers_does_not_matter() -> None:
    listed = responses(np.random.default_rng(2).random((4, 30)) < 0.6)
    expected = score_choices(listed)
    random.Random(0).shuffle(listed)
    assert score_choices(listed) == expected


def test_each_person_has_a_row() -> None:
    choices = np.random.default_rng(3).random((3, 20)) < 0.5
    score = score_choices(responses(choices))
    for row, own in zip(score.people, choices, strict=True):
        assert (row.chosen, row.share) == (own.sum(), own.mean())
        assert row.interval == clopper_pearson(int(own.sum()), 20)
        assert row.left == 10
        assert row.seconds == np.median(np.arange(1, 21))


def test_two_people_are_held_against_each_other_by_mcnemar() -> None:
    choices = np.random.default_rng(4).random((2, 40)) < np.array([[0.35], [0.65]])
    only_first, only_second = int((choices[0] & ~choices[1]).sum()), int((~choices[0] & choices[1]).sum())
    exact = stats.binomtest(only_first, only_first + only_second).pvalue
    found = people_differ_p(choices, np.random.default_rng(0))
    assert found == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 9999) + 1e-4)


def test_whether_people_differ_is_the_exact_permutation_test() -> None:
    choices = np.array([[1, 1, 1, 0], [0, 1, 0, 0], [0, 1, 0, 1]], bool)
    # Every way to hand the answers to an image to other people.
    squares = [
        (np.transpose(columns).sum(axis=1) ** 2).sum()
        for columns in itertools.product(*(list(itertools.permutations(column)) for column in choices.T.tolist()))
    ]
    exact = np.mean(np.array(squares) >= (choices.sum(axis=1) ** 2).sum())
    found = people_differ_p(choices, np.random.default_rng(0))
    assert 0.1 < exact < 0.9
    assert found == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 9999))


def test_cochrans_q_is_reached_with_many_images() -> None:
    choices = np.random.default_rng(5).random((4, 300)) < np.array([[0.5], [0.5], [0.42], [0.55]])
    people, totals = choices.sum(axis=1), choices.sum(axis=0)
    # Cochran (1950), with k = 4 people: Q is chi-square with k - 1 degrees of freedom.
    q = 3 * (4 * (people**2).sum() - people.sum() ** 2) / (4 * totals.sum() - (totals**2).sum())
    assert people_differ_p(choices, np.random.default_rng(0)) == pytest.approx(stats.chi2.sf(q, 3), abs=0.02)


def test_answers_that_do_not_fit_are_refused() -> None:
    whole = responses([first(2, 4), first(1, 4)])
    for broken in (whole[:-1], [*whole, whole[0]], whole[:1], []):
        with pytest.raises(InputError, match="responses"):
            score_choices(broken)
    with pytest.raises(InputError, match="--margin"):
        score_choices(whole, margin=0.5)
    with pytest.raises(InputError, match="--confidence"):
        score_choices(whole, confidence=95)
