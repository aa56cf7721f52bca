import re
import warnings
from importlib.metadata import version

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from p2phd_eval.errors import InputError
from p2phd_eval.stats.distances.frechet import FrechetDistance, frechet_distance, frechet_distance_from_moments
from p2phd_eval.stats.distances.moments import Moments, moments
from p2phd_eval.torchvision_ops import declare_missing_operators

SCIPY = tuple(int(part) for part in version("scipy").split(".")[:2])

# n_r, n_g, d on each side of every branch: n below, at and above d, equal and different.
SHAPES = [(12, 12, 30), (12, 20, 30), (20, 12, 30), (30, 30, 30), (12, 90, 30), (90, 12, 30), (90, 70, 30)]


def two_sets(n_real, n_fake, d, seed=0):
    rng = np.random.default_rng(seed)
    scale = np.arange(1, d + 1) ** -0.5
    mixing = np.eye(d) + 0.3 * rng.normal(size=(d, d)) / np.sqrt(d)
    return rng.normal(size=(n_real, d)) * scale, 0.2 + rng.normal(size=(n_fake, d)) * scale @ mixing


def with_covariance(n, mean, covariance, rng):
    """Features whose sample mean and covariance (ddof = 1) are exactly those given."""
    d = len(covariance)
    rows = rng.normal(size=(n, d))
    rows -= rows.mean(axis=0)
    basis, _ = np.linalg.qr(rows)
    root = scipy.linalg.sqrtm(covariance).real
    return mean + basis @ root * np.sqrt(n - 1)


def by_eigenvalues(real, fake):
    """The textbook formula, by the eigenvalues of S_r^(1/2) S_g S_r^(1/2)."""
    a, b = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    values, vectors = np.linalg.eigh(a)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    trace = np.sqrt(np.linalg.eigvalsh(root @ b @ root).clip(0)).sum()
    step = real.mean(axis=0) - fake.mean(axis=0)
    return step @ step + np.trace(a) + np.trace(b) - 2 * trace


@given(mean=st.floats(-5, 5), scale=st.floats(0.1, 10), n=st.integers(2, 40), seed=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_one_dimension_is_difference_of_means_and_deviations(mean, scale, n, seed):
    rng = np.random.default_rng(seed)
    real, fake = rng.normal(size=(n, 1)), mean + scale * rng.normal(size=(n + 3, 1))
    expected = (real.mean() - fake.mean()) ** 2 + (real.std(ddof=1) - fake.std(ddof=1)) ** 2
    assert frechet_distance(real, fake).value == pytest.approx(expected, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("n", [9, 200])
def test_commuting_covariances_have_a_closed_form(n):
    # S_r and S_g share eigenvectors, so the trace term is the sum of (sqrt(a_k) - sqrt(b_k))^2.
    rng = np.random.default_rng(3)
    d = 8
    basis, _ = np.linalg.qr(rng.normal(size=(d, d)))
    a, b = rng.uniform(0.1, 4, d), rng.uniform(0.1, 4, d)
    shift = rng.normal(size=d)
    real = with_covariance(n, np.zeros(d), basis * a @ basis.T, rng)
    fake = with_covariance(n, shift, basis * b @ basis.T, rng)
    result = frechet_distance(real, fake)
    assert result.value == pytest.approx(shift @ shift + np.square(np.sqrt(a) - np.sqrt(b)).sum(), rel=1e-10)
    assert result.mean_term == pytest.approx(shift @ shift, rel=1e-10)
    assert result.trace_real == pytest.approx(a.sum(), rel=1e-10)
    assert result.trace_fake == pytest.approx(b.sum(), rel=1e-10)
    assert result.trace_sqrt == pytest.approx(np.sqrt(a * b).sum(), rel=1e-10)


@pytest.mark.parametrize(("n_real", "n_fake", "d"), SHAPES)
def test_distance_is_that_of_the_textbook_formula_and_symmetric(n_real, n_fake, d):
    real, fake = two_sets(n_real, n_fake, d)
    result = frechet_distance(real, fake)
    # The textbook way takes square roots of rounding: about sqrt(1e-16) for each of d eigenvalues.
    assert result.value == pytest.approx(by_eigenvalues(real, fake), abs=d * 1e-7)
    assert frechet_distance(fake, real).value == pytest.approx(result.value, rel=1e-11)


@pytest.mark.parametrize(("n_real", "n_fake", "d"), SHAPES)
def test_moments_give_the_distance_of_the_features(n_real, n_fake, d):
    real, fake = two_sets(n_real, n_fake, d)
    result = frechet_distance_from_moments(moments(real), moments(fake))
    assert result.value == pytest.approx(frechet_distance(real, fake).value, abs=d * 1e-7)


def test_both_ways_agree_where_n_passes_d():
    # At n = d + 1 the covariances are used.
    real, fake = two_sets(31, 31, 30)
    from_factors = frechet_distance(real, fake)
    assert from_factors.method == "covariances"
    # A constant feature changes no distance but makes n <= d, so that the rows are used.
    widened = [np.pad(rows, ((0, 0), (0, 1))) for rows in (real, fake)]
    from_rows = frechet_distance(*widened)
    assert from_rows.method == "cross-Gram"
    assert from_rows.value == pytest.approx(from_factors.value, rel=1e-9)


@pytest.mark.parametrize(("n_real", "n_fake", "d"), SHAPES)
def test_distance_ignores_order_rotation_and_a_common_shift(n_real, n_fake, d):
    real, fake = two_sets(n_real, n_fake, d)
    rng = np.random.default_rng(4)
    expected = frechet_distance(real, fake).value
    rotation, _ = np.linalg.qr(rng.normal(size=(d, d)))
    assert frechet_distance(rng.permutation(real), fake).value == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(real @ rotation + 100, fake @ rotation + 100).value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n", "d"), [(10, 30), (30, 30), (200, 30), (2, 1), (9, 1)])
def test_identical_sets_have_distance_zero(n, d):
    real, _ = two_sets(n, 2, d)
    result = frechet_distance(real, real.copy())
    assert (result.value, result.note) == (0.0, "")
    assert frechet_distance_from_moments(moments(real), moments(real)).value == 0.0


@pytest.mark.parametrize("n", [10, 200])
def test_the_same_images_in_another_order_have_distance_zero_up_to_rounding(n):
    rng = np.random.default_rng(6)
    for seed in range(10):
        real, _ = two_sets(n, 2, 30, seed)
        result = frechet_distance(real, rng.permutation(real))
        assert 0 <= result.value <= 1e-12 * result.trace_real


def test_rounding_below_zero_becomes_zero_with_a_note():
    rng = np.random.default_rng(7)
    sets = [two_sets(10, 2, 30, seed)[0] for seed in range(30)]
    noted = [result for real in sets if (result := frechet_distance(real, rng.permutation(real))).note]
    assert noted  # some of 30 sets round downwards
    for result in noted:
        assert result.value == 0
        assert re.search(r"the distance -\d.* set to 0", result.note)


@pytest.mark.parametrize("n", [4, 40])
def test_constant_features_leave_the_difference_of_means(n):
    real, fake = np.full((n, 5), 2.0), np.full((n + 1, 5), 3.0)
    result = frechet_distance(real, fake)
    assert (result.value, result.trace_sqrt) == (5.0, 0.0)
    # Against features that do vary the distance gains their variance.
    varied = two_sets(n, 2, 5)[0]
    expected = np.square(varied.mean(axis=0) - 2).sum() + varied.var(axis=0, ddof=1).sum()
    assert frechet_distance(real, varied).value == pytest.approx(expected, rel=1e-12)


def test_nearly_singular_covariances_keep_their_digits():
    # Scales from 1 to 1e-7: the eigenvalues of the product go down to 1e-28 of the largest, far below rounding.
    real, fake = two_sets(90, 90, 30)
    scale = np.logspace(0, -7, 30)
    rows = [(x - x.mean(axis=0)) * scale / np.sqrt(89) for x in (real, fake)]
    trace_sqrt = np.linalg.svd(rows[0] @ rows[1].T, compute_uv=False).sum()
    assert frechet_distance(real * scale, fake * scale).trace_sqrt == pytest.approx(trace_sqrt, rel=1e-9)


def test_rank_deficient_covariances_with_n_above_d():
    # 4 features that are combinations of 2 others: the covariance is singular though n > d.
    real, fake = two_sets(60, 60, 2)
    combination = np.random.default_rng(5).normal(size=(2, 6))
    result = frechet_distance(real @ combination, fake @ combination)
    rows = [(x - x.mean(axis=0)) / np.sqrt(59) @ combination for x in (real, fake)]
    trace_sqrt = np.linalg.svd(rows[0] @ rows[1].T, compute_uv=False).sum()
    assert result.trace_sqrt == pytest.approx(trace_sqrt, rel=1e-7)


def test_constant_features_of_float64_with_n_above_d():
    # Sums of 0.1 are rounded; were that a variance, its matrix would not even be positive.
    real, fake = np.full((3000, 5), 0.1), np.full((2000, 5), 0.3)
    result = frechet_distance(real, fake)
    assert (result.trace_real, result.trace_fake, result.trace_sqrt) == (0.0, 0.0, 0.0)
    assert result.value == pytest.approx(5 * 0.2**2, rel=1e-14)


@pytest.mark.parametrize("singular", ["real", "fake", "both"])
def test_a_dead_feature_adds_nothing_whichever_side_it_is_dead_on(singular):
    # On one side alone, it adds the other's variance and the difference of means; both are known.
    real, fake = two_sets(90, 70, 6)
    expected = frechet_distance(real, fake).value
    rng = np.random.default_rng(8)
    alive = {"real": rng.normal(size=(90, 1)), "fake": rng.normal(size=(70, 1))}
    for side in alive:
        if singular in (side, "both"):
            alive[side] = np.full_like(alive[side], 0.7)
    means = alive["real"].mean() - alive["fake"].mean()
    expected += means**2 + alive["real"].var(ddof=1) + alive["fake"].var(ddof=1)
    widened = [np.hstack([real, alive["real"]]), np.hstack([fake, alive["fake"]])]
    assert frechet_distance(*widened).value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n", "d"), [(300, 40), (41, 40)])
def test_scipys_matrix_square_root_gives_the_same(n, d):
    real, fake = two_sets(n, n, d)
    root = scipy.linalg.sqrtm(np.cov(real, rowvar=False) @ np.cov(fake, rowvar=False))
    assert frechet_distance(real, fake).trace_sqrt == pytest.approx(np.trace(root).real, rel=1e-8)


@pytest.mark.skipif(SCIPY >= (1, 18), reason="pytorch-fid 0.3.0 passes sqrtm an argument that SciPy dropped")
@pytest.mark.parametrize(("n_real", "n_fake", "d"), [(300, 200, 40), (30, 25, 64)])
def test_pytorch_fid_gives_the_same(n_real, n_fake, d):
    declare_missing_operators()
    from pytorch_fid.fid_score import calculate_frechet_distance

    real, fake = two_sets(n_real, n_fake, d)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The `disp` argument is deprecated", DeprecationWarning)
        expected = calculate_frechet_distance(
            real.mean(axis=0), np.cov(real, rowvar=False), fake.mean(axis=0), np.cov(fake, rowvar=False)
        )
    # With n < d the square root of a singular product is what limits the other side.
    assert frechet_distance(real, fake).value == pytest.approx(expected, rel=1e-9 if n_real > d else 1e-5)


def test_torch_fidelity_gives_the_same():
    declare_missing_operators()
    from torch_fidelity.metric_fid import fid_statistics_to_metric

    real, fake = two_sets(300, 200, 40)
    statistics = [{"mu": x.mean(axis=0), "sigma": np.cov(x, rowvar=False)} for x in (real, fake)]
    expected = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert frechet_distance(real, fake).value == pytest.approx(expected, rel=1e-9)


def test_the_value_is_the_sum_of_its_terms():
    result = frechet_distance(*two_sets(20, 30, 25))
    assert isinstance(result, FrechetDistance)
    total = result.mean_term + result.trace_real + result.trace_fake - 2 * result.trace_sqrt
    assert result.value == total
    assert (result.method, result.note) == ("mixed", "")


def test_sets_of_different_d_are_refused():
    with pytest.raises(InputError, match="found 3 and 4"):
        frechet_distance(np.eye(3), np.eye(4))


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        (np.zeros((2, 3)), r"shapes \(2,\) and \(2, 3\)"),
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), "NaN"),
        (np.array([[1.0, 0.5], [0.0, 1.0]]), "symmetric"),
        (np.array([[1.0, 2.0], [2.0, 1.0]]), "positive semi-definite"),
    ],
)
def test_matrices_that_are_no_covariances_are_refused(covariance, message):
    good = Moments(n=5, mean=np.zeros(2), covariance=np.eye(2))
    bad = Moments(n=5, mean=np.zeros(2), covariance=covariance)
    with pytest.raises(InputError, match=message):
        frechet_distance_from_moments(good, bad)


@pytest.mark.parametrize("dead", [False, True])
def test_an_indefinite_covariance_is_refused_on_either_side(dead):
    # With a dead feature in the other set the trace term goes another way.
    good = Moments(n=5, mean=np.zeros(2), covariance=np.diag([1.0, 0.0 if dead else 1.0]))
    bad = Moments(n=5, mean=np.zeros(2), covariance=np.array([[1.0, 2.0], [2.0, 1.0]]))
    for real, fake in ((good, bad), (bad, good), (bad, bad)):
        with pytest.raises(InputError, match="positive semi-definite"):
            frechet_distance_from_moments(real, fake)
