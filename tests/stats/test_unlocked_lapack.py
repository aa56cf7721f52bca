"""Calls of BLAS and LAPACK against NumPy's products and decompositions."""

import subprocess
import sys

import numpy as np
import pytest

from p2phd_eval.stats.unlocked_lapack import (
    add_products,
    multiply_by_triangle,
    replace_by_cholesky_factor,
    replace_by_congruent,
    replace_by_reflectors,
    solve_transposed_triangle,
    tridiagonal_eigenvalues,
    tridiagonal_eigenvectors,
)

SIZES = [1, 2, 7, 70]


def covariance(d, seed=0):
    rows = np.random.default_rng(seed).normal(size=(2 * d, d))
    return np.asfortranarray(rows.T @ rows)


def triangle(d, dtype=np.float64):
    return np.asfortranarray(np.tril(np.random.default_rng(1).normal(size=(d, d))) + 3 * np.eye(d), dtype=dtype)


@pytest.mark.parametrize("k", [0, 1, 9])
@pytest.mark.parametrize("d", SIZES)
def test_products_are_added_to_the_lower_triangle(d, k):
    rows = np.random.default_rng(2).normal(size=(k, d))
    scatter, before = covariance(d), covariance(d)
    add_products(scatter, rows, -2.0)
    np.testing.assert_allclose(np.tril(scatter), np.tril(before - 2 * rows.T @ rows), atol=1e-12 * d)
    np.testing.assert_array_equal(np.triu(scatter, 1), np.triu(before, 1))


@pytest.mark.parametrize("d", SIZES)
def test_cholesky_factor(d):
    factor = covariance(d)
    assert replace_by_cholesky_factor(factor)
    np.testing.assert_allclose(np.tril(factor), np.linalg.cholesky(covariance(d)), atol=1e-12 * d)


def test_a_singular_matrix_has_no_cholesky_factor():
    assert not replace_by_cholesky_factor(np.asfortranarray(np.diag([1.0, 0.0, 1.0])))


@pytest.mark.parametrize("d", SIZES)
def test_congruent_matrix(d):
    product, lower = covariance(d), triangle(d)
    replace_by_congruent(product, lower)
    np.testing.assert_allclose(np.tril(product), np.tril(lower.T @ covariance(d) @ lower), atol=1e-10 * d)


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("d", SIZES)
def test_triangles(d, dtype, k):
    lower, columns = triangle(d, dtype), np.random.default_rng(3).normal(size=(d, k)).astype(dtype)
    multiplied, solved = columns.copy(), columns.copy()
    multiply_by_triangle(lower, multiplied)
    solve_transposed_triangle(lower, solved)
    tolerance = 1e3 * d * np.finfo(dtype).eps
    np.testing.assert_allclose(multiplied, lower @ columns, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(lower.T @ solved, columns, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("d", SIZES)
def test_a_tridiagonal_matrix_has_the_same_eigenvalues(d):
    matrix = covariance(d)
    diagonal, beside, scales = replace_by_reflectors(matrix)
    assert (diagonal.shape, beside.shape, scales.shape) == ((d,), (d - 1,), (d - 1,))
    values, vectors = tridiagonal_eigenvectors(diagonal, beside)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(covariance(d)), atol=1e-12 * d * values[-1])
    np.testing.assert_allclose(tridiagonal_eigenvalues(diagonal, beside), values, atol=1e-12 * d * values[-1])
    tridiagonal = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    np.testing.assert_allclose(tridiagonal @ vectors, vectors * values, atol=1e-12 * d * values[-1])


def test_what_lapack_would_read_wrongly_is_refused():
    """It is told where a matrix begins, and no more."""
    with pytest.raises(AssertionError):
        replace_by_cholesky_factor(np.ascontiguousarray(covariance(3)))
    with pytest.raises(AssertionError):
        add_products(covariance(3), np.ones((2, 4)))
    with pytest.raises(AssertionError):
        multiply_by_triangle(triangle(3), np.ones((3, 2), dtype=np.float32))


def test_the_functions_are_those_of_the_package():
    """They are loaded without it, and stay what they are when it follows."""
    code = (
        "import sys; from p2phd_eval.stats import unlocked_lapack as ours; assert 'scipy.linalg' not in sys.modules\n"
        "from scipy.linalg import cython_blas, cython_lapack\n"
        "assert (ours.cython_blas, ours.cython_lapack) == (cython_blas, cython_lapack)\n"
        "import scipy.stats"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
