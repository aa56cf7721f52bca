import re

import numpy as np
import pytest
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.extrapolation import SLOPE_RANGE, fid_infinity, half_sample_richardson
from p2phd_eval.stats.frechet import frechet_distance

# n_r, n_g, d for each way of computing the parts: from the cross-Gram matrix of all (n <= d), from their rows, and
# from moments merged (n/4 > d); odd numbers and unequal sets included.
SHAPES = [(40, 40, 60), (33, 58, 60), (41, 41, 15), (150, 47, 15), (90, 90, 4), (41, 91, 4)]
CASES = [(*shape, False) for shape in SHAPES] + [(*shape, True) for shape in SHAPES if shape[0] == shape[1]]


def two_sets(n_real, n_fake, d, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_real, d)), 0.3 + 1.3 * rng.normal(size=(n_fake, d))


def population_fid(d, shift, scale):
    """Of N(0, I) and N(shift, scale^2 I) in d dimensions."""
    return d * (shift**2 + (1 - scale) ** 2)


def orders(rng, n_real, n_fake, paired):
    real = rng.permutation(n_real)
    return real, real if paired else rng.permutation(n_fake)


@pytest.mark.parametrize(("n_real", "n_fake", "d", "paired"), CASES)
def test_richardson_equals_plain_fids_of_halves_and_quarters(n_real, n_fake, d, paired):
    real, fake = two_sets(n_real, n_fake, d)
    result = half_sample_richardson(real, fake, paired=paired, splits=3, rng=np.random.default_rng(5))
    halves, quarters = [], []
    for rng in np.random.default_rng(5).spawn(3):
        real_order, fake_order = orders(rng, n_real, n_fake, paired)
        for half in zip(np.array_split(real_order, 2), np.array_split(fake_order, 2), strict=True):
            halves.append(frechet_distance(real[half[0]], fake[half[1]]).value)
            for k in range(2):
                rows = [np.array_split(side, 2)[k] for side in half]
                quarters.append(frechet_distance(real[rows[0]], fake[rows[1]]).value)
    whole = frechet_distance(real, fake).value
    assert result.fid == pytest.approx(whole, rel=1e-9)
    assert result.fid_half == pytest.approx(np.mean(halves), rel=1e-9)
    assert result.fid_quarter == pytest.approx(np.mean(quarters), rel=1e-9)
    assert result.value == pytest.approx(2 * whole - np.mean(halves), rel=1e-8)
    ratio = (np.mean(quarters) - np.mean(halves)) / (np.mean(halves) - whole)
    assert result.slope_ratio == pytest.approx(ratio, rel=1e-6)
    assert result.slope_holds == (SLOPE_RANGE[0] <= ratio <= SLOPE_RANGE[1])
    assert (result.splits, result.evaluations) == (3, 1 + len(halves) + len(quarters))


@pytest.mark.parametrize(("n_real", "n_fake", "d", "paired"), CASES)
def test_fid_infinity_equals_a_line_through_plain_fids(n_real, n_fake, d, paired):
    real, fake = two_sets(n_real, n_fake, d)
    result = fid_infinity(real, fake, paired=paired, points=6, rng=np.random.default_rng(5))
    assert result.sizes == tuple(np.round(np.linspace(n_fake / 2, n_fake, 6)))
    real_sizes = np.round(np.linspace(n_real / 2, n_real, 6)).astype(int)
    fids = []
    for rng, real_size, fake_size in zip(np.random.default_rng(5).spawn(6), real_sizes, result.sizes, strict=True):
        real_order, fake_order = orders(rng, n_real, n_fake, paired)
        fids.append(frechet_distance(real[real_order[:real_size]], fake[fake_order[:fake_size]]).value)
    assert result.fids == pytest.approx(fids, rel=1e-9)
    line = stats.linregress(1 / np.array(result.sizes), fids)
    assert (result.value, result.slope) == pytest.approx((line.intercept, line.slope), rel=1e-8)


@pytest.mark.parametrize(("n", "smallest"), [(100, 50), (10_000, 5000), (20_000, 5000), (60_000, 6000)])
def test_the_smallest_part_is_the_papers_where_the_set_allows_it(n, smallest):
    rows = np.random.default_rng(0).normal(size=(n, 1))
    assert fid_infinity(rows, rows + 1, paired=True, points=2, rng=np.random.default_rng(0)).sizes == (smallest, n)


@pytest.mark.parametrize("shared", [False, True])
def test_both_extrapolations_find_the_population_fid(shared):
    """d = 6, n = 300: the bias is several times the noise of 40 repetitions, and gone after the extrapolation."""
    d, shift, scale, repeats = 6, 0.2, 1.2, 40
    truth = population_fid(d, shift, scale)
    rng = np.random.default_rng(1)
    plain, richardson, infinity, ratios = [], [], [], []
    for _ in range(repeats):
        scene = 0.8 * rng.normal(size=(300, d)) if shared else 0
        own = 0.6 if shared else 1
        real, fake = (scene + own * rng.normal(size=(300, d)) for _ in range(2))
        fake = shift + scale * fake
        result = half_sample_richardson(real, fake, paired=shared, splits=5, rng=rng)
        plain.append(result.fid)
        richardson.append(result.value)
        ratios.append(result.slope_ratio)
        infinity.append(fid_infinity(real, fake, paired=shared, rng=rng).value)

    def standard_errors_off(values):
        return (np.mean(values) - truth) / (np.std(values, ddof=1) / np.sqrt(repeats))

    assert abs(standard_errors_off(richardson)) < 3
    assert abs(standard_errors_off(infinity)) < 3
    if not shared:  # what pairs share cancels from the difference of their moments, and most of the bias with it
        assert standard_errors_off(plain) > 4
    assert np.mean(plain) > np.mean(richardson)
    # Where the bias is c/n the ratio is (4 - 2)/(2 - 1) = 2.
    assert SLOPE_RANGE[0] < np.median(ratios) < SLOPE_RANGE[1]


def test_one_dimension_follows_theory():
    """Equal N(0, 1), d = 1: E F_n = E (dm)^2 + E (ds)^2 = 2/n + 1/n to first order, so 3/n, 6/n and 12/n."""
    rng = np.random.default_rng(2)
    n, repeats = 80, 400
    results = [
        half_sample_richardson(rng.normal(size=(n, 1)), rng.normal(size=(n, 1)), paired=False, splits=2, rng=rng)
        for _ in range(repeats)
    ]
    for name, share in (("fid", 1), ("fid_half", 2), ("fid_quarter", 4)):
        values = np.array([getattr(result, name) for result in results])
        noise = values.std(ddof=1) / np.sqrt(repeats)
        # Var s = 1/(2 n) is right to O(1/n), for 20 images to a few per cent of the term.
        assert values.mean() == pytest.approx(3 * share / n, rel=0.05, abs=3 * noise)


def test_far_too_few_images_break_the_slope():
    """With n below d the bias is not c/n, and the ratio says so."""
    real, fake = two_sets(40, 40, 400)
    result = half_sample_richardson(real, fake, paired=False, rng=np.random.default_rng(0))
    assert not result.slope_holds
    assert result.slope_ratio < SLOPE_RANGE[0]


@pytest.mark.parametrize(("n", "d"), [(40, 60), (41, 15), (90, 4)])
def test_identical_pairs_have_no_bias_to_extrapolate(n, d):
    real, _ = two_sets(n, n, d)
    result = half_sample_richardson(real, real, paired=True, rng=np.random.default_rng(0))
    assert result.value == pytest.approx(0, abs=1e-10)
    assert (result.slope_ratio, result.slope_holds) == (None, False)
    assert fid_infinity(real, real, paired=True, rng=np.random.default_rng(0)).value == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("estimate", [half_sample_richardson, fid_infinity])
def test_the_seed_alone_decides_the_parts(estimate):
    real, fake = two_sets(40, 40, 10)
    first, again, other = (estimate(real, fake, paired=True, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first.value != other.value


@pytest.mark.parametrize("estimate", [half_sample_richardson, fid_infinity])
@pytest.mark.parametrize(("n", "d"), [(40, 60), (90, 4)])
def test_float32_is_widened(estimate, n, d):
    real, fake = (values.astype(np.float32) for values in two_sets(n, n, d))
    wide = estimate(real.astype(np.float64), fake.astype(np.float64), paired=False, rng=np.random.default_rng(0))
    assert estimate(real, fake, paired=False, rng=np.random.default_rng(0)).value == pytest.approx(wide.value, rel=1e-9)


@pytest.mark.parametrize(("estimate", "total"), [(half_sample_richardson, 10), (fid_infinity, 15)])
def test_progress(estimate, total):
    seen = []
    estimate(
        *two_sets(20, 20, 3), paired=True, rng=np.random.default_rng(0), on_progress=lambda *step: seen.append(step)
    )
    assert seen == [(k, total) for k in range(1, total + 1)]


@pytest.mark.parametrize("estimate", [half_sample_richardson, fid_infinity])
@pytest.mark.parametrize(
    ("n_real", "n_fake", "paired", "message"),
    [
        (7, 20, False, "real features: expected at least 8 images"),
        (20, 7, False, "fake features: expected at least 8 images"),
        (20, 21, True, "the same number of images, row i of each from one label map, found 20 and 21"),
    ],
)
def test_too_few_or_unequal_images_are_refused(estimate, n_real, n_fake, paired, message):
    with pytest.raises(InputError, match=re.escape(message)):
        estimate(*two_sets(n_real, n_fake, 3), paired=paired, rng=np.random.default_rng(0))


def test_numbers_of_parts_that_cannot_be_are_refused():
    real, fake = two_sets(20, 20, 3)
    with pytest.raises(InputError, match="at least 1 half split, found 0"):
        half_sample_richardson(real, fake, paired=True, splits=0, rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="at least 2 points for a line, found 1"):
        fid_infinity(real, fake, paired=True, points=1, rng=np.random.default_rng(0))
