import re

import numpy as np
import pytest
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import Block, SamplingDesign
from p2phd_eval.stats.distances.kernel import kernel_distance
from p2phd_eval.stats.errors.kernel_contrast import kernel_measurements, kernel_swap_terms
from p2phd_eval.stats.estimands import Estimand

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
KIDS = (Estimand.KID, Estimand.KID_RQ)
KERNELS = (*KIDS, Estimand.CMMD)
WITH_PAIRS = ("paired", "clusters", "real apart")  # baseline and candidate from one label map


@pytest.fixture(params=["one tile", "many tiles"])
def tiles(request, monkeypatch):
    # The sets here would fit one tile; several, of unequal sizes, are what large sets are made of.
    if request.param == "many tiles":
        monkeypatch.setattr("p2phd_eval.stats.distances.products.TILE_ROWS", 4)


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


def kernel_of(estimand, real):
    """The kernel as the paper writes it, scaled by the mean over all pairs of two real images."""
    if estimand is Estimand.KID:
        return lambda x, y: (x @ y / len(x) + 1) ** 3
    if estimand is Estimand.CMMD:
        return lambda x, y: 1000 * np.exp(-np.square(x - y).sum() / 200)
    scale = np.mean([np.square(x - y).sum() for i, x in enumerate(real) for y in real[:i]])
    return lambda x, y: sum((1 + np.square(x - y).sum() / (a * scale)) ** -a for a in (0.2, 0.5, 1, 2, 5))


def by_loops(sets, units, weights, kernel):
    """The definition, one term at a time, over the pairs of images that share no unit."""

    def mean(k, m):
        terms = [
            kernel(x, y)
            for x, unit in zip(sets[k], units[k], strict=True)
            for y, other in zip(sets[m], units[m], strict=True)
            if unit != other
        ]
        return sum(terms) / len(terms)

    kids = [mean(0, 0) + mean(k, k) - 2 * mean(0, k) for k in range(1, len(sets))]
    return float(np.dot(weights, kids)), kids


def by_deleting(sets, units, weights, kernel):
    """Jackknife standard error, with every unit really taken out of all sets."""
    variance = 0.0
    for block in sorted({unit[0] for each in units for unit in each}):
        without, shares = [], []
        for gone in sorted({unit for each in units for unit in each if unit[0] == block}):
            keep = [[unit != gone for unit in each] for each in units]
            fewer = [values[kept] for values, kept in zip(sets, keep, strict=True)]
            left = [[unit for unit in each if unit != gone] for each in units]
            without.append(by_loops(fewer, left, weights, kernel)[0])
            # The sets of a block have the same units; those of other blocks lose nothing.
            shares.append(max(1 - len(few) / len(each) for few, each in zip(left, units, strict=True)))
        remaining = 1 - np.array(shares)
        centre = np.average(without, weights=remaining)
        variance += float(remaining @ (np.array(without) - centre) ** 2)
    return np.sqrt(variance)


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("name", DESIGNS)
def test_values_and_errors_against_loops_with_each_unit_taken_out(name):
    design = DESIGNS[name]
    sets, units = drawn(design), units_of(design)
    measured = kernel_measurements(sets, design, clip=True)
    assert tuple(measured) == KERNELS
    for estimand, result in measured.items():
        kernel = kernel_of(estimand, sets[0])
        assert result.estimand is estimand
        assert result.values == pytest.approx(by_loops(sets, units, (0, 0), kernel)[1], rel=1e-10)
        for weights in [(-1, 1), (0, 1), (0.3, 0.9)]:
            error = result.standard_error(weights, design)
            assert error.value == pytest.approx(by_deleting(sets, units, weights, kernel), rel=1e-8)
            # Heavy tails may take some of the G - 1 degrees of freedom, and independent blocks add theirs.
            assert 1 < error.df <= sum(block.clusters - 1 for block in design.blocks)


@pytest.mark.usefixtures("tiles")
def test_mean_of_two_runs_an_arm():
    design = SamplingDesign.paired(N, 5, CLUSTERS)
    sets, units, weights = drawn(design), units_of(design), (-0.5, -0.5, 0.5, 0.5)
    for estimand, result in kernel_measurements(sets, design).items():
        kernel = kernel_of(estimand, sets[0])
        assert result.value(weights) == pytest.approx(by_loops(sets, units, weights, kernel)[0], rel=1e-10)
        error = result.standard_error(weights, design).value
        assert error == pytest.approx(by_deleting(sets, units, weights, kernel), rel=1e-8)


def test_influences_are_the_derivative_of_each_set():
    # The derivative of E k(x, x') + E k(y, y') - 2 E k(x, y) as mass moves onto one of the images, here the first five
    # of each set; the constant that makes its mean 0 is left out. To about 1/n.
    n, rng = 400, np.random.default_rng(8)
    sets = rng.normal(size=(n, D)), 0.5 + 1.3 * rng.normal(size=(n, D))
    for design in (SamplingDesign.independent((n, n)), SamplingDesign.paired(n, 2)):
        for estimand, result in kernel_measurements(sets, design).items():
            kernel = kernel_of(estimand, sets[0])
            for own, other, influence in [(*sets, result.real[0]), (*sets[::-1], result.fake[0])]:
                assert influence.mean() == pytest.approx(0, abs=1e-12)
                expected = [
                    2 * np.mean([kernel(own[i], own[j]) - kernel(own[i], other[j]) for j in range(n) if j != i])
                    for i in range(5)
                ]
                assert np.diff(influence[:5]) == pytest.approx(np.diff(expected), abs=0.05 * influence.std())


@pytest.mark.parametrize("paired", [True, False])
def test_one_set_equals_the_kernel_distance(paired):
    design = SamplingDesign.paired(11, 2) if paired else SamplingDesign.independent((11, 8))
    sets = drawn(design)
    result, expected = kernel_measurements(sets, design)[Estimand.KID], kernel_distance(*sets, paired=paired)
    error = result.standard_error((1,), design).value
    assert (result.value((1,)), error) == pytest.approx((expected.value, expected.se), rel=1e-10)


def summary(sets, design, weights=(-1, 1)):
    """Value and standard error of a difference with both kernels."""
    measured = kernel_measurements(sets, design).values()
    return [number for each in measured for number in (each.value(weights), each.standard_error(weights, design).value)]


def test_clusters_of_one_image_change_nothing():
    sets = drawn(DESIGNS["paired"])
    names = np.random.default_rng(1).permutation(N)
    apart = summary(sets, SamplingDesign.paired(N, 3, names))
    assert apart == pytest.approx(summary(sets, DESIGNS["paired"]), rel=1e-10)


@pytest.mark.usefixtures("tiles")
def test_order_and_dtype_do_not_matter():
    sets = [each.astype(np.float32) for each in drawn(DESIGNS["clusters"])]
    order = np.random.default_rng(2).permutation(N)
    expected = summary(sets, DESIGNS["clusters"])
    moved = [each[order] for each in sets]
    assert summary(moved, SamplingDesign.paired(N, 3, CLUSTERS[order])) == pytest.approx(expected, rel=1e-10)
    assert summary([each.astype(np.float64) for each in sets], DESIGNS["clusters"]) == pytest.approx(
        expected, rel=1e-12
    )


def test_the_unit_of_the_features_does_not_matter_to_the_rational_quadratic_kernels():
    sets = drawn(DESIGNS["paired"])
    _, expected = kernel_measurements(sets, DESIGNS["paired"]).values()
    cubic, scaled = kernel_measurements([1000 + 7 * each for each in sets], DESIGNS["paired"]).values()
    assert scaled.values == pytest.approx(expected.values, rel=1e-8)
    assert scaled.real == pytest.approx(expected.real, rel=1e-6)
    assert max(cubic.values) > 1e3 * max(expected.values)


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("clusters", [None, CLUSTERS])
def test_equal_arms_have_exactly_no_difference(clusters):
    design = SamplingDesign.paired(N, 7, clusters)
    real, *runs = drawn(design)[:4]
    weights = (-1 / 3, -1 / 3, -1 / 3, 1 / 3, 1 / 3, 1 / 3)
    # In another order, in which sums of the weighted distances would not cancel to the bit.
    measured = kernel_measurements([real, *runs, runs[1].copy(), runs[2].copy(), runs[0].copy()], design)
    for result in measured.values():
        assert result.value(weights) == 0
        assert result.values[3:] == (result.values[1], result.values[2], result.values[0])
        one_run = result.standard_error((1, 0, 0, 0, 0, 0), design).value
        assert result.standard_error(weights, design).value <= 1e-14 * one_run
        assert result.standard_error((-1, 0, 0, 0, 0, 1), design).value == 0


def test_equal_arrays_of_independent_sets_keep_their_error():
    design = SamplingDesign.independent((7, 9, 9))
    real, fake, _ = drawn(design)
    sets = [real, fake, fake]
    for estimand, result in kernel_measurements(sets, design).items():
        assert result.value((-1, 1)) == pytest.approx(0, abs=1e-12)
        error = result.standard_error((-1, 1), design).value
        assert error == pytest.approx(by_deleting(sets, units_of(design), (-1, 1), kernel_of(estimand, real)), rel=1e-8)
        assert error > 0


def test_real_images_that_are_all_alike_have_no_scale():
    _, baseline, candidate = drawn(DESIGNS["paired"])
    constant = np.full((N, D), 0.1, dtype=np.float32)
    result = kernel_measurements([constant, baseline, candidate], DESIGNS["paired"])[Estimand.KID_RQ]
    # In units of the features: k(x, x) = 5 for the five kernels, and what is left is finite.
    assert np.isfinite(result.real).all()
    assert 0 < min(result.values) < max(result.values) < 10


def test_noise_and_less_spread_are_seen_by_the_rational_quadratic_kernels_alone():
    # Features as Inception's: rectified, so that their mean is far from 0, and of a slowly falling spectrum.
    rng = np.random.default_rng(5)
    n, d = 400, 256
    design = SamplingDesign.paired(n, 3)
    sd = np.arange(1, d + 1) ** -0.3
    t_values = {name: {kid: [] for kid in KIDS} for name in ("equal", "noisy", "shrunk")}
    for _ in range(5):
        real, scene = (np.maximum(sd * (0.5 + rng.normal(size=(n, d))), 0) for _ in range(2))
        baseline, other = (scene + 0.2 * sd * rng.normal(size=(n, d)) + 0.05 for _ in range(2))
        mean = other.mean(axis=0)
        candidates = {
            "equal": other,
            "noisy": other + 0.3 * sd * rng.normal(size=(n, d)),
            "shrunk": mean + 0.85 * (other - mean),
        }
        for name, candidate in candidates.items():
            for kid, result in kernel_measurements([real, baseline, candidate], design).items():
                error = result.standard_error((-1, 1), design).value
                t_values[name][kid].append(result.value((-1, 1)) / error)
    t = {name: {kid: np.mean(values) for kid, values in of.items()} for name, of in t_values.items()}
    assert abs(t["equal"][Estimand.KID_RQ]) < 2
    for name in ("noisy", "shrunk"):
        assert abs(t[name][Estimand.KID]) < 2
        assert t[name][Estimand.KID_RQ] > 4


def test_intervals_of_the_difference_cover():
    # x ~ N(0, I), y = x + 0.4 and z = x + 0.8 with noise: dKID of the distributions from 2,000 triplets at once.
    rng = np.random.default_rng(3)
    design, weights = SamplingDesign.paired(40, 3), (-1, 1)

    def triplets(n):
        scene = rng.normal(size=(n, D))
        return [shift + 0.8 * scene + 0.6 * rng.normal(size=(n, D)) for shift in (0, 0.4, 0.8)]

    many = SamplingDesign.paired(2000, 3)
    truths = kernel_measurements(triplets(2000), many)
    results = [kernel_measurements(triplets(40), design) for _ in range(200)]
    # The kernels' scale is that of the 40 real images of each repeat: a part of the spread that no error knows.
    for kid, truth in truths.items():
        values = np.array([each[kid].value(weights) for each in results])
        errors = [each[kid].standard_error(weights, design) for each in results]
        noise = np.hypot(np.std(values, ddof=1) / np.sqrt(len(values)), truth.standard_error(weights, many).value)
        assert abs(values.mean() - truth.value(weights)) < 3 * noise
        far = [stats.t.ppf(0.975, each.df) * each.value for each in errors]
        # 200 intervals of 95 % of which as few cover once in ten thousand times.
        assert np.count_nonzero(np.abs(values - truth.value(weights)) <= far) >= stats.binom.ppf(1e-4, 200, 0.95)
        size = np.sqrt(np.mean([each.value**2 for each in errors]))
        assert size == pytest.approx(np.std(values, ddof=1), rel=0.2)


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("name", WITH_PAIRS)
def test_swap_terms_against_really_swapped_images(name):
    design = DESIGNS[name]
    real, baseline, candidate = drawn(design)
    terms = kernel_swap_terms(real, baseline, candidate, design)
    assert terms.shape == (N,)
    kid = kernel_measurements([real, baseline, candidate], design)[Estimand.KID]
    assert terms.sum() == pytest.approx(kid.value((-1, 1)), rel=1e-10)
    rng = np.random.default_rng(4)
    # Images of a cluster need not be swapped together for the sum to hold.
    for swapped in [np.ones(N, dtype=bool), *np.eye(N, dtype=bool), *rng.integers(0, 2, size=(10, N), dtype=bool)]:
        arms = [np.where(swapped[:, None], *each) for each in [(candidate, baseline), (baseline, candidate)]]
        expected, _ = by_loops([real, *arms], units_of(design), (-1, 1), kernel_of(Estimand.KID, real))
        assert np.where(swapped, -terms, terms).sum() == pytest.approx(expected, rel=1e-9, abs=1e-11)


def test_progress_counts_the_tiles(monkeypatch):
    monkeypatch.setattr("p2phd_eval.stats.distances.products.TILE_ROWS", 4)
    real, baseline, candidate = drawn(DESIGNS["real apart"])
    seen = []
    kernel_measurements([real, baseline, candidate], DESIGNS["real apart"], on_progress=lambda *step: seen.append(step))
    # 2 blocks of real images against twice 3: 3 of 4 tiles within, twice 6 of 9, and twice 6 between.
    assert seen == [(k, 27) for k in range(1, 28)]
    seen.clear()
    kernel_swap_terms(real, baseline, candidate, DESIGNS["real apart"], on_progress=lambda *step: seen.append(step))
    # The generated images' own, 9 between them, and 6 of each with the real images.
    assert seen == [(k, 33) for k in range(1, 34)]


@pytest.mark.parametrize(
    "design",
    [SamplingDesign.paired(2, 3), SamplingDesign.paired(N, 3, CLUSTERS > 1), SamplingDesign.independent((9, 9, 2))],
)
def test_fewer_than_three_units_are_refused(design):
    sets = drawn(design)
    for compute in (lambda: kernel_measurements(sets, design), lambda: kernel_swap_terms(*sets, design)):
        with pytest.raises(InputError, match="at least 3 images, or clusters of images, in each set, found 2 "):
            compute()


def test_sets_that_cannot_be_used_are_refused():
    design = DESIGNS["paired"]
    real, baseline, candidate = drawn(design)

    def refused(sets, message):
        for compute in (lambda: kernel_measurements(sets, design), lambda: kernel_swap_terms(*sets, design)):
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


def shared_sets(rng, conditions=20, d=3):
    """Photos, and two generated sets of 1 to 3 samples of each condition, all alike within a condition."""
    scene = rng.normal(size=(conditions, d))
    owner = np.repeat(np.arange(conditions), np.arange(conditions) % 3 + 1)
    fakes = [shift + scene[owner] + 0.3 * rng.normal(size=(len(owner), d)) for shift in (0.2, 0.3)]
    real = scene + 0.3 * rng.normal(size=(conditions, d))
    return [real, *fakes], owner, SamplingDesign.by_condition(np.arange(conditions), owner, 3)


def plain_kid(sets, owners):
    """KID over pairs of images of different conditions alone."""
    (real, fake), (of_real, of_fake) = sets, owners

    def mean(x, y, of_x, of_y):
        apart = of_x[:, None] != of_y
        return ((x @ y.T / x.shape[1] + 1) ** 3)[apart].mean()

    return (
        mean(real, real, of_real, of_real) + mean(fake, fake, of_fake, of_fake) - 2 * mean(real, fake, of_real, of_fake)
    )


def test_images_of_one_condition_are_no_pair_in_any_term_and_leave_together():
    sets, owner, design = shared_sets(np.random.default_rng(30))
    found = kernel_measurements(sets, design)[Estimand.KID]
    conditions = np.arange(20)
    for k in (1, 2):
        assert found.values[k - 1] == pytest.approx(plain_kid((sets[0], sets[k]), (conditions, owner)), rel=1e-9)
    # Without a condition, with the weights of the jackknife for unequal shares but for what these differ.
    without = np.array(
        [
            plain_kid((sets[0][conditions != g], sets[2][owner != g]), (conditions[conditions != g], owner[owner != g]))
            - plain_kid(
                (sets[0][conditions != g], sets[1][owner != g]), (conditions[conditions != g], owner[owner != g])
            )
            for g in conditions
        ]
    )
    jackknife = np.sqrt(19 / 20 * np.square(without - without.mean()).sum())
    assert found.standard_error((-1, 1), design).value == pytest.approx(jackknife, rel=0.03)


def test_equal_numbers_of_samples_give_the_jackknife_over_conditions_exactly():
    rng = np.random.default_rng(31)
    scene, owner = rng.normal(size=(12, 3)), np.repeat(np.arange(12), 4)
    sets = [scene + 0.3 * rng.normal(size=(12, 3)), 0.2 + scene[owner] + 0.3 * rng.normal(size=(48, 3))]
    design = SamplingDesign.by_condition(np.arange(12), owner, 2)
    found = kernel_measurements(sets, design)[Estimand.KID]
    without = np.array(
        [
            plain_kid(
                (np.delete(sets[0], g, axis=0), sets[1][owner != g]), (np.delete(np.arange(12), g), owner[owner != g])
            )
            for g in range(12)
        ]
    )
    jackknife = np.sqrt(11 / 12 * np.square(without - without.mean()).sum())
    assert found.standard_error((1,), design).value == pytest.approx(jackknife, rel=1e-9)


def test_samples_of_shared_conditions_leave_the_kid_unbiased():
    """Photos and samples of one distribution have KID 0, however alike those of a condition are."""
    rng = np.random.default_rng(32)
    owner = np.repeat(np.arange(15), 3)
    design = SamplingDesign.by_condition(np.arange(15), owner, 2)
    values = []
    for _ in range(150):
        scene = rng.normal(size=(15, 2))
        sets = [scene + 0.2 * rng.normal(size=(15, 2)), scene[owner] + 0.2 * rng.normal(size=(45, 2))]
        values.append(kernel_measurements(sets, design)[Estimand.KID].values[0])
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(150)
