"""Power against exact distributions, published tables and simulated studies."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import StandardError
from p2phd_eval.stats.errors.seeds import combine_few, few_df, recipe_error
from p2phd_eval.stats.verdicts.margins import REPEATABILITY
from p2phd_eval.stats.verdicts.power import (
    VarianceComponents,
    detection_power,
    equivalence_power,
    found_components,
    smallest_difference,
    smallest_margin,
)

REPEATS = 20_000


def components(
    image_sd: float,
    baseline: float | None = None,
    candidate: float | None = None,
    noise: tuple[float | None, float | None] = (None, None),
) -> VarianceComponents:
    return VarianceComponents(
        image_sd=image_sd,
        n_images=500,
        seed_sd_baseline=baseline,
        seed_sd_candidate=candidate,
        runs_baseline=3,
        runs_candidate=3,
        noise_sd_baseline=noise[0],
        noise_sd_candidate=noise[1],
    )


@pytest.mark.parametrize("n", [3, 10, 50, 5000])
@pytest.mark.parametrize("shift", [0.0, 1.5, 3.0])
def test_detection_among_checkpoints_is_noncentral_t(n: int, shift: float) -> None:
    q = stats.t.ppf(0.975, n - 1)
    # scipy's noncentral t wants its noncentrality not to be 0 in some versions.
    exact = 0.05 if shift == 0 else stats.nct.sf(q, n - 1, shift) + stats.nct.cdf(-q, n - 1, shift)
    power = detection_power(components(7.0), shift * 7 / math.sqrt(n), n=n, runs=None)
    assert power == pytest.approx(exact, abs=1e-5)


@pytest.mark.parametrize(("cv", "n", "published"), [(0.25, 28, 0.807439), (0.3, 40, 0.815845)])
def test_equivalence_among_checkpoints_has_the_published_power(cv: float, n: int, published: float) -> None:
    """Bioequivalence within 80 to 125 % at a true ratio of 95 %, 2 x 2 crossover: the README of R's PowerTOST."""
    se = math.sqrt(math.log(1 + cv**2) * 2 / n)
    images = n - 1  # a crossover has n - 2 degrees of freedom, and images have one less than there are
    power = equivalence_power(
        components(se * math.sqrt(images)), math.log(1.25), n=images, runs=None, difference=math.log(0.95)
    )
    assert power == pytest.approx(published, abs=2e-5)


@pytest.mark.parametrize(
    ("seed_sds", "n", "runs", "difference"),
    [
        # Where the images matter as much as the seeds, less, and hardly at all.
        ((1.0, 1.0), 3600, 2, 0.0),
        ((1.0, 1.0), 100_000, 2, 0.0),
        ((1.0, 2.0), 3600, 3, 1.5),
        ((0.3, 1.0), 1000, 5, 0.0),
        ((2.0, 0.0), 10_000, 10, 3.0),
    ],
)
def test_powers_among_recipes_are_those_of_simulated_studies(
    seed_sds: tuple[float, float], n: int, runs: int, difference: float
) -> None:
    rng = np.random.default_rng(0)
    margin, image_sd = 5.0, 60.0
    parts = [(image_sd**2 / n, n - 1), *((sd**2 / runs, runs - 1) for sd in seed_sds)]
    noise = rng.normal(scale=math.sqrt(sum(v for v, _ in parts)), size=REPEATS)
    estimates = [v * rng.chisquare(df, REPEATS) / df for v, df in parts]
    variance = np.sum(estimates, axis=0)
    df = few_df([each / variance for each in estimates], [df for _, df in parts])
    one_sided, two_sided = (stats.t.ppf(level, df) * np.sqrt(variance) for level in (0.95, 0.975))

    pilot = components(image_sd, *seed_sds)
    for found, power in (
        (
            np.abs(difference + noise) < margin - one_sided,
            equivalence_power(pilot, 5, n=n, runs=runs, difference=difference),
        ),
        (np.abs(margin + noise) > two_sided, detection_power(pilot, margin, n=n, runs=runs)),
    ):
        assert found.mean() == pytest.approx(power, abs=4 * math.sqrt(power * (1 - power) / REPEATS) + 1e-3)


@pytest.mark.parametrize(("n", "runs", "difference"), [(400, 3, 0.0), (4000, 3, 0.0), (4000, 5, 1.0), (4000, 12, 2.77)])
def test_powers_with_a_margin_from_seeds_are_those_of_simulated_studies(n: int, runs: int, difference: float) -> None:
    """Runs and their images' noise are drawn, the margin is found of each baseline, and MOVER by hand decides."""
    rng = np.random.default_rng(n + runs)
    pilot = components(30.0, 1.0, 0.7, (20.0, 20.0))
    common, *arms = pilot.variances(n, (runs, runs))
    assert common[0] == pytest.approx((30**2 - 2 * 20**2 / 3) / n)
    before, after = (v * rng.chisquare(df, REPEATS) / df for v, df in arms)
    total = common[0] + before + after
    df = few_df([common[0] / total, before / total, after / total], [common[1], runs - 1.0, runs - 1.0])
    reach = stats.t.ppf(0.95, df) * np.sqrt(total)
    noise = 20.0**2 / n
    factor = (runs - 1) / stats.chi2.ppf(0.95, runs - 1)
    margin, low = (REPEATABILITY * np.sqrt(np.maximum(before * runs * each - noise, 0)) for each in (1, factor))
    scale = math.sqrt(common[0] + sum(v for v, _ in arms))
    found = np.abs(rng.normal(difference, scale, REPEATS)) < margin - np.hypot(reach, margin - low)
    power = equivalence_power(pilot, "seeds", n=n, runs=runs, difference=difference)
    assert found.mean() == pytest.approx(power, abs=4 * math.sqrt(power * (1 - power) / REPEATS) + 2e-3)


@pytest.mark.parametrize("seed_sds", [(1.0, 1.0), (1.0, 0.1), (0.1, 1.0), (1.0, 0.4)])
@pytest.mark.parametrize("noise", [0.0, 20.0])
def test_two_runs_cannot_show_equivalence_with_a_margin_from_seeds(seed_sds: tuple[float, float], noise: float) -> None:
    pilot = components(30.0, *seed_sds, (noise, noise))
    for n in (100, 10_000, 10**8):
        assert equivalence_power(pilot, "seeds", n=n, runs=2) == 0
    assert equivalence_power(pilot, "seeds", n=10**6, runs=8) > 0


def test_found_components_take_the_noise_of_the_images_out_of_the_runs() -> None:
    runs = [50.0, 52.0, 49.0], [51.0, 51.1, 50.9, 51.0]
    found = found_components(*runs, StandardError(value=0.5, df=80.0), noise=(0.3, 0.4), n=100)
    assert found.image_sd == pytest.approx(5)
    assert found.seed_sd_baseline == pytest.approx(math.sqrt(np.var(runs[0], ddof=1) - 0.3))
    assert found.seed_sd_candidate == 0  # they differ by less than the noise
    assert (found.noise_sd_baseline, found.noise_sd_candidate) == pytest.approx((math.sqrt(30), math.sqrt(40)))
    assert found.image_df == 80
    # Put together again, it is the error that the comparison had, but for spreads that were cut off at 0.
    error = combine_few(found.variances(100, (3, 4)))
    again = [np.array(runs[0]), 51 + math.sqrt(0.4 * 3 / 4) * np.array([1.0, -1.0, 1.0, -1.0])]
    expected = recipe_error(*again, StandardError(value=0.5, df=80.0), noise=(0.3, 0.4))
    assert (error.value, error.df) == pytest.approx((expected.value, expected.df))


def test_more_images_take_noise_from_the_runs_too() -> None:
    pilot = components(30.0, 1.0, 1.0, (20.0, 20.0))
    variances = [sum(v for v, _ in pilot.variances(n, (3, 3))) for n in (500, 1000)]
    seeds = 2 / 3
    assert variances[1] - seeds == pytest.approx((variances[0] - seeds) / 2)
    # With the pilot's runs it is what the images alone said.
    assert variances[0] - seeds == pytest.approx(30.0**2 / 500)


def test_a_margin_from_seeds_needs_runs() -> None:
    with pytest.raises(InputError, match="--margin seeds: expected runs"):
        equivalence_power(components(1.0, 1.0, 1.0), "seeds", n=10, runs=None)


def test_equivalence_with_few_images_is_that_of_simulated_t_tests() -> None:
    data = np.random.default_rng(1).normal(0.2, 1.0, (REPEATS, 5))
    reach = stats.t.ppf(0.95, 4) * data.std(axis=1, ddof=1) / math.sqrt(5)
    power = equivalence_power(components(1.0), 1.4, n=5, runs=None, difference=0.2)
    assert np.mean(np.abs(data.mean(axis=1)) < 1.4 - reach) == pytest.approx(
        power, abs=4 * math.sqrt(power * (1 - power) / REPEATS)
    )


@settings(max_examples=20, deadline=None)
@given(
    sds=st.tuples(*[st.floats(0.1, 10)] * 3),
    n=st.integers(5, 10_000),
    runs=st.none() | st.integers(2, 20),
    difference=st.floats(-3, 3),
    unit=st.floats(0.01, 100),
)
def test_powers_do_not_depend_on_the_sign_the_unit_or_which_arm_is_which(
    sds: tuple[float, float, float], n: int, runs: int | None, difference: float, unit: float
) -> None:
    pilot = components(*sds)
    powers = [
        equivalence_power(pilot, 2, n=n, runs=runs, difference=difference),
        detection_power(pilot, difference, n=n, runs=runs),
    ]
    flipped = components(sds[0] * unit, sds[2] * unit, sds[1] * unit)
    assert powers == pytest.approx(
        [
            equivalence_power(flipped, 2 * unit, n=n, runs=runs, difference=-difference * unit),
            detection_power(flipped, -difference * unit, n=n, runs=runs),
        ],
        abs=1e-9,
    )
    assert 0 <= min(powers) <= max(powers) <= 1 + 1e-12


@pytest.mark.parametrize("runs", [None, 2, 5])
def test_a_difference_at_the_margin_is_rarely_called_within(runs: int | None) -> None:
    pilot = components(10.0, 0.3, 0.3)
    assert equivalence_power(pilot, 2, n=1000, runs=runs, difference=2) <= 0.0501


@pytest.mark.parametrize("runs", [None, 2, 5])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_the_smallest_margin_and_difference_have_the_wished_power(runs: int | None, power: float) -> None:
    pilot = components(40.0, 0.8, 1.0)
    margin = smallest_margin(pilot, n=500, runs=runs, power=power)
    assert equivalence_power(pilot, margin, n=500, runs=runs) == pytest.approx(power, abs=1e-4)
    difference = smallest_difference(pilot, n=500, runs=runs, power=power)
    assert detection_power(pilot, difference, n=500, runs=runs) == pytest.approx(power, abs=1e-4)


def test_without_any_variance_everything_is_certain() -> None:
    pilot = components(0.0, 0.0, 0.0)
    assert equivalence_power(pilot, 1, n=10, runs=3, difference=0.9) == 1
    assert equivalence_power(pilot, 1, n=10, runs=3, difference=1.1) == 0
    assert detection_power(pilot, 1e-9, n=10, runs=None) == 1
    assert detection_power(pilot, 0, n=10, runs=None) == 0
    assert smallest_margin(pilot, n=10, runs=3) == smallest_difference(pilot, n=10, runs=3) == 0


def test_few_clusters_leave_few_degrees_of_freedom() -> None:
    """500 images of 5 clusters: t with 4 degrees of freedom, and with 9 for twice as many of both."""
    pilot = dataclasses.replace(components(20.0), image_df=4)
    for n, df in ((500, 4), (1000, 9)):
        shift = 3 / (20 / math.sqrt(n))
        q = stats.t.ppf(0.975, df)
        exact = stats.nct.sf(q, df, shift) + stats.nct.cdf(-q, df, shift)
        assert detection_power(pilot, 3, n=n, runs=None) == pytest.approx(exact, abs=1e-5)
    # One image a cluster is no cluster.
    alone = dataclasses.replace(pilot, image_df=499)
    assert detection_power(alone, 3, n=700, runs=None) == detection_power(components(20.0), 3, n=700, runs=None)


def test_the_only_known_seed_sd_stands_for_both() -> None:
    both = detection_power(components(10, 1, 1), 2, n=100, runs=3)
    assert detection_power(components(10, None, 1), 2, n=100, runs=3) == both
    assert detection_power(components(10, 1, None), 2, n=100, runs=3) == both


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, value) for name in ("image_sd", "seed_sd_baseline") for value in (-1.0, math.nan, math.inf)),
        ("n_images", 1),
        ("runs_candidate", 0),
        ("image_df", 0),
    ],
)
def test_components_that_cannot_be_are_refused(field: str, value: Any) -> None:
    with pytest.raises(InputError, match=field):
        dataclasses.replace(components(1, 1, 1), **{field: value})


def test_what_cannot_be_asked_is_refused() -> None:
    pilot = components(1.0, 1.0, 1.0)
    for margin in (0.0, -1.0, math.nan):
        with pytest.raises(InputError, match="--margin"):
            equivalence_power(pilot, margin, n=10, runs=None)
    for confidence in (0.5, 1.0, 95.0, math.nan):
        with pytest.raises(InputError, match="--confidence"):
            detection_power(pilot, 1, n=10, runs=None, confidence=confidence)
    for power in (0.05, 1.0, math.nan):
        with pytest.raises(InputError, match="--power"):
            smallest_margin(pilot, n=10, runs=None, power=power)
    with pytest.raises(InputError, match="images: expected at least 2"):
        detection_power(pilot, 1, n=1, runs=None)
    with pytest.raises(InputError, match="runs: expected at least 2 an arm"):
        detection_power(pilot, 1, n=10, runs=1)
    with pytest.raises(InputError, match="seed sd"):
        detection_power(components(1.0), 1, n=10, runs=2)
