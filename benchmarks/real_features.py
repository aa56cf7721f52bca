"""Stored features of photos as a population, with candidates made from them."""

from __future__ import annotations

import dataclasses
import functools
import math
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from drawn_populations import Array, Rows, beside_real

from p2phd_eval.stats.design import SamplingDesign
from p2phd_eval.stats.distances.block_frechet import ReferenceAxes, reference_axes
from p2phd_eval.stats.distances.frechet import trace_sqrt_of_covariances

REFERENCE = 1500  # of the real images: axes are theirs, and samples are drawn from the others
_MADE = 0.3  # of another image that each generated one has in it


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """What makes a candidate of the baseline's images."""

    scale: float = 1.0  # about their mean
    shift: float = 0.0  # length, in feature units
    noise: float = 0.0  # white, in standard deviations of each feature
    dropped: float = 0.0  # share of the images that never come, from one end of a principal axis


# The two candidates by which KID was found to pass for equal what is plainly different.
HARD = {"white noise": Change(noise=0.3), "shrunk": Change(scale=0.85)}


def drawn_changes(name: str) -> dict[str, Change]:
    """Six kinds of candidate, as strong as the name's random numbers say."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return {
        "equal": Change(),
        "shifted": Change(shift=rng.uniform(0.5, 3)),
        "noise": Change(noise=rng.uniform(0.05, 0.3)),
        "blur": Change(scale=rng.uniform(0.95, 0.99), noise=rng.uniform(0.05, 0.15)),
        "shrunk": Change(scale=rng.uniform(0.85, 0.98)),
        "modes dropped": Change(dropped=rng.uniform(0.1, 0.3)),
    }


class RealFeatures:
    """Rows of stored features, drawn with replacement: the population is their empirical distribution.

    A generated image is a stored one and 0.3 of the deviation of another one, drawn anew for each set; baseline and
    candidates of a label map share the first. Real images are drawn on their own.

    Parameters
    ----------
    real, made : ndarray, shape (N, d)
        The first 1500 real ones are the reference.
    changes : mapping of str to Change
        The candidates.
    shift : float
        Length of a shift of all generated images, by which they differ from the real ones.
    """

    def __init__(self, name: str, real: Array, made: Array, changes: Mapping[str, Change], shift: float = 0.0) -> None:
        self.name, self.d = name, real.shape[1]
        self._reference, self._real, self._made = real[:REFERENCE], real[REFERENCE:], made
        self.changes, self.candidates = dict(changes), tuple(changes)
        self._mean, self._sd = made.mean(axis=0), made.std(axis=0)
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        directions = rng.normal(size=(2, self.d)) * self._sd
        self._direction, common = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        self._shift = shift * common
        self._axis = int(rng.integers(8))

    def sample(self, n: int, rng: np.random.Generator) -> list[Array]:
        """Real, baseline and one set a candidate, each of shape (n, d)."""
        rows = rng.integers(len(self._made), size=n)
        sets = [self._real[rng.integers(len(self._real), size=n)]]
        return sets + [self._made_by(each, rows, rng) for each in (Change(), *self.changes.values())]

    def design(self, n: int) -> SamplingDesign:
        return beside_real(n, n, 1 + len(self.candidates))

    def exact(self, candidate: str) -> float | None:
        """E[dFID@n] where it follows from the moments, at any n: of a candidate that is the baseline, or shifted.

        What the two draw has one distribution, so that their covariance terms have one expectation, and
        E|m_c - m_r|^2 - E|m_b - m_r|^2 is |s|^2 + 2 s'(mu_b - mu_r) for the shift s.
        """
        change = self.changes[candidate]
        if change != Change(shift=change.shift):
            return None
        shift = change.shift * self._direction
        return float(shift @ shift + 2 * shift @ (self._mean + self._shift - self._real.mean(axis=0)))

    @functools.cached_property
    def axes(self) -> ReferenceAxes:
        return reference_axes(self._reference)

    def block_fids(self) -> list[float]:
        """The block FID of the distributions: of the baseline, then of each candidate."""
        axes = self.axes
        real = _moments(axes.coordinates(self._real))
        changes = (Change(), *self.changes.values())
        return [_block_distance(real, self._moments_of(each, axes), axes) for each in changes]

    def _made_by(self, change: Change, rows: Rows, rng: np.random.Generator) -> Array:
        n = len(rows)
        allowed = self._allowed(change)
        if change.dropped:
            # What the candidate never makes it replaces by what it can make.
            rows = np.where(np.isin(rows, allowed), rows, rng.choice(allowed, size=n))
        images: Array = self._mean + change.scale * (self._made[rows] - self._mean)
        images += _MADE * (self._made[rng.integers(len(self._made), size=n)] - self._mean)
        if change.noise:
            images += change.noise * self._sd * rng.normal(size=(n, self.d))
        images += self._shift + change.shift * self._direction
        return images

    def _allowed(self, change: Change) -> Rows:
        if not change.dropped:
            return np.arange(len(self._made))
        return self._order[: len(self._order) - round(change.dropped * len(self._order))]

    @functools.cached_property
    def _order(self) -> Rows:
        """The stored images along one of the reference's first principal axes."""
        axis = np.linalg.svd(self._reference - self._reference.mean(axis=0), full_matrices=False)[2][self._axis]
        return np.argsort((self._made - self._mean) @ axis)

    def _moments_of(self, change: Change, axes: ReferenceAxes) -> tuple[Array, Array]:
        mean, covariance = _moments(axes.coordinates(self._made[self._allowed(change)]))
        _, made = _moments(axes.coordinates(self._made))
        noise = axes.axes.T @ (np.square(change.noise * self._sd)[:, None] * axes.axes)
        centre = self._mean @ axes.axes
        mean = centre + change.scale * (mean - centre)
        mean = mean + (self._shift + change.shift * self._direction) @ axes.axes
        return mean, change.scale**2 * covariance + _MADE**2 * made + noise


def cifar10(file: Path, d: int, name: str, changes: Mapping[str, Change], shift: float = 0.0) -> RealFeatures:
    """CIFAR-10's features from a file with `train` and `test`; of fewer than all features, the reference's axes."""
    with np.load(file, allow_pickle=False) as archive:
        real, made = (archive[part].astype(np.float64) for part in ("train", "test"))
    if d < real.shape[1]:
        mean = real[:REFERENCE].mean(axis=0)
        axes = np.linalg.svd(real[:REFERENCE] - mean, full_matrices=False)[2][:d].T
        real, made = (real - mean) @ axes, (made - mean) @ axes
    return RealFeatures(name, real, made, changes, shift)


def _moments(rows: Array) -> tuple[Array, Array]:
    """Mean and covariance of an empirical distribution: ddof = 0."""
    mean = rows.mean(axis=0)
    return mean, (rows - mean).T @ (rows - mean) / len(rows)


def _block_distance(real: tuple[Array, Array], made: tuple[Array, Array], axes: ReferenceAxes) -> float:
    """Block FID of moments in the axes' coordinates."""
    total = float(np.square(real[0] - made[0]).sum() + np.trace(real[1]) + np.trace(made[1]))
    for start in range(0, axes.spanned, axes.block):
        block = slice(start, min(start + axes.block, axes.spanned))
        total -= 2 * trace_sqrt_of_covariances(real[1][block, block], made[1][block, block])
    rest = [np.trace(each[1][axes.spanned :, axes.spanned :]) for each in (real, made)]
    return total - 2 * math.sqrt(max(rest[0], 0.0) * max(rest[1], 0.0))
