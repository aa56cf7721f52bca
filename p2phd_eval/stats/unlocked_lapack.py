"""BLAS and LAPACK of SciPy for several threads at a time: SciPy's own wrappers of them hold Python's lock.

They are those that SciPy offers to compiled code, in `scipy.linalg.cython_blas` and `cython_lapack`, called without a
copy of what they work on. Symmetric and triangular matrices are as Fortran has them, a column after the other, and of
both the lower triangle counts.
"""

import ctypes
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


def add_products(scatter: Matrix, rows: Matrix, factor: float = 1.0) -> None:
    """Add `factor` times rows' rows to a symmetric matrix [d, d], in place; rows [k, d] lie one after the other."""
    _require_columns(scatter)
    k, d = rows.shape
    assert rows.flags.c_contiguous
    assert rows.dtype == np.float64
    assert len(scatter) == d
    _DSYRK(b"L", b"N", _int(d), _int(k), _double(factor), rows.ctypes, _int(d), _double(1), scatter.ctypes, _int(d))


def replace_by_cholesky_factor(covariance: Matrix) -> bool:
    """Make the lower triangle L of L L' from a symmetric matrix [d, d], in place; False where that is singular.

    What stands above the diagonal stays.
    """
    _require_columns(covariance)
    d, info = len(covariance), ctypes.c_int()
    _DPOTRF(b"L", _int(d), covariance.ctypes, _int(d), ctypes.byref(info))
    return info.value == 0


def replace_by_congruent(covariance: Matrix, lower: Matrix) -> None:
    """Make the lower triangle of L' S L from a symmetric S [d, d], in place, and a lower triangle L [d, d].

    Both matrices' symmetry is used: it is half the work of two products.
    """
    _require_columns(covariance, lower)
    assert covariance.shape == lower.shape
    d, info = len(covariance), ctypes.c_int()
    _DSYGST(_int(2), b"L", _int(d), covariance.ctypes, _int(d), lower.ctypes, _int(d), ctypes.byref(info))
    assert info.value == 0


def replace_by_reflectors(symmetric: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Bring a symmetric matrix [d, d] to a tridiagonal one by d - 1 Householder reflections, Q' S Q.

    Reflection j is 1 - scale_j v v', and Q the product of all in order. Below the diagonal's neighbour the matrix then
    holds the v, whose component j + 1 is 1 and whose components before are 0, a column each.

    Returns the diagonal [d], its neighbours [d - 1] and the scales [d - 1].
    """
    _require_columns(symmetric)
    d, info = len(symmetric), ctypes.c_int()
    diagonal, beside, scales, work = np.empty(d), np.empty(d), np.empty(d), np.empty(64 * d)
    _DSYTRD(
        b"L",
        _int(d),
        symmetric.ctypes,
        _int(d),
        diagonal.ctypes,
        beside.ctypes,
        scales.ctypes,
        work.ctypes,
        _int(len(work)),
        ctypes.byref(info),
    )
    assert info.value == 0
    return diagonal, beside[:-1], scales[:-1]


def tridiagonal_eigenvalues(diagonal: Matrix, beside: Matrix) -> Matrix:
    """Eigenvalues [d], ascending."""
    d, info = len(diagonal), ctypes.c_int()
    values: Matrix = diagonal.copy()
    beside = np.append(beside, 0.0)
    _DSTERF(_int(d), values.ctypes, beside.ctypes, ctypes.byref(info))
    if info.value:
        raise np.linalg.LinAlgError("Eigenvalues did not converge")
    return values


def tridiagonal_eigenvectors(diagonal: Matrix, beside: Matrix) -> tuple[Matrix, Matrix]:
    """Eigenvalues [d], ascending, and eigenvectors [d, d], a column each, by divide and conquer."""
    d, info = len(diagonal), ctypes.c_int()
    values, beside = diagonal.copy(), np.append(beside, 0.0)
    vectors = np.empty((d, d), order="F")
    work, places = np.empty(1 + 4 * d + d * d), np.empty(3 + 5 * d, dtype=np.intc)
    _DSTEDC(
        b"I",
        _int(d),
        values.ctypes,
        beside.ctypes,
        vectors.ctypes,
        _int(d),
        work.ctypes,
        _int(len(work)),
        places.ctypes,
        _int(len(places)),
        ctypes.byref(info),
    )
    if info.value:
        raise np.linalg.LinAlgError("Eigenvalues did not converge")
    return values, vectors


def multiply_by_triangle(lower: npt.NDArray[Any], matrix: npt.NDArray[Any]) -> None:
    """Make L X from X [d, k] in place, X in rows, with a lower triangle L [d, d]; both float64 or both float32."""
    _triangular(_TRMM, lower, b"T", matrix)


def solve_transposed_triangle(lower: npt.NDArray[Any], matrix: npt.NDArray[Any]) -> None:
    """Make X with L' X = B from B [d, k] in place, B in rows, with a lower triangle L [d, d]; both of one dtype."""
    _triangular(_TRSM, lower, b"N", matrix)


def _triangular(function: dict[str, Any], lower: npt.NDArray[Any], transposed: bytes, matrix: npt.NDArray[Any]) -> None:
    """Work on a matrix in rows, which is its transpose in columns: so the triangle stands on its right there."""
    d, k = matrix.shape
    kind = matrix.dtype.char
    assert lower.flags.f_contiguous
    assert matrix.flags.c_contiguous
    assert lower.shape == (d, d)
    assert lower.dtype == matrix.dtype
    one = _double(1) if kind == "d" else ctypes.byref(ctypes.c_float(1))
    function[kind](b"R", b"L", transposed, b"N", _int(k), _int(d), one, lower.ctypes, _int(d), matrix.ctypes, _int(k))


def _require_columns(*matrices: Matrix) -> None:
    for each in matrices:
        assert each.flags.f_contiguous
        assert each.dtype == np.float64
        assert each.shape == (len(each), len(each))


def _int(value: int) -> Any:
    return ctypes.byref(ctypes.c_int(value))


def _double(value: float) -> Any:
    return ctypes.byref(ctypes.c_double(value))


def _compiled(name: str) -> ModuleType:
    """Return a compiled module of `scipy.linalg`, without what that package loads besides.

    Among it are NumPy's wrapper of Fortran and its tests: a seventh of what a short command takes.
    """
    full_name = f"scipy.linalg.{name}"
    if full_name not in sys.modules:
        scipy = find_spec("scipy")
        assert scipy is not None
        folders = [f"{folder}/linalg" for folder in scipy.submodule_search_locations or ()]
        spec = PathFinder.find_spec(full_name, folders)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[full_name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[full_name])
    return sys.modules[full_name]


def _function(module: ModuleType, name: str, arguments: int) -> Any:
    """A function of SciPy, all of whose arguments are pointers; ctypes calls it without Python's lock."""
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = (ctypes.py_object,)
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = (ctypes.py_object, ctypes.c_char_p)
    capsule = module.__pyx_capi__[name]
    signature = api.PyCapsule_GetName(capsule)
    assert signature.count(b"*") == arguments, signature
    assert b" int *" in signature, signature  # 32 bits, as all functions here pass them
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * arguments)(api.PyCapsule_GetPointer(capsule, signature))


cython_blas, cython_lapack = _compiled("cython_blas"), _compiled("cython_lapack")
_DSYRK = _function(cython_blas, "dsyrk", 10)
_DPOTRF = _function(cython_lapack, "dpotrf", 5)
_DSYGST = _function(cython_lapack, "dsygst", 8)
_DSYTRD = _function(cython_lapack, "dsytrd", 10)
_DSTERF = _function(cython_lapack, "dsterf", 4)
_DSTEDC = _function(cython_lapack, "dstedc", 11)
_TRMM = {"d": _function(cython_blas, "dtrmm", 11), "f": _function(cython_blas, "strmm", 11)}
_TRSM = {"d": _function(cython_blas, "dtrsm", 11), "f": _function(cython_blas, "strsm", 11)}
