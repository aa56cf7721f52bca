"""Margins: how they are read, and what 2.77 standard deviations and their range mean for normal seeds."""

import math
import re

import numpy as np
import pytest
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.verdicts.margins import (
    REPEATABILITY,
    MarginRule,
    absolute_margin,
    margin_of_fid,
    margin_of_kid,
    parse_margin,
)

SEEDS = MarginRule(kind="seeds", amount=0.0)
BOTH = pytest.mark.parametrize("margin_of", [margin_of_fid, margin_of_kid])


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (None, None),
        ("2", MarginRule(kind="absolute", amount=2.0)),
        (2.5, MarginRule(kind="absolute", amount=2.5)),
        (" 1e-3 ", MarginRule(kind="absolute", amount=1e-3)),
        ("2%", MarginRule(kind="relative", amount=0.02)),
        ("2 %", MarginRule(kind="relative", amount=0.02)),
        ("150%", MarginRule(kind="relative", amount=1.5)),
        ("seeds", SEEDS),
    ],
)
def test_margins_are_read(text, rule):
    assert parse_margin(text) == rule


@pytest.mark.parametrize("text", ["", "%", "wide", "0", "-1", "0%", "-2%", "nan", "inf", "inf%", "2%%", "1,5", 0.0, -3])
def test_what_is_no_margin_is_refused(text):
    with pytest.raises(InputError, match="--margin: expected a number above 0, such as"):
        parse_margin(text)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_absolute_margins_are_above_zero(value):
    with pytest.raises(InputError, match="--margin: expected a number above 0"):
        absolute_margin(value)


def test_the_repeatability_limit_holds_95_percent_of_the_differences():
    """ISO 5725-6: with known standard deviation the factor is 1.96 sqrt(2) = 2.77."""
    assert f"{REPEATABILITY:.2f}" == "2.77"
    assert stats.norm(scale=math.sqrt(2)).interval(0.95)[1] == pytest.approx(REPEATABILITY)


def test_a_number_is_the_margin_of_fid_and_none_of_kid():
    assert margin_of_fid(absolute_margin(2.0), 50.0, [1.0, 9.0]).value == 2
    kid = margin_of_kid(absolute_margin(2.0), 0.05, [0.04, 0.06])
    assert (kid.value, kid.range) == (None, None)
    assert "in units of FID" in kid.text


@BOTH
def test_a_share_is_of_the_baseline(margin_of):
    margin = margin_of(parse_margin("2%"), 50.0, [49.0])
    assert (margin.value, margin.range) == (pytest.approx(1), None)
    assert margin.text.startswith("2 % of the baseline's")
    # A KID, an unbiased estimate, may be negative.
    negative = margin_of(parse_margin("2%"), -0.001, [-0.001])
    assert negative.value is None
    assert negative.text.endswith("not above 0")


@BOTH
@pytest.mark.parametrize("rule", [None, SEEDS])
def test_several_seeds_give_a_margin(margin_of, rule):
    runs = [50.0, 52.0, 51.5, 49.0]
    margin = margin_of(rule, 50.0, runs)
    assert margin.value == pytest.approx(1.96 * math.sqrt(2) * np.std(runs, ddof=1), rel=1e-4)
    # The textbook interval of a standard deviation: s sqrt((n - 1)/chi2).
    limits = np.sqrt(3 * np.var(runs, ddof=1) / stats.chi2(3).ppf([0.975, 0.025])) * REPEATABILITY
    assert margin.range == pytest.approx(tuple(limits))
    assert margin.range[0] < margin.value < margin.range[1]
    assert margin.text.startswith("2.77 standard deviations over 4 baseline seeds, 95 % range ")


@pytest.mark.parametrize("seeds", [2, 3, 6])
def test_the_range_covers_the_true_margin(seeds):
    """Runs from N(50, 1.5^2): 95 % of the ranges hold 2.77 * 1.5, within four binomial standard errors."""
    repeats = 1500
    rng = np.random.default_rng(seeds)
    margins = [margin_of_fid(None, 50.0, rng.normal(50, 1.5, size=seeds)) for _ in range(repeats)]
    covered = sum(each.range[0] <= REPEATABILITY * 1.5 <= each.range[1] for each in margins)
    assert abs(covered - 0.95 * repeats) < 4 * math.sqrt(repeats * 0.95 * 0.05)


@BOTH
def test_one_seed_gives_none(margin_of):
    margin = margin_of(None, 50.0, [50.0])
    assert (margin.value, margin.range) == (None, None)
    assert "one baseline run shows no spread of seeds" in margin.text
    with pytest.raises(InputError, match=re.escape("expected two or more training seeds of the baseline, found one")):
        margin_of(SEEDS, 50.0, [50.0])


@BOTH
def test_seeds_that_do_not_differ_give_none(margin_of):
    margin = margin_of(None, 50.0, [50.0, 50.0, 50.0])
    assert (margin.value, margin.range) == (None, None)
    assert margin.text == "the baseline's seeds do not differ at all"
