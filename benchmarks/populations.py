"""Populations of features whose FID is known exactly, for the study of coverage."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.distances.frechet import nuclear_norm

Array = npt.NDArray[np.float64]
Shape = Literal["gaussian", "relu", "mixture"]
Difference = Literal["none", "worse", "adversarial"]
DIFFERENCES: tuple[Difference, ...] = get_args(Difference)

_TAILS = 8  # degrees of freedom of the scale of an image: moments below the eighth exist
_MODES = 8


@dataclasses.dataclass(frozen=True)
class _Generator:
    """Scale of the eigenvalues, and the shift of the mean, of a generator."""

    scales: Array  # (d,)
    shift: Array  # (d,)


class Synthetic:
    """Gaussian features, these after a ReLU with heavy tails, or a mixture; two generators of known FID.

    The real features have the eigenvalues k^-decay, scaled to a mean of 1. Those of a generator are scaled and turned
    by a reflection, so that the covariances do not commute, and shifted. Before that, real and generated features of a
    label map correlate by 0.5 sqrt(0.9) = 0.47, those of the two generators by 0.9, or none do.

    Parameters
    ----------
    shape : {"gaussian", "relu", "mixture"}
        "relu": s max(z, 0) with Gaussian z and an image's own s = sqrt(8 / chi^2_8); "mixture": 8 modes.
    decay : float
    d : int
    difference : {"none", "worse", "adversarial"}
        Of the candidate: none; worse by 20 % of the baseline's FID, by other covariances and means; or equal in FID
        and unlike in diversity: a narrow generator off the mean against a wide one on it.
    independent : bool
        No correlation, and three independent sets.
    clusters : int, optional
        Label maps come from so many clusters, in turn; within one they correlate by 0.3.
    """

    candidates = ("candidate",)

    def __init__(
        self,
        name: str,
        shape: Shape,
        decay: float,
        d: int,
        difference: Difference,
        *,
        independent: bool = False,
        clusters: int | None = None,
    ) -> None:
        self.name, self.d, self._shape = name, d, shape
        self._independent, self._clusters = independent, clusters
        rng = np.random.default_rng(d)
        eigenvalues = np.arange(1.0, d + 1) ** -decay
        self._roots = np.sqrt(eigenvalues * d / eigenvalues.sum())
        normal = rng.normal(size=d) * self._roots
        self._normal = normal / np.linalg.norm(normal)
        self._modes = 0.7 * rng.normal(size=(_MODES, d)) * self._roots
        direction = rng.normal(size=d) * self._roots
        # Of about a tenth of the trace.
        self._direction = direction * math.sqrt(0.1 * d) / np.linalg.norm(direction)
        self._real = self._moments(np.ones(d), reflected=False)
        self._generators, self.fid, self.dfid = self._two_generators(difference)

    def sample(self, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Draw n label maps with a real image, a baseline's and a candidate's each: three arrays of shape (n, d)."""
        scene, made = self._noise(n, rng), self._noise(n, rng)
        scale = np.sqrt(_TAILS / rng.chisquare(_TAILS, size=(n, 3)))
        mode = rng.integers(_MODES, size=(n, 3))
        if not self._independent:
            scale[:, 1:], mode[:, 1:] = scale[:, :1], mode[:, :1]
        real = self._mixed(scene, self._noise(n, rng), 0.5)
        made = self._mixed(scene, made, 0.5)
        images = [self._features(real * self._roots, scale[:, 0], mode[:, 0], reflected=False)]
        for k, generator in enumerate(self._generators, start=1):
            noise = self._mixed(made, self._noise(n, rng), 0.9) * self._roots * np.sqrt(generator.scales)
            images.append(self._features(noise, scale[:, k], mode[:, k], reflected=True) + generator.shift)
        return images[0], images[1], images[2]

    def design(self, n: int) -> SamplingDesign:
        """How the three sets of a sample were drawn."""
        if self._independent:
            return SamplingDesign.independent([n, n, n])
        return SamplingDesign.paired(n, 3, None if self._clusters is None else np.arange(n) % self._clusters)

    def _noise(self, n: int, rng: np.random.Generator) -> Array:
        noise = rng.normal(size=(n, self.d))
        if self._clusters is None:
            return noise
        shared = rng.normal(size=(self._clusters, self.d))[np.arange(n) % self._clusters]
        return math.sqrt(0.3) * shared + math.sqrt(0.7) * noise

    def _mixed(self, shared: Array, own: Array, correlation: float) -> Array:
        if self._independent:
            return own
        return math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * own

    def _features(self, noise: Array, scale: Array, mode: npt.NDArray[Any], *, reflected: bool) -> Array:
        if self._shape == "mixture":
            noise = noise + self._modes[mode]
        if reflected:
            noise = noise - 2 * np.outer(noise @ self._normal, self._normal)
        return scale[:, None] * np.maximum(noise, 0) if self._shape == "relu" else noise

    def _moments(self, scales: Array, *, reflected: bool) -> tuple[Array, Array]:
        """Exact mean and covariance of the features, without a shift."""
        rows = np.diag(self._roots * np.sqrt(scales))
        modes = self._modes
        if reflected:
            rows = rows - 2 * np.outer(rows @ self._normal, self._normal)
            modes = modes - 2 * np.outer(modes @ self._normal, self._normal)
        covariance = rows.T @ rows
        if self._shape == "gaussian":
            return np.zeros(self.d), covariance
        if self._shape == "mixture":
            mean = modes.mean(axis=0)
            return mean, covariance + (modes - mean).T @ (modes - mean) / _MODES
        # E max(z_i, 0) max(z_j, 0) is the arc-cosine kernel (Cho and Saul 2009, n = 1).
        deviations = np.sqrt(np.diag(covariance))
        outer = np.outer(deviations, deviations)
        angle = np.arccos(np.clip(covariance / outer, -1, 1))
        second = outer * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
        first_of_scale = math.sqrt(_TAILS / 2) * math.exp(gammaln((_TAILS - 1) / 2) - gammaln(_TAILS / 2))
        mean = first_of_scale * deviations / math.sqrt(2 * np.pi)
        return mean, _TAILS / (_TAILS - 2) * second - np.outer(mean, mean)

    def _two_generators(self, difference: Difference) -> tuple[tuple[_Generator, _Generator], float, float]:
        real_mean, real_covariance = self._real
        lower = np.linalg.cholesky(real_covariance)

        def parts(scales: Array) -> tuple[Array, float, float]:
            mean, covariance = self._moments(scales, reflected=True)
            overlap = nuclear_norm(lower.T @ np.linalg.cholesky(covariance))
            return mean, float(np.trace(covariance)), overlap

        def placed(mean: Array, squared_distance: float) -> Array:
            """The shift that puts a generator's mean at this distance from the real one."""
            length = math.sqrt(squared_distance) / float(np.linalg.norm(self._direction))
            shift: Array = real_mean + length * self._direction - mean
            return shift

        trace = float(np.trace(real_covariance))
        ones = np.ones(self.d)
        if difference == "adversarial":
            # The covariance of a scaled generator is scaled too (not so in a mixture, whose modes stay).
            mean, own, overlap = parts(ones)
            narrow = 0.7
            distance = 0.1 * trace
            fid = distance + trace + narrow * own - 2 * math.sqrt(narrow) * overlap
            root = (overlap + math.sqrt(overlap**2 - own * (trace - fid))) / own
            baseline = _Generator(narrow * ones, placed(math.sqrt(narrow) * mean, distance))
            return (baseline, _Generator(root**2 * ones, placed(root * mean, 0.0))), fid, 0.0
        mean, own, overlap = parts(1.1 * ones)
        distance = 0.02 * trace
        fid = distance + trace + own - 2 * overlap
        baseline = _Generator(1.1 * ones, placed(mean, distance))
        if difference == "none":
            return (baseline, baseline), fid, 0.0
        scales = 1.1 * np.where(np.arange(self.d) % 2, 1.1, 0.95)
        mean, other, overlap = parts(scales)
        wanted = 1.2 * fid - (trace + other - 2 * overlap)
        return (baseline, _Generator(scales, placed(mean, wanted))), fid, 0.2 * fid
