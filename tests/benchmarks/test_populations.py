"""The stated truth of the populations of known FID is their truth, against samples."""

import importlib
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.stats.distances.frechet import frechet_distance

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
D = 6
KINDS = [
    ("gaussian", 2.0, "none"),
    ("gaussian", 0.5, "worse"),
    ("gaussian", 1.0, "adversarial"),
    ("relu", 1.0, "worse"),
    ("relu", 1.0, "adversarial"),
    ("mixture", 1.0, "worse"),
]


@pytest.fixture(scope="module")
def populations():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("populations")
    sys.modules.pop("populations")


def without_bias(real, fake):
    """Richardson's 2 F_n - mean F_n/2: what is left of the bias is of order 1/n^2."""
    halves = [frechet_distance(real[k::2], fake[k::2]).value for k in range(2)]
    return 2 * frechet_distance(real, fake).value - float(np.mean(halves))


def assert_truth_of_samples(population, *, n=8000, repeats=24):
    """Both truths lie within four standard errors of the mean over independent samples."""
    found = []
    for k in range(repeats):
        real, baseline, candidate = population.sample(n, np.random.default_rng([7, k]))
        one, two = without_bias(real, baseline), without_bias(real, candidate)
        found.append((one, two - one))
    errors = np.std(found, axis=0, ddof=1) / math.sqrt(repeats)
    assert np.all(np.abs(np.mean(found, axis=0) - [population.fid, population.dfid]) < 4 * errors)
    # The test can tell: a FID 10 % off would not have passed.
    assert 4 * errors[0] < 0.1 * population.fid


@pytest.mark.parametrize(("shape", "decay", "difference"), KINDS)
def test_fid_of_samples(populations, shape, decay, difference):
    assert_truth_of_samples(populations.Synthetic("x", shape, decay, D, difference))


@pytest.mark.parametrize("options", [{"independent": True}, {"clusters": 2000}])
def test_dependence_leaves_the_truth_as_it_is(populations, options):
    plain = populations.Synthetic("x", "gaussian", 1.0, D, "worse")
    other = populations.Synthetic("x", "gaussian", 1.0, D, "worse", **options)
    assert (other.fid, other.dfid) == (plain.fid, plain.dfid)
    assert_truth_of_samples(other)


@pytest.mark.parametrize("difference", ["none", "worse", "adversarial"])
@pytest.mark.parametrize("shape", ["gaussian", "relu"])
def test_differences_are_what_they_are_called(populations, shape, difference):
    population = populations.Synthetic("x", shape, 1.0, 40, difference)
    _, baseline, candidate = population.sample(20_000, np.random.default_rng(0))
    # Of 20,000 images the total variance is known to about 1 %, of heavy tails to about 2 %.
    spread = candidate.var(axis=0).sum() / baseline.var(axis=0).sum()
    if difference == "none":
        assert population.dfid == 0
        assert spread == pytest.approx(1, abs=0.05)
    elif difference == "worse":
        assert population.dfid == pytest.approx(0.2 * population.fid)
    else:
        assert population.dfid == 0
        assert spread > 1.3, "equal FID, but the candidate is the more diverse"


def test_covariances_do_not_commute(populations):
    population = populations.Synthetic("x", "gaussian", 1.0, D, "none")
    real, baseline, _ = population.sample(50_000, np.random.default_rng(0))
    a, b = np.cov(real, rowvar=False), np.cov(baseline, rowvar=False)
    assert np.abs(a @ b - b @ a).max() > 0.1


def test_triplets_correlate_as_stated(populations):
    """Traces of cross-covariances, with the reflection undone; of 50,000 images a correlation is known to 0.005."""
    n = 50_000
    for independent, wanted in ((False, (0.5 * math.sqrt(0.9), 0.9)), (True, (0.0, 0.0))):
        population = populations.Synthetic("x", "gaussian", 1.0, D, "none", independent=independent)
        images = [each - each.mean(axis=0) for each in population.sample(n, np.random.default_rng(0))]
        normal = population._normal
        images[1:] = [each - 2 * np.outer(each @ normal, normal) for each in images[1:]]
        real, baseline, candidate = (each / each.std(axis=0) for each in images)
        found = (float((real * baseline).mean()), float((baseline * candidate).mean()))
        assert found == pytest.approx(wanted, abs=0.02)
        assert population.design(10).drawn_together((0, 1, 2)) is not independent


@pytest.mark.parametrize("independent", [False, True])
def test_triplets_share_what_an_image_has_of_its_own(populations, independent):
    """The scale of heavy tails shows in the norms, the mode in the distance to each mode.

    The log of a norm is log s, of variance trigamma(4)/4 = 0.071, and that of 400 alike features after a ReLU, of
    variance 5/(4 * 400) = 0.003: the correlation is 0.95 where s is shared.
    """
    heavy = populations.Synthetic("x", "relu", 0.0, 400, "none", independent=independent)
    norms = [np.log(np.linalg.norm(each, axis=1)) for each in heavy.sample(2000, np.random.default_rng(0))]
    mixed = populations.Synthetic("x", "mixture", 1.0, 40, "worse", independent=independent)
    images = list(mixed.sample(5000, np.random.default_rng(0)))
    normal = mixed._normal
    images[1:] = [each - 2 * np.outer(each @ normal, normal) for each in images[1:]]
    modes = mixed._modes - mixed._modes.mean(axis=0)
    nearest = [((each - each.mean(axis=0)) @ modes.T - (modes**2).sum(axis=1) / 2).argmax(axis=1) for each in images]
    for k in (1, 2):
        correlation = np.corrcoef(norms[0], norms[k])[0, 1]
        same_mode = np.mean(nearest[0] == nearest[k])
        # Independent images have the same of 8 modes by chance, about one in eight times.
        assert (correlation > 0.9, same_mode > 0.5) == (not independent, not independent)
        if independent:
            assert (correlation, same_mode) == pytest.approx((0, 1 / 8), abs=0.08)


def test_clusters_correlate_within_and_not_between(populations):
    population = populations.Synthetic("x", "gaussian", 1.0, D, "none", clusters=5000)
    for images in population.sample(10_000, np.random.default_rng(0)):
        scores = (images - images.mean(axis=0)) / images.std(axis=0)
        first, second = scores[:5000], scores[5000:]  # of the same clusters, in turn
        # 30,000 products, of which the six of an image are not independent: four standard errors.
        assert float((first * second).mean()) == pytest.approx(0.3, abs=0.05)
        assert float((first * np.roll(second, 1, axis=0)).mean()) == pytest.approx(0, abs=0.05)
    few = populations.Synthetic("x", "gaussian", 1.0, D, "none", clusters=20).design(300)
    assert (few.clusters, few.clustered) == (20, True)
    assert np.all(np.bincount(few.blocks[0].cluster_of) == 15)


def test_samples_depend_on_the_generator_alone(populations):
    population = populations.Synthetic("x", "relu", 1.0, D, "worse")
    once, twice, other = (population.sample(20, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(once, twice, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(once, other, strict=True))
    assert {each.shape for each in once} == {(20, D)}
