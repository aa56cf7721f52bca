import re

import numpy as np
import pytest
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import Block, SamplingDesign
from p2phd_eval.stats.distances.kernel import kernel_distance
from p2phd_eval.stats.errors.kernel_contrast import kernel_contrasts, kernel_swap_terms

D = 5
CLUSTERS = np.array([0, 1, 1, 2, 0, 3, 3, 3, 2])  # of unequal sizes, not in order
N = len(CLUSTERS)

DESIGNS = {
    "paired": SamplingDesign.paired(N, 3),
    "clusters": SamplingDesign.paired(N, 3, CLUSTERS),
    "independent": SamplingDesign.independent((7, 9, 8)),
    "real apart": SamplingDesign(
        [Block(sets=(0,), cluster_of=np.array([0, 1, 2, 3, 3, 1, 4])), Block(sets=(1, 2), cluster_of=CLUSTERS)]
    ),
    "candidate apart": SamplingDesign(
        [Block(sets=(2,), cluster_of=np.arange(6)), Block(sets=(0, 1), cluster_of=CLUSTERS)]
    ),
}
WITH_PAIRS = ("paired", "clusters", "real apart")  # baseline and candidate from one label map


@pytest.fixture(params=["one tile", "many tiles"])
def tiles(request, monkeypatch):
    # The sets here would fit one tile; several, of unequal sizes, are what large sets are made of.
    if request.param == "many tiles":
        monkeypatch.setattr("p2phd_eval.stats.distances.kernel._ROWS", 4)


def kernel_contrast(sets, weights, design, **options):
    """One contrast alone."""
    (contrast,) = kernel_contrasts(sets, [weights], design, **options)
    return contrast


def drawn(design, seed=0, noise=0.5):
    """Sets whose rows share the scene of their row, and of their cluster, within a block."""
    rng = np.random.default_rng(seed)
    sets = [np.empty(0)] * len(design.sizes)
    for block in design.blocks:
        scene = rng.normal(size=(block.clusters, D))[block.cluster_of] + rng.normal(size=(block.n, D))
        for k in block.sets:
            sets[k] = 0.3 * k + scene + noise * rng.normal(size=scene.shape)
    return sets


def units_of(design):
    """For each set the unit of each row, (block, cluster)."""
    units = {k: [(b, g) for g in block.cluster_of] for b, block in enumerate(design.blocks) for k in block.sets}
    return [units[k] for k in range(len(units))]


def by_loops(sets, units, weights):
    """The definition, one term at a time, over the pairs of images that share no unit."""

    def mean(k, m):
        terms = [
            (x @ y / D + 1) ** 3
            for x, unit in zip(sets[k], units[k], strict=True)
            for y, other in zip(sets[m], units[m], strict=True)
            if unit != other
        ]
        return sum(terms) / len(terms)

    kids = [mean(0, 0) + mean(k, k) - 2 * mean(0, k) for k in range(1, len(sets))]
    return float(np.dot(weights, kids)), kids


def by_deleting(sets, units, weights):
    """Jackknife variance and degrees of freedom of each block, with every unit really taken out of all sets."""
    variances, dfs = [], []
    for block in sorted({unit[0] for each in units for unit in each}):
        without = []
        for gone in sorted({unit for each in units for unit in each if unit[0] == block}):
            keep = [[unit != gone for unit in each] for each in units]
            fewer = [values[kept] for values, kept in zip(sets, keep, strict=True)]
            left = [[unit for unit in each if unit != gone] for each in units]
            without.append(by_loops(fewer, left, weights)[0])
        variances.append((len(without) - 1) * np.var(without))
        dfs.append(len(without) - 1)
    return np.array(variances), np.array(dfs)


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("weights", [(-1, 1), (0, 1), (0.3, 0.9)])
@pytest.mark.parametrize("name", DESIGNS)
def test_value_and_error_against_loops_with_each_unit_taken_out(name, weights):
    design = DESIGNS[name]
    sets, units = drawn(design), units_of(design)
    result = kernel_contrast(sets, weights, design)
    value, kids = by_loops(sets, units, weights)
    assert result.value == pytest.approx(value, rel=1e-11)
    assert result.kids == pytest.approx(kids, rel=1e-11)
    variances, dfs = by_deleting(sets, units, weights)
    assert result.standard_error.value == pytest.approx(np.sqrt(variances.sum()), rel=1e-9)
    # Welch and Satterthwaite.
    assert result.standard_error.df == pytest.approx(variances.sum() ** 2 / (variances**2 / dfs).sum(), rel=1e-9)


@pytest.mark.usefixtures("tiles")
def test_mean_of_two_runs_an_arm():
    design = SamplingDesign.paired(N, 5, CLUSTERS)
    sets, units, weights = drawn(design), units_of(design), (-0.5, -0.5, 0.5, 0.5)
    result = kernel_contrast(sets, weights, design)
    assert result.value == pytest.approx(by_loops(sets, units, weights)[0], rel=1e-11)
    assert result.standard_error.value == pytest.approx(np.sqrt(by_deleting(sets, units, weights)[0].sum()), rel=1e-9)


@pytest.mark.parametrize("paired", [True, False])
def test_one_set_equals_the_kernel_distance(paired):
    design = SamplingDesign.paired(11, 2) if paired else SamplingDesign.independent((11, 8))
    sets = drawn(design)
    result, expected = kernel_contrast(sets, (1,), design), kernel_distance(*sets, paired=paired)
    assert (result.value, result.standard_error.value) == pytest.approx((expected.value, expected.se), rel=1e-10)
    assert result.kids == pytest.approx((expected.value,), rel=1e-10)


def test_clusters_of_one_image_change_nothing():
    sets = drawn(DESIGNS["paired"])
    names = np.random.default_rng(1).permutation(N)
    apart = kernel_contrast(sets, (-1, 1), SamplingDesign.paired(N, 3, names))
    assert apart.value == pytest.approx(kernel_contrast(sets, (-1, 1), DESIGNS["paired"]).value, rel=1e-11)
    expected = kernel_contrast(sets, (-1, 1), DESIGNS["paired"]).standard_error
    assert (apart.standard_error.value, apart.standard_error.df) == pytest.approx((expected.value, expected.df))


@pytest.mark.parametrize("name", ["paired", "clusters", "independent"])
def test_swapping_baseline_and_candidate_negates(name):
    design = DESIGNS[name]
    if name == "independent":
        design = SamplingDesign.independent((7, 8, 8))
    real, baseline, candidate = drawn(design)
    there = kernel_contrast([real, baseline, candidate], (-1, 1), design)
    back = kernel_contrast([real, candidate, baseline], (-1, 1), design)
    assert back.value == pytest.approx(-there.value, rel=1e-10)
    assert back.standard_error.value == pytest.approx(there.standard_error.value, rel=1e-10)
    assert back.kids == pytest.approx(there.kids[::-1], rel=1e-12)


@pytest.mark.usefixtures("tiles")
def test_order_and_dtype_do_not_matter():
    sets = [each.astype(np.float32) for each in drawn(DESIGNS["clusters"])]
    order = np.random.default_rng(2).permutation(N)
    result = kernel_contrast(sets, (-1, 1), DESIGNS["clusters"])
    moved = kernel_contrast([each[order] for each in sets], (-1, 1), SamplingDesign.paired(N, 3, CLUSTERS[order]))
    assert moved.value == pytest.approx(result.value, rel=1e-10)
    assert moved.standard_error.value == pytest.approx(result.standard_error.value, rel=1e-10)
    assert kernel_contrast([each.astype(np.float64) for each in sets], (-1, 1), DESIGNS["clusters"]) == result


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("clusters", [None, CLUSTERS])
def test_equal_arms_have_exactly_no_difference(clusters):
    design = SamplingDesign.paired(N, 7, clusters)
    real, *runs = drawn(design)[:4]
    weights = (-1 / 3, -1 / 3, -1 / 3, 1 / 3, 1 / 3, 1 / 3)
    # In another order, in which sums of the weighted distances would not cancel to the bit.
    result = kernel_contrast([real, *runs, runs[1].copy(), runs[2].copy(), runs[0].copy()], weights, design)
    assert (result.value, result.standard_error.value) == (0, 0)
    assert result.kids[3:] == (result.kids[1], result.kids[2], result.kids[0])


def test_equal_arrays_of_independent_sets_keep_their_error():
    design = SamplingDesign.independent((7, 9, 9))
    real, fake, _ = drawn(design)
    result = kernel_contrast([real, fake, fake], (-1, 1), design)
    assert result.value == pytest.approx(0, abs=1e-12)
    variances, _ = by_deleting([real, fake, fake], units_of(design), (-1, 1))
    assert result.standard_error.value == pytest.approx(np.sqrt(variances.sum()), rel=1e-9)
    assert result.standard_error.value > 0


def test_several_contrasts_are_those_of_each():
    design = SamplingDesign.paired(N, 4, CLUSTERS)
    sets = drawn(design)
    rows = [(-1, 1, 0), (-1, 0, 1), (0, 1, 0)]
    assert kernel_contrasts(sets, rows, design) == tuple(kernel_contrast(sets, row, design) for row in rows)


def test_intervals_of_the_difference_cover():
    # x ~ N(0, I), y = x + 0.4 and z = x + 0.8 with noise: dKID of the distributions from 2,000 triplets at once.
    rng = np.random.default_rng(3)
    design = SamplingDesign.paired(40, 3)

    def triplets(n):
        scene = rng.normal(size=(n, D))
        return [shift + 0.8 * scene + 0.6 * rng.normal(size=(n, D)) for shift in (0, 0.4, 0.8)]

    truth = kernel_contrast(triplets(2000), (-1, 1), SamplingDesign.paired(2000, 3))
    hits, values, errors = 0, [], []
    for _ in range(200):
        result = kernel_contrast(triplets(40), (-1, 1), design)
        error = result.standard_error
        hits += abs(result.value - truth.value) <= stats.t.ppf(0.975, error.df) * error.value
        values.append(result.value)
        errors.append(error.value)
    noise = np.hypot(np.std(values, ddof=1) / np.sqrt(len(values)), truth.standard_error.value)
    assert abs(np.mean(values) - truth.value) < 3 * noise
    # 200 intervals of 95 % of which as few cover once in ten thousand times.
    assert hits >= stats.binom.ppf(1e-4, 200, 0.95)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(values, ddof=1), rel=0.2)


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("name", WITH_PAIRS)
def test_swap_terms_against_really_swapped_images(name):
    design = DESIGNS[name]
    real, baseline, candidate = drawn(design)
    terms = kernel_swap_terms(real, baseline, candidate, design)
    assert terms.shape == (N,)
    assert terms.sum() == pytest.approx(kernel_contrast([real, baseline, candidate], (-1, 1), design).value, rel=1e-10)
    rng = np.random.default_rng(4)
    # Images of a cluster need not be swapped together for the sum to hold.
    for swapped in [np.ones(N, dtype=bool), *np.eye(N, dtype=bool), *rng.integers(0, 2, size=(10, N), dtype=bool)]:
        arms = [np.where(swapped[:, None], *each) for each in [(candidate, baseline), (baseline, candidate)]]
        expected, _ = by_loops([real, *arms], units_of(design), (-1, 1))
        assert np.where(swapped, -terms, terms).sum() == pytest.approx(expected, rel=1e-9, abs=1e-11)


def test_progress_counts_the_tiles(monkeypatch):
    monkeypatch.setattr("p2phd_eval.stats.distances.kernel._ROWS", 4)
    real, baseline, candidate = drawn(DESIGNS["real apart"])
    seen = []
    kernel_contrast(
        [real, baseline, candidate], (-1, 1), DESIGNS["real apart"], on_progress=lambda *step: seen.append(step)
    )
    # 2 blocks of real images against twice 3: 3 of 4 tiles within, twice 6 of 9, and twice 6 between.
    assert seen == [(k, 27) for k in range(1, 28)]
    seen.clear()
    kernel_swap_terms(real, baseline, candidate, DESIGNS["real apart"], on_progress=lambda *step: seen.append(step))
    # The generated images' own, 9 between them, and 6 of each with the real images.
    assert seen == [(k, 33) for k in range(1, 34)]


@pytest.mark.parametrize(
    ("weights", "found"), [((1,), "shape (1, 1)"), ((1, 2, 3), "shape (1, 3)"), ((1, np.nan), "NaN or infinity")]
)
def test_weights_that_do_not_fit_are_refused(weights, found):
    with pytest.raises(InputError, match=re.escape(f"2 finite weights, one for each generated set, found {found}")):
        kernel_contrast(drawn(DESIGNS["paired"]), weights, DESIGNS["paired"])


@pytest.mark.parametrize(
    "design",
    [SamplingDesign.paired(2, 3), SamplingDesign.paired(N, 3, CLUSTERS > 1), SamplingDesign.independent((9, 9, 2))],
)
def test_fewer_than_three_units_are_refused(design):
    sets = drawn(design)
    for compute in (lambda: kernel_contrast(sets, (-1, 1), design), lambda: kernel_swap_terms(*sets, design)):
        with pytest.raises(InputError, match="at least 3 images, or clusters of images, in each set, found 2 "):
            compute()


def test_sets_that_cannot_be_used_are_refused():
    design = DESIGNS["paired"]
    real, baseline, candidate = drawn(design)

    def refused(sets, message):
        for compute in (lambda: kernel_contrast(sets, (-1, 1), design), lambda: kernel_swap_terms(*sets, design)):
            with pytest.raises(InputError, match=re.escape(message)):
                compute()

    refused([real, baseline, candidate[:, 1:]], "the same number of features an image in both sets, found 5 and 4")
    refused([real, baseline, candidate[1:]], "sets of (9, 9, 9) images, as the design says, found (9, 9, 8)")
    candidate[3, 1] = np.inf
    refused([real, baseline, candidate], "generated set 2 features")


@pytest.mark.parametrize("name", [name for name in DESIGNS if name not in WITH_PAIRS])
def test_swaps_of_images_drawn_apart_are_refused(name):
    with pytest.raises(InputError, match="images from the same label maps, found sets that were drawn independently"):
        kernel_swap_terms(*drawn(DESIGNS[name]), DESIGNS[name])
