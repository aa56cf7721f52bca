"""Singular value decompositions that end well for every finite matrix."""

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


def singular_vectors(matrix: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Return U [m, k], the singular values [k] and V' [k, n] of a matrix [m, n]; k is the smaller of m and n.

    LAPACK's divide and conquer (gesdd) is several times as fast as its QR iteration (gesvd), and now and then does not
    converge where many singular values are 0, as with photos that are there twice. QR iteration does.
    """
    try:
        left, values, right = np.linalg.svd(matrix, full_matrices=False)
    except np.linalg.LinAlgError:
        from scipy import linalg  # here: hardly ever needed

        left, values, right = linalg.svd(matrix, full_matrices=False, lapack_driver="gesvd")
    return left, values, right
