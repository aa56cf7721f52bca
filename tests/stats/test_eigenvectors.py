"""Eigenvectors against what makes them so, on both sides of the size of the blocks that reflections are put into."""

import numpy as np
import pytest

from p2phd_eval.stats.eigenvectors import eigenvalues, eigenvectors


def symmetric(d):
    rows = np.random.default_rng(d).normal(size=(2 * d, d)) * np.arange(1, d + 1) ** -1.0
    return np.asfortranarray(rows.T @ rows)


@pytest.mark.parametrize(("dtype", "rounding"), [(np.float64, 1e-13), (np.float32, 1e-5)])
@pytest.mark.parametrize("d", [1, 2, 3, 128, 129, 130, 300])
def test_they_are_orthonormal_and_only_stretched(d, dtype, rounding):
    matrix = symmetric(d)
    values, vectors = eigenvectors(np.asfortranarray(np.tril(matrix)), np.dtype(dtype))
    assert vectors.dtype == dtype
    np.testing.assert_allclose(eigenvalues(np.asfortranarray(np.tril(matrix))), values, atol=1e-13 * values[-1])
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix), atol=1e-13 * values[-1])
    wide = vectors.astype(np.float64)
    np.testing.assert_allclose(wide.T @ wide, np.eye(d), atol=rounding)
    np.testing.assert_allclose(matrix @ wide, wide * values, atol=rounding * values[-1])


def test_a_diagonal_matrix_takes_no_reflections():
    values, vectors = eigenvectors(np.asfortranarray(np.diag([3.0, 1.0, 2.0])), np.dtype(np.float64))
    np.testing.assert_array_equal(values, [1, 2, 3])
    np.testing.assert_array_equal(np.abs(vectors), np.eye(3)[:, [1, 2, 0]])
