"""Half-sample Richardson against plain FIDs of the parts, against derivatives, and against laws of the bias."""

import re

import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import Block, SamplingDesign, cluster_codes
from p2phd_eval.stats.distances.block_frechet import block_frechet_distance, reference_axes
from p2phd_eval.stats.distances.frechet import FrechetDistance, frechet_distance
from p2phd_eval.stats.errors.extrapolation import SLOPE_RANGE, HalfSamples, half_samples, usual_splits
from p2phd_eval.stats.errors.influence import FidInfluence
from p2phd_eval.stats.errors.intervals import population_estimate
from p2phd_eval.stats.estimands import Estimand

CLUSTERS = np.random.default_rng(0).permutation(np.repeat(np.arange(14), [1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4]))

# n = 41 images each, and 58 where sets are on their own. Set 0 is the real one.
DESIGNS = {
    "paired": SamplingDesign.paired(41, 3),
    "clusters": SamplingDesign.paired(41, 3, CLUSTERS),
    "independent": SamplingDesign.independent([41, 58, 33]),
    "arms paired, real on its own": SamplingDesign(
        [Block(sets=(0,), cluster_of=np.arange(58)), Block(sets=(1, 2), cluster_of=cluster_codes(CLUSTERS, 41))]
    ),
}
DIMS = [4, 60]  # quarters of more and of fewer images than features


def sets_of(design, d, seed=0):
    rng = np.random.default_rng(seed)
    return [0.2 * k + (1 + 0.3 * k) * rng.normal(size=(n, d)) for k, n in enumerate(design.sizes)]


def parts_of(design, splits, seed, parts):
    return [rows for rng in np.random.default_rng(seed).spawn(splits) for rows in design.split(rng, parts)]


def extrapolated(real, fake, rng, splits=10):
    return half_samples([real, fake], SamplingDesign.independent([len(real), len(fake)]), splits=splits, rng=rng)


@pytest.mark.parametrize("d", DIMS)
@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_values_are_those_of_plain_fids_of_halves_and_quarters(design, d):
    sets = sets_of(design, d)
    samples = half_samples(sets, design, splits=3, rng=np.random.default_rng(5))
    plain = {
        parts: np.mean(
            [
                [frechet_distance(sets[0][rows[0]], sets[k][rows[k]]).value for k in (1, 2)]
                for rows in parts_of(design, 3, 5, parts)
            ],
            axis=0,
        )
        for parts in (1, 2, 4)
    }
    for weights in ((1, 0), (0, 1), (-1, 1), (0.5, 0.5)):
        result = samples.contrast(weights)
        whole, half, quarter = (float(plain[parts] @ weights) for parts in (1, 2, 4))
        assert (result.at_n, result.at_half, result.at_quarter) == pytest.approx((whole, half, quarter), rel=1e-9)
        assert result.value == pytest.approx(2 * whole - half, rel=1e-8)
        ratios = [
            (plain[4][k] - plain[2][k]) / (plain[2][k] - plain[1][k]) for k, weight in enumerate(weights) if weight
        ]
        assert result.slope_ratio == pytest.approx(max(ratios, key=lambda r: abs(r - 2)), rel=1e-6)
        assert result.slope_holds == all(SLOPE_RANGE[0] <= ratio <= SLOPE_RANGE[1] for ratio in ratios)
        assert result.splits == 3


def weighted_fid(sets, weights):
    """FID of images with weights; a part's weights are brought to 1, and equal ones give the FID with ddof = 1."""
    means, factors = [], []
    for values, weight in zip(sets, weights, strict=True):
        n, share = len(values), weight / weight.sum()
        means.append(share @ values)
        factors.append(np.sqrt(share * n / (n - 1))[:, None] * (values - means[-1]))
    nuclear = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    return np.square(means[0] - means[1]).sum() + sum(np.square(each).sum() for each in factors) - 2 * nuclear


@pytest.mark.parametrize("d", DIMS)
@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_influences_are_the_derivative_of_the_extrapolation(design, d):
    """Moving the weight e from all images of a set onto one of them."""
    sets, contrast = sets_of(design, d), (-0.5, 1.0)
    result = half_samples(sets, design, splits=2, rng=np.random.default_rng(5)).contrast(contrast)
    halves = parts_of(design, 2, 5, 2)

    def richardson(weights):
        total = 0.0
        for k, w in enumerate(contrast, start=1):
            of_halves = [
                weighted_fid([sets[j][rows[j]] for j in (0, k)], [weights[j][rows[j]] for j in (0, k)])
                for rows in halves
            ]
            whole = weighted_fid([sets[0], sets[k]], [weights[0], weights[k]])
            total += w * (2 * whole - np.mean(of_halves))
        return total

    assert richardson([np.ones(n) for n in design.sizes]) == pytest.approx(result.value, rel=1e-9)
    step = 1e-5  # error of the central difference: about step^2, and 1e-13 / step from rounding
    for position, n in enumerate(design.sizes):
        assert abs(result.influences[position].mean()) < 1e-11 * n
        for image in (0, n // 2, n - 1):
            values = []
            for e in (step, -step):
                weights = [np.full(size, 1 / size) for size in design.sizes]
                weights[position] *= 1 - e
                weights[position][image] += e
                values.append(richardson(weights))
            derivative = (values[0] - values[1]) / (2 * step)
            assert result.influences[position][image] == pytest.approx(derivative, rel=1e-5, abs=1e-5)


def block_axes(block=8):
    """Axes of a reference that spans 19 of 60."""
    return reference_axes(np.random.default_rng(9).normal(size=(20, 60)), block=block)


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_in_a_references_axes_it_extrapolates_the_block_fid(design):
    sets, axes = sets_of(design, 60), block_axes()
    samples = half_samples(sets, design, axes=axes, splits=3, rng=np.random.default_rng(5))
    for k in (1, 2):
        result = samples.contrast(np.eye(2)[k - 1])
        for parts, value in ((1, result.at_n), (2, result.at_half), (4, result.at_quarter)):
            plain = [
                block_frechet_distance(sets[0][rows[0]], sets[k][rows[k]], axes).value
                for rows in parts_of(design, 3, 5, parts)
            ]
            assert value == pytest.approx(np.mean(plain), rel=1e-10)


def test_with_one_block_of_all_axes_it_is_that_of_the_fid():
    design = DESIGNS["clusters"]
    sets, axes = sets_of(design, 4), reference_axes(np.random.default_rng(9).normal(size=(20, 4)))
    plain, blocks = (
        half_samples(sets, design, axes=each, splits=3, rng=np.random.default_rng(5)).contrast((-1, 1))
        for each in (None, axes)
    )
    assert blocks.value == pytest.approx(plain.value, rel=1e-9)
    assert blocks.slope_ratio == pytest.approx(plain.slope_ratio, rel=1e-6)
    for with_blocks, without in zip(blocks.influences, plain.influences, strict=True):
        np.testing.assert_allclose(with_blocks, without, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("axes", [None, block_axes()], ids=["FID", "block FID"])
def test_the_measurement_of_all_sets_gives_every_contrast(axes):
    design = DESIGNS["clusters"]
    samples = half_samples(sets_of(design, 60), design, axes=axes, splits=3, rng=np.random.default_rng(5))
    measured = samples.measurement(Estimand.FID if axes is None else Estimand.BLOCK_FID)
    assert measured.estimand is (Estimand.FID if axes is None else Estimand.BLOCK_FID)
    for weights in ((1, 0), (-1, 1), (0.5, 0.5)):
        expected = samples.contrast(weights)
        assert measured.value(weights) == pytest.approx(expected.value, rel=1e-12)
        for each, influence in zip(measured.influences(weights), expected.influences, strict=True):
            np.testing.assert_array_equal(each, influence)
        assert measured.standard_error(weights, design) == design.standard_error(expected.influences)


def test_block_fid_is_unbiased_and_covered_where_the_fid_is_refused():
    """96 features of 100 images, variances 1/k, N(0, S) and N(.15 s, 1.3^2 S): the FID is |.15 s|^2 + .3^2 Tr S.

    The covariances share their axes, and the reference nearly has them, so that it is the block FID too.
    """
    n, d, repeats = 100, 96, 60
    scale = np.arange(1, d + 1) ** -0.5
    truth = (0.15**2 + 0.3**2) * np.square(scale).sum()
    rng = np.random.default_rng(4)
    axes = reference_axes(rng.normal(size=(5000, d)) * scale, block=8)
    design = SamplingDesign.independent([n, n])
    blocks, whole = [], []
    for _ in range(repeats):
        sets = [rng.normal(size=(n, d)) * scale, 0.15 * scale + 1.3 * rng.normal(size=(n, d)) * scale]
        for estimates, each in ((blocks, axes), (whole, None)):
            samples = half_samples(sets, design, axes=each, splits=3, rng=rng)
            estimates.append(population_estimate(samples, (1,), design))
    values = np.array([each.value for each in blocks])
    assert abs(values.mean() - truth) < 3 * values.std(ddof=1) / np.sqrt(repeats)
    assert np.mean([each.richardson.at_n for each in blocks]) > 1.5 * truth
    assert SLOPE_RANGE[0] < np.mean([each.richardson.slope_ratio for each in blocks]) < SLOPE_RANGE[1]
    covered = [abs(each.value - truth) < 1.96 * each.error.value for each in blocks]
    assert np.mean(covered) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / repeats)
    # Where a block's bias is small, its ratio is noisy; where the FID's is large, it falls too slowly each time.
    assert sum(bool(each.refusal) for each in blocks) < repeats / 3
    assert all(each.refusal for each in whole)


@pytest.mark.parametrize("d", DIMS)
def test_equal_sets_of_one_block_differ_by_exactly_nothing(d):
    design = DESIGNS["clusters"]
    real, fake, _ = sets_of(design, d)
    result = half_samples([real, fake, fake.copy()], design, rng=np.random.default_rng(0)).contrast((-1, 1))
    assert (result.value, result.at_n, result.at_half, result.at_quarter) == (0, 0, 0, 0)
    # With 60 features of 41 images the bias of neither FID has a bound, but equal sets have the same.
    assert result.residual_bias == 0
    assert not design.standard_error(result.influences).value
    # On their own they are split on their own.
    alone = SamplingDesign.independent([41] * 3)
    assert half_samples([real, fake, fake], alone, rng=np.random.default_rng(0)).contrast((-1, 1)).at_half != 0


@pytest.mark.parametrize("d", DIMS)
def test_a_set_equal_to_the_real_one_has_no_bias_to_extrapolate(d):
    design = SamplingDesign.paired(41, 2)
    real, _ = sets_of(design, d)
    result = half_samples([real, real], design, rng=np.random.default_rng(0)).contrast((1,))
    assert result.value == pytest.approx(0, abs=1e-10)
    assert (result.slope_ratio, result.slope_holds) == (None, False)
    assert result.residual_bias == 0


def made(*triples):
    """Half samples of sets whose FIDs at n, n/2 and n/4 are these."""
    return HalfSamples(
        whole=tuple(
            FidInfluence(
                distance=FrechetDistance(
                    value=triple[0],
                    mean_term=0.0,
                    trace_real=1.0,
                    trace_fake=1.0,
                    trace_sqrt=0.0,
                    method="covariances",
                    note="",
                ),
                real=np.zeros(2),
                fake=np.zeros(2),
                real_terms=np.zeros((2, 2)),
                fake_terms=np.zeros((2, 2)),
            )
            for triple in triples
        ),
        half_fids=np.array([triple[1] for triple in triples]),
        quarter_fids=np.array([triple[2] for triple in triples]),
        half_real=np.zeros((len(triples), 2)),
        half_fake=tuple(np.zeros(2) for _ in triples),
        splits=1,
    )


@pytest.mark.parametrize("c2", [-5.0, 0.0, 3.0, 20.0])
def test_the_residual_bias_is_that_of_the_next_term(c2):
    """FIDs of 3 + 40/n + c2/n^2 at n = 100: 2 F_n - F_{n/2} is off by -2 c2/n^2."""
    result = made([3 + 40 / n + c2 / n**2 for n in (100, 50, 25)]).contrast((1,))
    assert result.slope_holds
    assert result.residual_bias == pytest.approx(abs(result.value - 3), abs=1e-12)
    assert result.residual_bias == pytest.approx(2 * abs(c2) / 1e4, abs=1e-12)


@pytest.mark.parametrize("power", [0.3, 0.5, 0.7, 1.25, 1.5])
def test_the_residual_bias_bounds_that_of_another_power_of_n(power):
    """FIDs of 3 + 40/n^p, whose slope ratio is 2^p; where the bias falls more slowly than c/n it is all of it."""
    result = made([3 + 40 / n**power for n in (100, 50, 25)]).contrast((1,))
    assert result.slope_ratio == pytest.approx(2**power)
    assert not result.slope_holds
    left = abs(result.value - 3)
    assert left <= result.residual_bias * (1 + 1e-9)
    if power < 1:
        assert result.residual_bias == pytest.approx(left)


def test_no_bound_where_the_bias_hardly_falls():
    result = made([3 + 40 / n**0.2 for n in (100, 50, 25)]).contrast((1,))
    assert (result.slope_ratio, result.residual_bias) == (pytest.approx(2**0.2), None)


def test_a_difference_is_as_good_as_its_worse_fid():
    good, bad = [3 + 40 / n for n in (100, 50, 25)], [5 + 70 / n**0.5 for n in (100, 50, 25)]
    samples = made(good, bad)
    assert samples.contrast((-1, 0)).slope_holds
    result = samples.contrast((-1, 1))
    assert (result.slope_ratio, result.slope_holds) == (pytest.approx(2**0.5), False)
    gap = (bad[1] - good[1]) - (bad[0] - good[0])
    assert result.residual_bias == pytest.approx(gap * (1 / (2**0.5 - 1) - 1))


@pytest.mark.parametrize("shared", [False, True])
def test_it_finds_the_population_fid(shared):
    """N(0, I) and N(.2, 1.2^2 I), d = 6, n = 300: the bias is several times the noise, and gone afterwards."""
    d, repeats = 6, 40
    truth = d * (0.2**2 + (1 - 1.2) ** 2)
    rng = np.random.default_rng(1)
    results = []
    for _ in range(repeats):
        scene = 0.8 * rng.normal(size=(300, d)) if shared else 0
        real, fake = (scene + (0.6 if shared else 1) * rng.normal(size=(300, d)) for _ in range(2))
        design = SamplingDesign.paired(300, 2) if shared else SamplingDesign.independent([300, 300])
        results.append(half_samples([real, 0.2 + 1.2 * fake], design, splits=5, rng=rng).contrast((1,)))

    def standard_errors_off(values):
        return (np.mean(values) - truth) / (np.std(values, ddof=1) / np.sqrt(repeats))

    plain, centres = [each.at_n for each in results], [each.value for each in results]
    assert abs(standard_errors_off(centres)) < 3
    assert np.mean(plain) > np.mean(centres)
    if not shared:  # what pairs share cancels from the difference of their moments, and most of the bias with it
        assert standard_errors_off(plain) > 4
    # Where the bias is c/n the ratio is (4 - 2)/(2 - 1) = 2.
    assert SLOPE_RANGE[0] < np.median([each.slope_ratio for each in results]) < SLOPE_RANGE[1]


def test_one_dimension_follows_theory():
    """Equal N(0, 1), d = 1: E F_n = E (dm)^2 + E (ds)^2 = 2/n + 1/n to first order, so 3/n, 6/n and 12/n."""
    rng = np.random.default_rng(2)
    n, repeats = 80, 250
    results = [
        extrapolated(rng.normal(size=(n, 1)), rng.normal(size=(n, 1)), rng, splits=2).contrast((1,))
        for _ in range(repeats)
    ]
    for name, share in (("at_n", 1), ("at_half", 2), ("at_quarter", 4)):
        values = np.array([getattr(result, name) for result in results])
        noise = values.std(ddof=1) / np.sqrt(repeats)
        # Var s = 1/(2 n) is right to O(1/n), for 20 images to a few per cent of the term.
        assert values.mean() == pytest.approx(3 * share / n, rel=0.05, abs=3 * noise)


def test_far_too_few_images_break_the_slope():
    rng = np.random.default_rng(0)
    result = extrapolated(rng.normal(size=(40, 400)), 1.3 * rng.normal(size=(40, 400)), rng).contrast((1,))
    assert not result.slope_holds
    assert result.slope_ratio < SLOPE_RANGE[0]


def test_usual_splits_follow_the_cost():
    assert usual_splits(500, 2048, 2) == usual_splits(20, 5, 1) == usual_splits(10**6, 32, 4) == 10
    numbers = [usual_splits(n, 2048, 2) for n in (1500, 2000, 3000, 20_000, 100_000)]
    assert numbers == sorted(numbers, reverse=True)
    assert usual_splits(2500, 2048, 4) < usual_splits(2500, 2048, 1) < 10
    # However costly, 3 are made.
    assert numbers[-1] == usual_splits(10**7, 2048, 10) == 3


def test_the_standard_error_holds_the_chance_in_the_splits():
    # One split moves the centre of the same images about; its standard error is larger by just that, so that making
    # fewer splits costs width and never coverage.
    n, d, repeats = 60, 40, 150
    design, rng = SamplingDesign.paired(n, 3), np.random.default_rng(11)
    scene = rng.normal(size=(n, d))
    sets = [scene + scale * rng.normal(size=(n, d)) for scale in (0.5, 0.6, 0.9)]
    splits = [half_samples(sets, design, splits=1, rng=np.random.default_rng(seed)) for seed in range(repeats)]
    for weights in ((1, 0), (-1, 1)):
        ones = [each.contrast(weights) for each in splits]
        many = [np.mean([one.influences[k] for one in ones], axis=0) for k in range(3)]
        squares = [design.standard_error(one.influences).value ** 2 for one in ones]
        chance = np.var([one.value for one in ones], ddof=1)
        assert np.mean(squares) - design.standard_error(many).value ** 2 == pytest.approx(chance, rel=0.4)


def test_the_seed_alone_decides_the_parts():
    sets = sets_of(DESIGNS["paired"], 10)
    first, again, other = (
        half_samples(sets, DESIGNS["paired"], rng=np.random.default_rng(seed)).contrast((-1, 1)) for seed in (1, 1, 2)
    )
    assert first.value == again.value
    assert all(np.array_equal(a, b) for a, b in zip(first.influences, again.influences, strict=True))
    assert first.value != other.value


@pytest.mark.parametrize("d", DIMS)
def test_float32_is_widened(d):
    sets = [each.astype(np.float32) for each in sets_of(DESIGNS["paired"], d)]
    narrow, wide = (
        half_samples(each, DESIGNS["paired"], rng=np.random.default_rng(0)).contrast((-1, 1))
        for each in (sets, [each.astype(np.float64) for each in sets])
    )
    assert narrow.value == pytest.approx(wide.value, rel=1e-9)


def test_progress():
    seen = []
    design = SamplingDesign.paired(20, 3)
    half_samples(
        sets_of(design, 3), design, splits=4, rng=np.random.default_rng(0), on_progress=lambda *step: seen.append(step)
    )
    # Two sets, whole, and halves and quarters of each of four splits.
    assert seen == [(k, 50) for k in range(1, 51)]


@pytest.mark.parametrize(
    ("design", "options", "message"),
    [
        (
            SamplingDesign.paired(7, 2),
            {},
            "at least 8 images, none above a sixth of all, so that a quarter has a covariance, found 7",
        ),
        (
            SamplingDesign.independent([20, 7]),
            {},
            "at least 8 images, none above a sixth of all, so that a quarter has a covariance",
        ),
        (
            SamplingDesign.paired(20, 2, np.arange(20) // 4),
            {},
            "at least 8 clusters, none above a sixth of all, so that a quarter has",
        ),
        (SamplingDesign.paired(20, 2), {"splits": 0}, "splits: expected at least 1, found 0"),
        (SamplingDesign.paired(1, 2), {}, "real features: expected at least 2 images, found 1"),
    ],
)
def test_too_few_parts_are_refused(design, options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        half_samples(sets_of(design, 3), design, rng=np.random.default_rng(0), **options)


def test_unlike_numbers_of_features_are_refused():
    design = SamplingDesign.paired(20, 2)
    with pytest.raises(InputError, match="the same number of features"):
        half_samples([np.zeros((20, 3)), np.zeros((20, 4))], design, rng=np.random.default_rng(0))
