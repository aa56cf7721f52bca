"""FID-infinity against a line through plain FIDs, and against the FID of known populations."""

import re

import numpy as np
import pytest
from scipy import stats

from p2phd_eval.errors import InputError
from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.distances.fid_infinity import fid_infinity
from p2phd_eval.stats.distances.frechet import frechet_distance

# n_r, n_g, d: more images than features and fewer; odd numbers and unequal sets included.
SHAPES = [(40, 40, 60), (33, 58, 60), (41, 41, 15), (150, 47, 15), (90, 90, 4), (41, 91, 4)]
CASES = [(*shape, False) for shape in SHAPES] + [(*shape, True) for shape in SHAPES if shape[0] == shape[1]]


def design_of(real, fake, *, paired):
    return SamplingDesign.paired(len(real), 2) if paired else SamplingDesign.independent([len(real), len(fake)])


def two_sets(n_real, n_fake, d, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_real, d)), 0.3 + 1.3 * rng.normal(size=(n_fake, d))


@pytest.mark.parametrize(("n_real", "n_fake", "d", "paired"), CASES)
def test_it_is_a_line_through_plain_fids(n_real, n_fake, d, paired):
    real, fake = two_sets(n_real, n_fake, d)
    result = fid_infinity(real, fake, design_of(real, fake, paired=paired), points=6, rng=np.random.default_rng(5))
    assert result.sizes == tuple(np.round(np.linspace(n_fake / 2, n_fake, 6)))
    real_sizes = np.round(np.linspace(n_real / 2, n_real, 6)).astype(int)
    fids = []
    for rng, real_size, fake_size in zip(np.random.default_rng(5).spawn(6), real_sizes, result.sizes, strict=True):
        real_order = rng.permutation(n_real)
        fake_order = real_order if paired else rng.permutation(n_fake)
        fids.append(frechet_distance(real[real_order[:real_size]], fake[fake_order[:fake_size]]).value)
    assert result.fids == pytest.approx(fids, rel=1e-9)
    line = stats.linregress(1 / np.array(result.sizes), fids)
    assert (result.value, result.slope) == pytest.approx((line.intercept, line.slope), rel=1e-8)


@pytest.mark.parametrize(("n", "d"), [(40, 60), (90, 4)])
def test_a_fid_that_is_known_is_that_of_the_last_part(n, d):
    real, fake = two_sets(n, n, d)
    seen = []
    fid = frechet_distance(real, fake).value
    plain, given = (
        fid_infinity(real, fake, SamplingDesign.independent([n, n]), rng=np.random.default_rng(5), **options)
        for options in ({}, {"fid": fid, "on_progress": lambda *step: seen.append(step)})
    )
    assert given.fids[:-1] == plain.fids[:-1]
    assert given.fids[-1] == fid == pytest.approx(plain.fids[-1], rel=1e-9)
    assert seen == [(k, 14) for k in range(1, 15)]


@pytest.mark.parametrize(("n", "smallest"), [(100, 50), (10_000, 5000), (20_000, 5000), (60_000, 6000)])
def test_the_smallest_part_is_the_papers_where_the_set_allows_it(n, smallest):
    rows = np.random.default_rng(0).normal(size=(n, 1))
    design = SamplingDesign.paired(n, 2)
    assert fid_infinity(rows, rows + 1, design, points=2, rng=np.random.default_rng(0)).sizes == (smallest, n)


def test_it_finds_the_population_fid():
    """N(0, I) and N(.2, 1.2^2 I), d = 6, n = 300: the plain FID is off by many standard errors."""
    d, repeats = 6, 40
    truth = d * (0.2**2 + (1 - 1.2) ** 2)
    rng = np.random.default_rng(1)
    plain, infinity = [], []
    for _ in range(repeats):
        real, fake = rng.normal(size=(300, d)), 0.2 + 1.2 * rng.normal(size=(300, d))
        plain.append(frechet_distance(real, fake).value)
        infinity.append(fid_infinity(real, fake, SamplingDesign.independent([300, 300]), rng=rng).value)

    def standard_errors_off(values):
        return (np.mean(values) - truth) / (np.std(values, ddof=1) / np.sqrt(repeats))

    assert abs(standard_errors_off(infinity)) < 3
    assert standard_errors_off(plain) > 4


@pytest.mark.parametrize(("n", "d"), [(40, 60), (41, 15), (90, 4)])
def test_identical_pairs_have_no_bias_to_extrapolate(n, d):
    real, _ = two_sets(n, n, d)
    result = fid_infinity(real, real, SamplingDesign.paired(n, 2), rng=np.random.default_rng(0))
    assert result.value == pytest.approx(0, abs=1e-10)


def test_the_seed_alone_decides_the_parts():
    real, fake = two_sets(40, 40, 10)
    design = SamplingDesign.paired(40, 2)
    first, again, other = (fid_infinity(real, fake, design, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first.value != other.value


@pytest.mark.parametrize(("n", "d"), [(40, 60), (90, 4)])
def test_float32_is_widened(n, d):
    narrow = [values.astype(np.float32) for values in two_sets(n, n, d)]
    results = [
        fid_infinity(*sets, SamplingDesign.independent([n, n]), rng=np.random.default_rng(0)).value
        for sets in (narrow, [values.astype(np.float64) for values in narrow])
    ]
    assert results[0] == pytest.approx(results[1], rel=1e-9)


def test_progress():
    seen = []
    rng = np.random.default_rng(0)
    design = SamplingDesign.paired(20, 2)
    fid_infinity(*two_sets(20, 20, 3), design, rng=rng, on_progress=lambda *step: seen.append(step))
    assert seen == [(k, 15) for k in range(1, 16)]


@pytest.mark.parametrize(
    ("n_real", "n_fake", "options", "message"),
    [
        (7, 20, {}, "features: expected at least 8 images on each side, found 7 and 20"),
        (20, 7, {}, "features: expected at least 8 images on each side, found 20 and 7"),
        (20, 1, {}, "generated set 1 features: expected at least 2 images, found 1"),
        (20, 20, {"points": 1}, "at least 2 points for a line, found 1"),
    ],
)
def test_sets_and_numbers_of_points_that_cannot_be_are_refused(n_real, n_fake, options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        sets = two_sets(n_real, n_fake, 3)
        fid_infinity(*sets, SamplingDesign.independent([n_real, n_fake]), rng=np.random.default_rng(0), **options)


def test_whole_conditions_make_up_the_parts():
    """Copies of each sample are no more draws than one: the parts are those of single samples."""
    real, fake = two_sets(20, 20, 3)
    conditions = np.arange(20)
    once, thrice = (
        fid_infinity(
            real,
            np.repeat(fake, copies, axis=0),
            SamplingDesign.by_condition(conditions, np.repeat(conditions, copies), 2),
            points=3,
            rng=np.random.default_rng(0),
        )
        for copies in (1, 3)
    )
    assert once == fid_infinity(real, fake, SamplingDesign.paired(20, 2), points=3, rng=np.random.default_rng(0))
    assert thrice.sizes == tuple(3 * size for size in once.sizes)
    biased = [
        frechet_distance(real[order[:size]], fake[order[:size]]).value
        for size, order in zip(
            once.sizes, (rng.permutation(20) for rng in np.random.default_rng(0).spawn(3)), strict=True
        )
    ]
    assert once.fids == pytest.approx(biased, rel=1e-9)
