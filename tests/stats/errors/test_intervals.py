"""The interval of one FID: coverage and spread on Gaussians of known FID, and when it is refused."""

import math
import re

import numpy as np
import pytest
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.confidence import t_interval
from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.distances.frechet import frechet_distance
from p2phd_eval.stats.errors.extrapolation import FLAT_SLOPE, half_samples
from p2phd_eval.stats.errors.influence import fid_influence
from p2phd_eval.stats.errors.intervals import RESIDUAL_LIMIT, at_n_error, fid_interval, interval_of, population_estimate
from tests.stats.plain_errors import independent_standard_error, paired_standard_error

SHIFT, SCALE = 0.3, 1.3


def pairs(n, d, rng, shared=0.8):
    """Real and generated images of a label map, N(0, I) and N(SHIFT, SCALE^2 I); `shared` is their correlation."""
    scene = np.sqrt(shared) * rng.normal(size=(n, d))
    real, fake = (scene + np.sqrt(1 - shared) * rng.normal(size=(n, d)) for _ in range(2))
    return real, SHIFT + SCALE * fake


def population_fid(d):
    return d * (SHIFT**2 + (SCALE - 1) ** 2)


@pytest.mark.parametrize("paired", [True, False])
def test_standard_error_and_coverage_over_fresh_images(paired):
    """Bounds are four standard errors of what 100 repeats can show, and 10 % for what a first-order error leaves out.

    The relative standard error of a standard deviation is 1/sqrt(2 (R - 1)), that of coverage binomial.
    """
    repeats, d = 100, 12
    rng = np.random.default_rng(3)
    results = [
        fid_interval(*pairs(200, d, rng, shared=0.8 if paired else 0), paired=paired, rng=rng) for _ in range(repeats)
    ]
    tolerance = 4 / math.sqrt(2 * (repeats - 1)) + 0.1
    for values, errors in (
        ([each.population.value for each in results], [each.population.sampling_error.value for each in results]),
        ([each.fid for each in results], [each.standard_error.value for each in results]),
    ):
        assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=tolerance)
    printed = [each.interval for each in results if each.interval]
    assert len(printed) > 0.9 * repeats
    covered = sum(low <= population_fid(d) <= high for low, high in printed)
    assert covered >= stats.binom.ppf(0.0001, len(printed), 0.95)
    if not paired:  # what pairs share cancels from the bias; without it, FID@n and its own error do not cover
        missed = sum(abs(each.fid - population_fid(d)) > 1.96 * each.standard_error.value for each in results)
        assert missed > repeats - stats.binom.ppf(0.0001, repeats, 0.95)


def test_clusters_widen_the_standard_error_as_fresh_clusters_spread():
    """40 clusters of 6 images whose deviations from the real ones are alike; bounds as above, 10 % for few clusters."""
    repeats, d = 80, 3
    rng = np.random.default_rng(4)
    clusters = np.repeat(np.arange(40), 6)
    values, errors, ignored = [], [], []
    for _ in range(repeats):
        real, fake = (0.8 * rng.normal(size=(40, d))[clusters] + 0.6 * rng.normal(size=(240, d)) for _ in range(2))
        sets = real, SHIFT + SCALE * fake
        result = fid_interval(*sets, paired=True, clusters=clusters, rng=rng)
        values.append(result.population.value)
        errors.append(result.population.sampling_error.value)
        ignored.append(paired_standard_error(fid_influence(*sets)))
    spread = np.std(values, ddof=1)
    assert np.mean(errors) == pytest.approx(spread, rel=4 / math.sqrt(2 * (repeats - 1)) + 0.2)
    assert np.mean(ignored) < 0.7 * spread


@pytest.mark.parametrize("paired", [True, False])
def test_parts_of_the_result(paired):
    real, fake = pairs(120, 6, np.random.default_rng(5))
    result = fid_interval(real, fake, paired=paired, rng=7)
    design = SamplingDesign.paired(120, 2) if paired else SamplingDesign.independent([120, 120])
    samples = half_samples([real, fake], design, rng=np.random.default_rng(7))
    richardson = samples.contrast((1,))
    population = result.population
    assert population.value == richardson.value
    assert result.fid == pytest.approx(frechet_distance(real, fake).value)
    plain = (paired_standard_error if paired else independent_standard_error)(fid_influence(real, fake))
    assert result.standard_error.value == pytest.approx(plain)
    sampling = design.standard_error(richardson.influences)
    assert population.sampling_error == sampling
    assert population.error.value == pytest.approx(math.sqrt(sampling.value**2 + richardson.residual_bias**2))
    assert population.error.df == sampling.df
    assert population.bias_gap == pytest.approx(abs(richardson.value - richardson.at_n) / sampling.value)
    assert richardson.residual_bias <= RESIDUAL_LIMIT * sampling.value
    assert population.refusal == ""
    assert result.interval == t_interval(population.value, population.error, 0.95)


def test_only_the_weighted_sets_count():
    rng = np.random.default_rng(6)
    real, fake = pairs(60, 4, rng)
    design = SamplingDesign.paired(60, 3)
    samples = half_samples([real, fake, fake + rng.normal(size=fake.shape)], design, rng=np.random.default_rng(0))
    alone = fid_interval(real, fake, paired=True)
    first = interval_of(samples, design, 0.95)
    assert (first.interval, first.fid, first.standard_error) == (alone.interval, alone.fid, alone.standard_error)
    # A difference of the two has the influences of both.
    difference = population_estimate(samples, (-1, 1), design)
    first, second = samples.contrast((1, 0)), samples.contrast((0, 1))
    assert difference.value == pytest.approx(second.value - first.value)
    delta = sum(second.influences) - sum(first.influences)
    assert difference.sampling_error.value == pytest.approx(stats.sem(delta))
    at_n = at_n_error(samples.whole, (-1, 1), design)
    psi = [each.real + each.fake for each in samples.whole]
    assert at_n.value == pytest.approx(stats.sem(psi[1] - psi[0]))


@pytest.mark.parametrize("confidence", [0.8, 0.99])
def test_the_confidence_chooses_the_quantile(confidence):
    sets = pairs(120, 6, np.random.default_rng(5))
    result, usual = (fid_interval(*sets, paired=True, confidence=c) for c in (confidence, 0.95))
    population = result.population
    expected = stats.t(population.error.df, population.value, population.error.value).interval(confidence)
    assert result.interval == pytest.approx(expected)
    assert (population.value, result.confidence) == (usual.population.value, confidence)


def test_far_fewer_images_than_features_are_refused():
    sets = pairs(30, 300, np.random.default_rng(7), shared=0)
    result = fid_interval(*sets, paired=False)
    assert result.interval is None
    assert result.fid == pytest.approx(frechet_distance(*sets).value)
    assert result.population.refusal == (
        "30 images are too few to extrapolate it; it takes several times as many, or a space of fewer features"
    )
    assert 1 < result.population.richardson.slope_ratio < FLAT_SLOPE
    assert result.population.error == result.population.sampling_error


def test_a_residual_bias_beyond_the_limit_is_refused_with_the_number_of_images():
    """Hardly three images a feature: what the extrapolation may leave has a bound, of half a standard error."""
    result = fid_interval(*pairs(64, 24, np.random.default_rng(8), shared=0), paired=False)
    population = result.population
    assert result.interval is None
    assert population.richardson.residual_bias > RESIDUAL_LIMIT * population.sampling_error.value
    needed = re.search(r"it takes about (\d+), or a space of fewer features$", population.refusal)
    ratio = population.richardson.residual_bias / (RESIDUAL_LIMIT * population.sampling_error.value)
    # What is left falls as 1/n^2, the standard error as 1/sqrt(n).
    assert int(needed[1]) == math.ceil(64 * ratio ** (2 / 3))


@pytest.mark.parametrize("paired", [True, False])
def test_images_that_are_all_the_same(paired):
    real, fake = pairs(20, 4, np.random.default_rng(9))
    same = np.tile(real[:1], (20, 1))
    result = fid_interval(same, same + 2, paired=paired)
    assert (result.fid, result.standard_error.value, result.interval) == (pytest.approx(16), 0, pytest.approx((16, 16)))
    assert result.population.bias_gap == pytest.approx(0)
    # One side of them: FID = |m_r - m_g|^2 + Tr S_g, of which only the generated images are random.
    result = fid_interval(same, fake, paired=paired)
    step = fake.mean(axis=0) - real[0]
    psi = 2 * (fake - fake.mean(axis=0)) @ step + np.square(fake - fake.mean(axis=0)).sum(axis=1) * 20 / 19
    assert result.fid == pytest.approx(step @ step + fake.var(axis=0, ddof=1).sum())
    assert result.standard_error.value == pytest.approx(stats.sem(psi))


@pytest.mark.parametrize("d", [4, 60])
def test_a_set_against_itself(d):
    real, _ = pairs(40, d, np.random.default_rng(10))
    result = fid_interval(real, real.copy(), paired=True)
    assert result.population.refusal == ""
    assert (*result.interval, result.fid, result.standard_error.value) == pytest.approx((0, 0, 0, 0), abs=1e-10)


def test_the_seed_alone_decides_and_is_0_by_default():
    sets = pairs(40, 4, np.random.default_rng(11))
    results = [fid_interval(*sets, paired=True, rng=rng).interval for rng in (None, 0, np.random.default_rng(0), 1)]
    assert results[0] == results[1] == results[2] != results[3]


def test_progress():
    seen = []
    fid_interval(*pairs(20, 3, np.random.default_rng(0)), paired=True, on_progress=lambda *step: seen.append(step))
    assert seen == [(k, 61) for k in range(1, 62)]


@pytest.mark.parametrize(
    ("n", "message"),
    [
        (1, "real features: expected at least 2 images, found 1"),
        (2, "expected at least 8 images, none above a sixth of all, so that a quarter has a covariance, found 2"),
        (3, "expected at least 8 images, none above a sixth of all, so that a quarter has a covariance, found 3"),
        (7, "expected at least 8 images, none above a sixth of all, so that a quarter has a covariance, found 7"),
    ],
)
@pytest.mark.parametrize("paired", [True, False])
def test_too_few_images(n, message, paired):
    with pytest.raises(InputError, match=re.escape(message)):
        fid_interval(*pairs(n, 3, np.random.default_rng(0)), paired=paired)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fake": np.zeros((29, 3))}, "the same number of images, row i of each from one label map, found 30 and 29"),
        ({"fake": np.zeros((30, 4))}, "the same number of features"),
        ({"fake": np.full((30, 3), np.nan)}, "generated features: expected finite numbers"),
        ({"clusters": np.zeros(30)}, "expected at least 2 clusters"),
        ({"clusters": np.arange(30) // 6}, "expected at least 8 clusters"),
        ({"clusters": np.arange(29)}, "expected one label for each of 30 images, found shape (29,)"),
        ({"clusters": np.ones((30, 1))}, "found shape (30, 1)"),
        ({"clusters": np.arange(30), "paired": False}, "clusters: expected pairs, each of one cluster"),
        *(
            ({"confidence": confidence}, "--confidence: expected a number above 0.5 and at most 0.999999")
            for confidence in (-0.1, 0, 0.5, 1, 1.5, 95, math.nan)
        ),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    real, fake = pairs(30, 3, np.random.default_rng(0))
    options = {"real": real, "fake": fake, "paired": True} | change
    with pytest.raises(InputError, match=re.escape(message)):
        fid_interval(**options)
