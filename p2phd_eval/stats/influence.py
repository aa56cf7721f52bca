"""Influence functions of the Fréchet distance: analytic standard errors from one singular value decomposition."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.stats.frechet import FrechetDistance, assemble_distance, centred_rows
from p2phd_eval.stats.moments import as_features, require_equal_dims


@dataclasses.dataclass(frozen=True, kw_only=True)
class FidInfluence:
    """How strongly each image pulls on the FID, to first order; each array has mean 0."""

    distance: FrechetDistance
    real: npt.NDArray[np.float64]  # (n_r,), psi_r(x_j), squared feature units
    fake: npt.NDArray[np.float64]  # (n_g,), psi_g(y_i), squared feature units


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """The difference of two FIDs that share their real images, and each image's influence on it."""

    dfid: float  # FID(real, candidate) - FID(real, baseline); positive: the candidate is worse
    baseline: FrechetDistance
    candidate: FrechetDistance
    delta: npt.NDArray[np.float64]  # (n,), influence of triplet i on dfid, mean 0


def fid_influence(real: npt.ArrayLike, fake: npt.ArrayLike) -> FidInfluence:
    """FID and the influence function of each image on it.

    With T the optimal transport map between the two Gaussians (T S_r T = S_g), x and y centred at the means:

        psi_r(x) = 2 (m_r - m_g)'x + n_r/(n_r - 1) x'(I - T)x      - Tr[(I - T) S_r]
        psi_g(y) = 2 (m_g - m_r)'y + n_g/(n_g - 1) y'(I - T^-1)y   - Tr[(I - T^-1) S_g]

    T and its inverse are never formed. With the centred rows over sqrt(n - 1) in A and B and A B' = U diag(s) V',
    n/(n - 1) x_j'T x_j = n_r sum_k s_k U_jk^2, and likewise with V. This holds for n < d too. For n > d the
    rows are first written as A = Q R, so that the decomposition is of a [d, d] matrix; memory is two more
    copies of the features.

    The factor n/(n - 1) makes psi the exact derivative of the FID with ddof = 1: moving the weight e from all
    images onto image j changes the FID by e psi_j.

    Parameters
    ----------
    real : array_like, shape (n_r, d)
        Features of the real images, n_r >= 2.
    fake : array_like, shape (n_g, d)
        Features of the generated images, n_g >= 2.

    Returns
    -------
    FidInfluence
        With the distance, which comes out of the same decomposition.

    Raises
    ------
    InputError
        If a set cannot be used or the two differ in d.

    References
    ----------
    Rippl, Munk and Sturm (2016), "Limit laws of the empirical Wasserstein distance: Gaussian distributions".
    """
    real_values, fake_values = as_features(real, "real"), as_features(fake, "fake")
    require_equal_dims(real_values, fake_values)
    real_mean, real_rows = centred_rows(real_values)
    fake_mean, fake_rows = centred_rows(fake_values)
    real_basis, real_factor = _basis_and_factor(real_rows)
    fake_basis, fake_factor = _basis_and_factor(fake_rows)
    left, singular_values, right = np.linalg.svd(real_factor @ fake_factor.T, full_matrices=False)
    left = left if real_basis is None else real_basis @ left
    right = right.T if fake_basis is None else fake_basis @ right.T

    step = real_mean - fake_mean
    few = (real_basis is None, fake_basis is None)
    distance = assemble_distance(
        mean_difference=step,
        trace_real=float(np.vdot(real_rows, real_rows)),
        trace_fake=float(np.vdot(fake_rows, fake_rows)),
        trace_sqrt=float(singular_values.sum()),
        method="cross-Gram" if all(few) else "mixed" if any(few) else "covariances",
    )
    return FidInfluence(
        distance=distance,
        real=_influence(real_rows, step, left, singular_values),
        fake=_influence(fake_rows, -step, right, singular_values),
    )


def independent_standard_error(influence: FidInfluence) -> float:
    """Standard error of the FID where real and generated images were drawn independently.

    sqrt(Var(psi_r)/n_r + Var(psi_g)/n_g), with ddof = 1, in units of the FID.
    """
    variance = influence.real.var(ddof=1) / len(influence.real)
    variance += influence.fake.var(ddof=1) / len(influence.fake)
    return float(np.sqrt(variance))


def paired_standard_error(influence: FidInfluence) -> float:
    """Standard error of the FID where real image i and generated image i share a label map.

    sd(psi_r(x_i) + psi_g(y_i)) / sqrt(n), with ddof = 1, in units of the FID.

    Raises
    ------
    InputError
        If the numbers of images differ.
    """
    _require_pairs(len(influence.real), len(influence.fake))
    return mean_standard_error(influence.real + influence.fake)


def mean_standard_error(delta: npt.NDArray[np.float64]) -> float:
    """Standard error sd(delta)/sqrt(n) of a mean over independent images, ddof = 1; `delta` is (n,), n >= 2."""
    return float(delta.std(ddof=1) / np.sqrt(len(delta)))


def paired_difference(baseline: FidInfluence, candidate: FidInfluence) -> PairedDifference:
    """The difference of two FIDs from their influences, where image i of all sets shares one label map.

    delta_i = [psi_r^cand(x_i) + psi_g^cand(z_i)] - [psi_r^base(x_i) + psi_g^base(y_i)]; its
    `mean_standard_error` is that of dfid. (An FID between baseline and candidate has no such error: where the
    two distributions are equal its influence is identically 0.)

    Parameters
    ----------
    baseline, candidate : FidInfluence
        Against the same n real images, with n generated images each, in the same order.

    Returns
    -------
    PairedDifference

    Raises
    ------
    InputError
        If the numbers of images differ.
    """
    for count in (len(baseline.fake), len(candidate.real), len(candidate.fake)):
        _require_pairs(len(baseline.real), count)
    return PairedDifference(
        dfid=candidate.distance.value - baseline.distance.value,
        baseline=baseline.distance,
        candidate=candidate.distance,
        delta=(candidate.real + candidate.fake) - (baseline.real + baseline.fake),
    )


def paired_differences(
    real: npt.ArrayLike, baseline: npt.ArrayLike, candidates: Sequence[npt.ArrayLike]
) -> list[PairedDifference]:
    """`paired_difference` of each candidate, from arrays of shape (n, d) whose rows i share one label map.

    A candidate equal to the baseline gives a difference and deltas of exactly 0.

    Raises
    ------
    InputError
        If a set cannot be used, or the sets differ in n or d.
    """
    reference = fid_influence(real, baseline)
    # Computed twice, equal sets may differ in the last bit, and a difference of rounding looks "significant".
    influences = [
        reference if np.array_equal(baseline, candidate) else fid_influence(real, candidate) for candidate in candidates
    ]
    return [paired_difference(reference, influence) for influence in influences]


def _basis_and_factor(
    rows: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64] | None, npt.NDArray[np.float64]]:
    """Rows [n, d] as Q R with Q [n, d] orthonormal and R [d, d]; n <= d needs no Q (None)."""
    n, d = rows.shape
    if n <= d:
        return None, rows
    basis, factor = np.linalg.qr(rows)
    return basis, factor


def _influence(
    rows: npt.NDArray[np.float64],
    step: npt.NDArray[np.float64],
    vectors: npt.NDArray[np.float64],
    singular_values: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    n = len(rows)
    # x'(I - T)x / (n - 1), whose sum over the images is Tr[(I - T) S].
    spread = np.einsum("ij,ij->i", rows, rows) - np.square(vectors) @ singular_values
    psi: npt.NDArray[np.float64] = 2 * np.sqrt(n - 1) * (rows @ step) + n * spread - spread.sum()
    return psi


def _require_pairs(n: int, other: int) -> None:
    if n != other:
        raise InputError(
            "paired sets",
            expected="the same number of images, row i of each from one label map",
            found=f"{n} and {other}",
        )
