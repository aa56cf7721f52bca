"""Where a difference of FIDs comes from: means or covariances, which images, which clusters, which classes."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from p2phd_eval.errors import InputError
from p2phd_eval.stats.confidence import t_tail
from p2phd_eval.stats.design import Block, Rows, SamplingDesign, cluster_codes
from p2phd_eval.stats.errors.influence import FidInfluence
from p2phd_eval.stats.verdicts.equivalence import holm

_Values = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassShares:
    """The share of the pixels of each class in each label map."""

    shares: npt.NDArray[np.float64]  # (n, C), in [0, 1]; rows sum to 1
    names: tuple[str, ...]  # what the C classes are called


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageInfluence:
    """One label map: its real image and the images that were made from it."""

    id: str
    influence: float  # change of dFID from having drawn it, to first order; sums to 0 over all
    contribution: float  # its term in dFID; sums to dFID over all


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClusterPart:
    """What the images of a cluster have to do with dFID."""

    name: str
    images: int
    share: float  # the cluster's part of all images
    contribution: float  # sum of its images' terms; sums to dFID over all clusters
    change_without: float  # change of dFID if the cluster were left out, to first order


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassPart:
    """What a class of the label maps has to do with dFID."""

    name: str
    share: float  # the class's part of a label map's pixels, mean over all maps
    contribution: float  # each image's term divided among its classes by their pixels; sums to dFID over all classes
    correlation: float | None  # Spearman's, of share and influence over the images; None where one of them is constant
    p_holm: float | None  # p-value of no correlation, adjusted for the number of classes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Explanation:
    """Where dFID at n comes from. Positive: the candidate is worse. All in squared feature units."""

    dfid: float  # mean_part + covariance_part
    mean_part: float  # difference of |m_r - m_g|^2
    mean_part_se: float  # images random, like the next
    covariance_part: float  # difference of Tr S_r + Tr S_g - 2 Tr (S_r S_g)^(1/2)
    covariance_part_se: float
    upward: tuple[ImageInfluence, ...]  # those that make dFID larger, the strongest first
    downward: tuple[ImageInfluence, ...]  # those that make it smaller, the strongest first
    clusters: tuple[ClusterPart, ...]  # largest contribution first; empty without clusters
    classes: tuple[ClassPart, ...]  # largest correlation first; empty without label maps


def explain_dfid(
    influences: Sequence[FidInfluence],
    weights: Sequence[float],
    design: SamplingDesign,
    *,
    ids: Sequence[str] | None = None,
    rows_of: Sequence[Rows] | None = None,
    clusters: Sequence[str] | None = None,
    class_shares: ClassShares | None = None,
    top: int = 8,
) -> Explanation:
    """Take dFID = sum_k weights_k FID(real, set k) apart.

    The FID is a sum of terms of its images (see `fid_influence`). Where row i of all sets is one label map, dFID is
    therefore (1/n) sum_i c_i, with c_i the terms of the real image and of the images made from it; parts of sets of
    images are sums over them, exactly. (It is one way of dividing the FID among images: others exist.) How dFID
    changes where an image is drawn or not is another question, that of its influence delta_i: leaving image i out
    changes dFID by about -delta_i/(n - 1), leaving out a cluster g of n_g images by -sum_{i in g} delta_i/(n - n_g).

    Where sets have several images of label map i, such as samples, their means are its terms: c_i and delta_i are then
    n times the sum over sets k of those of its images, each over n_k.

    A class has no term of its own, since a feature is one of the whole image. Dividing c_i by pixels is pro rata
    and says nothing about causes; where the effect lives is better seen from the rank correlation of the class's
    share with delta_i. Its p-value is that of the score sum_i u_i, u_i the product of the standardised ranks, with the
    (clustered) standard error of `SamplingDesign`.

    Raises `InputError` if numbers do not fit each other, or images are to be explained of sets that are not paired.

    Parameters
    ----------
    influences : sequence of FidInfluence
        One for each generated set, all against the same real images.
    weights : sequence of float
        -1/S for each of the baseline's S runs, 1/S' for each of the candidate's S', 0 for others.
    design : SamplingDesign
        How the real set and all generated sets were drawn.
    ids : sequence of str, optional
        The n label maps, or conditions, in the order of the rows. None explains the parts of mean and covariance
        alone, all that can be had where the sets are not paired.
    rows_of : sequence of ndarray of int64, each of shape (n_k,), optional
        For each set, the real one first, which of `ids` each row belongs to. None: row i of all sets belongs to id i.
    clusters : sequence of str, optional
        The cluster, such as the city, of each label map.
    class_shares : ClassShares, optional
        One for each of the n label maps.
    top : int
        How many images to name in each direction.
    """
    used = [k for k, weight in enumerate(weights, start=1) if weight]
    if len(weights) != len(influences) or len(design.sizes) != 1 + len(influences) or not used:
        raise InputError(
            "weights",
            expected=f"one for each of {len(influences)} generated sets, as in the design, and not all 0",
            found=f"{len(weights)}, of a design of {len(design.sizes)} sets with the real one",
        )
    terms = _terms(influences, weights)
    # The derivative of |m_r - m_g|^2 is twice the image's term, that of the covariance part once; see `fid_influence`.
    pulls = [(each - each.mean(axis=0)) * (2.0, 1.0) for each in terms]
    mean_part, covariance_part = (float(part) for part in np.sum([each.mean(axis=0) for each in terms], axis=0))
    errors = [design.standard_error([each[:, part] for each in pulls]).value for part in (0, 1)]
    upward: tuple[ImageInfluence, ...] = ()
    downward: tuple[ImageInfluence, ...] = ()
    cluster_parts: tuple[ClusterPart, ...] = ()
    class_parts: tuple[ClassPart, ...] = ()
    if ids is not None:
        if rows_of is None:
            rows = _rows_of_pairs(design, used, len(ids))
            rows_of = [np.arange(len(ids))] * len(design.sizes)
        else:
            rows = SamplingDesign([Block(sets=(0,), cluster_of=cluster_codes(clusters, len(ids)))])
        contribution, delta = (
            np.sum([_by_id(each[k].sum(axis=1), rows_of[k], len(ids)) for k in (0, *used)], axis=0)
            for each in (terms, pulls)
        )
        upward = _strongest(ids, delta, contribution, top)
        downward = _strongest(ids, -delta, contribution, top, sign=-1)
        if clusters is not None:
            cluster_parts = _clusters(clusters, delta, contribution)
        if class_shares is not None:
            class_parts = _classes(class_shares, delta, contribution, rows)
    return Explanation(
        dfid=mean_part + covariance_part,
        mean_part=mean_part,
        mean_part_se=errors[0],
        covariance_part=covariance_part,
        covariance_part_se=errors[1],
        upward=upward,
        downward=downward,
        clusters=cluster_parts,
        classes=class_parts,
    )


def _terms(influences: Sequence[FidInfluence], weights: Sequence[float]) -> list[_Values]:
    """The terms (n_k, 2) of each set, real first, in dFID: their column means add up to its two parts."""
    pairs = list(zip(weights, influences, strict=True))
    real: _Values = np.sum([weight * each.real_terms for weight, each in pairs], axis=0)
    return [real, *(weight * each.fake_terms for weight, each in pairs)]


def _by_id(values: _Values, rows: Rows, n: int) -> _Values:
    """Sum values (n_k,) of images by what they belong to, so that the mean of the sums (n,) is that of the values."""
    sums = np.bincount(rows, weights=values, minlength=n).astype(np.float64)
    return sums * (n / len(values))


def _rows_of_pairs(design: SamplingDesign, used: Sequence[int], n: int) -> SamplingDesign:
    """The design of one value a label map."""
    block = next((each for each in design.blocks if {0, *used} <= set(each.sets)), None)
    if block is None or block.n != n:
        raise InputError(
            "explanation of images",
            expected=f"paired sets of {n} images, row i of each from one label map",
            found="sets that are not paired" if block is None else f"{block.n} images in each",
            fix="Leave out ids: the parts of mean and covariance are explained without.",
        )
    return SamplingDesign([Block(sets=(0,), cluster_of=block.cluster_of)])


def _strongest(
    ids: Sequence[str], pull: _Values, contribution: _Values, top: int, sign: int = 1
) -> tuple[ImageInfluence, ...]:
    """The images of the largest positive pull; `sign` gives their influence its own sign back."""
    order = np.argsort(-pull, kind="stable")[:top]
    n = len(ids)
    return tuple(
        ImageInfluence(id=ids[i], influence=sign * float(pull[i]) / n, contribution=float(contribution[i]) / n)
        for i in order
        if pull[i] > 0
    )


def _clusters(clusters: Sequence[str], delta: _Values, contribution: _Values) -> tuple[ClusterPart, ...]:
    n = len(delta)
    codes = cluster_codes(clusters, n)
    names, sizes = np.unique(np.asarray(clusters), return_counts=True)
    totals, pulls = (np.bincount(codes, weights=values) for values in (contribution, delta))
    parts = [
        ClusterPart(
            name=str(name),
            images=int(size),
            share=float(size / n),
            contribution=float(total / n),
            change_without=float(-pull / (n - size)),
        )
        for name, size, total, pull in zip(names, sizes, totals, pulls, strict=True)
    ]
    return tuple(sorted(parts, key=lambda part: -part.contribution))


def _classes(
    class_shares: ClassShares, delta: _Values, contribution: _Values, rows: SamplingDesign
) -> tuple[ClassPart, ...]:
    shares, names = class_shares.shares, class_shares.names
    if shares.shape != (len(delta), len(names)) or not np.allclose(shares.sum(axis=1), 1) or shares.min() < 0:
        raise InputError(
            "class shares",
            expected=f"shape ({len(delta)}, {len(names)}), not negative, rows that sum to 1",
            found=f"shape {shares.shape}, sums from {shares.sum(axis=-1).min():g} to {shares.sum(axis=-1).max():g}",
        )
    tests = [_rank_correlation(column, delta, rows) for column in shares.T]
    tested = [k for k, test in enumerate(tests) if test is not None]
    adjusted = dict(zip(tested, holm([test[1] for test in tests if test is not None]), strict=True))
    parts = [
        ClassPart(
            name=name,
            share=float(shares[:, k].mean()),
            contribution=float(shares[:, k] @ contribution / len(delta)),
            correlation=None if test is None else test[0],
            p_holm=adjusted.get(k),
        )
        for k, (name, test) in enumerate(zip(names, tests, strict=True))
    ]
    return tuple(sorted(parts, key=lambda part: -(part.correlation or 0.0)))


def _rank_correlation(a: _Values, b: _Values, rows: SamplingDesign) -> tuple[float, float] | None:
    """Spearman's correlation, and the p-value of none; None where a or b is constant."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    from scipy import stats  # here: its import takes longer than all else that a short command does

    scores = stats.zscore(stats.rankdata(a)) * stats.zscore(stats.rankdata(b))
    correlation = float(scores.mean())
    # Under no association the scores have mean 0, so they are not centred: few images then never look certain.
    error = rows.standard_error([scores])
    return correlation, 2 * t_tail(abs(correlation) / error.value, error.df) if error.value else 1.0
