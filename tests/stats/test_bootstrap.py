import numpy as np
import pytest

from p2phd_eval.errors import InputError
from p2phd_eval.stats.bootstrap import bootstrap_dfid_se, bootstrap_fid_se
from p2phd_eval.stats.frechet import frechet_distance
from p2phd_eval.stats.influence import (
    fid_influence,
    independent_standard_error,
    mean_standard_error,
    paired_differences,
)

# (n, d) on each side of the switch from the cross-Gram to covariances, which is at n = 2 d.
PAIRED = [(20, 40), (40, 40), (80, 40), (81, 40)]


def triplets(n, d, seed=0):
    rng = np.random.default_rng(seed)
    scene = rng.normal(size=(n, d))
    # A mean far from 0, as Inception features have: the replicates must not lose digits to it.
    return tuple(5 + shift + scene + 0.7 * rng.normal(size=(n, d)) for shift in (0.0, 0.1, 0.2))


def brute_force(real, fake, rng, replicates, *, paired):
    """FID of resampled features, drawn as the docstring says."""
    values = []
    for generator in rng.spawn(replicates):
        rows = generator.integers(len(real), size=len(real))
        fake_rows = rows if paired else generator.integers(len(fake), size=len(fake))
        values.append(frechet_distance(real[rows], fake[fake_rows]).value)
    return np.array(values)


@pytest.mark.parametrize(("n", "d"), PAIRED)
def test_paired_replicates_are_fids_of_resampled_features(n, d):
    real, fake, _ = triplets(n, d)
    result = bootstrap_fid_se(real, fake, paired=True, replicates=5, rng=np.random.default_rng(1))
    expected = brute_force(real, fake, np.random.default_rng(1), 5, paired=True)
    # A resample often has rank below d; its covariance in the brute-force way then has rounded eigenvalues.
    np.testing.assert_allclose(result.replicates, expected, rtol=1e-6)
    assert result.se == pytest.approx(expected.std(ddof=1), rel=1e-5)
    assert result.mean == pytest.approx(expected.mean(), rel=1e-6)


@pytest.mark.parametrize(("n_real", "n_fake", "d"), [(20, 33, 40), (30, 200, 40), (120, 90, 20)])
def test_independent_replicates_are_fids_of_resampled_features(n_real, n_fake, d):
    real, fake = triplets(n_real, d)[0], triplets(n_fake, d, seed=1)[1]
    result = bootstrap_fid_se(real, fake, paired=False, replicates=5, rng=np.random.default_rng(2))
    expected = brute_force(real, fake, np.random.default_rng(2), 5, paired=False)
    np.testing.assert_allclose(result.replicates, expected, rtol=1e-6)


@pytest.mark.parametrize(("n", "d"), PAIRED)
def test_differences_share_their_draws(n, d):
    real, baseline, candidate = triplets(n, d)
    results = bootstrap_dfid_se(real, baseline, [candidate, baseline], replicates=4, rng=np.random.default_rng(3))
    worse, base = (brute_force(real, fake, np.random.default_rng(3), 4, paired=True) for fake in (candidate, baseline))
    np.testing.assert_allclose(results[0].replicates, worse - base, rtol=1e-5)
    np.testing.assert_allclose(results[1].replicates, 0, atol=1e-10 * base.mean())


def test_draws_depend_on_the_seed_alone():
    real, fake, _ = triplets(15, 20)
    first, again, other = (
        bootstrap_fid_se(real, fake, paired=True, replicates=6, rng=np.random.default_rng(seed)).replicates
        for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.isclose(first, other).any()


def test_a_resample_of_a_single_image_is_no_error():
    # Of 2 images every second resample holds one image only: both covariances are 0, the distance is |x - y|^2.
    real, fake = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 2.0], [1.0, 2.0]])
    result = bootstrap_fid_se(real, fake, paired=True, replicates=20, rng=np.random.default_rng(6))
    np.testing.assert_allclose(result.replicates, 4, rtol=1e-12)


def test_bootstrap_and_influence_give_the_same_standard_errors():
    """Both estimate one number; n is large against d, so that terms of order 1/n do not matter.

    The bootstrap's own error with 400 replicates is 1/sqrt(2 * 399) = 3.5 %; four of those, and 6 % for 1/n.
    """
    tolerance = 4 / np.sqrt(2 * 399) + 0.06
    real, baseline, candidate = triplets(400, 4)
    rng = np.random.default_rng(7)
    single = bootstrap_fid_se(real, baseline, paired=False, replicates=400, rng=rng)
    influence = fid_influence(real, baseline)
    assert single.se == pytest.approx(independent_standard_error(influence), rel=tolerance)
    (difference,) = bootstrap_dfid_se(real, baseline, [candidate], replicates=400, rng=rng)
    delta = paired_differences(real, baseline, [candidate])[0].delta
    assert difference.se == pytest.approx(mean_standard_error(delta), rel=tolerance)


def test_replicates_of_one_fid_are_biased_upward():
    # The reason why no percentile interval is offered: all replicates lie above the estimate itself.
    real, fake, _ = triplets(40, 60)
    result = bootstrap_fid_se(real, fake, paired=True, replicates=50, rng=np.random.default_rng(8))
    assert result.replicates.min() > frechet_distance(real, fake).value


def test_progress_counts_to_the_end():
    real, fake, candidate = triplets(6, 5)
    seen = []
    rng = np.random.default_rng(9)
    bootstrap_fid_se(real, fake, paired=True, replicates=3, rng=rng, on_progress=lambda *step: seen.append(step))
    bootstrap_dfid_se(real, fake, [candidate], replicates=2, rng=rng, on_progress=lambda *step: seen.append(step))
    assert seen == [(1, 3), (2, 3), (3, 3), (1, 2), (2, 2)]


def test_sets_that_do_not_fit_are_refused():
    rng = np.random.default_rng(10)
    real, fake, _ = triplets(6, 5)
    with pytest.raises(InputError, match="found 6 and 5"):
        bootstrap_fid_se(real, fake[:5], paired=True, replicates=2, rng=rng)
    with pytest.raises(InputError, match="found 6 and 4"):
        bootstrap_dfid_se(real, fake, [fake[:4]], replicates=2, rng=rng)
    with pytest.raises(InputError, match="found 5 and 3"):
        bootstrap_fid_se(real, fake[:, :3], paired=True, replicates=2, rng=rng)
    with pytest.raises(InputError, match="at least 2 bootstrap replicates"):
        bootstrap_fid_se(real, fake, paired=True, replicates=1, rng=rng)
