"""Singular vectors of matrices on which LAPACK's faster way does and does not end."""

from __future__ import annotations

import numpy as np
import pytest

from p2phd_eval.stats.singular_vectors import Matrix, singular_vectors


def require_decomposition(matrix: Matrix) -> None:
    left, values, right = singular_vectors(matrix)
    k = min(matrix.shape)
    np.testing.assert_allclose(left * values @ right, matrix, atol=1e-12 * values[0])
    for vectors in (left.T @ left, right @ right.T):
        np.testing.assert_allclose(vectors, np.eye(k), atol=1e-11)
    assert np.all(np.diff(values) <= 0)
    assert values[-1] >= 0


@pytest.mark.parametrize("shape", [(30, 50), (50, 30), (40, 40)])
def test_a_matrix_with_rows_that_are_there_twice(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(0).normal(size=shape)
    matrix[10:20] = matrix[:10]
    require_decomposition(matrix)
