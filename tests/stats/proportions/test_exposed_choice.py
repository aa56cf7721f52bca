"""Shares by exposure: the claims of whole tables, Holm's method with weights, the trend, and how often it is wrong."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.proportions.binomial import clopper_pearson
from p2phd_eval.stats.proportions.exposed_choice import ExposedChoice, analyse_exposures, weighted_holm
from p2phd_eval.stats.verdicts.equivalence import Verdict, holm

EXPOSURES = (125, 250, 500, 1000)


def choices(table: npt.ArrayLike, place: npt.ArrayLike) -> list[ExposedChoice]:
    """Of a matrix (people, images), and the number of each answer's exposure."""
    matrix, places = np.asarray(table, bool), np.broadcast_to(place, np.shape(table))
    return [
        ExposedChoice(
            person=f"p{p:02}", image=f"i{i:03}", exposure=EXPOSURES[places[p, i]], candidate=bool(matrix[p, i])
        )
        for p, i in np.ndindex(matrix.shape)
    ]


def in_blocks(rng: np.random.Generator, people: int, images: int) -> npt.NDArray[np.int64]:
    """An exposure for each image and person, as often each for everyone."""
    return np.array([rng.permutation(np.arange(images) % len(EXPOSURES)) for _ in range(people)])


def test_shares_and_exact_intervals_are_those_of_the_counts() -> None:
    rng = np.random.default_rng(0)
    place, table = in_blocks(rng, 3, 20), rng.random((3, 20)) < 0.6
    found = analyse_exposures(choices(table, place), EXPOSURES)
    for number, each in enumerate(found.exposures):
        chosen = int(table[place == number].sum())
        assert (each.trials, each.chosen, each.people) == (15, chosen, 3)
        assert each.asked is not None
        assert each.asked.interval == clopper_pearson(chosen, 15)
        assert each.population is None
    assert (found.overall.trials, found.overall.chosen, found.overall.images) == (60, table.sum(), 20)
    assert found.trend is not None
    assert found.trend.per_doubling == pytest.approx(stats.linregress(place.ravel(), table.ravel()).slope)


def test_p_values_of_equal_weight_are_adjusted_by_holms_method() -> None:
    p = [0.01, 0.04, 0.03, 0.005, 0.9]
    assert weighted_holm(p, [0.2] * 5) == pytest.approx(holm(p))
    # By hand: 0.02 has half of the weight, and its p / w is the least; then 0.03 and 0.2 share the rest.
    assert weighted_holm([0.02, 0.03, 0.2], [0.5, 0.25, 0.25]) == pytest.approx([0.04, 0.06, 0.2])
    assert weighted_holm([], []) == []


def test_an_exposure_without_trials_has_no_claim_and_no_weight() -> None:
    table = np.random.default_rng(1).random((6, 30)) < 0.5
    found = analyse_exposures(choices(table, 2), EXPOSURES)
    assert [each.trials for each in found.exposures] == [0, 0, 180, 0]
    assert (found.exposures[0].share, found.exposures[0].asked, found.exposures[0].population) == (None, None, None)
    assert found.trend is None
    assert found.overall.asked is not None
    # Two claims on the same answers, of weights 1/2 and 1/8: the larger p / w is the smaller weight's.
    assert found.overall.asked.p_difference_holm == pytest.approx(min(1, found.overall.asked.p_difference * 1.25))


def test_neither_names_nor_order_nor_side_matters() -> None:
    rng = np.random.default_rng(2)
    place, table = in_blocks(rng, 7, 24), rng.random((7, 24)) < 0.65
    plain = analyse_exposures(choices(table, place), EXPOSURES)
    listed = choices(table, place)
    assert analyse_exposures([listed[k] for k in rng.permutation(len(listed))], EXPOSURES) == plain
    people, images = rng.permutation(7), rng.permutation(24)
    moved = analyse_exposures(choices(table[people][:, images], place[people][:, images]), EXPOSURES)
    turned = analyse_exposures(choices(~table, place), EXPOSURES)
    for each, other, back in zip(plain.exposures, moved.exposures, turned.exposures, strict=True):
        assert each.population is not None
        assert other.population is not None
        assert back.population is not None
        low, high = each.population.interval
        assert other.population.interval == pytest.approx((low, high))
        assert back.population.interval == pytest.approx((1 - high, 1 - low))
    assert plain.trend is not None
    assert turned.trend is not None
    assert turned.trend.per_doubling == pytest.approx(-plain.trend.per_doubling)


def test_a_preference_that_grows_with_the_time_is_found() -> None:
    rng = np.random.default_rng(3)
    place = in_blocks(rng, 20, 240)
    found = analyse_exposures(choices(rng.random((20, 240)) < 0.5 + 0.1 * place, place), EXPOSURES)
    verdicts = [each.population.verdict for each in found.exposures if each.population]
    assert verdicts == [Verdict.WITHIN, Verdict.BETTER, Verdict.BETTER, Verdict.BETTER]
    assert found.trend is not None
    assert found.trend.population is not None
    low, high = found.trend.population.interval
    assert 0.05 < low < 0.1 < high < 0.15


@pytest.mark.parametrize("people", [6, 16])
def test_verdicts_are_false_in_five_of_a_hundred_at_most(people: int) -> None:
    """Any of the overall one and those of the exposures; people and images differ, and more so the longer they see."""
    rng, images, repeats = np.random.default_rng(4), 24, 80
    differ, even, slope = 0, 0, 0
    for _ in range(repeats):
        place = in_blocks(rng, people, images)
        sensitivity = np.array([0.2, 0.5, 0.8, 1.0])[place]
        moved = sensitivity * (rng.normal(size=(people, 1)) + rng.normal(size=images))
        chances = 0.02 + 0.96 / (1 + np.exp(-moved))  # 4 % are lapses
        none = analyse_exposures(choices(rng.random((people, images)) < chances, place), EXPOSURES)
        edge = analyse_exposures(choices(rng.random((people, images)) < chances + 0.1, place), EXPOSURES)
        for found, name in ((none, "p_difference_holm"), (edge, "p_equivalence_holm")):
            claims = [each.population for each in (found.overall, *found.exposures)]
            wrong = any(getattr(claim, name) < 0.05 for claim in claims)
            differ, even = differ + (wrong and found is none), even + (wrong and found is edge)
        assert none.trend is not None
        assert none.trend.population is not None
        slope += none.trend.population.p < 0.05
    most = 0.05 + 3 * math.sqrt(0.05 * 0.95 / repeats)
    assert max(differ, even, slope) / repeats < most


def test_answers_that_were_not_planned_are_refused() -> None:
    whole = choices(np.ones((2, 3)), 0)
    for given, exposures in ((whole, (250,)), (whole[:1], EXPOSURES), (whole * 2, EXPOSURES), ([], EXPOSURES)):
        with pytest.raises(InputError, match="answers"):
            analyse_exposures(given, exposures)
    with pytest.raises(InputError, match="--margin"):
        analyse_exposures(whole, EXPOSURES, margin=0.5)
