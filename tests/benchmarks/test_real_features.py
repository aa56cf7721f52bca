"""Stored features as a population: exact truths are those of samples, and candidates are what they are called."""

import importlib
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from p2phd_eval.stats.distances.block_frechet import block_frechet_distance
from p2phd_eval.stats.distances.frechet import frechet_distance

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
D = 40


@pytest.fixture(scope="module")
def features():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("real_features")
    for name in ("real_features", "drawn_populations"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    roots = np.arange(1, D + 1) ** -0.5
    turned = np.linalg.qr(rng.normal(size=(D, D)))[0]
    return rng.normal(size=(2500, D)) * roots @ turned, (0.2 + 1.1 * rng.normal(size=(900, D))) * roots


@pytest.fixture(scope="module")
def population(features, rows):
    return features.RealFeatures("x", *rows, features.drawn_changes("x"), shift=0.5)


def test_six_candidates_and_two_hard_ones(features, population):
    assert population.candidates == ("equal", "shifted", "noise", "blur", "shrunk", "modes dropped")
    assert set(features.HARD) == {"white noise", "shrunk"}
    assert features.drawn_changes("x") == features.drawn_changes("x") != features.drawn_changes("y")


def test_samples_fit_the_design(population):
    once, again = (population.sample(30, np.random.default_rng(3)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
    design = population.design(30)
    assert tuple(map(len, once)) == design.sizes == (30,) * 8
    assert design.drawn_together(range(1, 8))
    assert not design.drawn_together((0, 1))


def test_exact_differences_are_the_mean_over_samples(population):
    shifts = {name: population.exact(name) for name in population.candidates}
    assert shifts["equal"] == 0
    assert [name for name, value in shifts.items() if value is None] == ["noise", "blur", "shrunk", "modes dropped"]
    found = []
    for k in range(400):
        real, baseline, *candidates = population.sample(25, np.random.default_rng(k))
        own = frechet_distance(real, baseline).value
        found.append([frechet_distance(real, each).value - own for each in candidates[:2]])
    error = np.std(found, axis=0, ddof=1) / math.sqrt(len(found))
    assert np.all(np.abs(np.mean(found, axis=0) - [0, shifts["shifted"]]) < 4 * error)
    assert 4 * error[1] < 0.5 * shifts["shifted"], "half of it would not have passed"


def test_block_fids_are_those_of_the_moments(population):
    """Of samples of 60,000 images the distances are off by little: the bias is about that of 32 features over n."""
    real, *generated = population.sample(60_000, np.random.default_rng(0))
    truths = population.block_fids()
    assert population.axes.block < D
    for truth, each in zip(truths, generated, strict=True):
        assert block_frechet_distance(real, each, population.axes).value == pytest.approx(truth, rel=0.03)
    assert max(truths) > 1.2 * min(truths)


def test_candidates_are_what_they_are_called(features, population):
    _, baseline, *candidates = population.sample(20_000, np.random.default_rng(1))
    by_name = dict(zip(population.candidates, candidates, strict=True))
    variance = {name: each.var(axis=0).sum() / baseline.var(axis=0).sum() for name, each in by_name.items()}
    assert variance["equal"] == pytest.approx(1, abs=0.03)
    assert variance["shifted"] == pytest.approx(1, abs=0.03)
    assert variance["noise"] > 1
    assert variance["shrunk"] < 1
    length = np.linalg.norm(by_name["shifted"].mean(axis=0) - baseline.mean(axis=0))
    assert length == pytest.approx(population.changes["shifted"].shift, rel=0.05)
    dropped = population.changes["modes dropped"]
    allowed = population._allowed(dropped)
    assert len(allowed) == pytest.approx((1 - dropped.dropped) * 900, abs=1)


def test_what_a_candidate_drops_is_one_end_of_an_axis(features, rows):
    real, made = rows
    population = features.RealFeatures("x", real, made, {"few": features.Change(dropped=0.4)})
    images = population.sample(9000, np.random.default_rng(0))[2]
    allowed = population._allowed(population.changes["few"])
    axis = np.linalg.svd(real[:1500] - real[:1500].mean(axis=0), full_matrices=False)[2][population._axis]
    along = (made - made.mean(axis=0)) @ axis
    kept, gone = along[allowed], np.delete(along, allowed)
    assert len(gone) == 360
    assert kept.max() <= gone.min()
    # What a generated image has of a second one adds 0 on average: five standard errors of a mean of 9000.
    drawn = (images - made.mean(axis=0)) @ axis
    assert drawn.mean() == pytest.approx(kept.mean(), abs=5 * along.std() / np.sqrt(9000))


def test_fewer_features_are_coordinates_on_axes_of_the_reference(features, rows, tmp_path):
    real, made = rows
    file = tmp_path / "features.npz"
    np.savez(file, train=real, test=made)
    whole = features.cifar10(file, D, "x", {"equal": features.Change()})
    few = features.cifar10(file, 5, "x", {"equal": features.Change()})
    assert (whole.d, few.d) == (D, 5)
    real_set = few.sample(2000, np.random.default_rng(0))[0]
    covariance = np.cov(real_set, rowvar=False)
    largest = np.linalg.eigvalsh(np.cov(real, rowvar=False))[::-1][:5]
    assert np.diag(covariance) == pytest.approx(largest, rel=0.25)
