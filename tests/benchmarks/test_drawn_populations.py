"""Populations with drawn parameters: their kinds and layouts are what they are called."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
D = 24
LAYOUTS = [("pairs", None), ("unpaired", None), ("clusters", 5), ("unequal", None)]


@pytest.fixture(scope="module")
def drawn():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("drawn_populations")
    sys.modules.pop("drawn_populations")


def correlation(one, other):
    """Mean over the features of the correlation of two sets' rows."""
    a, b = ((each - each.mean(axis=0)) / each.std(axis=0) for each in (one, other))
    return float((a * b).mean())


@pytest.mark.parametrize(("layout", "clusters"), LAYOUTS)
def test_every_kind_gives_the_sets_that_its_design_describes(drawn, layout, clusters):
    for kind in drawn.KINDS:
        population = drawn.Drawn(kind, D, layout, clusters)
        once, again, other = (population.sample(60, np.random.default_rng(seed)) for seed in (3, 3, 4))
        design = population.design(60)
        assert tuple(map(len, once)) == design.sizes
        assert {each.shape[1] for each in once} == {D}
        assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
        assert not any(np.array_equal(a, b) for a, b in zip(once, other, strict=True))
        assert design.drawn_together((0, 1)) is (layout in ("pairs", "clusters"))
        assert design.drawn_together((1, 2)) is (layout != "unpaired")
        assert (design.sizes[0] == 60) is (layout != "unequal")
        assert design.clusters == (clusters or min(design.sizes))


def test_rows_go_together_where_the_design_says_so(drawn):
    # 4000 images of 24 features, of which a few count for most: correlations of none are known to about 0.01.
    for layout, clusters in LAYOUTS[:3]:
        real, baseline, candidate = drawn.Drawn("label-effect", D, layout, clusters).sample(
            4000, np.random.default_rng(0)
        )
        found = abs(correlation(real, baseline)), abs(correlation(baseline, candidate))
        assert (min(found) > 0.2) if layout != "unpaired" else (max(found) < 0.04)
    unequal = drawn.Drawn("label-effect", D, "unequal").sample(4000, np.random.default_rng(0))
    assert correlation(*unequal[1:]) > 0.2


def test_parameters_come_from_the_name(drawn):
    means = [
        drawn.Drawn("lognormal", D, layout, clusters).sample(4000, np.random.default_rng(1))[1].mean(axis=0)
        for layout, clusters in LAYOUTS
    ]
    assert all(np.abs(one - other).max() > 0.1 for k, one in enumerate(means) for other in means[:k])


def test_clusters_are_unequal_and_alike_within(drawn):
    population = drawn.Drawn("t5", D, "clusters", 40)
    codes = population.design(4000).blocks[0].cluster_of
    counts = np.bincount(codes)
    assert counts.min() >= 2
    assert counts.max() > 2 * np.median(counts)
    of_means = []
    for seed in range(20):
        real = population.sample(4000, np.random.default_rng(seed))[0]
        scores = (real - real.mean(axis=0)) / real.std(axis=0)
        means = np.array([scores[codes == g].mean(axis=0) for g in range(40)])
        # Of independent images: one on average.
        of_means.append(float(np.mean(counts[:, None] * means**2)))
    assert np.mean(of_means) > 3


def test_kinds_are_what_they_are_called(drawn):
    def sets(kind):
        return drawn.Drawn(kind, D, "pairs").sample(20_000, np.random.default_rng(2))

    lognormal, heavy, sparse, memorised = (sets(k) for k in ("lognormal", "t5", "sparse-relu", "memorising"))
    assert np.median(stats.skew(lognormal[0])) > 0.5
    assert np.median(np.abs(stats.skew(heavy[0]))) < 0.5
    assert np.median(stats.kurtosis(heavy[0])) > 1.5
    assert np.mean(sparse[0] == 0) > 0.6
    assert 8 <= len(np.unique(memorised[2], axis=0)) <= 40
    assert len(np.unique(memorised[1], axis=0)) == 20_000


def test_the_candidate_lacks_modes_that_the_baseline_has(drawn):
    population = drawn.Drawn("modes-dropped", 400, "pairs")
    _, *generated = population.sample(3000, np.random.default_rng(0))
    weights = population._mode_weights[2]
    missing = weights == 0
    assert 1 <= missing.sum() <= 3
    shares = []
    for k, images in enumerate(generated, start=1):
        modes = population._modes * population._scales[k]
        modes = modes - 2 * np.outer(modes @ population._normals[k], population._normals[k]) + population._shifts[k]
        variances = (population._roots * population._scales[k]) ** 2
        distances = [(((images - mode) ** 2) / variances).sum(axis=1) for mode in modes]
        shares.append(float(np.mean(missing[np.argmin(distances, axis=0)])))
    # Of the baseline as many as their weights say; 3000 images know that to about 0.01.
    assert shares[0] == pytest.approx(population._mode_weights[1][missing].sum(), abs=0.04)
    assert shares[1] < 0.01
