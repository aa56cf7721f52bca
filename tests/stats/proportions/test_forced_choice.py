"""The score of a blind test: shares, and the claims on those who were asked and on others like them."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.proportions.binomial import binomial_equivalence_p, clopper_pearson
from p2phd_eval.stats.proportions.forced_choice import (
    Response,
    claim_on_the_population,
    people_differ_p,
    population_error,
    score_choices,
)
from p2phd_eval.stats.verdicts.equivalence import Verdict

# With it, the mean of 1 / (1 + exp(-(x + it))) over normal x of variance 2 is 0.6.
AT_THE_MARGIN = 0.5571


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
    asked = score.asked
    assert (score.chosen, score.trials, score.images, score.share) == (chosen, trials, trials, chosen / trials)
    assert asked.interval == clopper_pearson(chosen, trials)
    assert asked.tost_interval == pytest.approx(clopper_pearson(chosen, trials, confidence=0.9))
    assert asked.p_difference == pytest.approx(stats.binomtest(chosen, trials).pvalue)
    assert asked.p_equivalence == max(binomial_equivalence_p(chosen, trials, 0.1))
    inside = asked.tost_interval[0] > 0.4 and asked.tost_interval[1] < 0.6
    contains = asked.interval[0] <= 0.5 <= asked.interval[1]
    assert inside == (verdict in (Verdict.WITHIN, Verdict.NEGLIGIBLE))
    assert contains == (verdict in (Verdict.WITHIN, Verdict.INCONCLUSIVE))
    assert asked.verdict is verdict
    assert (score.population, score.p_people_differ) == (None, None)


def test_a_claim_on_a_population_takes_five_people_and_five_images() -> None:
    choices = np.random.default_rng(1).random((6, 8)) < 0.5
    assert score_choices(responses(choices[:5, :5])).population is not None
    assert score_choices(responses(choices[:4])).population is None
    assert score_choices(responses(choices[:, :4])).population is None


def test_who_was_asked_is_judged_as_if_all_answers_came_from_one() -> None:
    """However the choices are spread over people and images: only their number counts."""
    choices = np.random.default_rng(2).random((6, 20)) < 0.4
    together = score_choices(responses(choices.reshape(1, -1))).asked
    assert score_choices(responses(choices)).asked == together
    assert score_choices(responses(np.sort(choices, axis=None).reshape(6, 20))).asked == together


def test_people_who_differ_are_even_among_themselves_and_undecided_for_others() -> None:
    """Half of the people see a difference that the others see the other way round."""
    score = score_choices(responses([first(170, 200), first(30, 200)] * 3))
    assert score.population is not None
    assert (score.asked.verdict, score.population.verdict) == (Verdict.WITHIN, Verdict.INCONCLUSIVE)
    assert score.p_people_differ == 1e-4


def test_images_that_all_judge_alike_do_not_count_once_for_each_person() -> None:
    """Ten people who see the same in 12 images know of 12 images, not of 120."""
    score = score_choices(responses(np.tile(first(9, 12), (10, 1))))
    assert score.population is not None
    assert (score.asked.verdict, score.population.verdict) == (Verdict.BETTER, Verdict.INCONCLUSIVE)


def test_all_people_who_agree_on_all_images_are_a_verdict_without_certainty() -> None:
    better, worse = (score_choices(responses(np.full((5, 30), answer))).population for answer in (True, False))
    assert better is not None
    assert worse is not None
    assert (better.verdict, worse.verdict) == (Verdict.BETTER, Verdict.WORSE)
    assert 0.9 < better.interval[0] < 1 == better.interval[1]
    assert worse.interval == pytest.approx((0, 1 - better.interval[0]))
    assert 0 < better.p_difference < 1e-3


def test_answers_that_are_all_independent_have_about_the_binomial_error() -> None:
    rng = np.random.default_rng(3)
    errors = [population_error(rng.random((20, 30)) < 0.3).value ** 2 for _ in range(300)]
    # The error over people alone and over images alone is the least, so that it is a little above.
    assert 1 < np.mean(errors) / (0.3 * 0.7 / 600) < 1.4


def test_swapping_baseline_and_candidate_mirrors_the_score() -> None:
    choices = np.random.default_rng(4).random((7, 40)) < np.linspace(0.2, 0.7, 40)
    there, back = score_choices(responses(choices)), score_choices(responses(~choices))
    mirrored = {Verdict.WORSE: Verdict.BETTER, Verdict.BETTER: Verdict.WORSE}
    for name in ("asked", "population"):
        before, after = getattr(there, name), getattr(back, name)
        for interval in ("interval", "tost_interval"):
            low, high = getattr(before, interval)
            assert getattr(after, interval) == pytest.approx((1 - high, 1 - low))
        assert (after.p_difference, after.p_equivalence) == pytest.approx((before.p_difference, before.p_equivalence))
        assert after.verdict is mirrored.get(before.verdict, before.verdict)


def test_names_of_people_and_images_do_not_matter() -> None:
    rng = np.random.default_rng(5)
    choices = rng.random((6, 25)) < rng.random((6, 1))
    there = score_choices(responses(choices))
    back = score_choices(responses(choices[rng.permutation(6)][:, rng.permutation(25)]))
    assert there.population is not None
    assert back.population is not None
    assert back.asked == there.asked
    assert (*back.population.interval, back.population.p_difference) == pytest.approx(
        (*there.population.interval, there.population.p_difference)
    )


@pytest.mark.parametrize(("people", "images"), [(5, 20), (20, 20)])
def test_verdicts_on_a_population_are_false_in_five_of_a_hundred(people: int, images: int) -> None:
    """People and images both differ, logit-normal with sd 1: the share of all is even, or 0.6 at the margin of 0.1."""
    rng = np.random.default_rng(6)
    differs, even = [], []
    for _ in range(600):
        moved = rng.normal(size=(people, 1)) + rng.normal(size=(1, images))
        for mean, found in ((0.0, differs), (AT_THE_MARGIN, even)):
            choices = rng.random((people, images)) < 1 / (1 + np.exp(-moved - mean))
            found.append(claim_on_the_population(choices, margin=0.1, confidence=0.95))
    slack = 3 * math.sqrt(0.05 * 0.95 / 600)
    assert np.mean([claim.p_difference < 0.05 for claim in differs]) < 0.05 + slack
    assert np.mean([claim.p_equivalence < 0.05 for claim in even]) < 0.05 + slack


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
