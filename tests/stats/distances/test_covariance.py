import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2phd_eval.errors import InputError
from p2phd_eval.stats.distances.covariance import cholesky_or_none, covariance_factor, require_covariance


@given(rank=st.integers(1, 6), seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_covariance_factor_multiplies_back(rank, seed):
    rows = np.random.default_rng(seed).normal(size=(rank, 6))
    covariance = rows.T @ rows
    factor = covariance_factor(covariance)
    assert factor.shape[0] <= 6
    np.testing.assert_allclose(factor.T @ factor, covariance, atol=1e-11 * np.trace(covariance))


def test_the_cholesky_factor_is_numpys_and_none_where_there_is_none():
    rows = np.random.default_rng(0).normal(size=(9, 4))
    covariance = rows.T @ rows
    np.testing.assert_allclose(cholesky_or_none(covariance), np.linalg.cholesky(covariance), rtol=1e-12)
    assert cholesky_or_none(np.diag([1.0, 0.0])) is None


def test_what_is_wrong_is_named_with_its_place():
    for mean, covariance, message in (
        (np.zeros((1, 2)), np.eye(2), r"shapes \(1, 2\) and \(2, 2\)"),
        (np.zeros(0), np.zeros((0, 0)), r"shapes \(0,\)"),
        (np.array([0.0, np.inf]), np.eye(2), "infinity in the mean"),
        (np.zeros(2), np.diag([1.0, np.nan]), "NaN or infinity in the covariance"),
        (np.zeros(2), np.array([[1.0, 0.2], [0.1, 1.0]]), "mirror image by 0.1"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            require_covariance(mean, covariance, "some.npz")
        assert caught.value.where == "some.npz"
