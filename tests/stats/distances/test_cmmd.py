import numpy as np
import pytest
from sklearn.gaussian_process.kernels import RBF

from p2phd_eval.errors import InputError
from p2phd_eval.stats.distances.cmmd import cmmd
from p2phd_eval.stats.distances.kernel import GaussianKernel, KernelPairs, kernel_sums
from p2phd_eval.stats.distances.products import WideRows
from p2phd_eval.torchvision_ops import declare_missing_operators

D = 12


def embeddings(n_real=40, n_fake=30, seed=0, apart=0.3):
    """Vectors of length one; rows of both sets share a scene."""
    rng = np.random.default_rng(seed)
    scene = 1 + rng.normal(size=(max(n_real, n_fake), D))
    sets = [
        scene[:n] + shift + 0.5 * rng.normal(size=(n, D)) for n, shift in ((n_real, 0), (n_fake, apart * np.eye(D)[0]))
    ]
    return [each / np.linalg.norm(each, axis=1, keepdims=True) for each in sets]


def kernels(real, fake):
    return [1000 * RBF(length_scale=10)(*pair) for pair in ((real, real), (fake, fake), (real, fake))]


def as_published(real, fake):
    """The formula of the paper's code: plain means over all pairs, the diagonal's ones among them."""

    def mean(x, y):
        squares = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T
        return np.exp(-squares / (2 * 10**2)).mean()

    return 1000 * (mean(real, real) + mean(fake, fake) - 2 * mean(real, fake))


def test_the_kernel_is_scikit_learns():
    real, fake = embeddings()
    sums = kernel_sums([KernelPairs(left=WideRows(real), right=WideRows(fake), units=None)], [GaussianKernel()])
    assert sums[0][0][0] == pytest.approx(kernels(real, fake)[2].sum(axis=1), rel=1e-12)


@pytest.mark.parametrize(("paired", "n_fake"), [(False, 30), (False, 40), (True, 40)])
def test_both_estimates_follow_their_equations(paired, n_fake):
    real, fake = embeddings(n_fake=n_fake)
    found = cmmd(real, fake, paired=paired)
    assert found.with_diagonal == pytest.approx(as_published(real, fake), rel=1e-9)
    xx, yy, xy = kernels(real, fake)
    within = [(each.sum() - np.trace(each)) / (len(each) * (len(each) - 1)) for each in (xx, yy)]
    across = (xy.sum() - np.trace(xy)) / (40 * 39) if paired else xy.mean()
    assert found.value == pytest.approx(sum(within) - 2 * across, rel=1e-9)


@pytest.mark.parametrize("paired", [False, True])
def test_it_is_1000_times_the_mmd_of_torch_fidelity(paired):
    declare_missing_operators()
    from torch_fidelity.metric_kid import mmd2

    real, fake = embeddings(n_fake=40)
    xx, yy, xy = kernels(real, fake)
    found = cmmd(real, fake, paired=paired)
    theirs = mmd2(xx, xy, yy, mmd_est="u-statistic" if paired else "unbiased")
    assert found.value == pytest.approx(theirs, rel=1e-9)
    assert found.with_diagonal == pytest.approx(mmd2(xx, xy, yy, mmd_est="biased"), rel=1e-9)


def test_the_error_is_that_of_repetition():
    independent = [(embeddings(seed=k)[0], embeddings(seed=1000 + k, apart=3)[1]) for k in range(300)]
    draws = [cmmd(*sets, paired=False) for sets in independent]
    spread = np.std([each.value for each in draws])
    assert np.sqrt(np.mean([each.se**2 for each in draws])) == pytest.approx(spread, rel=0.15)


def test_equal_distributions_have_none_on_average_but_for_the_diagonal():
    draws = [cmmd(*embeddings(30, 30, seed=seed, apart=0), paired=True) for seed in range(200)]
    values = np.array([each.value for each in draws])
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(len(values))
    assert np.mean([each.with_diagonal for each in draws]) > 10 * abs(values.mean())


def test_float32_is_enough():
    real, fake = embeddings(300, 300, apart=0.05)
    wide, narrow = (cmmd(real.astype(dtype), fake.astype(dtype), paired=True) for dtype in (np.float64, np.float32))
    assert narrow.value == pytest.approx(wide.value, abs=1e-3 * wide.se)
    assert narrow.with_diagonal == pytest.approx(wide.with_diagonal, abs=1e-3 * wide.se)


def test_sets_that_cannot_be_used_are_refused():
    with pytest.raises(InputError, match="at least 3 images"):
        cmmd(np.eye(3)[:2], np.eye(3), paired=False)
