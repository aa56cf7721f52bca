"""Margins: how they are read, and what 2.77 standard deviations and their range mean for normal seeds."""

import math
import re

import numpy as np
import pytest
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import SamplingDesign, StandardError
from p2phd_eval.stats.errors.measurement import Measurement
from p2phd_eval.stats.estimands import Estimand
from p2phd_eval.stats.verdicts.margins import (
    REPEATABILITY,
    MarginRule,
    absolute_margin,
    find_margin,
    given_margin,
    parse_margin,
    require_margin_fits,
    seed_margin,
    share_error,
)
from p2phd_eval.stats.verdicts.scope import Scope

SEEDS = MarginRule(kind="seeds", amount=0.0)
ALL = pytest.mark.parametrize("estimand", list(Estimand))


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


def test_a_number_is_its_own_limit():
    margin = given_margin(2.0)
    assert (margin.value, margin.lower(0.05), margin.upper(0.05), margin.exact) == (2, 2, 2, True)
    assert (margin.range, margin.guessed_from) == (None, None)


@ALL
def test_a_number_is_in_the_unit_of_what_is_judged(estimand):
    assert find_margin(absolute_margin(0.004), estimand, [1.0, 9.0], n=500, noise=None).value == 0.004


@pytest.mark.parametrize("estimand", [Estimand.KID, Estimand.KID_RQ])
def test_a_fid_for_a_margin_of_kid_is_refused_before_anything_is_computed(estimand):
    require_margin_fits(absolute_margin(0.9), estimand)
    require_margin_fits(parse_margin("200%"), estimand)
    with pytest.raises(InputError, match=f"since --judge {estimand.value} is asked, found 2") as caught:
        require_margin_fits(absolute_margin(2.0), estimand)
    assert "--margin 10%" in caught.value.fix
    require_margin_fits(absolute_margin(2.0), Estimand.BLOCK_FID)


@ALL
def test_a_share_is_of_the_baselines_mean(estimand):
    margin = find_margin(parse_margin("2%"), estimand, [49.0, 51.0], n=500, noise=0.1)
    assert (margin.value, margin.range, margin.exact) == (pytest.approx(1), None, True)
    assert margin.text == f"2 % of the baseline's {estimand.name_at(500)}, 50.0"


@pytest.mark.parametrize("kid", [0.0, -0.001])
def test_a_share_of_nothing_is_no_margin(kid):
    """KID, an unbiased estimate, may be negative."""
    margin = find_margin(parse_margin("2%"), Estimand.KID, [kid], n=500, noise=None)
    assert margin.value is None
    assert margin.text.endswith(": not above 0")
    with pytest.raises(InputError, match="margin: expected a number, found none: 2 % of the baseline's KID"):
        margin.lower(0.05)


@pytest.mark.parametrize("rule", [None, SEEDS])
@ALL
def test_several_seeds_give_a_margin(estimand, rule):
    runs, noise = [50.0, 52.0, 51.5, 49.0], 0.4
    margin = find_margin(rule, estimand, runs, n=500, noise=noise)
    variance = np.var(runs, ddof=1)
    assert margin.value == pytest.approx(1.96 * math.sqrt(2) * math.sqrt(variance - noise), rel=1e-4)
    # The textbook interval of a variance, (n - 1) s^2 / chi2, with the images' part taken from both ends.
    limits = np.sqrt(3 * variance / stats.chi2(3).ppf([0.975, 0.025]) - noise) * REPEATABILITY
    assert margin.range == pytest.approx(tuple(limits))
    assert margin.lower(0.05) == pytest.approx(
        REPEATABILITY * math.sqrt(3 * variance / stats.chi2(3).ppf(0.95) - noise)
    )
    assert margin.upper(0.05) == pytest.approx(
        REPEATABILITY * math.sqrt(3 * variance / stats.chi2(3).ppf(0.05) - noise)
    )
    assert margin.guessed_from == 4
    assert re.fullmatch(
        r"2.77 standard deviations over 4 baseline runs, image noise taken out, known to lie in \S+ to \S+ \(95 %\)",
        margin.text,
    )


def test_two_runs_are_said_to_show_nothing():
    assert seed_margin([50.0, 52.0], 0.1).text.endswith("; two runs leave too much open to call a recipe within it")
    assert "two runs" not in seed_margin([50.0, 52.0, 51.0], 0.1).text


def test_the_limits_of_a_guess_never_cross_it():
    margin = seed_margin([50.0, 52.0, 51.5, 49.0], 0.4)
    levels = [1e-200, 1e-9, 0.01, 0.05, 0.3, 0.499]
    lower, upper = [margin.lower(level) for level in levels], [margin.upper(level) for level in levels]
    assert lower == sorted(lower)
    assert upper == sorted(upper, reverse=True)
    assert lower[0] == 0
    assert lower[-1] <= margin.value <= upper[-1]


@pytest.mark.parametrize("noise", [0.0, 1.0])
@pytest.mark.parametrize("seeds", [3, 6])
def test_the_range_covers_the_true_margin(seeds, noise):
    """Runs from N(50, 1.5^2) and their images' noise: 95 % of the ranges hold 2.77 * 1.5."""
    repeats = 1500
    rng = np.random.default_rng(seeds)
    runs = rng.normal(50, math.sqrt(1.5**2 + noise), size=(repeats, seeds))
    margins = [seed_margin(each, noise) for each in runs]
    # Where the runs differ by no more than the noise there is no margin, and it is the truth that lies above.
    covered = [each.range is not None and each.range[0] <= REPEATABILITY * 1.5 <= each.range[1] for each in margins]
    missed = sum(each.value is None for each in margins)
    assert abs(sum(covered) + missed - 0.95 * repeats) < 4 * math.sqrt(repeats * 0.95 * 0.05) + missed


@ALL
def test_one_seed_gives_none(estimand):
    margin = find_margin(None, estimand, [50.0], n=500, noise=None)
    assert (margin.value, margin.range) == (None, None)
    assert "one baseline run shows no spread of seeds" in margin.text
    with pytest.raises(InputError, match=re.escape("expected two or more training seeds of the baseline, found one")):
        find_margin(SEEDS, estimand, [50.0], n=500, noise=None)


def test_seeds_that_do_not_differ_give_none():
    margin = seed_margin([50.0, 50.0, 50.0], 0.1)
    assert (margin.value, margin.range) == (None, None)
    assert margin.text == "the baseline's runs do not differ at all"


def test_seeds_that_differ_by_the_images_noise_alone_give_none():
    margin = seed_margin([50.0, 51.0, 52.0], 1.1)
    assert (margin.value, margin.range) == (None, None)
    assert margin.text.startswith("the 3 baseline runs differ by no more than their images' noise")


def three_and_three(rng, n=40):
    """Two arms of three runs, with influences that the runs share in part."""
    shared = rng.normal(size=n)
    fake = tuple(row - row.mean() for row in shared + rng.normal(size=(6, n)))
    values = tuple(rng.normal(50, 3, size=6))
    return Measurement(estimand=Estimand.FID_AT_N, values=values, real=np.zeros((6, n)), fake=fake)


def test_the_error_of_a_share_makes_the_test_that_of_the_scaled_contrast():
    """Scope A, by hand: the images' error of candidate - 1.2 baseline, squared, is that of both parts together."""
    measurement = three_and_three(np.random.default_rng(4))
    design = SamplingDesign.paired(40, 7)
    weights = [-1 / 3] * 3 + [1 / 3] * 3
    before, after = np.mean(measurement.fake[:3], axis=0), np.mean(measurement.fake[3:], axis=0)
    plain, up, down = (np.std(after - s * before, ddof=1) / math.sqrt(40) for s in (1, 1.2, 0.8))
    error = share_error(0.2, measurement, weights, design, Scope.CHECKPOINTS)
    assert error.value == pytest.approx(math.sqrt(max(up, down, plain) ** 2 - plain**2), rel=1e-2)
    margin = find_margin(
        parse_margin("20%"), Estimand.FID_AT_N, measurement.values[:3], n=40, noise=None, share_error=error
    )
    assert not margin.exact
    reach = stats.t.ppf(0.95, error.df) * error.value
    assert margin.lower(0.05) == pytest.approx(margin.value - reach)
    assert margin.upper(0.05) == pytest.approx(margin.value + reach)


def test_the_error_of_a_small_share_hardly_counts_and_that_of_a_large_one_does():
    measurement = three_and_three(np.random.default_rng(4))
    design = SamplingDesign.paired(40, 7)
    weights = [-1 / 3] * 3 + [1 / 3] * 3
    small, large = (share_error(share, measurement, weights, design, Scope.RECIPES).value for share in (0.02, 0.2))
    seeds = np.var(measurement.values[:3], ddof=1) / 3
    assert large == pytest.approx(math.sqrt((1.2**2 - 1) * seeds), rel=0.05)
    assert small == pytest.approx(math.sqrt((1.02**2 - 1) * seeds), rel=0.05)
    assert StandardError(value=large, df=2.0).value > 3 * small
