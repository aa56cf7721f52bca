"""How the images of several sets were drawn: which rows belong together, and which images of a cluster are alike.

Everything that treats images as random rests on it: standard errors sum the influences of what was drawn together,
splits keep it together, and resamples draw it together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.stats.feature_arrays import checked_features, require_equal_dims

Rows = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Block:
    """Sets of which row i comes from the same draw, such as one label map, and the clusters of these draws."""

    sets: tuple[int, ...]  # positions of the sets; 0 holds the real images
    cluster_of: Rows  # (n,), the cluster of row i, 0 to G - 1; without clusters each row is its own

    @property
    def n(self) -> int:
        """Number of images in each of the sets."""
        return len(self.cluster_of)

    @property
    def clusters(self) -> int:
        """Number of clusters G; n where each image is its own."""
        return len(self.counts)

    @cached_property
    def counts(self) -> Rows:
        """How many images each cluster holds, (G,)."""
        return np.bincount(self.cluster_of)

    @cached_property
    def shares(self) -> npt.NDArray[np.float64]:
        """Which share of the images each cluster holds, (G,)."""
        shares: npt.NDArray[np.float64] = self.counts / self.n
        return shares

    @cached_property
    def df_of_sizes(self) -> float:
        """Degrees of freedom of a variance over clusters of these sizes."""
        return _df_of_sizes(self.shares)

    def totals(self, influences: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Sum the influences (n,) of each cluster, (G,)."""
        return np.bincount(self.cluster_of, weights=influences).astype(np.float64)

    def pulls(self, totals: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return how each cluster pulls on an estimate, from its influences' totals (..., G); see `standard_error`."""
        pulls: npt.NDArray[np.float64] = totals / np.sqrt(1 - self.shares) / self.n
        return pulls

    def variance(self, totals: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the variance of an estimate from its influences' totals (..., G); see `standard_error`."""
        variance: npt.NDArray[np.float64] = np.square(self.pulls(totals)).sum(axis=-1)
        return variance


@dataclasses.dataclass(frozen=True, kw_only=True)
class StandardError:
    """Standard error of an estimate whose images are random."""

    value: float  # in units of the estimate
    df: float  # degrees of freedom of its t quantiles (Welch and Satterthwaite where blocks are independent)


class SamplingDesign:
    """Blocks of sets that were drawn together.

    `blocks`: each of the sets 0, 1, ... stands in exactly one. `shared_clusters`: whether cluster g of all blocks is
    one draw, such as one condition of which some sets have a photo and others several samples; each block then has
    images of all clusters. Otherwise the blocks are independent.
    """

    def __init__(self, blocks: Sequence[Block], *, shared_clusters: bool = False) -> None:
        self.blocks = tuple(blocks)
        self.shared_clusters = shared_clusters
        sizes = {position: block.n for block in self.blocks for position in block.sets}
        self.sizes = tuple(sizes[position] for position in range(len(sizes)))
        #: Blocks whose clusters are drawn together; others are independent of them.
        self._draws = (self.blocks,) if shared_clusters else tuple((block,) for block in self.blocks)

    @classmethod
    def paired(cls, n: int, sets: int, clusters: npt.ArrayLike | None = None) -> SamplingDesign:
        """All sets share n label maps; `clusters`, of shape (n,), holds any label of each one's cluster."""
        return cls([Block(sets=tuple(range(sets)), cluster_of=cluster_codes(clusters, n))])

    @classmethod
    def independent(cls, sizes: Sequence[int]) -> SamplingDesign:
        """Sets of these numbers of images that have nothing in common."""
        return cls([Block(sets=(k,), cluster_of=np.arange(n)) for k, n in enumerate(sizes)])

    @classmethod
    def by_condition(cls, real: npt.ArrayLike, generated: npt.ArrayLike, sets: int) -> SamplingDesign:
        """Real photos and samples of the same conditions, any number of each.

        `real`, of shape (n_r,), and `generated`, (n,), hold the condition of each image, or any label of the cluster
        that its condition is in; row i of all `sets` - 1 generated sets is one sample. Raises `InputError` if a
        condition has no photo or no sample.
        """
        codes = shared_cluster_codes([real, generated])
        blocks = [Block(sets=(0,), cluster_of=codes[0]), Block(sets=tuple(range(1, sets)), cluster_of=codes[1])]
        return cls(blocks, shared_clusters=True)

    @property
    def clusters(self) -> int:
        """Number of clusters of the block with the fewest."""
        return min(block.clusters for block in self.blocks)

    @property
    def clustered(self) -> bool:
        """Whether some cluster holds more than one image of a set."""
        return any(block.clusters < block.n for block in self.blocks)

    @property
    def quarters(self) -> bool:
        """Whether every quarter of a `split` has at least two images of each set, and as many clusters."""
        if self.shared_clusters:  # two clusters in a row, the middle of each, fit into any quarter
            sizes = _mean_sizes(self.blocks)
            return bool(8 * sizes.max() <= sizes.sum())
        # A quarter lacks at most half of the clusters at both of its ends.
        return all(block.clusters >= 8 and 6 * block.counts.max() <= block.n for block in self.blocks)

    @property
    def unit(self) -> str:
        """What is counted as one draw, for messages."""
        return "clusters" if self.clustered else "images"

    def drawn_together(self, sets: Sequence[int]) -> bool:
        """Whether row i of all these sets comes from one draw."""
        return any(set(sets) <= set(block.sets) for block in self.blocks)

    def block_of(self, position: int) -> Block:
        """Return the block in which a set stands."""
        (block,) = (block for block in self.blocks if position in block.sets)
        return block

    def subset(self, sets: Sequence[int]) -> SamplingDesign:
        """The design of the real set and of these generated sets, in this order."""
        place = {0: 0, **{position: k for k, position in enumerate(sets, start=1)}}
        kept = [(tuple(place[k] for k in block.sets if k in place), block.cluster_of) for block in self.blocks]
        return SamplingDesign(
            [Block(sets=sets, cluster_of=cluster_of) for sets, cluster_of in kept if sets],
            shared_clusters=self.shared_clusters,
        )

    def standard_error(self, influences: Sequence[npt.NDArray[np.float64]]) -> StandardError:
        """Standard error of an estimate from the influence of each image of each set on it.

        With delta_i the sum of the influences of row i over the sets of a block, the block's variance is

            sum_g (sum_{i in g} delta_i)^2 / (n (n - n_g)),

        for G equal clusters G/(G - 1) sum_g (...)^2 / n^2 and for clusters of one image Var(delta)/n. The influences
        have mean 0 over the sample, so that the total of a large cluster is too near 0, for which n_g makes up.

        Where blocks b share their clusters, cluster g pulls on the estimate by all its images, and the variance is

            sum_g [sum_b sum_{i in g} delta_bi / sqrt(n_b (n_b - n_bg))]^2,

        the same where all blocks have the same share of their images in a cluster.

        Its degrees of freedom are those of a chi-square variable with the same coefficient of variation: as images of
        equal variance in clusters of these sizes would have it, G - 1 for equal clusters; or, where that is less,
        2 G / (kurtosis - 1), since heavy tails make the standard error itself uncertain. Of blocks that share their
        clusters the sizes are those that give the fewest. The variances of independent blocks add up.

        `influences`, sequence of ndarray, each of shape (n_k,): a number for each image of set k; mean 0, in units of
        the estimate.

        References
        ----------
        Bell and McCaffrey (2002), "Bias reduction in standard errors for linear regression with multi-stage samples"
        (the variance is their CR2, of a regression on the sets), and Imbens and Kolesár (2016), for few or unequal
        clusters; Satterthwaite (1946).
        """
        variances = []
        for draw in self._draws:
            totals = [block.totals(np.sum([influences[k] for k in block.sets], axis=0)) for block in draw]
            pairs = list(zip(draw, totals, strict=True))
            pulls: npt.NDArray[np.float64] = np.sum([block.pulls(each) for block, each in pairs], axis=0)
            tails = _df_of_tails(np.sum([each / block.n for block, each in pairs], axis=0))
            variances.append((float(pulls @ pulls), min(*(block.df_of_sizes for block in draw), tails)))
        return combine_variances(variances)

    def split(self, rng: np.random.Generator, parts: int) -> list[list[Rows]]:
        """Cut all sets at random into complementary parts of about the same size, whole clusters together.

        For each part the result has the rows of each set, int64. Parts 2k and 2k + 1 of a cut into 2 p parts make up
        part k of a cut into p.
        """
        cuts: list[list[Rows]] = [[np.empty(0, dtype=np.int64)] * len(self.sizes) for _ in range(parts)]
        for draw in self._draws:
            order = rng.permutation(draw[0].clusters)
            sizes = _mean_sizes(draw)[order]
            # The part in which the middle of a cluster falls.
            part_of_cluster = ((np.cumsum(sizes) - sizes / 2) * parts // sizes.sum()).astype(np.int64)
            part_of = np.empty(draw[0].clusters, dtype=np.int64)
            part_of[order] = part_of_cluster
            for block in draw:
                part_of_row = part_of[block.cluster_of]
                for part in range(parts):
                    rows = np.flatnonzero(part_of_row == part)
                    for position in block.sets:
                        cuts[part][position] = rows
        return cuts

    def order(self, rng: np.random.Generator) -> list[Rows]:
        """Return the rows of each set, int64 (n_k,), in a random order in which those of a cluster follow each other.

        Clusters that several sets have come in the same order in all of them.
        """
        orders: list[Rows] = [np.empty(0, dtype=np.int64)] * len(self.sizes)
        for draw in self._draws:
            place = np.empty(draw[0].clusters, dtype=np.int64)
            place[rng.permutation(draw[0].clusters)] = np.arange(draw[0].clusters)
            for block in draw:
                rows = np.argsort(place[block.cluster_of], kind="stable")
                for position in block.sets:
                    orders[position] = rows
        return orders

    def draw(self, rng: np.random.Generator) -> list[Rows]:
        """Draw clusters with replacement, as many as there are.

        The result says how often each image of each set was drawn, int64 of shape (n_k,).
        """
        counts: list[Rows] = [np.empty(0, dtype=np.int64)] * len(self.sizes)
        for draw in self._draws:
            clusters = draw[0].clusters
            drawn = np.bincount(rng.integers(clusters, size=clusters), minlength=clusters)
            for block in draw:
                for position in block.sets:
                    counts[position] = drawn[block.cluster_of]
        return counts


def combine_variances(parts: Sequence[tuple[float, float]]) -> StandardError:
    """The standard error whose square is the sum of independent variances, each with its degrees of freedom.

    df = (sum v)^2 / sum(v^2 / df), the formula of Welch and Satterthwaite; without any variance, the smallest df.

    `parts`, sequence of (variance, df): in squared units of the estimate.
    """
    variance = sum(v for v, _ in parts)
    if variance == 0:
        return StandardError(value=0.0, df=min(df for _, df in parts))
    # Shares first: the squares of tiny variances would vanish.
    return StandardError(value=float(np.sqrt(variance)), df=1 / sum((v / variance) ** 2 / df for v, df in parts))


def require_pairs(n: int, other: int) -> None:
    """Raise InputError unless two sets that are taken as pairs have the same number of images."""
    if n != other:
        raise InputError(
            "paired sets",
            expected="the same number of images, row i of each from one label map",
            found=f"{n} and {other}",
        )


def _mean_sizes(draw: Sequence[Block]) -> Rows:
    """How large each cluster is in the mean over blocks of any number of images, (G,), in whole numbers: exactly."""
    whole = int(np.lcm.reduce([block.n for block in draw]))
    sizes: Rows = np.sum([block.counts * (whole // block.n) for block in draw], axis=0)
    return sizes


def _df_of_sizes(shares: npt.NDArray[np.float64]) -> float:
    """Degrees of freedom of the variance of a mean of independent images, from the clusters' shares p_g of them.

    With T_g = sum_{i in g} (x_i - mean) in the variance, sum_g T_g^2 / (1 - p_g), scaled T_g have the covariance
    B = diag(p) less q_g q_h off the diagonal, q^2 = p^2 / (1 - p), and the variance has (Tr B)^2 / Tr B^2 of them.
    """
    weights = np.square(shares) / (1 - shares)
    return float(1 / (shares @ shares + weights.sum() ** 2 - weights @ weights))


def _df_of_tails(totals: npt.NDArray[np.float64]) -> float:
    """Degrees of freedom of a mean square, 2 G / (kurtosis - 1), by Satterthwaite's matching of two moments."""
    largest = float(np.abs(totals).max())
    if largest == 0:
        return float("inf")
    squares = np.square(totals / largest)
    excess = float(np.mean(squares**2) / np.mean(squares) ** 2) - 1
    return 2 * len(totals) / excess if excess > 0 else float("inf")


def cluster_codes(clusters: npt.ArrayLike | None, n: int) -> Rows:
    """Number the clusters 0 to G - 1 in the order of their labels.

    `clusters`: any label, such as a city, for each of `n` images; None: each image is its own cluster. Raises
    `InputError` if there is not one label an image, or fewer than two clusters.
    """
    if clusters is None:
        return np.arange(n)
    labels = np.asarray(clusters)
    if labels.shape != (n,):
        raise InputError("clusters", expected=f"one label for each of {n} images", found=f"shape {labels.shape}")
    names, codes = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        raise InputError(
            "clusters",
            expected="at least 2 clusters: they are the draws that a standard error counts",
            found=f"all {n} images in {names[0]!s}",
            fix="Give a finer rule, or none.",
        )
    return codes.astype(np.int64)


def shared_cluster_codes(clusters: Sequence[npt.ArrayLike]) -> list[Rows]:
    """Number clusters that several sets have in common, 0 to G - 1 in the order of their labels.

    `clusters`: for each set any label, such as a condition, of each of its images. Raises `InputError` if there are
    fewer than two clusters, or a set lacks one that another has.
    """
    labels = [np.asarray(each) for each in clusters]
    everything = np.concatenate(labels)
    codes = cluster_codes(everything, len(everything))
    parts = np.split(codes, np.cumsum([len(each) for each in labels])[:-1])
    for part in parts:
        lacking = np.setdiff1d(codes, part)
        if len(lacking):
            label = everything[np.flatnonzero(codes == lacking[0])[0]]
            raise InputError(
                "clusters",
                expected="images of the same clusters in all sets that share them",
                found=f"a set without {label!s}",
                fix="Leave out the images of clusters that a set lacks.",
            )
    return parts


def checked_sets(sets: Sequence[npt.ArrayLike], design: SamplingDesign) -> list[npt.NDArray[Any]]:
    """Check that real and generated features can be used and fit each other and the design; dtypes stay (no copy).

    `sets`, sequence of array_like, each of shape (n_k, d): the real images first. Raises `InputError` if a set cannot
    be used, or numbers of images or features do not fit.
    """
    values = [checked_features(each, f"generated set {k}" if k else "real") for k, each in enumerate(sets)]
    for fake in values[1:]:
        require_equal_dims(values[0], fake)
    sizes = tuple(len(each) for each in values)
    if sizes != design.sizes:
        raise InputError("sets", expected=f"sets of {design.sizes} images, as the design says", found=f"{sizes}")
    return values


def checked_contrasts(contrasts: npt.ArrayLike, sets: int) -> npt.NDArray[np.float64]:
    """Check weights of shape (C, K): C contrasts of K generated sets, all finite."""
    weights = np.asarray(contrasts, dtype=np.float64)
    if weights.ndim != 2 or weights.shape[1] != sets or not np.isfinite(weights).all():
        raise InputError(
            "contrasts",
            expected=f"rows of {sets} finite weights, one for each generated set",
            found=f"shape {weights.shape}" if np.isfinite(weights).all() else "NaN or infinity",
        )
    return weights


def first_equal(values: Sequence[npt.NDArray[Any]], design: SamplingDesign) -> list[int]:
    """For each generated set the first that equals it and was drawn together with it, at the latest itself.

    What is computed for such sets must be computed once: twice, rounding would look like a difference.
    """
    return [next(j for j in range(1, k + 1) if j == k or _same(values, design, j, k)) for k in range(1, len(values))]


def cancelled(weights: npt.ArrayLike, equal: Callable[[int, int], bool]) -> npt.NDArray[np.float64]:
    """Move the weight (K,) of each set onto the first that is equal to it, so that what cancels out leaves no rounding.

    `equal`: whether set j, the earlier, and set k are the same.
    """
    totals = np.array(weights, dtype=np.float64)
    # Weights such as 1/3 add up to 0 but for rounding.
    rounding = 1e-12 * np.abs(totals).max()
    for k in np.flatnonzero(totals).tolist():
        first = next((j for j in range(k) if equal(j, k)), None)
        if first is not None:
            totals[first] += totals[k]
            totals[k] = 0.0
    totals[np.abs(totals) <= rounding] = 0.0
    return totals


def _same(values: Sequence[npt.NDArray[Any]], design: SamplingDesign, j: int, k: int) -> bool:
    return design.drawn_together((j, k)) and bool(np.array_equal(values[j], values[k]))
