import numpy as np
import pytest

from p2phd_eval.stats.distances.frechet import frechet_distance
from p2phd_eval.stats.errors.influence import fid_influence
from tests.stats.plain_errors import (
    independent_standard_error,
    mean_standard_error,
    paired_difference,
    paired_standard_error,
)
from tests.stats.weighted_fid import moved, weighted_fid

# n_r, n_g, d: n below, at and above d, and one on each side of it.
SHAPES = [(15, 15, 30), (12, 20, 30), (30, 30, 30), (60, 60, 30), (80, 60, 30), (12, 60, 30), (60, 12, 30)]


def two_sets(n_real, n_fake, d, seed=0):
    rng = np.random.default_rng(seed)
    scale = np.arange(1, d + 1) ** -0.5
    return rng.normal(size=(n_real, d)) * scale, 0.3 + 1.3 * rng.normal(size=(n_fake, d)) * scale


@pytest.mark.parametrize(("n_real", "n_fake", "d"), SHAPES)
def test_influence_is_the_derivative_of_the_weighted_fid(n_real, n_fake, d):
    real, fake = two_sets(n_real, n_fake, d)
    influence = fid_influence(real, fake)
    equal_real, equal_fake = moved(n_real, 0, 0), moved(n_fake, 0, 0)
    step = 1e-5  # error of the central difference: about step^2, and 1e-14 / step from rounding
    for image in range(0, n_real, 5):
        up, down = (weighted_fid(real, fake, moved(n_real, image, s), equal_fake) for s in (step, -step))
        assert influence.real[image] == pytest.approx((up - down) / (2 * step), abs=2e-7)
    for image in range(0, n_fake, 5):
        up, down = (weighted_fid(real, fake, equal_real, moved(n_fake, image, s)) for s in (step, -step))
        assert influence.fake[image] == pytest.approx((up - down) / (2 * step), abs=2e-7)


@pytest.mark.parametrize(("n_real", "n_fake", "d"), SHAPES)
def test_influences_have_mean_zero_and_the_distance_is_the_fid(n_real, n_fake, d):
    real, fake = two_sets(n_real, n_fake, d)
    influence = fid_influence(real, fake)
    expected = frechet_distance(real, fake)
    assert influence.real.shape == (n_real,)
    assert influence.fake.shape == (n_fake,)
    assert abs(influence.real.mean()) < 1e-12 * n_real
    assert abs(influence.fake.mean()) < 1e-12 * n_fake
    assert influence.distance.value == pytest.approx(expected.value, rel=1e-10)
    assert influence.distance.method == expected.method


@pytest.mark.parametrize(("n_real", "n_fake", "d"), SHAPES)
def test_the_terms_of_all_images_add_up_to_the_fid(n_real, n_fake, d):
    real, fake = two_sets(n_real, n_fake, d)
    influence = fid_influence(real, fake)
    expected = frechet_distance(real, fake)
    assert (influence.real_terms.shape, influence.fake_terms.shape) == ((n_real, 2), (n_fake, 2))
    mean_part, covariance_part = influence.real_terms.mean(axis=0) + influence.fake_terms.mean(axis=0)
    assert mean_part == pytest.approx(expected.mean_term, rel=1e-10)
    assert mean_part + covariance_part == pytest.approx(expected.value, rel=1e-10)


@pytest.mark.parametrize(("n_real", "n_fake", "d"), SHAPES)
def test_influences_and_terms_keep_their_relation_and_ignore_rotation_and_shift(n_real, n_fake, d):
    real, fake = two_sets(n_real, n_fake, d)
    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(d, d)))[0]
    influence, moved_sets = fid_influence(real, fake), fid_influence(real @ rotation + 5, fake @ rotation + 5)
    for psi, terms in ((influence.real, influence.real_terms), (influence.fake, influence.fake_terms)):
        centred = terms - terms.mean(axis=0)
        np.testing.assert_allclose(psi, 2 * centred[:, 0] + centred[:, 1], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(moved_sets.real_terms, influence.real_terms, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(moved_sets.fake_terms, influence.fake_terms, rtol=1e-7, atol=1e-9)


def test_both_ways_agree_where_n_passes_d():
    real, fake = two_sets(31, 31, 30)
    # A constant feature changes no influence but makes n <= d, so that no Q R is taken.
    widened = fid_influence(*(np.pad(rows, ((0, 0), (0, 1))) for rows in (real, fake)))
    plain = fid_influence(real, fake)
    assert (plain.distance.method, widened.distance.method) == ("covariances", "cross-Gram")
    np.testing.assert_allclose(widened.real, plain.real, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(widened.fake, plain.fake, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("size", [0, 1e-9])
def test_a_feature_that_hardly_varies_changes_nothing(size):
    # With it the covariances are singular, or too near to it for their eigenvalues, though n > d.
    real, fake = two_sets(60, 70, 30)
    plain = fid_influence(real, fake)
    columns = (size * np.random.default_rng(4).normal(size=(len(rows), 1)) for rows in (real, fake))
    wider = fid_influence(*(np.hstack(pair) for pair in zip((real, fake), columns, strict=True)))
    assert wider.distance.value == pytest.approx(plain.distance.value, rel=1e-9)
    np.testing.assert_allclose(wider.real, plain.real, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(wider.fake, plain.fake, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("scale", [1e-12, 1, 1e9])
@pytest.mark.parametrize(("n_real", "n_fake", "d"), [(15, 12, 30), (700, 800, 300)])
def test_features_in_float32_move_influences_by_float32s_rounding_and_the_fid_by_none(n_real, n_fake, d, scale):
    narrow = [(scale * each).astype(np.float32) for each in two_sets(n_real, n_fake, d)]
    found, wide = fid_influence(*narrow), fid_influence(*(each.astype(np.float64) for each in narrow))
    assert found.distance.value == pytest.approx(wide.distance.value, rel=1e-12)
    for each, exact in ((found.real, wide.real), (found.fake, wide.fake)):
        np.testing.assert_allclose(each, exact, atol=3e-5 * exact.std())
        assert abs(each.mean()) < 1e-12 * np.abs(each).max()
    terms = found.real_terms.mean(axis=0) + found.fake_terms.mean(axis=0)
    assert terms.sum() == pytest.approx(wide.distance.value, rel=1e-10)
    assert independent_standard_error(found) == pytest.approx(independent_standard_error(wide), rel=1e-6)


@pytest.mark.parametrize(("n_real", "n_fake", "d"), [(15, 12, 30), (60, 70, 30)])
def test_influence_follows_its_image(n_real, n_fake, d):
    real, fake = two_sets(n_real, n_fake, d)
    order = np.random.default_rng(1).permutation(n_real)
    influence, shuffled = fid_influence(real, fake), fid_influence(real[order], fake)
    np.testing.assert_allclose(shuffled.real, influence.real[order], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(shuffled.fake, influence.fake, rtol=1e-8, atol=1e-10)


def test_swapping_the_sets_swaps_the_influences():
    real, fake = two_sets(20, 50, 30)
    there, back = fid_influence(real, fake), fid_influence(fake, real)
    np.testing.assert_allclose(there.real, back.fake, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(there.fake, back.real, rtol=1e-9, atol=1e-10)


def test_one_dimension_has_a_closed_form():
    # FID = (m_r - m_g)^2 + (s_r - s_g)^2; its derivative in m and s^2, by hand.
    real, fake = two_sets(40, 50, 1)
    x, y = real[:, 0], fake[:, 0]
    influence = fid_influence(real, fake)
    centred = x - x.mean()
    ratio = y.std(ddof=1) / x.std(ddof=1)
    expected = 2 * (x.mean() - y.mean()) * centred + (1 - ratio) * (centred**2 * 40 / 39 - x.var(ddof=1))
    np.testing.assert_allclose(influence.real, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("n", [10, 60])
def test_identical_sets_have_no_influence(n):
    real, _ = two_sets(n, 2, 30)
    influence = fid_influence(real, real.copy())
    assert (influence.distance.value, paired_standard_error(influence)) == (0, 0)
    assert not influence.real.any()
    assert not influence.fake.any()


def test_standard_error_of_a_mean_shift_is_the_textbook_one():
    # With equal covariances only the mean term varies: FID ~ |m_r - m_g|^2 has the delta-method error.
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(500, 1))
    real, fake = noise, noise[::-1] + 3.0
    influence = fid_influence(real, fake)
    # 2 * shift * sqrt(var/n + var/n)
    expected = 2 * 3 * np.sqrt(2 * noise.var(ddof=1) / 500)
    assert independent_standard_error(influence) == pytest.approx(expected, rel=1e-9)
    # Paired with itself, each pair's difference is constant, and so is the FID.
    aligned = fid_influence(noise, noise + 3.0)
    assert paired_standard_error(aligned) < 1e-10


def correlated_triplets(rng, n, d):
    """Real, baseline and candidate features that share what comes from the label map."""
    scale = np.arange(1, d + 1) ** -0.5
    scene = rng.normal(size=(n, d))
    real, baseline, candidate = (scene + 0.7 * rng.normal(size=(n, d)) for _ in range(3))
    return real * scale, 1.2 * baseline * scale + 0.1, 1.3 * candidate * scale + 0.2


@pytest.mark.parametrize(("n", "d"), [(100, 8), (40, 60)])
def test_standard_errors_are_the_spread_over_fresh_images(n, d):
    """The mean analytic error against the standard deviation of the statistic over new sets.

    A standard deviation from R repeats has a relative standard error of about 1/sqrt(2 (R - 1)): 4 % for 300.
    Four of those, and 10 % for terms of order 1/n that a first-order error leaves out.
    """
    repeats = 300
    tolerance = 4 / np.sqrt(2 * (repeats - 1)) + 0.1
    rng = np.random.default_rng(7)
    fids, fid_errors, dfids, dfid_errors = [], [], [], []
    for _ in range(repeats):
        real, baseline, candidate = correlated_triplets(rng, n, d)
        influence = fid_influence(real, baseline)
        fids.append(influence.distance.value)
        fid_errors.append(paired_standard_error(influence))
        dfid, delta = paired_difference(real, baseline, candidate)
        dfids.append(dfid)
        dfid_errors.append(mean_standard_error(delta))
    assert np.mean(fid_errors) == pytest.approx(np.std(fids, ddof=1), rel=tolerance)
    assert np.mean(dfid_errors) == pytest.approx(np.std(dfids, ddof=1), rel=tolerance)


def test_independent_standard_error_is_the_spread_over_fresh_images():
    # Bounds as in the test above.
    repeats = 300
    rng = np.random.default_rng(8)
    results = [fid_influence(rng.normal(size=(150, 6)), 0.3 + 1.4 * rng.normal(size=(90, 6))) for _ in range(repeats)]
    spread = np.std([result.distance.value for result in results], ddof=1)
    error = np.mean([independent_standard_error(result) for result in results])
    assert error == pytest.approx(spread, rel=4 / np.sqrt(2 * (repeats - 1)) + 0.1)
