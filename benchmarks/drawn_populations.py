"""Populations whose parameters all come from a seed, for estimands whose truth separate draws give."""

from __future__ import annotations

import math
import zlib
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from p2phd_eval.stats.design import Block, SamplingDesign

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Kind = Literal["lognormal", "t5", "sparse-relu", "modes-dropped", "memorising", "label-effect"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Layout = Literal["pairs", "unpaired", "clusters", "unequal"]

_MODES = 12
_LABEL_DIMS = 6


class Drawn:
    """Real images and those of two generators, all parameters of which are drawn at random from the name.

    An image has noise of a kind (below), scaled to a drawn spectrum k^-decay, and the effect of its label map: a vector
    that moves the three images of a label map alike, but for what differs between the generators. Each generator has
    other scales, is turned by another reflection, so that covariances do not commute, and has another mean.

    Parameters
    ----------
    kind : str
        "lognormal": skewed in each feature; "t5": all features of an image share the scale of a multivariate t with
        5 degrees of freedom; "sparse-relu": what lies above a threshold of each feature, else 0; "modes-dropped": 12
        modes of unequal weight, of which the candidate makes some only; "memorising": the candidate draws from a bank
        of 8 to 40 images; "label-effect": half of the variance and more is the label map's.
    d : int
        Number of features.
    layout : {"pairs", "unpaired", "clusters", "unequal"}
        Three images a label map; three independent sets; label maps in few clusters of unequal size; or baseline and
        candidate in pairs beside an independent real set of another size.
    clusters : int, optional
        Number of clusters of that layout.
    """

    candidates = ("candidate",)

    def __init__(self, kind: Kind, d: int, layout: Layout, clusters: int | None = None) -> None:
        self.name = f"{kind}-{layout}" if clusters is None else f"{kind}-{clusters}-{layout}"
        self.kind, self.d, self.layout, self._clusters = kind, d, layout, clusters
        rng = np.random.default_rng([zlib.crc32(self.name.encode()), d])
        roots = np.arange(1.0, d + 1) ** (-rng.uniform(0.3, 1.5) / 2)
        self._roots = roots * math.sqrt(d) / np.linalg.norm(roots)
        # What a generated image shares with the real one, and what two generated ones share beside that.
        self._shared, self._made = rng.uniform(0.1, 0.5), rng.uniform(0.1, 0.4)
        self._within_cluster = rng.uniform(0.05, 0.3) if clusters else 0.0
        self._real_to_fake = float(rng.choice([0.4, 0.6, 2.0, 4.0])) if layout == "unequal" else 1.0
        self._skew = rng.uniform(0.3, 0.8)
        self._thresholds = rng.uniform(0.5, 1.8, size=d) * self._roots
        weights = rng.dirichlet(np.full(_MODES, 2.0))
        self._mode_weights = [weights, weights, np.where(rng.permutation(_MODES) < rng.integers(1, 4), 0, weights)]
        self._modes = rng.uniform(0.4, 1.0) * rng.normal(size=(_MODES, d)) * self._roots
        of_label = rng.uniform(0.5, 0.9) if kind == "label-effect" else rng.uniform(0.02, 0.15)
        loadings = rng.normal(size=(_LABEL_DIMS, d)) * self._roots * math.sqrt(of_label / (1 - of_label) / _LABEL_DIMS)
        self._loadings = [loadings * (1 + rng.uniform(0, 0.3) * rng.normal(size=d)) for _ in range(3)]
        ones = np.ones(d)
        self._scales = [ones, *(np.exp(rng.uniform(0.02, 0.2) * rng.normal(size=d)) for _ in range(2))]
        self._scales[2] = self._scales[2] * rng.uniform(0.85, 1.15)
        self._shifts = [0 * ones, *(self._direction(rng) * math.sqrt(d * rng.uniform(0, 0.05)) for _ in range(2))]
        self._normals = [0 * ones, *(self._direction(rng) for _ in range(2))]
        self._bank = self._images(int(rng.integers(8, 41)), rng, (2,))[0] if kind == "memorising" else None

    def sample(self, n: int, rng: np.random.Generator) -> list[Array]:
        """Draw real images, a baseline's and a candidate's: n of each but of the real ones where sizes are unequal."""
        if self.layout in ("pairs", "clusters"):
            sets = self._images(n, rng, codes=self._codes(n))
        elif self.layout == "unequal":
            sets = [*self._images(self._n_real(n), rng, (0,)), *self._images(n, rng, (1, 2))]
        else:
            sets = [self._images(n, rng, (k,))[0] for k in range(3)]
        if self._bank is not None:
            sets[2] = self._bank[rng.integers(len(self._bank), size=n)]
        return sets

    def design(self, n: int) -> SamplingDesign:
        if self.layout == "unpaired":
            return SamplingDesign.independent([n, n, n])
        if self.layout == "unequal":
            return beside_real(self._n_real(n), n, 2)
        return SamplingDesign.paired(n, 3, self._codes(n))

    def _n_real(self, n: int) -> int:
        return round(self._real_to_fake * n)

    def _codes(self, n: int) -> Rows | None:
        """The cluster of each label map; sizes are unequal and do not change from sample to sample."""
        if self._clusters is None:
            return None
        rng = np.random.default_rng([zlib.crc32(self.name.encode()), n])
        shares = np.exp(0.7 * rng.normal(size=self._clusters))
        own = 2 * self._clusters  # no cluster has fewer than two
        extra = rng.choice(self._clusters, size=n - own, p=shares / shares.sum())
        return np.sort(np.concatenate((np.repeat(np.arange(self._clusters), 2), extra)))

    def _direction(self, rng: np.random.Generator) -> Array:
        direction = rng.normal(size=self.d) * self._roots
        return np.asarray(direction / np.linalg.norm(direction))

    def _images(
        self, n: int, rng: np.random.Generator, sets: tuple[int, ...] = (0, 1, 2), codes: Rows | None = None
    ) -> list[Array]:
        """Images of n label maps, of the real set (0) and the two generators."""

        def normal(columns: int) -> Array:
            own = rng.normal(size=(n, columns))
            if codes is None:
                return own
            of_cluster = rng.normal(size=(codes[-1] + 1, columns))[codes]
            return math.sqrt(self._within_cluster) * of_cluster + math.sqrt(1 - self._within_cluster) * own

        scene, made, label = normal(self.d), normal(self.d), normal(_LABEL_DIMS)
        scale = np.sqrt(3 / rng.chisquare(5, size=(n, 1)))  # of a t with 5 degrees of freedom and variance 1
        images = []
        for k in sets:
            common = self._shared + (self._made if k else 0)
            noise = math.sqrt(self._shared) * scene + math.sqrt(1 - common) * rng.normal(size=(n, self.d))
            if k:
                noise += math.sqrt(self._made) * made
            values = self._of_kind(noise, scale) * self._roots + label @ self._loadings[k]
            if self.kind == "modes-dropped":
                weights = self._mode_weights[k]
                values += self._modes[rng.choice(_MODES, size=n, p=weights / weights.sum())]
            values *= self._scales[k]
            values -= 2 * np.outer(values @ self._normals[k], self._normals[k])
            if self.kind == "sparse-relu":
                values = np.maximum(values - self._thresholds, 0)
            images.append(values + self._shifts[k])
        return images

    def _of_kind(self, noise: Array, scale: Array) -> Array:
        if self.kind == "lognormal":
            variance = self._skew**2
            values = np.exp(self._skew * noise) - math.exp(variance / 2)
            return np.asarray(values / math.sqrt(math.expm1(variance) * math.exp(variance)))
        return scale * noise if self.kind == "t5" else noise


def beside_real(n_real: int, n: int, fakes: int) -> SamplingDesign:
    """The design of generated sets that share n label maps, beside an independent set of real images."""
    real = Block(sets=(0,), cluster_of=np.arange(n_real))
    return SamplingDesign([real, Block(sets=tuple(range(1, fakes + 1)), cluster_of=np.arange(n))])
