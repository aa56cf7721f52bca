"""Eigenvalues and eigenvectors of a symmetric matrix, by LAPACK's steps, without Python's lock.

NumPy's function holds the lock below 500 rows. Of the eigenvectors the costliest step is in larger blocks, or in
float32.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.stats.unlocked_lapack import replace_by_reflectors, tridiagonal_eigenvalues, tridiagonal_eigenvectors

Matrix = npt.NDArray[np.float64]

# Reflections that are put together: LAPACK's 32 leave a processor half idle.
_TOGETHER = 128


def eigenvalues(symmetric: Matrix) -> Matrix:
    """Eigenvalues [d], ascending.

    `symmetric`, [d, d]: in columns, its lower triangle; it is overwritten.
    """
    diagonal, beside, _ = replace_by_reflectors(symmetric)
    return tridiagonal_eigenvalues(diagonal, beside)


def eigenvectors(symmetric: Matrix, dtype: np.dtype[Any]) -> tuple[Matrix, npt.NDArray[Any]]:
    """Eigenvalues [d], ascending, in float64, and eigenvectors [d, d] of a dtype, a column each.

    In float32 an eigenvector is off by some 1e-7 of its length, and so is a product with it; eigenvalues are not.

    `symmetric`, [d, d]: in columns, its lower triangle; it is overwritten.

    References
    ----------
    Golub and Van Loan (2013), "Matrix Computations", sections 8.3 and 8.4; Puglisi (1992), "Modification of the
    Householder method based on the compact WY representation", for T below.
    """
    diagonal, beside, scales = replace_by_reflectors(symmetric)
    values, tridiagonal = tridiagonal_eigenvectors(diagonal, beside)
    vectors = tridiagonal.astype(dtype, order="C")
    d = len(vectors)
    for start in range(0, d - 1, _TOGETHER)[::-1]:
        stop = min(start + _TOGETHER, d - 1)
        reflectors = np.tril(symmetric[start + 1 :, start:stop], -1)
        np.fill_diagonal(reflectors, 1)
        # A reflection of scale 0 is none.
        reflectors *= scales[start:stop] != 0
        inverse = np.triu(reflectors.T @ reflectors, 1)
        np.fill_diagonal(inverse, 1 / np.where(scales[start:stop], scales[start:stop], 1))
        # Together they are 1 - V T V'.
        reflectors, middle = reflectors.astype(dtype), np.linalg.inv(inverse).astype(dtype)
        rest = vectors[start + 1 :]
        rest -= reflectors @ (middle @ (reflectors.T @ rest))
    return values, vectors
